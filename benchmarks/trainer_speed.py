"""Targets per second and what is learned: ours against the Hugging Face Trainer, the same samples.

    python benchmarks/trainer_speed.py --data DATA --base BASE [--users 300] [--bf16]

Both tune all weights of the same base on every training event of the same users once, at the same
rate, in passes of about as many tokens. The Trainer is given what the field gives it: for every
event a prompt of its own, padded to the longest of its batch, with the model's own loss on the
item's tokens. Ours packs whole histories and trains all events of one in a pass. Afterwards both
say how well they foresee the events of other users: nats per item, among all items. Prints JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from benchmarks.loss_speed import batches, prefix_samples
from genrec.data import Dataset
from genrec.model.item_loss import ItemLoss
from genrec.model.load import LoadedRun, load_run
from genrec.model.loss import StreamLoss, Target
from genrec.schema import History
from genrec.training.samples import Sample, stream_samples

ROWS = 2
PROMPTS = 8
RATE = 3e-4
IGNORED = -100


def labelled(samples: Sequence[Sample]) -> list[dict[str, list[int]]]:
    """Return samples as the Trainer takes them."""
    return [
        {
            "input_ids": sample.input_ids,
            "labels": [
                token if kind else IGNORED
                for token, kind in zip(sample.input_ids, sample.targets, strict=True)
            ],
        }
        for sample in samples
    ]


def pad(features: Sequence[dict[str, list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Lay samples out as one batch."""
    width = max(len(feature["input_ids"]) for feature in features)
    fills = {"input_ids": pad_id, "labels": IGNORED, "attention_mask": 0}
    rows: dict[str, list[list[int]]] = {name: [] for name in fills}
    for feature in features:
        whole = {**feature, "attention_mask": [1] * len(feature["input_ids"])}
        for name, fill in fills.items():
            rows[name].append(whole[name] + [fill] * (width - len(whole[name])))
    return {name: torch.tensor(values) for name, values in rows.items()}


def train_with_trainer(model: Any, samples: Sequence[Sample], pad_id: int, bf16: bool) -> float:
    """Train one epoch; return the seconds."""
    arguments = TrainingArguments(
        output_dir="runs/trainer_speed",
        num_train_epochs=1,
        per_device_train_batch_size=PROMPTS,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        seed=0,
    )
    dataset: Any = labelled(samples)
    trainer = Trainer(
        model, arguments, train_dataset=dataset, data_collator=lambda rows: pad(rows, pad_id)
    )
    start = time.perf_counter()
    trainer.train()
    return time.perf_counter() - start


def train_with_ours(module: StreamLoss, samples: list[Sample], run: LoadedRun, bf16: bool) -> float:
    """Likewise."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.0, foreach=True)
    module.train()
    start = time.perf_counter()
    for batch in batches(samples, run, ROWS, epochs=1):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, weight = module(**batch)
        (loss / weight).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


@torch.inference_mode()
def nats_per_item(module: StreamLoss, samples: list[Sample], run: LoadedRun) -> float:
    """Return the mean loss of an item among all items, over every event of the samples."""
    module.eval()
    total = count = 0.0
    for batch in batches(samples, run, ROWS, epochs=1):
        loss, weight = module(**batch)
        total, count = total + float(loss), count + float(weight)
    return total / count * run.table.num_levels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--bf16", action="store_true", help="autocast, in both")
    arguments = parser.parse_args()
    run = load_run(arguments.base)
    histories = list(Dataset.load(arguments.data).histories("train"))
    drawn: list[History] = random.Random(0).sample(histories, min(len(histories), arguments.users))
    held_out = drawn[: len(drawn) // 4]
    learned = drawn[len(held_out) :]
    items = ItemLoss(run.vocabulary, run.table.codes, run.encoder.opening)
    pad_id = run.encoder.tokenizer.pad_token_id
    other = list(stream_samples(held_out, run.encoder))
    num_targets = sum(len(history.events) for history in learned)
    result: dict[str, Any] = {"targets": num_targets, "users": len(learned)}
    for name in ("ours", "trainer"):
        module = StreamLoss(copy.deepcopy(run.model), items, {Target.ITEM: 1.0})
        if name == "ours":
            result["nats_before"] = round(nats_per_item(module, other, run), 3)
            samples = list(stream_samples(learned, run.encoder))
            seconds = train_with_ours(module, samples, run, arguments.bf16)
        else:
            samples = prefix_samples(learned, run)
            seconds = train_with_trainer(module.model, samples, pad_id, arguments.bf16)
        result[name] = {
            "tokens": sum(len(sample.input_ids) for sample in samples),
            "targets_per_s": round(num_targets / seconds, 2),
            "nats": round(nats_per_item(module, other, run), 3),
        }
        print(json.dumps({name: result[name]}), flush=True)
    rates = [result[name]["targets_per_s"] for name in ("ours", "trainer")]
    result["ratio"] = round(rates[0] / rates[1], 2)
    result["parameters"] = sum(parameter.numel() for parameter in run.model.parameters())
    result["threads"] = torch.get_num_threads()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
