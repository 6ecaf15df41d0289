"""Does saying "more of it" and "less of it" do what it says, and nothing else?

An interest is a first code of the semantic IDs, or a category. Each user turns one by several
strengths: down the one that holds most of their first 20 items, up one that is drawn by chance. A
line for each strength says

    share     of the first 20 that are of the interest, before and after, and the part of the users
              for whom it fell by 80% at least
    kept      of the other items of the first 20 before, how many are still there
    chance    the same where as many places went to items drawn from the list by chance
    ndcg@10   of users whose next item is of another interest, before and after: in the whole list,
              and among the items of the other interests; the loss with its 95% interval

and, as SteerEval asks (arXiv 2601.21105), AUC: how often an item of the interest that the user has
not seen is scored above one of a like popularity that is not of it, 100 of them. Here each user
turns one that is drawn by chance, up and down.

Last, what one event "not interested" does to the first item shown: the share of its interest.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from genrec.evaluate.bootstrap import paired_difference
from genrec.preferences import Steering
from genrec.recommender import Recommender
from genrec.rules.lists import WIDTH
from genrec.schema import Event, Example, Recommendation, Request

K = 20
TOP = 10
OTHERS = 100
POSITIVES = 10
STRENGTHS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)

About = tuple[int, ...] | str
Lists = list[list[Recommendation]]


@dataclass
class Study:
    """Users, what each is asked about, and their lists as they are."""

    recommender: Recommender
    examples: Sequence[Example]
    by: str
    drawn: bool = False
    seed: int = 0

    @cached_property
    def requests(self) -> list[Request]:
        """As an evaluation asks."""
        return [
            Request(one.history, one.targets[0].timestamp, one.targets[0].event_type)
            for one in self.examples
        ]

    @cached_property
    def before(self) -> Lists:
        """The first items of each user."""
        return self.recommender.recommend_many(self.requests, K)

    def of(self, item_id: str) -> Sequence[About]:
        """Return what an item is of: its first code, or its categories."""
        if self.by == "interest":
            return [self.recommender.codes_of(item_id)[:1]]
        return self.recommender.item(item_id).categories

    @cached_property
    def abouts(self) -> list[About]:
        """What each user is asked about: drawn, or what holds most of the list."""
        if self.drawn:
            rng = np.random.default_rng(self.seed)
            known = {one for item in self.recommender.items for one in self.of(item.item_id)}
            choices = sorted(known, key=str)
            return [choices[n] for n in rng.integers(len(choices), size=len(self.examples))]
        found: list[About] = []
        for items in self.before:
            counts: dict[About, int] = defaultdict(int)
            for item in items:
                for about in self.of(item.item_id):
                    counts[about] += 1
            found.append(max(sorted(counts, key=str), key=counts.__getitem__))
        return found

    def users_by_about(self) -> dict[About, list[int]]:
        """Return the users who are asked about each."""
        groups: dict[About, list[int]] = defaultdict(list)
        for user, about in enumerate(self.abouts):
            groups[about].append(user)
        return groups

    def steering(self, about: About, want: str, nats: float | None) -> Steering:
        """Return one wish, ready to be heeded."""
        subject = list(about) if isinstance(about, tuple) else {"categories": about}
        wish: dict[str, Any] = {want: subject}
        return self.recommender.steering([wish if nats is None else {**wish, "by": nats}])

    def turned(self, want: str, nats: float | None) -> Lists:
        """Return everybody's list with their own interest turned."""
        lists: Lists = [[] for _ in self.requests]
        for about, users in self.users_by_about().items():
            steering = self.steering(about, want, nats)
            requests = [steering.steer(self.requests[user]) for user in users]
            rules = steering.rules(requests, K)
            plan = self.recommender.plan(rules) if rules else None
            found = self.recommender.recommend_many(requests, K, plan)
            for user, items in zip(users, found, strict=True):
                lists[user] = items
        return lists

    def is_of(self, user: int, item_id: str) -> bool:
        """Tell whether an item is of what a user is asked about."""
        return self.abouts[user] in self.of(item_id)


