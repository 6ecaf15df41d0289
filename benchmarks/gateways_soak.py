"""Three gateways on one PostgreSQL, of which one is killed again and again: is anything lost?

    python -m benchmarks.gateways_soak --run runs/demo/sft --seconds 240

Starts a PostgreSQL server of its own and three gateways. Clients ask all of them for
recommendations and post events all the time. Meanwhile items come, change and are retired, rules
are stored and deleted, adapters promoted and rolled back, in bursts, each change at any gateway. In
every second burst some gateway is killed (SIGKILL) and started again. Two seconds after each burst
all gateways are asked the same, and so is a gateway that was started again, with its first answer.

Prints what was done, and ends with exit code 1 where a change, an event or an impression that was
acknowledged is lost, where answers contradict each other or a change, or where a gateway that was
not killed failed a request.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import select

from benchmarks.private_postgres import private_postgres
from benchmarks.serve_load import ROOT, gateway
from genrec.serving.store import connect
from genrec.serving.store.tables import EVENTS, IMPRESSIONS
from genrec.training.continual import Start, write_update

SETTLED_S = 2.0
BURST = 6
QUESTIONS = 4
K = 20


@dataclass
class Gateway:
    """One of them; ``url`` is None while it is down."""

    start: Callable[[], tuple[ExitStack, str, int]]
    stack: ExitStack = field(default_factory=ExitStack)
    url: str | None = None
    pid: int = 0

    def up(self) -> None:
        """Start it, or start it again; it answers then."""
        self.stack, self.url, self.pid = self.start()

    def kill(self) -> None:
        """Leave it no moment to tidy up."""
        self.url = None
        os.kill(self.pid, signal.SIGKILL)
        self.stack.close()


@dataclass
class Account:
    """What was acknowledged, and what went wrong.

    Attributes:
        items: Title of each item that was added or changed, and whether it is retired.
        rules: Item that each rule bans; None: the rule was deleted.
        served: Path of the adapter that is served; None: the run as trained.
        unsure: Of what it is not known whether it happened: its gateway was killed meanwhile.
        events: IDs of events.
        pages: IDs of recommendations.
        faults: In words.
        counts: What was done.
    """

    items: dict[str, tuple[str, bool]] = field(default_factory=dict)
    rules: dict[str, str | None] = field(default_factory=dict)
    served: list[str | None] = field(default_factory=lambda: [None])
    unsure: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def hold_against(self, told: dict[str, Any]) -> None:
        """Note what a gateway does not know of what was acknowledged, or does not heed."""
        for item_id, known in self.items.items():
            if told["items"].get(item_id) != known and item_id not in self.unsure:
                self.faults.append(f"lost: {item_id} {known}, told {told['items'].get(item_id)}")
        for name, item_id in self.rules.items():
            if told["rules"].get(name) != item_id and name not in self.unsure:
                self.faults.append(f"lost: rule {name} {item_id}")
        retired = {item_id for item_id, (_, is_retired) in self.items.items() if is_retired}
        forbidden = (retired | set(self.rules.values())) - self.unsure
        for item_id in told["shown"] & forbidden:
            self.faults.append(f"shown though retired or banned: {item_id}")
        serving = None if told["promotions"] is None else told["promotions"]["path"]
        if serving != self.served[-1] and "promotions" not in self.unsure:
            self.faults.append(f"lost: promotion of {self.served[-1]}, serves {serving}")
        if told["fault"]:
            self.faults.append(f"not served: {told['fault']}")


class Soak:
    """Changes, clients, kills and questions."""

    def __init__(self, gateways: list[Gateway], adapters: list[str], seed: int) -> None:
        self.gateways, self.adapters = gateways, adapters
        self.account = Account()
        self.choose = random.Random(seed)
        self.http = httpx2.Client(timeout=60, limits=httpx2.Limits(max_connections=64))
        items, users = (
            self.get(gateways[0], what) for what in ("items?limit=999", "users?limit=500")
        )
        self.known = [item["item_id"] for item in items["items"]]
        self.users = [user["user_id"] for user in users["users"]]
        self.over = threading.Event()

    def get(self, gateway: Gateway, path: str) -> Any:
        """Return what a gateway answers."""
        answer = self.http.get(f"{gateway.url}/v1/{path}")
        answer.raise_for_status()
        return answer.json()

    def client(self, seed: int) -> None:
        """Ask, and post events, until it is over."""
        choose, number = random.Random(seed), 0
        while not self.over.is_set():
            gateway = choose.choice(self.gateways)
            url = gateway.url
            if url is None:
                continue
            number += 1
            user, name = choose.choice(self.users), f"event-{seed}-{number}"
            event = {"event_id": name, "user_id": user, "item_id": choose.choice(self.known)}
            is_event = choose.random() < 0.3
            path, body = ("events", {"events": [event]}) if is_event else ("recommend", None)
            try:
                answer = self.http.post(f"{url}/v1/{path}", json=body or {"user_id": user, "k": 5})
            except httpx2.HTTPError as error:
                # Of one that was killed nothing can be expected.
                if gateway.url == url:
                    time.sleep(0.5)
                if gateway.url == url:
                    self.account.faults.append(f"{path}: {error!r}")
                continue
            self.account.counts[path] += 1
            if answer.status_code != 200:
                self.account.faults.append(f"{path}: {answer.status_code} {answer.text}")
            elif is_event:
                self.account.events.append(name)
            else:
                self.account.pages.append(answer.json()["recommendation_id"])

    def change(self, gateway: Gateway, number: int) -> None:
        """Change something at a gateway; it is in the account when it was acknowledged."""
        account, choose = self.account, self.choose
        known, title = account.items, f"Thing of change {number}"
        kind = choose.choice(("add", "edit", "retire", "bring back", "rule", "no rule", "promote"))
        subject = f"soak-{number}"
        if kind in ("edit", "retire", "bring back") and known:
            subject = choose.choice(sorted(known))
        elif kind == "no rule" and account.rules:
            subject = choose.choice(sorted(account.rules))
        elif kind not in ("rule", "promote"):
            kind = "add"
        banned = choose.choice(self.known)
        path = choose.choice(self.adapters)
        asked: dict[str, tuple[str, str, Any]] = {
            "add": ("PUT", "items", {"items": [{"item_id": subject, "title": title}]}),
            "edit": ("PATCH", f"items/{subject}", {"title": title}),
            "retire": ("DELETE", f"items/{subject}", None),
            "bring back": ("PATCH", f"items/{subject}", {"retired": False}),
            "rule": (
                *("PUT", f"rules/{subject}"),
                {"rule": {"ban": {"item_id": banned}}, "always": True},
            ),
            "no rule": ("DELETE", f"rules/{subject}", None),
            "promote": ("POST", "promotions", {"path": path}),
        }
        if kind == "promote" and len(account.served) > 1 and choose.random() < 0.5:
            kind, asked["promote"] = "roll back", ("POST", "promotions/rollback", None)
        if kind == "rule" and sum(each is not None for each in account.rules.values()) > 15:
            return
        method, where, body = asked["promote" if kind == "roll back" else kind]
        try:
            answer = self.http.request(method, f"{gateway.url}/v1/{where}", json=body)
        except httpx2.HTTPError:
            account.unsure.add("promotions" if "promotions" in where else subject)
            return
        if answer.status_code == 404 and (kind == "no rule" or subject in account.unsure):
            return
        if not answer.is_success:
            account.faults.append(f"{kind} {subject}: {answer.status_code} {answer.text}")
            return
        account.counts[kind] += 1
        match kind:
            case "add" | "edit":
                account.items[subject] = (title, account.items.get(subject, ("", False))[1])
            case "retire" | "bring back":
                account.items[subject] = (account.items[subject][0], kind == "retire")
            case "rule":
                account.rules[subject] = banned
            case "no rule":
                account.rules[subject] = None
            case "promote":
                account.served.append(answer.json()["path"])
            case "roll back":
                account.served.pop()

    def ask_all(self, exactly: bool = False) -> None:
        """Ask every gateway that is up the same, and hold it against the account."""
        answers = [self.state(gateway, exactly) for gateway in self.gateways if gateway.url]
        self.account.counts["comparisons"] += 1
        for told in answers[1:]:
            for name, value in told.items():
                if value != answers[0][name] and name != "shown":
                    self.account.faults.append(f"gateways contradict each other in {name}")
        for told in answers:
            self.account.hold_against(told)

    def state(self, gateway: Gateway, exactly: bool) -> dict[str, Any]:
        """Return what a gateway says of all that changes."""
        items = self.get(gateway, "items?limit=1000&retired=true&query=soak")["items"]
        promotions = self.get(gateway, "promotions")
        choose = random.Random(0)
        lists = [
            self.http.post(
                f"{gateway.url}/v1/recommend",
                json={"events": [{"item_id": choose.choice(self.known)}], "k": K, "shown": False},
            ).json()
            for _ in range(QUESTIONS)
        ]
        return {
            "items": {one["item_id"]: (one["title"], one["retired"]) for one in items},
            "rules": {
                one["name"]: one["rule"]["ban"]["item_id"]
                for one in self.get(gateway, "rules")["rules"]
            },
            "promotions": promotions["serving"],
            "adapter": {one["adapter"] for one in lists},
            "fault": promotions["fault"],
            # Live counts follow within a second, so scores do not agree while events arrive.
            "lists": [one["items"] for one in lists] if exactly else None,
            "shown": {item["item_id"] for one in lists for item in one["items"]},
        }

    def burst(self, number: int, to_kill: Gateway | None) -> None:
        """Change several things at any gateways; kill one in their midst and start it again."""
        up = [gateway for gateway in self.gateways if gateway.url]
        with ThreadPoolExecutor(1) as pool:
            killing = None
            for place in range(BURST):
                if to_kill is not None and place == BURST // 2:
                    killing = pool.submit(to_kill.kill)
                gateway = self.choose.choice(up)
                if gateway.url is None:
                    up.remove(gateway)
                    continue
                self.change(gateway, number * BURST + place)
            if killing is not None:
                killing.result()
        self.settle_unsure()
        time.sleep(SETTLED_S)
        self.ask_all()
        if to_kill is not None:
            to_kill.up()
            self.account.counts["kills"] += 1
            self.ask_all()

    def settle_unsure(self) -> None:
        """Take into the account what came of changes whose gateway was killed meanwhile."""
        if not self.account.unsure:
            return
        self.account.counts["unsure"] += len(self.account.unsure)
        time.sleep(SETTLED_S)
        told = self.state(next(each for each in self.gateways if each.url), False)
        for subject in self.account.unsure - {"promotions"}:
            if subject in told["items"]:
                self.account.items[subject] = told["items"][subject]
            elif subject in self.account.rules or subject in told["rules"]:
                self.account.rules[subject] = told["rules"].get(subject)
        if "promotions" in self.account.unsure:
            # What lies below it in the journal is not known here: begin anew from what serves.
            serving = told["promotions"]
            self.account.served = [None if serving is None else serving["path"]]
        self.account.unsure.clear()


def missing(store: str, account: Account) -> list[str]:
    """Say which acknowledged events and impressions the store does not hold."""
    engine = connect(store)
    with engine.connect() as connection:
        events = set(connection.scalars(select(EVENTS.c.event_id)))
        pages = set(connection.scalars(select(IMPRESSIONS.c.recommendation_id)))
    engine.dispose()
    lost = [f"lost: event {name}" for name in account.events if name not in events]
    return lost + [f"lost: impression {name}" for name in account.pages if name not in pages]


def make_adapters(run: Path, folder: Path) -> list[str]:
    """Write two adapters of a run that brings heads alike its own; return their paths."""
    start = Start(run)
    for name in ("one", "other"):
        write_update(folder / name, start, start.head(), {"name": name})
    return ["one", "other"]


def main() -> None:
    """Run, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=ROOT / "runs/demo/sft")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run = arguments.run.resolve()
    with ExitStack() as stack:
        adapters = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        paths = make_adapters(run, adapters)
        store = stack.enter_context(private_postgres()).new_database()

        def start() -> tuple[ExitStack, str, int]:
            own = ExitStack()
            settings = {"store": store, "adapters_dir": adapters}
            url, pid = own.enter_context(gateway(run, 1, **settings))
            return own, url.rstrip("/"), pid

        gateways = [Gateway(start) for _ in range(3)]
        for each in gateways:
            each.up()
            stack.callback(lambda each=each: each.stack.close())
        soak = Soak(gateways, paths, arguments.seed)
        with ThreadPoolExecutor(arguments.clients) as pool:
            asking = [pool.submit(soak.client, seed) for seed in range(arguments.clients)]
            try:
                end, number = time.monotonic() + arguments.seconds, 0
                while time.monotonic() < end:
                    number += 1
                    to_kill = gateways[number // 2 % 3] if number % 2 == 0 else None
                    soak.burst(number, to_kill)
            finally:
                soak.over.set()
            for each in asking:
                each.result()
        time.sleep(SETTLED_S)
        soak.ask_all(exactly=True)
        soak.account.faults += missing(store, soak.account)
    account = soak.account
    print(", ".join(f"{what} {count:,}" for what, count in sorted(account.counts.items())))
    print(
        f"acknowledged: {len(account.events):,} events, {len(set(account.pages)):,} pages, "
        f"{len(account.items)} items, {len(account.rules)} rules"
    )
    for fault, count in Counter(account.faults).most_common(20):
        print(f"  {count} times: {fault}")
    print(f"{len(account.faults)} faults")
    sys.exit(bool(account.faults))


if __name__ == "__main__":
    main()
