"""One update: from what came to the store to a decision in the journal."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from sqlalchemy import Engine

from genrec.artifacts import read_manifest
from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig
from genrec.devices import choose_device
from genrec.errors import DataError
from genrec.evaluate.harness import evaluate
from genrec.model.adapter_head import TrainedHead
from genrec.model.lora import ADAPTERS, UNTIL
from genrec.model.recent_popularity import RecentPopularity
from genrec.recommender import Recommender
from genrec.serving.catalogue import Catalogue
from genrec.serving.export import prepare_from_store, settings_of
from genrec.serving.loading import table_hash_of
from genrec.serving.store import (
    POSITION,
    ChangeLog,
    Entry,
    Journal,
    Lock,
    Position,
    alone,
    read_store_id,
    reading,
)
from genrec.training.continual import Start, train_lora, write_update
from genrec.training.continual_head import Material, fuse_again, train_head
from genrec.updates.config import UpdateConfig
from genrec.updates.slices import Slices, cut, last_time
from genrec.updates.verdict import SURE_OF_LEAD, SURE_OF_OLDER, Slice, judge

METRIC = "ndcg@10"


@dataclass(frozen=True)
class Updater:
    """Updates one run from one store.

    Attributes:
        engine: Of a store that is up to date.
        run: As it was trained.
        folder: Where updates go; gateways must find them below their folder of adapters.
        config: How.
        data: Prepared data to join with the store; None: what the run was trained on.
        device: That judges; None: a GPU where there is one.
    """

    engine: Engine
    run: Path
    folder: Path
    config: UpdateConfig
    data: Path | None = None
    device: str | None = None

    def update(self) -> Entry | None:
        """Train, judge, and promote or refuse; the decision is in the journal.

        Returns:
            The decision; None where another updater is at work on this store.

        Raises:
            GenrecError: The run or what serves is damaged, or the data holds no event out.
        """
        with alone(self.engine, Lock.UPDATE) as is_alone:
            return self._update() if is_alone else None

    def _update(self) -> Entry:
        journal = Journal(self.engine)
        run = read_manifest(self.run).content_hash
        start = Start(self.run, self._serving(journal, run))
        recommender = Recommender.from_pretrained(
            self.run, choose_device(self.device), self.config.num_beams, histories=self.data
        )
        base = recommender.data
        base.check_events()
        made = {} if start.adapter is None else read_manifest(start.adapter).config
        known = Position.of(made or base.manifest.config, read_store_id(self.engine))
        since = max(known.events, _tried(journal, run, known.store_id))
        with reading(self.engine, known) as view:
            upto = view.upto
        entry = Entry(run, _who(), "nothing new", "", figures={POSITION: asdict(upto)})
        if upto.events <= since:
            return _note(journal, entry, f"no event came since number {since}")
        # Items that were added while serving have the IDs that gateways gave them.
        Catalogue(recommender, ChangeLog(self.engine), table_hash_of(self.run)).catch_up()
        with _workspace(self.folder) as scratch:
            prepare_from_store(
                self.engine, base, scratch / "data", PrepareConfig(**settings_of(base))
            )
            joined = Dataset.load(scratch / "data")
            if recommender.popularity is not None:
                # As in a gateway, where live events count as they come.
                recommender.popularity = RecentPopularity.of(joined, "test")
            slices = cut(base, joined, made.get(UNTIL) or last_time(base), scratch, self.config)
            figures = {
                POSITION: joined.manifest.config[POSITION],
                "from": str(start.adapter or start.run),
                "base_data": base.manifest.content_hash,
                "data": joined.manifest.content_hash,
            }
            entry = replace(entry, decision="kept", figures=figures)
            if slices.newest is None:
                reason = "all that came is older than what the model knows; was a clock wrong?"
                return _note(journal, entry, reason)
            return self._try(journal, entry, start, slices, recommender)

    def _try(
        self,
        journal: Journal,
        entry: Entry,
        start: Start,
        slices: Slices,
        recommender: Recommender,
    ) -> Entry:
        """Train and judge; what is not promoted is removed."""
        candidate = self.folder / time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        settings = {name: entry.figures[name] for name in (POSITION, "data")}
        settings |= {UNTIL: slices.until, **self.config.model_dump(mode="json")}
        try:
            chosen = self._train(start, slices, recommender, candidate, settings)
            newest, older = self._compare(recommender, start, candidate, slices)
            judgement = judge(newest, older, self.config)
            measured = {"newest": newest.to_json(), "older": older.to_json()}
            entry = replace(
                entry,
                figures={**entry.figures, "chosen": chosen, **measured},
                content_hash=read_manifest(candidate).content_hash,
            )
            if not judgement.promote:
                return _note(journal, entry, judgement.reason)
            path = os.path.relpath(candidate, self.run.parent)
            path = str(candidate.resolve()) if path.startswith("..") else path
            entry = journal.promote(
                replace(entry, decision="promoted", reason=judgement.reason, path=path)
            )
            return entry
        finally:
            if entry.decision != "promoted":
                shutil.rmtree(candidate, ignore_errors=True)

    def _serving(self, journal: Journal, run: str) -> Path | None:
        """Return the adapter that gateways serve beside the run.

        Raises:
            DataError: It is gone.
        """
        entry = journal.in_force(run)
        if entry is None or entry.path is None:
            return None
        path = self.run.parent / entry.path
        if not path.exists():
            raise DataError(
                f"{path}, which was promoted, is gone: put it back, or go back to what served "
                "before it (genrec rollback)"
            )
        read_manifest(path, ADAPTERS)
        return path

    def _train(
        self,
        start: Start,
        slices: Slices,
        recommender: Recommender,
        out: Path,
        settings: dict[str, Any],
    ) -> dict[str, float | None]:
        """Write the candidate; return what was chosen for it, by the names in the journal."""
        lora = self._train_lora(start, slices, recommender) if self.config.lora_epochs else None
        head, chosen = start.own_head(), dict[str, float | None]()
        if self.config.epochs:
            head, half_life = self._train_head(start, slices, recommender, lora)
            terms = head.head.terms
            chosen = {
                "half_life_events": half_life,
                "sasrec_weight": head.head.weight,
                "transitions": terms.transitions,
                "likeness": terms.likeness,
            }
        write_update(out, start, head, settings, lora)
        return chosen

    def _train_lora(self, start: Start, slices: Slices, recommender: Recommender) -> Path:
        changes = {
            "epochs": self.config.lora_epochs,
            "optimizer": {"learning_rate": self.config.lora_learning_rate, "weight_decay": 0.0},
            "seed": self.config.seed,
        }
        folder = slices.folder / "lora"
        return train_lora(start, slices.train, recommender.table, folder, changes)

    def _train_head(
        self, start: Start, slices: Slices, recommender: Recommender, lora: Path | None
    ) -> tuple[TrainedHead, float | None]:
        """Train the head on, and choose anew what it says beside the LM that will serve.

        Returns:
            The head, and the half-life of its counts; see ``train_head``.
        """
        config, device = self.config, torch.device(choose_device(self.device))
        material = Material(
            *(slices.train, slices.past, slices.older, recommender.popularity),
            *(config.margin, config.users, config.seed),
        )
        changes = {
            "epochs": config.epochs,
            "learning_rate": config.learning_rate,
            "every_epochs": 1,
        }
        served = start.head()
        head, half_life = train_head(served, material, recommender.table, changes)
        fuse_again(start.load(device, lora), served, head, material, device)
        return replace(head, counted_until=slices.counted_until), half_life

    def _compare(
        self, recommender: Recommender, start: Start, candidate: Path, slices: Slices
    ) -> tuple[Slice, Slice]:
        """Ask both models about both slices."""
        own = recommender.adapter
        names: list[str | None] = [own, "candidate"]
        recommender.load_adapter("candidate", candidate)
        if start.adapter is not None:
            recommender.load_adapter("serving", start.adapter)
            names[0] = "serving"
        compared = []
        for data, level in ((slices.newest, SURE_OF_LEAD), (slices.older, SURE_OF_OLDER)):
            assert data is not None
            found = []
            for name in names:
                recommender.use_adapter(name)
                found.append(
                    evaluate(
                        *(recommender, data, "test", 10),
                        max_users=self.config.users,
                        seed=self.config.seed,
                    )[0].per_user[METRIC]
                )
            compared.append(Slice.of(found[0], found[1], level, self.config.seed))
        return compared[0], compared[1]


def _note(journal: Journal, blank: Entry, reason: str) -> Entry:
    return journal.note(replace(blank, reason=reason))


def _tried(journal: Journal, run: str, store_id: str) -> int:
    """Return the last event of a store that an update was made from, whatever came of it.

    A refused one is not tried again without new events: of many tries one would pass by luck.
    """
    found = (Position.of(entry.figures, store_id) for entry in journal.entries(run))
    return max((position.events for position in found), default=0)


@contextmanager
def _workspace(folder: Path) -> Iterator[Path]:
    """Make a folder for one update, removed at the end; what was cut off before goes too."""
    scratch = folder / ".update"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _who() -> str:
    return f"genrec update on {socket.gethostname()}"
