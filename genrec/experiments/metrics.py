"""What an experiment measures: a column, per something, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.errors import DataError

EXPOSURE = "exposure"
USER = "user"
_LOWER = ":lower"


@dataclass(frozen=True)
class Metric:
    """A ratio of two sums over users.

    Attributes:
        name: Column to sum, such as "click".
        per: What the sum is divided by: "exposure" (rows), "user", or a column of counts.
        lower_is_better: Whether less is better, as of a latency.
    """

    name: str
    per: str = EXPOSURE
    lower_is_better: bool = False

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Read a metric as it is written on the command line.

        Raises:
            DataError: It is not of the form NAME[/PER][:lower].

        Examples:
            >>> Metric.parse("clicks/impressions")
            Metric(name='clicks', per='impressions', lower_is_better=False)
            >>> str(Metric.parse("latency_ms:lower"))
            'latency_ms/exposure:lower'
        """
        ratio = text.removesuffix(_LOWER)
        name, slash, per = ratio.partition("/")
        if not name or (slash and not per) or ":" in ratio:
            raise DataError(
                f"metric {text!r} cannot be read; write a column, as click, clicks/impressions, "
                "spent/user or latency_ms:lower"
            )
        return cls(name, per or EXPOSURE, text.endswith(_LOWER))

    @property
    def column_below(self) -> str | None:
        """The column to divide by; None: rows or users are counted."""
        return None if self.per in (EXPOSURE, USER) else self.per

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return (self.name,) if self.column_below is None else (self.name, self.column_below)

    def __str__(self) -> str:
        return f"{self.name}/{self.per}" + (_LOWER if self.lower_is_better else "")
