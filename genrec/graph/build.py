"""Histories to an interest graph: one pass over the events, then sparse arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from genrec.data import Dataset
from genrec.data.co_occurrence import close_pairs
from genrec.data.half_life import decay
from genrec.errors import ConfigError
from genrec.graph.config import GraphConfig
from genrec.graph.event_weights import EventWeights
from genrec.graph.graph import DAY_S, InterestGraph
from genrec.graph.nodes import (
    FOLLOWS,
    INTEREST_WORD,
    ITEM_INTEREST,
    ITEM_WORD,
    PART,
    USER_INTEREST,
    USER_ITEM,
)
from genrec.graph.relation import Relation
from genrec.graph.words.keywords import Keywords, find_keywords
from genrec.schema import History, Item, SemanticId, Split
from genrec.semantic_ids.table import SemanticIdTable

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def build_graph(
    data: Dataset,
    table: SemanticIdTable,
    upto: Split = "train",
    config: GraphConfig | None = None,
) -> InterestGraph:
    """Make the graph of a data set, with its words.

    Args:
        data: Prepared data.
        table: Its semantic IDs.
        upto: The last split whose events count. Later ones would leak into what is evaluated.
        config: See ``GraphConfig``.

    Raises:
        ConfigError: Interests deeper than the IDs.
    """
    config = config or GraphConfig()
    keywords = None
    if config.words_per_interest:
        keywords = find_keywords(data.items, data.histories(upto), table, config.depths)
    return graph_histories(data.histories(upto), table, config, data.items, keywords)


def graph_histories(
    histories: Iterable[History],
    table: SemanticIdTable,
    config: GraphConfig | None = None,
    items: Sequence[Item] = (),
    keywords: Keywords | None = None,
) -> InterestGraph:
    """Make the graph of some histories; each is read once and not kept.

    Args:
        histories: Events, oldest first.
        table: Semantic IDs; items it does not know are nodes without an interest.
        config: See ``GraphConfig``.
        items: Their titles name the items.
        keywords: Words to link; None: the graph has no words.

    Raises:
        ConfigError: Interests deeper than the IDs.
    """
    config = config or GraphConfig()
    if max(config.depths) > table.num_levels:
        raise ConfigError(
            f"no interests of depth {max(config.depths)} in IDs of {table.num_levels} codes; "
            "choose other depths"
        )
    events = _Events.read(histories, table, config)
    interests = sorted({c[:d] for d in config.depths for c in map(tuple, table.codes.tolist())})
    interest_index = {prefix: n for n, prefix in enumerate(interests)}
    of_item = _interests_of_items(table, config, interest_index, len(events.items))
    shape = (len(events.users), len(events.items), len(interests))
    reference = float(events.times.max()) if len(events.times) else None
    weights = events.weights
    if reference is not None:
        with np.errstate(under="ignore"):
            weights = weights * decay(reference - events.times, config.half_life_days * DAY_S)
    words, item_word, interest_word = _link_words(keywords, config, events, interest_index)
    rows, depths = np.nonzero(of_item >= 0)
    matrices = {
        USER_ITEM: _sum(weights, events.user, events.item, shape[:2]),
        USER_INTEREST: _user_interests(weights, events, of_item, shape),
        FOLLOWS: _follows(weights, events, of_item, config.window, shape[2]),
        ITEM_INTEREST: _sum(np.ones(len(rows)), rows, of_item[rows, depths], shape[1:]),
        PART: _parts(interests, interest_index),
        ITEM_WORD: item_word,
        INTEREST_WORD: interest_word,
    }
    return InterestGraph(
        config=config,
        table=table,
        keys={"user": events.users, "item": events.items, "word": words},
        interests=interests,
        relations={name: Relation(matrix) for name, matrix in matrices.items()},
        reference=reference,
        recent=_recent(events, config.window),
        titles={item.item_id: item.label for item in items},
    )


@dataclass
class _Events:
    """Events as arrays, grouped by user, oldest first. Shape of each: (num_events,)."""

    users: list[str]
    items: list[str]
    user: np.ndarray = field(repr=False)
    item: np.ndarray = field(repr=False)
    times: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)

    @classmethod
    def read(
        cls, histories: Iterable[History], table: SemanticIdTable, config: GraphConfig
    ) -> _Events:
        event_weights = EventWeights(config)
        users: dict[str, int] = {}
        items = {item_id: row for row, item_id in enumerate(table.item_ids)}
        user, item, times, weights = array("i"), array("i"), array("q"), array("d")
        for history in histories:
            number = users.setdefault(history.user_id, len(users))
            for event in history.events:
                user.append(number)
                item.append(items.setdefault(event.item_id, len(items)))
                times.append(event.timestamp)
                weights.append(event_weights.weigh(event))
        return cls(
            list(users),
            list(items),
            np.array(user, np.int32),
            np.array(item, np.int32),
            np.array(times, np.int64),
            np.array(weights, np.float64),
        )


def _sum(
    weights: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]
) -> csr_array:
    """Return the sums of the weights of equal pairs."""
    from scipy.sparse import coo_array

    coordinates = (rows.astype(np.int32), columns.astype(np.int32))
    return coo_array((weights, coordinates), shape=shape).tocsr()


def _interests_of_items(
    table: SemanticIdTable,
    config: GraphConfig,
    interest_index: dict[SemanticId, int],
    num_items: int,
) -> np.ndarray:
    """Return the interest of each item at each depth, -1 for none. Shape: (num_items, depths)."""
    found = np.full((num_items, len(config.depths)), -1, np.int32)
    for row, codes in enumerate(map(tuple, table.codes.tolist())):
        found[row] = [interest_index[codes[:depth]] for depth in config.depths]
    return found


def _user_interests(
    weights: np.ndarray, events: _Events, of_item: np.ndarray, shape: tuple[int, int, int]
) -> csr_array:
    total = _sum(np.empty(0), np.empty(0), np.empty(0), (shape[0], shape[2]))
    for column in of_item.T:
        interest = column[events.item]
        known = interest >= 0
        total = total + _sum(weights[known], events.user[known], interest[known], total.shape)
    return total.tocsr()


def _follows(
    weights: np.ndarray, events: _Events, of_item: np.ndarray, window: int, num_interests: int
) -> csr_array:
    total = _sum(np.empty(0), np.empty(0), np.empty(0), (num_interests, num_interests))
    for distance, earlier, later in close_pairs(events.user, window):
        for column in of_item.T:
            before = column[events.item[earlier]]
            after = column[events.item[later]]
            told = (before >= 0) & (after >= 0) & (before != after)
            amounts = weights[later[told]] / distance
            total = total + _sum(amounts, before[told], after[told], total.shape)
    return total.tocsr()


def _parts(interests: list[SemanticId], interest_index: dict[SemanticId, int]) -> csr_array:
    """Link every interest to the next coarser one that there is."""
    pairs = []
    for number, prefix in enumerate(interests):
        coarser = (interest_index.get(prefix[:length]) for length in range(len(prefix) - 1, 0, -1))
        parent = next((found for found in coarser if found is not None), None)
        if parent is not None:
            pairs.append((number, parent))
    rows, columns = np.array(pairs, np.int32).reshape(-1, 2).T
    return _sum(np.ones(len(rows)), rows, columns, (len(interests), len(interests)))


def _recent(events: _Events, window: int) -> np.ndarray:
    """Return each user's last items, newest first, -1 for none. Shape: (num_users, window)."""
    found = np.full((len(events.users), window), -1, np.int32)
    ends = np.searchsorted(events.user, np.arange(len(events.users)), side="right")
    starts = np.searchsorted(events.user, np.arange(len(events.users)), side="left")
    for distance in range(window):
        has = ends - 1 - distance >= starts
        found[has, distance] = events.item[ends[has] - 1 - distance]
    return found


