"""Arms as they are written: NAME=RUN, NAME=URL or NAME=markov."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import SecretStr

from genrec.data.dataset import Dataset
from genrec.data.toy.world import DAY_S
from genrec.errors import ConfigError
from genrec.serving.settings import Settings, read_settings
from genrec.simulation.arms import Arm, GatewayArm, MarkovArm
from genrec.simulation.gateway import Clock, serving

MARKOV = "markov"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def read_pairs(written: Sequence[str], option: str) -> dict[str, str]:
    """Return what was written as NAME=VALUE, by name.

    Raises:
        ConfigError: Something is not written so, or a name comes twice.
    """
    pairs: dict[str, str] = {}
    for text in written:
        name, _, value = text.partition("=")
        if not _NAME.fullmatch(name) or not value:
            raise ConfigError(f"{option} {text!r} must be written NAME=VALUE, the name as a file's")
        if name in pairs:
            raise ConfigError(f"{option}: {name!r} comes twice; give each arm a name of its own")
        pairs[name] = value
    return pairs


def read_changes(written: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what was written as ARM.NAME=VALUE, by arm and name.

    Raises:
        ConfigError: Something is not written so, or a name comes twice.
    """
    changes: dict[str, dict[str, str]] = {}
    for named, value in read_pairs(written, "--set").items():
        arm, _, name = named.rpartition(".")
        changes.setdefault(arm, {})[name] = value
    return changes


def first_second(data: Dataset, days: int, arms: Mapping[str, str]) -> int:
    """Return when the first day begins.

    Days follow the last event of the data. Gateways that are named by their URL live by the real
    clock and refuse what lies ahead of it, so with one of them the last day is yesterday.

    Raises:
        ConfigError: Such days would begin before the last event.
    """
    known = int(data.interactions("test").timestamp.max())
    if not any(map(_is_url, arms.values())):
        return (known // DAY_S + 1) * DAY_S
    begin = (int(time.time()) // DAY_S - days) * DAY_S
    if begin <= known:
        raise ConfigError(
            f"{days} days that end now would begin before the last event of {data.path}; simulate "
            "fewer days"
        )
    return begin


@contextmanager
def opened(
    arms: Mapping[str, str],
    commands: Mapping[str, str],
    data: Dataset,
    out: Path,
    begin: int,
    key: str | None = None,
    changes: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[list[Arm]]:
    """Start gateways for arms that are runs; yield all arms in order.

    Args:
        arms: By name: a run, a URL or ``MARKOV``.
        commands: For gateways, by name: run by the shell after each day.
        data: Prepared data of the toy world.
        out: Folder for the stores of gateways started here.
        begin: First second of the first day.
        key: For gateways named by their URL.
        changes: Settings of gateways started here, by the arm's name.

    Raises:
        ConfigError: A command or a setting for no such gateway, or a setting that does not exist.
        GenrecError: A run cannot be served.
    """
    for name in commands:
        if arms.get(name, MARKOV) == MARKOV:
            raise ConfigError(f"--each-day: {name!r} is no arm with a gateway")
    changes = changes or {}
    for name, changed in changes.items():
        if arms.get(name, MARKOV) == MARKOV or _is_url(arms[name]):
            raise ConfigError(f"--set: {name!r} is no arm whose gateway is started here")
        if unknown := changed.keys() - Settings.model_fields.keys():
            raise ConfigError(f"--set: no setting {min(unknown)!r}; docs/serve.md lists all")
    with ExitStack() as stack:
        made: list[Arm] = []
        for name, what in arms.items():
            if what == MARKOV:
                made.append(MarkovArm(name, data))
                continue
            if _is_url(what):
                arm = GatewayArm(name, what, key=key, command=commands.get(name))
            else:
                store = f"sqlite:///{out.absolute() / name}.db"
                given = {"rate_limit_per_s": 0, "live_counts_s": DAY_S, **changes.get(name, {})}
                settings = read_settings(run=what, store=SecretStr(store), **given)
                clock = Clock(begin)
                gateway = stack.enter_context(serving(settings, clock))
                known = {"GENREC_RUN": what, "GENREC_STORE": store}
                arm = GatewayArm(
                    *(name, gateway.url, clock.reach, None, commands.get(name), known),
                    gateway.catch_up,
                )
            stack.callback(arm.close)
            made.append(arm)
        yield made


def _is_url(what: str) -> bool:
    return what.startswith(("http://", "https://"))
