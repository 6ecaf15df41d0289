"""How many targets per second the all-event loss trains, against one prompt per prefix.

    python benchmarks/loss_speed.py --data DATA --base BASE [--steps 12]

Three forms train the same events through the same model and optimizer, in turns in one process:

- ``all_events``: ours, packed streams;
- ``prefix_padded``: one prompt per prefix as the field trains it, batches padded to their longest
  and the model's own loss (``labels``);
- ``prefix_packed``: the same prompts given our packing and our logits at targets only, so that
  nothing but the cutting of samples differs.

Prints JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from genrec.data import Dataset
from genrec.model.item_loss import ItemLoss
from genrec.model.load import LoadedRun, load_run
from genrec.model.loss import StreamLoss, Target
from genrec.schema import History
from genrec.stream.windows import list_views
from genrec.training.packing import collate, pack
from genrec.training.samples import Sample, stream_samples

ROWS = 16
PROMPTS = 64


def prefix_samples(histories: list[History], run: LoadedRun) -> list[Sample]:
    """Cut histories as the field does: for every event a prompt of its own, loss on its item."""
    encoder = run.encoder
    num_levels = run.table.num_levels
    samples = []
    for segments in encoder.segments(histories):
        views = list_views(segments, encoder.event_limit)
        for place, segment in enumerate(segments):
            before = encoder.join(segments[:place], views[place])
            tokens = before + segment.tokens[: segment.after_item]
            targets = [0] * (len(tokens) - num_levels) + [int(Target.ITEM)] * num_levels
            samples.append(Sample(tokens, targets))
    return samples


def batches(
    samples: list[Sample], run: LoadedRun, size: int = ROWS, epochs: int | None = None
) -> Iterator[dict[str, torch.Tensor]]:
    """Pack samples into rows and rows into batches, for so many epochs, or forever."""
    row_tokens = run.base_config.context_tokens
    arrays = [(np.array(sample.input_ids), np.array(sample.targets)) for sample in samples]
    for seed in itertools.count() if epochs is None else range(epochs):
        rows = pack([len(tokens) for tokens, _ in arrays], row_tokens, seed)
        for start in range(0, len(rows), size):
            laid = [[arrays[number] for number in row] for row in rows[start : start + size]]
            batch = collate(laid, row_tokens, run.encoder.tokenizer.pad_token_id)
            yield {name: torch.from_numpy(array) for name, array in batch.items()}


def padded_batches(samples: list[Sample], run: LoadedRun):
    """Pad random samples to the longest of their batch, as a Hugging Face collator does."""
    generator = random.Random(0)
    pad_id = run.encoder.tokenizer.pad_token_id
    while True:
        chosen = generator.sample(samples, PROMPTS)
        width = max(len(sample.input_ids) for sample in chosen)
        input_ids = torch.full((PROMPTS, width), pad_id)
        labels = torch.full((PROMPTS, width), -100)
        mask = torch.zeros(PROMPTS, width, dtype=torch.long)
        for row, sample in enumerate(chosen):
            tokens, targets = torch.tensor(sample.input_ids), torch.tensor(sample.targets)
            input_ids[row, : len(tokens)] = tokens
            labels[row, : len(tokens)] = torch.where(targets > 0, tokens, -100)
            mask[row, : len(tokens)] = 1
        yield {"input_ids": input_ids, "attention_mask": mask, "labels": labels}


def stream_step(module: StreamLoss, batch: dict[str, torch.Tensor]):
    """Return the mean loss and how many tokens it is over."""
    loss, weight = module(**batch)
    return loss / weight, float(weight)


def labels_step(module: StreamLoss, batch: dict[str, torch.Tensor]):
    """Likewise, by the model's own loss."""
    loss = module.model(**batch, use_cache=False).loss
    return loss, float((batch["labels"] >= 0).sum())


def main() -> None:
    """Time the forms in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--users", type=int, default=4000)
    arguments = parser.parse_args()
    run = load_run(arguments.base)
    histories = list(Dataset.load(arguments.data).histories("train"))
    histories = random.Random(0).sample(histories, min(arguments.users, len(histories)))
    prefixes = prefix_samples(histories, run)
    streams = list(stream_samples(histories, run.encoder))
    forms = {
        "all_events": (batches(streams, run), stream_step),
        "prefix_padded": (padded_batches(prefixes, run), labels_step),
        "prefix_packed": (batches(prefixes, run), stream_step),
    }
    items = ItemLoss(run.vocabulary, run.table.codes, run.encoder.opening)
    module = StreamLoss(run.model.train(), items, {Target.ITEM: 1.0})
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, foreach=True)
    targets = dict.fromkeys(forms, 0.0)
    seconds = dict.fromkeys(forms, 0.0)
    for step in range(arguments.steps):
        for name, (source, take) in forms.items():
            batch = next(source)
            start = time.perf_counter()
            loss, weight = take(module, batch)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if step:  # the first pass of each form warms up
                seconds[name] += time.perf_counter() - start
                targets[name] += float(weight) / run.table.num_levels
    rates = {name: targets[name] / seconds[name] for name in forms}
    result = {
        "targets_per_s": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio": {
            name: round(rates["all_events"] / rate, 2)
            for name, rate in rates.items()
            if name != "all_events"
        },
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
