"""The next-token logits after many prefixes of a stream, from one forward pass.

Enters: prompts, some of which begin others, and tokens that are forced after each.
Leaves: the model's scores of the token that follows. Must not know what the tokens stand for.

A prompt that begins another is read as a part of it. Tokens forced after a prompt are fed
behind the whole stream, at the positions they would have there; a mask lets them see that
prompt and one another only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genrec.batching import pack


@dataclass(frozen=True)
class Stream:
    """A prompt with those that begin it.

    Attributes:
        tokens: The longest prompt.
        lengths: Of each prompt, ascending; the last is that of ``tokens``.
        indices: Which prompts they are.
    """

    tokens: Sequence[int]
    lengths: tuple[int, ...]
    indices: tuple[int, ...]


def merge_prefixes(prompts: Sequence[Sequence[int]]) -> list[Stream]:
    """Put every prompt into one stream, shortest streams first.

    Examples:
        >>> [stream.indices for stream in merge_prefixes([[1, 2], [3], [1, 2, 4]])]
        [(1,), (0, 2)]
    """
    written = [tuple(prompt) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda number: written[number])
    groups: list[list[int]] = []
    # A prompt stands right before what it begins.
    for number in order:
        if groups and written[number][: len(written[groups[-1][-1]])] == written[groups[-1][-1]]:
            groups[-1].append(number)
        else:
            groups.append([number])
    streams = [
        Stream(prompts[group[-1]], tuple(len(written[number]) for number in group), tuple(group))
        for group in groups
    ]
    return sorted(streams, key=lambda stream: len(stream.tokens))


def batches(
    streams: Sequence[Stream],
    forced_prefix: int,
    most_tokens: int,
    most_logits: int,
    vocabulary: int,
) -> Iterator[list[Stream]]:
    """Group streams of like length into batches that fit.

    Args:
        streams: Shortest first.
        forced_prefix: Number of tokens forced after each prompt.
        most_tokens: Tokens of a batch, padding included.
        most_logits: Scores of a batch.
        vocabulary: Scores of a prompt.
    """

    def fits(batch: list[Stream]) -> bool:
        prompts = max(len(stream.lengths) for stream in batch)
        tokens = (len(batch[-1].tokens) + prompts * forced_prefix) * len(batch)
        return tokens <= most_tokens and prompts * len(batch) * vocabulary <= most_logits

    return pack(streams, fits)


def next_logits(
    model: nn.Module, streams: Sequence[Stream], forced_prefix: Sequence[int], pad_id: int
) -> Tensor:
    """Return the scores of what follows each prompt of each stream.

    Args:
        model: Causal LM in evaluation mode whose attention takes a mask of four dimensions.
        streams: Read as one batch.
        forced_prefix: Tokens taken for forced_prefix after every prompt.
        pad_id: Fills rows.

    Returns:
        Of the prompts in the order of the streams. Shape: (number of prompts, V).
    """
    device = next(model.parameters()).device
    length = max(len(stream.tokens) for stream in streams)
    num_prompts = max(len(stream.lengths) for stream in streams)
    total = length + num_prompts * len(forced_prefix)
    input_ids = torch.full((len(streams), total), pad_id, dtype=torch.long)
    positions = torch.zeros_like(input_ids)
    visible = torch.eye(total, dtype=torch.bool).repeat(len(streams), 1, 1)
    visible[:, :length, :length] = torch.ones(length, length, dtype=torch.bool).tril()
    asked = torch.zeros(len(streams), num_prompts, dtype=torch.long)
    for row, stream in enumerate(streams):
        input_ids[row, : len(stream.tokens)] = torch.as_tensor(stream.tokens)
        positions[row, :length] = torch.arange(length)
        for index, read in enumerate(stream.lengths):
            asked[row, index] = read - 1
            if forced_prefix:
                start = length + index * len(forced_prefix)
                branch = slice(start, start + len(forced_prefix))
                input_ids[row, branch] = torch.as_tensor(forced_prefix)
                positions[row, branch] = torch.arange(read, read + len(forced_prefix))
                visible[row, branch, :read] = True
                visible[row, branch, branch] = visible[
                    row, : len(forced_prefix), : len(forced_prefix)
                ]
                asked[row, index] = start + len(forced_prefix) - 1
    kept = asked.unique()
    arguments: dict[str, Any] = {
        "input_ids": input_ids.to(device),
        "attention_mask": visible.unsqueeze(1).to(device),
        "position_ids": positions.to(device),
        "logits_to_keep": kept.to(device),
        "use_cache": False,
    }
    logits = model(**arguments).logits
    rows = [row for row, stream in enumerate(streams) for _ in stream.lengths]
    places = [
        int(torch.searchsorted(kept, asked[row, index]))
        for row, stream in enumerate(streams)
        for index in range(len(stream.lengths))
    ]
    result: Tensor = logits[rows, places]
    return result
