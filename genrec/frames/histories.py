"""Known users from a data frame of events, held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from genrec.arguments import check_id, wrong_type
from genrec.errors import DataError
from genrec.frames.read import as_frame, read_histories
from genrec.schema import History, Split


class FrameHistories:
    """Users of a frame; asked as a ``Dataset`` is."""

    descriptions: Mapping[str, str] = {}
    """A frame of events says nothing of its users."""

    def __init__(self, frame: Any) -> None:
        """Read the frame.

        Raises:
            DataError: See ``read_histories``.
        """
        found = as_frame(frame, "histories")
        if found is None:
            raise wrong_type(frame, "histories", "prepared data, or a data frame of events")
        self._histories = {
            history.user_id: history for history in read_histories(found, "histories")
        }

    def history(self, user_id: str) -> History:
        """Return one user's events.

        Raises:
            DataError: Nobody has this ID.
        """
        try:
            return self._histories[check_id(user_id, "user_id")]
        except KeyError:
            raise DataError(
                f"no user '{user_id}' among the {len(self._histories)} of the histories; check "
                "the ID (IDs are text and case-sensitive), or give the events of a new user"
            ) from None

    def histories(self, upto: Split = "test", feedback: bool = False) -> Iterator[History]:
        """Yield every user with all of their events; a frame has no splits."""
        yield from self._histories.values()
