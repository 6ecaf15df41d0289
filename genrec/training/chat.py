"""Train a small chat model from nothing on the prompts of ``prompts/zero_shot``.

python train/chat.py --data runs/demo/data --out runs/demo/chat --seconds 180

What zero-shot recommending is tried out and tested with where no instruct model can be downloaded:
a Hugging Face folder with a chat template, which transformers and vLLM load like any other. It
learns from the train split alone. Real use wants a real instruct model.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, PreTrainedTokenizerFast

from genrec.data import Dataset
from genrec.errors import GenrecError
from genrec.interests.profile.buckets import SUMMARY_LISTS, SummaryList
from genrec.interests.summary.codec import fixed_pieces
from genrec.interests.summary.schema import Claim, SummaryContent
from genrec.interests.summary.templates import NOT_ENOUGH, write_statement
from genrec.model.scratch import PAD_TOKEN, ScratchConfig, make_model, train_tokenizer
from genrec.progress import console, error_line
from genrec.schema import History, Item, Request
from genrec.zero_shot.chat import Chat
from genrec.zero_shot.prompts import PromptWriter

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT_TOKENS = 2048
SHOWN_EVENTS = 8
TASKS = {"choose": 0.7, "rank": 0.1, "open": 0.05, "rating": 0.1, "interests": 0.05}
ANSWER_WEIGHT = 4.0
REVIEW_WEIGHT = 0.1
"""Of a token in the loss: an answer's, a review's. Others of the shopper's lines weigh 1; what
stands before and after these lines, candidates among it, weighs nothing: it cannot be predicted."""
_REVIEW = re.compile(r'review: "[^"]*"')


@dataclass(frozen=True)
class ChatExample:
    """A chat with its answer.

    Attributes:
        chat: Ends with the user's turn.
        answer: What the assistant says.
    """

    chat: Chat
    answer: str


class ExampleSampler:
    """Draws chats with their answers from the train split."""

    def __init__(self, data: Dataset, num_candidates: int, seed: int) -> None:
        self._items = data.items
        self._index = data.item_index
        self._rng = np.random.default_rng(seed)
        self._histories = [h for h in data.histories("train") if len(h.events) > 2]
        self._num_candidates = num_candidates
        # Half of the examples go without reviews: they are shorter, so there are more of them.
        self._writers = [PromptWriter(self._find, review_chars) for review_chars in (0, 240)]
        by_theme: dict[str, list[Item]] = {}
        for item in data.items:
            by_theme.setdefault(_theme_of(item), []).append(item)
        self._by_theme = by_theme

    def draw(self) -> ChatExample:
        """Draw a history, a moment in it and a task."""
        rng = self._rng
        self._writer = self._writers[rng.integers(len(self._writers))]
        history = self._histories[rng.integers(len(self._histories))]
        last = int(rng.integers(1, len(history.events)))
        events = history.events[max(0, last - SHOWN_EVENTS) : last]
        target = history.events[last]
        request = Request(History(history.user_id, events), target.timestamp, target.event_type)
        item = self._items[self._index[target.item_id]]
        task = str(rng.choice(list(TASKS), p=list(TASKS.values())))
        if task == "rating" and target.rating is not None:
            build = self._writer.rating(request, item, [f"{n}" for n in range(1, 6)])
            return ChatExample(build(events), f"{target.rating:g}")
        if task == "interests":
            return self._interests(request)
        shown = self._candidates(item)
        titles = self._writer.titles(shown)
        best = titles[shown.index(item)]
        others = [titles[n] for n in rng.permutation(len(titles)) if titles[n] != best]
        wanted = int(rng.integers(1, len(titles) + 1))
        listed = [best, *others][:wanted]
        if task == "rank":
            answer = json.dumps({"ranking": listed}, ensure_ascii=False)
            return ChatExample(self._writer.rank(request, titles, wanted)(events), answer)
        if task == "open":
            answer = json.dumps({"titles": listed[:3]}, ensure_ascii=False)
            return ChatExample(self._writer.open(request, titles, 3)(events), answer)
        return ChatExample(self._writer.choose(request, titles)(events), best)

    def _candidates(self, item: Item) -> list[Item]:
        rng = self._rng
        count = int(rng.integers(2, self._num_candidates + 1))
        # What retrieval finds is mostly of the themes the shopper likes: hard to tell apart.
        near = self._by_theme[_theme_of(item)]
        pools = (near, self._items)
        drawn: dict[str, Item] = {}
        for number in range(count):
            pool = pools[number % 2]
            one = pool[rng.integers(len(pool))]
            drawn[one.item_id] = one
        shown = list({**drawn, item.item_id: item}.values())
        return [shown[n] for n in rng.permutation(len(shown))]

    def _interests(self, request: Request) -> ChatExample:
        """Return a question for a summary, answered by where the events of each interest lie."""
        events = request.history.events
        numbers: dict[str, list[int]] = {}
        for number, event in enumerate(events, start=1):
            name = _interest_of(self._items[self._index[event.item_id]])
            numbers.setdefault(name, []).append(number)
        held = {name: found for name, found in numbers.items() if len(found) > 1}
        others = {
            _interest_of(self._items[n]) for n in self._rng.integers(len(self._items), size=8)
        }
        lists: dict[SummaryList, dict[str, list[int]]] = {name: {} for name in SUMMARY_LISTS}
        for name, found in held.items():
            half = len(events) / 2
            own: SummaryList = "emerging" if found[0] > half else "long_term"
            lists["fading" if found[-1] <= half else own][name] = found[::-1]
        said = [write_statement(kind, list(named)) for kind, named in lists.items() if named]
        content = SummaryContent(
            **{
                kind: [Claim(interest=name, events=found[:3]) for name, found in named.items()]
                for kind, named in lists.items()
            },
            summary=" ".join(said) or NOT_ENOUGH,
        )
        answer = json.dumps(content.model_dump(), ensure_ascii=False)
        build = self._writer.interests(request, sorted({*held, *others}))
        return ChatExample(build(events), answer)

    def _find(self, item_id: str) -> Item | None:
        place = self._index.get(item_id)
        return None if place is None else self._items[place]

    def texts(self) -> Iterator[str]:
        """Yield what the tokenizer learns words from."""
        for _ in range(400):
            example = self.draw()
            yield from (message["content"] for message in example.chat)
            yield example.answer


def _theme_of(item: Item) -> str:
    return item.categories[-2] if len(item.categories) > 1 else ""


def _interest_of(item: Item) -> str:
    return " · ".join(item.categories[-2:]).lower() or item.label


def make_tokenizer(sampler: ExampleSampler, vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on examples and give it a chat template."""
    tokenizer = train_tokenizer(sampler.texts(), vocab_size, fixed_pieces())
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>"], "eos_token": "<|im_end|>"}
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.model_max_length = CONTEXT_TOKENS
    return tokenizer


