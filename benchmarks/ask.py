"""Does asking find what is wished for, better than a text search and better than the history alone?

    python benchmarks/ask.py --run RUN [--users N] [--seed N]

Each user's test event is asked for at its time, with a wish drawn from what is known of its item:
the finest category most often, and the most telling phrase of a review of it: the user's own, else
a training review by somebody; of its description where the log holds no review. Never its title.
The whole catalogue is ranked, without items the user has seen.

Rankers: asking with the history; asking without; the history alone; BM25 on titles and
descriptions; MiniLM's likeness to whole texts (package of the extra "minilm"). The last line is
JSON: R@10 with 95% intervals, and what asking has more than each other one, user by user.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from genrec.data import Dataset
from genrec.evaluate.bootstrap import intervals, paired_difference
from genrec.installed_models import MINILM
from genrec.recommender import Recommender
from genrec.schema import History, Item, Request
from genrec.semantic_ids.config import TextConfig
from genrec.semantic_ids.encoders import HubEncoder
from genrec.semantic_ids.matching import Matcher
from genrec.training.wishes import WishSampler, category_of

K = 10
AT_ONCE = 256

Question = tuple[Request, str]


def draw_questions(data: Dataset, users: int, seed: int) -> list[Question]:
    """Ask for test events with wishes; those whose items nothing is known of are left out."""
    rng = random.Random(seed)
    examples = list(data.examples("test"))
    rng.shuffle(examples)
    sampler = WishSampler(data, to_measure=True)
    questions: list[Question] = []
    for example in examples:
        target = example.targets[0]
        item = data.items_by_id[target.item_id]
        said = target.opinion or sampler.review_of(item.item_id, rng) or item.description
        category = category_of(item, rng) if item.categories else ""
        parts = [category, sampler.phrase_of(said or "", rng)]
        if (wish := " ".join(filter(None, parts))) and len(questions) < users:
            request = Request(example.history, target.timestamp, target.event_type, query=wish)
            questions.append((request, target.item_id))
    return questions


def ranks_of(
    recommender: Recommender,
    questions: Sequence[Question],
    change: Callable[[Request], Request],
) -> np.ndarray:
    """Return the rank of each target, 0 where it is not in the first ten."""
    ranks = []
    for start in range(0, len(questions), AT_ONCE):
        some = questions[start : start + AT_ONCE]
        found = recommender.rank_many([change(request) for request, _ in some], K)
        for (_, target), items in zip(some, found, strict=True):
            ranks.append(next((item.rank for item in items if item.item_id == target), 0))
    return np.array(ranks)


def ranks_by_score(
    recommender: Recommender, questions: Sequence[Question], score: Callable[[str], np.ndarray]
) -> np.ndarray:
    """Return the ranks under scores of all items for a wish; ties count as the worst place."""
    table, ranks = recommender.table, []
    for request, target in questions:
        scores = score(request.query or "").copy()
        scores[table.rows_of(request.forbidden)] = -np.inf
        ahead = int((scores >= scores[table.index_of(target)]).sum())
        ranks.append(ahead if ahead <= K else 0)
    return np.array(ranks)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of users and wishes")
    arguments = parser.parse_args()
    recommender = Recommender.from_pretrained(arguments.run, "cpu")
    data, items = recommender.data, recommender.items
    questions = draw_questions(data, arguments.users, arguments.seed)
    plain = [Item(each.item_id, each.title, description=each.description) for each in items]
    matcher, whole = Matcher(plain), np.zeros(len(items), dtype=np.float32)
    encoder, vectors = HubEncoder.fit(items, TextConfig(encoder=MINILM))

    def bm25(wish: str) -> np.ndarray:
        scores, matches = whole.copy(), matcher.matches(wish)
        scores[matches.rows] = matches.scores
        return scores

    def minilm(wish: str) -> np.ndarray:
        likeness: np.ndarray = vectors @ encoder.encode([Item("", title=wish)])[0]
        return likeness

    def nobody(request: Request) -> Request:
        # What the user has seen stays out, as for the others.
        seen = request.forbidden
        return replace(request, history=History("", ()), exclude=seen)

    ranks = {
        "asking": ranks_of(recommender, questions, lambda request: request),
        "asking, no history": ranks_of(recommender, questions, nobody),
        "history alone": ranks_of(
            recommender, questions, lambda request: replace(request, query=None)
        ),
        "BM25": ranks_by_score(recommender, questions, bm25),
        "MiniLM": ranks_by_score(recommender, questions, minilm),
    }
    hits = {name: (found > 0).astype(np.float64) for name, found in ranks.items()}
    console, shown = Console(width=100), Table("ranker", "R@10", "asking has more")
    result: dict[str, object] = {"users": len(questions)}
    for name, found in hits.items():
        own = intervals({"recall@10": found})["recall@10"]
        more = paired_difference(hits["asking"], found)
        shown.add_row(
            name,
            f"{own.mean:.4f} [{own.low:.4f}, {own.high:.4f}]",
            f"{more.mean:+.4f} [{more.low:+.4f}, {more.high:+.4f}]",
        )
        result[name] = {"recall@10": asdict(own), "asking_has_more": asdict(more)}
    unasked = paired_difference(hits["asking, no history"], hits["MiniLM"])
    result["no_history_against_minilm"] = asdict(unasked)
    console.print(shown)
    console.print(f"without history against MiniLM: {unasked}")
    console.print_json(json.dumps(result), indent=None)


if __name__ == "__main__":
    main()