def compare(study: Study, after: Lists) -> dict[str, Any]:
    """Return what turning the interests did to the lists."""
    before = study.before
    shares, kept, chance, whole, among = [], [], [], [], []
    for user, (old, new) in enumerate(zip(before, after, strict=True)):
        own = [[study.is_of(user, item.item_id) for item in items] for items in (old, new)]
        shares.append([np.mean(each) for each in own])
        others = {item.item_id for item, is_own in zip(old, own[0], strict=True) if not is_own}
        still = {item.item_id for item in new}
        if others:
            kept.append(len(others & still) / len(others))
            chance.append(len({item.item_id for item in old} & still) / K)
        target = study.examples[user].targets[0].item_id
        if not study.is_of(user, target):
            whole.append([gain(items, target) for items in (old, new)])
            rest = [
                [item for item, is_own in zip(items, mask, strict=True) if not is_own]
                for items, mask in zip((old, new), own, strict=True)
            ]
            among.append([gain(items, target) for items in rest])
    (share, then), (ndcg, turned), (ndcg_rest, turned_rest) = (
        np.mean(each, axis=0).tolist() for each in (shares, whole, among)
    )
    before_after = np.array(shares)
    has_some = before_after[:, 0] > 0
    lost = paired_difference(*np.array(whole).T)
    return {
        "far_down": np.mean(before_after[has_some, 1] <= 0.2 * before_after[has_some, 0]),
        "loss_between": (lost.low / ndcg, lost.high / ndcg),
        "share": share,
        "then": then,
        "change": then / share - 1,
        "kept": float(np.mean(kept)),
        "chance": float(np.mean(chance)),
        "ndcg": ndcg,
        "ndcg_then": turned,
        "loss": 1 - turned / ndcg,
        "loss_among": 1 - turned_rest / ndcg_rest,
        "users": len(whole),
    }


def gain(items: Sequence[Recommendation], target: str) -> float:
    """Return NDCG at ``TOP`` of one target."""
    ranks = [rank for rank, item in enumerate(items[:TOP]) if item.item_id == target]
    return float(1 / np.log2(ranks[0] + 2)) if ranks else 0.0


