"""Which events stay and which split each belongs to, as SQL over narrow tables.

Enters: the table ``kept`` (seq, user_key, item_key, time) of ``staging``. Leaves: fewer rows of
it, and the table ``assigned`` (seq, user_key, time, split). Nothing here holds a user or an event
in Python.

Events that speak against their items (``genrec.feedback``) are in no split: they are set aside
before anything is counted, and written under a name that no split has.
"""

from __future__ import annotations

import duckdb

from genrec.data.config import PrepareConfig
from genrec.data.database import one_row
from genrec.errors import DataError
from genrec.feedback import is_evidence
from genrec.schema import FEEDBACK, Split

MOST_VALID_USERS = 5000
"""Training asks a thousand users while it goes on, and four thousand others when it is over."""
FEWEST_VALID_USERS = 100
MOST_VALID_EVENTS = 1 / 12
"""In between, of all events: what is held out is not learned, and in a small log of short histories
it is much of all there is (docs/lab-notes.md, "Validation events of a sample of users")."""

# A user is drawn by the hash of a number, so that every run and every machine draws the same; who
# has events enough for both splits first.
_LEAVE_ONE_OUT = """
CREATE TABLE assigned AS
WITH drawn AS (
    SELECT user_key, count(*) AS events,
        row_number() OVER (ORDER BY count(*) <= 2 * $held_out, md5(user_key::VARCHAR)) AS place
    FROM kept GROUP BY user_key
), tested AS (
    SELECT *, CASE WHEN events > $held_out AND place <= coalesce($test_users, place)
        THEN $held_out ELSE 0 END AS test
    FROM drawn
), held_out AS (
    SELECT *, CASE WHEN events > test + $held_out AND place <= $valid_users
        THEN $held_out ELSE 0 END AS valid
    FROM tested
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY user_key ORDER BY time DESC, seq DESC) AS back
    FROM kept
)
SELECT seq, user_key, time, CASE
    WHEN back <= test THEN 'test' WHEN back <= test + valid THEN 'valid' ELSE 'train' END AS split
FROM placed JOIN held_out USING (user_key)
"""

_GLOBAL_TIME = """
CREATE TABLE assigned AS
SELECT seq, user_key, time, CASE
    WHEN time >= $test THEN 'test' WHEN time >= $valid THEN 'valid' ELSE 'train' END AS split
FROM kept
"""


_SET_ASIDE = """
CREATE TABLE feedback AS
SELECT kept.* FROM kept JOIN events_read USING (seq) WHERE list_contains($types, event_type);
DELETE FROM kept WHERE seq IN (SELECT seq FROM feedback)
"""

_BRING_BACK = """
INSERT INTO assigned SELECT seq, user_key, time, $split FROM feedback
WHERE user_key IN (SELECT user_key FROM kept)
    AND ($every_item OR item_key IN (SELECT item_key FROM kept))
"""


def set_feedback_aside(connection: duckdb.DuckDBPyConnection) -> bool:
    """Take out the events that speak against their items; return whether there are any.

    Raises:
        DataError: There are no others.
    """
    found = connection.execute("SELECT DISTINCT event_type FROM events_read").fetchall()
    types = [event_type for (event_type,) in found if not is_evidence(event_type)]
    if not types:
        return False
    for statement in _SET_ASIDE.split(";"):
        parameters = {"types": types} if "$types" in statement else {}
        connection.execute(statement, parameters)
    if one_row(connection, "SELECT count(*) FROM kept") == (0,):
        raise DataError(f"every event speaks against its item ({', '.join(sorted(types))})")
    return True


def bring_feedback_back(connection: duckdb.DuckDBPyConnection, config: PrepareConfig) -> None:
    """Add what was set aside, of users and items that are written, to ``assigned``."""
    every_item = config.min_item_events == 0
    connection.execute(_BRING_BACK, {"split": FEEDBACK, "every_item": every_item})


def keep_core(connection: duckdb.DuckDBPyConnection, config: PrepareConfig) -> None:
    """Drop users and items with too few events until none is left (k-core).

    The order of dropping does not matter: there is one largest set in which all have enough.

    Raises:
        DataError: Nothing is left.
    """
    minimums = {"user_key": config.min_user_events, "item_key": config.min_item_events}
    removed = True
    while removed:
        removed = False
        for key, minimum in minimums.items():
            if minimum > 1:
                (count,) = one_row(
                    connection,
                    f"DELETE FROM kept WHERE {key} IN "
                    f"(SELECT {key} FROM kept GROUP BY {key} HAVING count(*) < $minimum)",
                    {"minimum": minimum},
                )
                removed = removed or count > 0
    if one_row(connection, "SELECT count(*) FROM kept") == (0,):
        raise DataError(
            f"no event is left with min_user_events {config.min_user_events} and "
            f"min_item_events {config.min_item_events}; lower them"
        )


def assign_splits(
    connection: duckdb.DuckDBPyConnection, config: PrepareConfig
) -> dict[Split, int] | None:
    """Give every kept event its split.

    Leave-one-out: a user's last event is test, the one before it valid (with ``held_out``, so
    many of each), of ``test_users`` and ``valid_users``, where one is left to train on. Global
    time: valid and test begin at moments that leave them their shares of the events; events of one
    moment stay together.

    Returns:
        When valid and test begin, seconds; None for leave-one-out.

    Raises:
        DataError: Global time leaves nothing to train on.
    """
    if config.split == "leave-one-out":
        settings = config.model_dump(include={"held_out", "valid_users", "test_users"})
        if config.valid_users is None:
            settings["valid_users"] = _valid_users(connection, config.held_out)
        connection.execute(_LEAVE_ONE_OUT, settings)
        return None
    valid = _moment(connection, config.valid_share + config.test_share)
    test = _moment(connection, config.test_share)
    connection.execute(_GLOBAL_TIME, {"valid": valid, "test": test})
    if one_row(connection, "SELECT min(time) >= $valid FROM kept", {"valid": valid}) == (True,):
        raise DataError(
            "global-time leaves nothing to train on: too many events share the first moment; "
            "use leave-one-out or lower valid_share and test_share"
        )
    return {"valid": valid // 1_000_000, "test": test // 1_000_000}


def _valid_users(connection: duckdb.DuckDBPyConnection, held_out: int) -> int:
    """Return how many users have events in valid where nobody says it."""
    (events,) = one_row(connection, "SELECT count(*) FROM kept")
    few = int(MOST_VALID_EVENTS * events / held_out)
    return min(MOST_VALID_USERS, max(FEWEST_VALID_USERS, few))


def _moment(connection: duckdb.DuckDBPyConnection, share_after: float) -> int:
    """Return the time at which the last share of the events begins, microseconds."""
    (total,) = one_row(connection, "SELECT count(*) FROM kept")
    # A sort spills to disk where an exact quantile would hold every time in memory.
    (time,) = one_row(
        connection,
        "SELECT time FROM kept ORDER BY time LIMIT 1 OFFSET $rank",
        {"rank": min(total - 1, round(total * (1 - share_after)))},
    )
    return int(time)