def encode(tokenizer: Any, example: ChatExample) -> tuple[list[int], list[float]]:
    """Return the tokens of an example and the weight of each in the loss."""
    text = tokenizer.apply_chat_template(
        list(example.chat), tokenize=False, add_generation_prompt=True
    )
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    start = text.index("The shopper, oldest first") if "The shopper, oldest" in text else len(text)
    end = text.find("\n\n", start) if start < len(text) else len(text)
    reviews = [match.span() for match in _REVIEW.finditer(text, start, end)]
    weights = [
        0.0
        if not start <= place < end
        else REVIEW_WEIGHT
        if any(first <= place < last for first, last in reviews)
        else 1.0
        for place, _ in encoded["offset_mapping"]
    ]
    answer = tokenizer(example.answer + "<|im_end|>", add_special_tokens=False)["input_ids"]
    return [*encoded["input_ids"], *answer], weights + [ANSWER_WEIGHT] * len(answer)


def collate(
    rows: Sequence[tuple[list[int], list[float]]], pad: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens, mask and weights, padded on the right. Shape of each: (B, T)."""
    width = max(len(tokens) for tokens, _ in rows)
    ids = torch.full((len(rows), width), pad)
    weights = torch.zeros((len(rows), width))
    for place, (tokens, given) in enumerate(rows):
        ids[place, : len(tokens)] = torch.tensor(tokens)
        weights[place, : len(tokens)] = torch.tensor(given)
    mask = torch.zeros_like(ids)
    for place, (tokens, _) in enumerate(rows):
        mask[place, : len(tokens)] = 1
    return ids, mask, weights


def train(arguments: argparse.Namespace) -> None:
    """Train for a time and write a Hugging Face folder."""
    torch.manual_seed(arguments.seed)
    data = Dataset.load(arguments.data)
    sampler = ExampleSampler(data, arguments.candidates, arguments.seed)
    tokenizer = make_tokenizer(sampler, 2000)
    size = ScratchConfig(
        hidden_size=arguments.hidden, intermediate_size=3 * arguments.hidden,
        num_layers=arguments.layers, num_heads=max(1, arguments.hidden // 32),
    )  # fmt: skip
    model: Any = make_model(tokenizer, CONTEXT_TOKENS, size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate, weight_decay=0.01)
    pad: Any = tokenizer.convert_tokens_to_ids(PAD_TOKEN)
    begin, step, shown = time.monotonic(), 0, 0.0
    budget = arguments.steps or math.inf
    while step < budget and time.monotonic() - begin < arguments.seconds:
        done = max(step / budget, (time.monotonic() - begin) / arguments.seconds)
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 20)
            group["lr"] = arguments.learning_rate * warm * (0.05 + 0.95 * (1 - done))
        rows = [encode(tokenizer, sampler.draw()) for _ in range(arguments.batch)]
        ids, mask, weights = collate(rows, pad)
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        losses = functional.cross_entropy(
            logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
        )
        weight = weights[:, 1:].flatten()
        loss = (losses * weight).sum() / weight.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step, shown = (
            step + 1,
            0.95 * shown + 0.05 * float(loss.detach()) if step else float(loss.detach()),
        )
        if step % 100 == 0:
            console.print(f"step {step} loss {shown:.3f} {time.monotonic() - begin:.0f} s")
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=pad
    )
    model.config.eos_token_id = tokenizer.eos_token_id
    arguments.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    console.print(f"wrote {arguments.out} after {step} steps")


def main() -> None:
    """Parse the command line and train; exit with 2 on the user's fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="prepared data (genrec prepare)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model into")
    parser.add_argument("--seconds", type=float, default=180, help="longest training")
    parser.add_argument("--steps", type=int, default=0, help="most steps; 0: as time allows")
    parser.add_argument("--batch", type=int, default=4, help="examples a step")
    parser.add_argument("--hidden", type=int, default=96, help="width; a multiple of 32")
    parser.add_argument("--layers", type=int, default=3, help="depth")
    parser.add_argument("--candidates", type=int, default=20, help="most candidates shown")
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    try:
        train(parser.parse_args())
    except GenrecError as error:
        console.print(error_line(error), soft_wrap=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
