"""What an engine does: items, text and first-code log-probabilities for prompts.

An engine knows tokens and rows of the ID table. Users, events and titles stay outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import sparse

from genrec.engines.grammar import Grammar
from genrec.schema import AS_SERVED, ModelSettings, SemanticId
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.semantic_ids.table import SemanticIdTable

if TYPE_CHECKING:
    from genrec.decode.prefix_cache import PrefixCache


@dataclass(frozen=True)
class ItemQuery:
    """A prompt that ends where an item is to be written, and what may be written.

    Attributes:
        prompt: Tokens.
        exclude: Rows of the ID table never to return.
        candidates: Return nothing outside these rows; None: the whole table. Queries that share the
            same array object share its cost.
        prefix_bias: Strength in nats by semantic-ID prefix, added to its log-odds among siblings.
        matches: How well items match what is looked for; the SASRec head weighs it among its terms.
        owner: Whose prompt it is, so that what is kept of it can be dropped.
        model: How it wants the model to answer.
        popularity: Of items of late; another term of the SASRec head.
    """

    prompt: Sequence[int]
    exclude: Sequence[int] = ()
    candidates: np.ndarray | None = None
    prefix_bias: Mapping[SemanticId, float] = field(default_factory=dict)
    matches: RowScores = NOTHING
    owner: str = ""
    model: ModelSettings = AS_SERVED
    popularity: RowScores = NOTHING


@dataclass(frozen=True)
class FoundItems:
    """Items found for a query, best first.

    Attributes:
        rows: Rows of the ID table, distinct. Shape: (k,) or fewer where the filters leave fewer.
        scores: Summed log-probabilities in nats, renormalised at each level over the codes that
            the table and the filters allow. Shape: that of ``rows``.
        parts: What each scorer adds, see ``Recommendation.parts``. Shape of each: that of ``rows``.
    """

    rows: np.ndarray
    scores: np.ndarray
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Counted:
    """Transition counts that a head was trained with.

    Attributes:
        votes: See ``count_transitions``. Shape: (N, N).
        table: Whose rows they are of.
        until: Events that came to a store before this moment are counted too, seconds; 0: none.
        use: Lets the head answer from now on with other votes in their place.
    """

    votes: sparse.csr_array
    table: SemanticIdTable
    until: int
    use: Callable[[sparse.csr_array], None]


class Engine(Protocol):
    """Runs the model."""

    @property
    def adapters(self) -> list[str]:
        """Names of the adapters that are loaded."""
        ...

    @property
    def adapter(self) -> str | None:
        """The adapter in use; None: the base alone."""
        ...

    @property
    def prefix_cache(self) -> PrefixCache | None:
        """What is kept of prompts in this process; None where nothing is."""
        ...

    @property
    def counted(self) -> list[Counted]:
        """Counts of the heads that may answer, one object for each; empty: none in this process."""
        ...

    def check_model(self, settings: ModelSettings) -> None:
        """Check that a query may ask for such an answer.

        Raises:
            ConfigError: No adapter of this name is loaded, or there is no head to weigh.
        """
        ...

    def items(self, queries: Sequence[ItemQuery], k: int) -> list[FoundItems]:
        """Return the ``k`` best items of each query; a prompt that several ask is read once.

        Raises:
            ConfigError: See ``check_model``.
        """
        ...

    def item_scores(
        self, queries: Sequence[ItemQuery], rows: Sequence[Sequence[int]]
    ) -> list[np.ndarray]:
        """Return the scores of given items, those that ``items`` gives to what it finds.

        Prompts that begin alike share what that costs.

        Args:
            queries: As for ``items``.
            rows: For each query rows of the ID table.

        Returns:
            For each query the log-probabilities of its rows in nats, -inf for items that its
            filters forbid. Shape of each: (its number of rows,), float32.
        """
        ...

    def text(
        self,
        prompts: Sequence[Sequence[int]],
        grammars: Sequence[Grammar],
        max_tokens: int,
        owners: Sequence[str] = (),
    ) -> list[list[int]]:
        """Continue each prompt greedily with a text of its grammar.

        Where a grammar leaves one token, nothing is computed. It may end where no token is left,
        or at an end token that it names.

        Args:
            prompts: Token IDs.
            grammars: One for each prompt; what they share is best the same object.
            max_tokens: Longest text; with its prompt it must fit the model. One that is cut is
                the beginning of a text of the grammar.
            owners: Whose each prompt is, see ``ItemQuery``; none: nobody's.

        Returns:
            Tokens of each text.
        """
        ...

    def code_log_probs(
        self,
        prompts: Sequence[Sequence[int]],
        prefix: SemanticId = (),
        owners: Sequence[str] = (),
    ) -> np.ndarray:
        """Return the log-probability of every code that may follow after each prompt.

        Prompts that begin one another, such as one history at several times, are read once.

        Args:
            prompts: Each ends where an item is to be written.
            prefix: First codes of that item, forced; empty: its first code is scored.
            owners: Whose each prompt is, see ``ItemQuery``; none: nobody's.

        Returns:
            Normalised over the codes in use below the prefix; -inf for others. Shape: (B, K),
            float32.

        Raises:
            DecodeError: No item has this prefix, or it is a whole semantic ID.
        """
        ...

    def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter beside those that are loaded; what is in use stays in use.

        Args:
            name: To call it by: letters, digits, "-" and "_".
            path: A run of train/sft.py on the base this engine runs.

        Raises:
            ArtifactError: Missing, damaged, or made for another base or ID table.
            ConfigError: The name is taken or not a name.
        """
        ...

    def use_adapter(self, name: str | None) -> None:
        """Answer from now on with an adapter that is loaded, or with the base alone.

        Raises:
            ConfigError: No adapter of this name is loaded.
        """
        ...

    def drop_adapter(self, name: str) -> None:
        """Forget an adapter that is not in use.

        Raises:
            ConfigError: It is in use, or not loaded.
        """
        ...

    def replace_table(self, table: SemanticIdTable) -> None:
        """Answer from now on with the items of another table of the same codebook."""
        ...
