"""What every library is given: events, a catalogue and histories, as Parquet files.

Enters: prepared data, split leave-one-out. Leaves: events.parquet and items.parquet, to train on,
and histories/NAME.parquet, to recommend for. Test events are left out, and so are all events of
some items: these are new. "known" are all users, "many" are made up of them, and three files hold
one user each who is out of the ordinary (``ODD``).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from benchmarks.batch import make_up
from benchmarks.peers.section import ODD
from genrec.data import Dataset
from genrec.data.dataset import ITEMS_FILE
from genrec.schema import EVENT_COLUMNS, Event

EVERY = 20
"""One item in so many is new."""
UNKNOWN = "in no catalogue"


def write_job(data: Dataset, folder: Path, users: int) -> list[str]:
    """Write the job, with so many made-up users beside the real ones; return the new items' IDs."""
    new = sorted(data.item_index)[::EVERY]
    known = [
        [event for event in history.events if event.item_id not in new]
        for history in data.histories("valid")
    ]
    first = known[0]
    of_new, of_none = (replace(first[0], item_id=item_id) for item_id in (new[0], UNKNOWN))
    odd = ([of_new], [of_none], [*first[:-1], of_none])
    asked = {
        "known": [event for events in known for event in events],
        "many": [
            replace(event, user_id=user_id)
            for user_id, events in make_up(known, users)
            for event in events
        ],
        **dict(zip(ODD, odd, strict=True)),
    }
    (folder / "histories").mkdir(parents=True)
    for name, events in asked.items():
        _write_events(events, folder / "histories" / f"{name}.parquet")
    _write_events(asked["known"], folder / "events.parquet")
    shutil.copy(data.path / ITEMS_FILE, folder / "items.parquet")
    return new


def _write_events(events: Iterable[Event], path: Path) -> None:
    pd.DataFrame(map(asdict, events), columns=list(EVENT_COLUMNS)).to_parquet(path, index=False)
