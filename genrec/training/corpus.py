"""The training set on disk and the plan of an epoch.

Samples are tokenized once into an Arrow file that is memory-mapped, so memory does not grow with
the log. Every choice (which samples, which rows, which order) follows from the seed and the
epoch's number: any process can name the batch of any step, which is what resuming needs.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import datasets
import numpy as np
import torch
from datasets.arrow_writer import ArrowWriter

from genrec.data import Dataset
from genrec.progress import track
from genrec.schema import History
from genrec.stream.encode import Encoder
from genrec.training.config import Mixture
from genrec.training.packing import collate, pack
from genrec.training.samples import (
    Sample,
    interest_samples,
    pair_samples,
    stream_samples,
    text_samples,
    title_samples,
    titled_samples,
)
from genrec.training.wishes import WishSampler, wished

FEATURES = datasets.Features(
    {
        "input_ids": datasets.List(datasets.Value("int32")),
        "targets": datasets.List(datasets.Value("int8")),
        "task": datasets.Value("string"),
    }
)
TASKS = ("next_item", "titles", "texts", "titled", "pairs", "interests", "wishes")


def write_corpus(
    path: Path,
    data: Dataset,
    encoder: Encoder,
    mixture: Mixture,
    seed: int,
    pairs: Iterable[History] = (),
) -> None:
    """Tokenize the training events and the catalogue into an Arrow file, whole or not at all.

    Args:
        path: Of the file.
        data: The log.
        encoder: Tokenizes.
        mixture: Tasks with a share of 0 are left out.
        seed: Of what is drawn.
        pairs: What ``training.pairs`` made.
    """
    aside = path.with_suffix(".tmp")
    writer = ArrowWriter(path=str(aside), features=FEATURES)
    for task, sample in track(_samples(data, encoder, mixture, seed, pairs), "samples tokenized"):
        writer.write({"input_ids": sample.input_ids, "targets": sample.targets, "task": task})
    writer.finalize()
    writer.close()
    os.replace(aside, path)


def _samples(
    data: Dataset, encoder: Encoder, mixture: Mixture, seed: int, pairs: Iterable[History]
) -> Iterator[tuple[str, Sample]]:
    sources: dict[str, Callable[[], Iterator[Sample]]] = {
        "next_item": lambda: stream_samples(data.histories("train"), encoder),
        "titles": lambda: title_samples(data.items, encoder),
        "texts": lambda: text_samples(data.items, data.histories("train"), encoder),
        "titled": lambda: titled_samples(data.histories("train"), encoder, seed),
        "pairs": lambda: pair_samples(pairs, encoder),
        "interests": lambda: interest_samples(data.histories("train"), encoder, seed),
    }
    if mixture.wishes:
        sampler, rng = WishSampler(data, to_measure=False), random.Random(seed)
        histories = wished(data.histories("train"), sampler, rng)
        sources["wishes"] = lambda: stream_samples(histories, encoder)
    for task, samples in sources.items():
        if getattr(mixture, task) > 0:
            yield from ((task, sample) for sample in samples())


class Corpus:
    """A tokenized training set, packed anew for every epoch."""

    def __init__(
        self,
        path: Path,
        mixture: Mixture,
        row_tokens: int,
        rows_per_step: int,
        pad_id: int,
        seed: int,
    ) -> None:
        dataset = datasets.Dataset.from_file(str(path))
        tasks = np.asarray(dataset["task"][:])
        self._of_task = {task: np.flatnonzero(tasks == task) for task in TASKS}
        self._samples = dataset.select_columns(["input_ids", "targets"]).with_format("numpy")
        self._lengths = np.array(
            [
                len(ids)
                for batch in dataset.select_columns("input_ids").iter(4096)
                for ids in batch["input_ids"]
            ]
        )
        self._mixture = mixture
        self._row_tokens = row_tokens
        self._rows_per_step = rows_per_step
        self._pad_id = pad_id
        self._seed = seed

    def steps(self, epoch: int) -> list[list[list[int]]]:
        """Return the steps of an epoch; each is rows, each row is sample numbers."""
        generator = np.random.default_rng((self._seed, epoch))
        chosen = [np.empty(0, dtype=np.int64)]
        for task, numbers in self._of_task.items():
            share = getattr(self._mixture, task)
            for done in range(math.ceil(share)):
                count = round((share - done) * len(numbers))
                chosen.append(generator.permutation(numbers)[:count])
        numbers = np.concatenate(chosen)
        rows = pack(self._lengths[numbers].tolist(), self._row_tokens, seed=epoch)
        rows = [numbers[row].tolist() for row in rows]
        order = generator.permutation(len(rows))
        rows = [rows[index] for index in order]
        size = self._rows_per_step
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def batch(self, rows: list[list[int]]) -> dict[str, torch.Tensor]:
        """Lay rows out as tensors. Shape of each: (len(rows), row_tokens)."""
        numbers = list(chain.from_iterable(rows))
        parts = self._samples[numbers] if numbers else {"input_ids": [], "targets": []}
        pairs = iter(zip(parts["input_ids"], parts["targets"], strict=True))
        laid = [[next(pairs) for _ in row] for row in rows]
        arrays = collate(laid, self._row_tokens, self._pad_id)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