def _link_words(
    keywords: Keywords | None,
    config: GraphConfig,
    events: _Events,
    interest_index: dict[SemanticId, int],
) -> tuple[list[str], csr_array, csr_array]:
    """Return the best words of all interests, and what links items and interests to them."""
    keywords = keywords or Keywords.none()
    links = [
        (interest_index[prefix], word, weight)
        for prefix in keywords.prefixes
        if prefix in interest_index
        for word, weight in keywords.of(prefix, config.words_per_interest)
    ]
    words = {word: n for n, word in enumerate(sorted({word for _, word, _ in links}))}
    interest_word = _sum(
        np.array([weight for *_, weight in links], np.float64),
        np.array([interest for interest, *_ in links], np.int32),
        np.array([words[word] for _, word, _ in links], np.int32),
        (len(interest_index), len(words)),
    )
    shape = (len(events.items), len(words))
    if not words:
        return [], _sum(np.empty(0), np.empty(0), np.empty(0), shape), interest_word
    places = {item_id: n for n, item_id in enumerate(events.items)}
    kept = np.flatnonzero([word in words for word in keywords.words])
    found = keywords.item_texts[:, kept].tocoo()
    rows = np.array([places[item_id] for item_id in keywords.item_ids], np.int32)
    # Both lists of words are sorted, so that the kept ones are in order.
    return (
        list(words),
        _sum(found.data, rows[found.coords[0]], found.coords[1], shape),
        interest_word,
    )
