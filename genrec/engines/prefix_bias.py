"""Tilts of semantic-ID prefixes, as the decoder takes them: nodes of a trie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from genrec.decode.bias import Tilt
from genrec.decode.device_trie import DeviceTrie
from genrec.model.vocabulary import SidVocabulary
from genrec.schema import SemanticId


def make_tilt(
    trie: DeviceTrie, vocabulary: SidVocabulary, tilts: Sequence[Mapping[SemanticId, float]]
) -> Tilt | None:
    """Return the tilt of a batch; None where no row has one.

    Args:
        trie: Of the table.
        vocabulary: Codes to tokens.
        tilts: Of each row; prefixes without an item are passed over.
    """
    if not any(tilts):
        return None
    num_levels, codebook_size = vocabulary.token_ids.shape
    return Tilt.build(
        trie,
        [
            {
                tuple(vocabulary.paths(np.array([prefix]))[0].tolist()): nats
                for prefix, nats in tilt.items()
                if 0 < len(prefix) <= num_levels
                and all(0 <= code < codebook_size for code in prefix)
            }
            for tilt in tilts
        ],
    )
