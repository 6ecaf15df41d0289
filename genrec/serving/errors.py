"""What a request can get wrong, and what an overloaded server says."""

from __future__ import annotations

from genrec.errors import GenrecError

MAX_QUOTED_CHARS = 80


class ServiceError(GenrecError):
    """A request that cannot be answered.

    Attributes:
        code: A word for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFound(ServiceError):
    """The user, item or adapter does not exist."""


class Conflict(ServiceError):
    """The request contradicts the server's present state."""


class Overloaded(GenrecError):
    """Too many requests are waiting, or one has waited too long."""


def quote(value: str) -> str:
    """Quote a value of a request for a message, cut to a readable length."""
    cut = value if len(value) <= MAX_QUOTED_CHARS else value[:MAX_QUOTED_CHARS] + "…"
    return f"'{cut}'"


def check_count(number: int, what: str, most: int) -> None:
    """Refuse a request that holds too much.

    Raises:
        ServiceError: There are more than are taken.
    """
    if number > most:
        raise ServiceError("too_many", f"{number} {what} in one request; at most {most} are taken")
