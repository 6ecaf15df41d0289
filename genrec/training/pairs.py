"""What a SASRec head says comes after an item alone, as samples: item, then item.

So the causal LM meets neighbours that no history holds side by side. A pair is written as a stream
of two events, with the time between them and the kind of a step that somebody really took.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

import torch

from genrec.model.item_features import ItemFeatures
from genrec.model.sasrec_head import SasRecHead
from genrec.schema import Event, History

PAIRS = 4
"""Of each item that training met."""
NEAREST = 20
"""The items that are drawn from, by their odds."""
ITEMS_AT_ONCE = 512
STEPS_KEPT = 10_000

Pair = tuple[int, int]


@torch.inference_mode()
def draw_pairs(head: SasRecHead, items: ItemFeatures, seed: int) -> list[Pair]:
    """Draw what comes after each item, by the head's odds given that item alone.

    Args:
        head: With its terms chosen.
        items: Of the table.
        seed: Of the draws.

    Returns:
        Rows of the table; an item is never its own neighbour.
    """
    device = head.item_embedding.weight.device
    generator = torch.Generator().manual_seed(seed)
    head.eval()
    items = items.to(device)
    vectors = head.vectors(items)
    met = (items.trained >= 0).nonzero()
    pairs: list[Pair] = []
    for alone in met.split(ITEMS_AT_ONCE):
        scores = head(alone, items, vectors).scatter(1, alone, -torch.inf).cpu()
        best, rows = scores.topk(min(NEAREST, scores.shape[1] - 1))
        # The greatest of scores with Gumbel noise are draws by the odds, without repeats.
        noise = -torch.empty_like(best).exponential_(generator=generator).log()
        drawn = (best + noise).topk(min(PAIRS, rows.shape[1])).indices
        followers = rows.gather(1, drawn)
        for row, own in zip(alone[:, 0].tolist(), followers.tolist(), strict=True):
            pairs.extend((row, follower) for follower in own)
    return pairs


def pair_histories(
    pairs: Iterable[Pair], item_ids: Sequence[str], histories: Iterable[History], seed: int
) -> Iterator[History]:
    """Yield each pair as a history of two events, otherwise like two that somebody had in a row.

    Args:
        pairs: Rows.
        item_ids: Of the rows.
        histories: The log; nothing is yielded where nobody has two events.
        seed: Of the choice among them.
    """
    steps = list(islice((step for each in histories for step in pairwise(each.events)), STEPS_KEPT))
    rng = random.Random(seed)
    for row, follower in pairs if steps else ():
        first, second = rng.choice(steps)
        yield History("", (_bare(first, item_ids[row]), _bare(second, item_ids[follower])))


def _bare(event: Event, item_id: str) -> Event:
    return Event("", item_id, event.timestamp, event.event_type)