def auc(study: Study, wants: Mapping[str, float | None], seed: int) -> dict[str, np.ndarray]:
    """Return everybody's AUC as things are, and under each wish."""
    rng = np.random.default_rng(seed)
    recommender = study.recommender
    table = recommender.table
    counts = np.bincount(
        recommender.data.interactions("train").item_index, minlength=len(recommender.data.items)
    )
    order = [recommender.data.item_index[item_id] for item_id in table.item_ids]
    popularity = counts[order]
    found: dict[str, list[float]] = defaultdict(list)
    for user, request in enumerate(study.requests):
        seen = {event.item_id for event in request.history.events}
        own = np.array([study.is_of(user, item_id) for item_id in table.item_ids])
        free = np.array([item_id not in seen for item_id in table.item_ids])
        inside, outside = np.flatnonzero(own & free), np.flatnonzero(~own & free)
        if len(inside) < 2 or len(outside) < OTHERS:
            continue
        inside = rng.choice(inside, min(POSITIVES, len(inside)), replace=False)
        # Neighbours in popularity, each taken once.
        each = -(-OTHERS // len(inside))
        distance = np.abs(np.log1p(popularity[outside]) - np.log1p(popularity[inside])[:, None])
        chosen: dict[int, None] = {}
        for row in distance:
            near = [int(n) for n in np.argsort(row, kind="stable") if int(n) not in chosen][:each]
            chosen |= dict.fromkeys(near)
        rows = [*inside.tolist(), *outside[list(chosen)[:OTHERS]].tolist()]
        item_ids = [table.item_ids[row] for row in rows]
        for want, nats in {"": None, **wants}.items():
            asked, bonus = request, np.zeros(len(rows))
            if want:
                steering = study.steering(study.abouts[user], want, nats)
                asked = steering.steer(request)
                if rules := steering.rules([asked], K):
                    pool = recommender.rank_many([asked], WIDTH)[0]
                    bonus = recommender.plan(rules).bonus_for(pool)[rows]
            scores = np.array(recommender.score_many([asked] * len(rows), item_ids)) + bonus
            above = scores[: len(inside), None] - scores[len(inside) :]
            found[want].append(float(np.mean((above > 0) + 0.5 * (above == 0))))
    return {want: np.array(values) for want, values in found.items()}


def not_interested(study: Study) -> tuple[float, float]:
    """Return the share of the first item's interest, before and after it is refused."""
    shares = []
    for request, items in zip(study.requests, study.before, strict=True):
        first = items[0]
        moment = request.history.events[-1].timestamp
        refused = Event(request.history.user_id, first.item_id, moment, "not_interested")
        told = replace(request.history, events=(*request.history.events, refused))
        heeded = study.recommender.heed(replace(request, history=told))
        lists = [items, study.recommender.recommend_many([heeded], K)[0]]
        prefix = first.semantic_id[:1]
        shares.append([np.mean([one.semantic_id[:1] == prefix for one in each]) for each in lists])
    before, after = np.mean(shares, axis=0).tolist()
    return before, after


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--by", choices=["interest", "category"], nargs="+", default=["interest"])
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--auc-users", type=int, default=60)
    parser.add_argument("--strengths", type=float, nargs="*", default=STRENGTHS)
    parser.add_argument("--beams", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    recommender = Recommender.from_pretrained(arguments.run, "cpu", arguments.beams)
    examples = list(recommender.data.examples("test"))
    rng = np.random.default_rng(arguments.seed)
    chosen = sorted(rng.permutation(len(examples))[: arguments.users].tolist())
    for by in arguments.by:
        some = [examples[place] for place in chosen]
        top = Study(recommender, some, by)
        drawn = Study(recommender, some, by, True, arguments.seed)
        print(f"\n{by}: {len(chosen)} users")
        print(
            "want   nats   share → then   change  −80%   kept  chance   ndcg → then    "
            "loss (interval)          among"
        )
        strengths = (None, *arguments.strengths)
        tries = [(top, "less", nats) for nats in strengths] + [(top, "never", None)]
        tries += [(drawn, "more", nats) for nats in strengths]
        for study, want, nats in tries:
            one = compare(study, study.turned(want, nats))
            low, high = one["loss_between"]
            print(
                f"{want:5} {'default' if nats is None else format(nats, '.1f'):>7} "
                f"{one['share']:6.3f} {one['then']:6.3f} {one['change']:+8.0%} "
                f"{one['far_down']:5.0%} {one['kept']:6.0%} "
                f"{one['chance']:7.0%} {one['ndcg']:7.4f} {one['ndcg_then']:6.4f} "
                f"{one['loss']:+7.1%} ({low:+.1%} to {high:+.1%}) {one['loss_among']:+6.1%}  "
                f"({one['users']} users)",
                flush=True,
            )
        few = Study(recommender, some[: arguments.auc_users], by, True, arguments.seed)
        areas = auc(few, {"less": None, "more": None}, arguments.seed)
        as_is = areas.pop("")
        print(f"AUC  as it is {as_is.mean():.3f} ({len(as_is)} users)")
        for want, found in areas.items():
            move = paired_difference(found, as_is)
            print(
                f"{want} {found.mean():.3f}: {move.mean:+.3f} ({move.low:+.3f} to {move.high:+.3f})"
            )
    share, then = not_interested(top)
    print(f"one 'not interested': its interest's share of the first {K} {share:.3f} → {then:.3f}")


if __name__ == "__main__":
    main()
