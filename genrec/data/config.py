"""What a user may set about preparation."""

from __future__ import annotations

import codecs
from typing import Any, Literal
from zoneinfo import ZoneInfo

import duckdb
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FormatName = Literal[
    "plain",
    "amazon-2014",
    "amazon-2018",
    "amazon-2023",
    "movielens-100k",
    "movielens-1m",
    "movielens-32m",
    "yelp",
    "goodreads",
    "retailrocket",
    "mind",
    "steam",
    "lastfm-1k",
    "hm",
    "instacart",
    "kuairec",
    "yambda",
    "sequences",
]


TimeUnit = Literal["s", "ms", "us", "ns", "days", "excel-days"]
RepairName = Literal["html", "lists", "null-words", "float-ids", "decimal"]
NULL_WORDS = (
    *("\\N", "NULL", "null", "None", "NaN", "nan", "NaT", "NA", "N/A", "n/a", "#N/A", "<NA>"),
)

_CHARACTERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
_CHARACTERS |= {"\\x01": "\x01", "^A": "\x01", "backslash": "\\"}


class ReadingConfig(BaseModel):
    """How files are written, where their look does not say it or says it wrong.

    What is None is what the file looks like (``genrec.data.look``). An item file that certainly
    is written in another way than an option says (other encoding, other delimiter) keeps its own.

    Attributes:
        columns: Pairs "ours=theirs": which column of the file is our user_id, item_id, timestamp
            and so on; their names without regard to case, or numbers from 1 in a file without a
            header. A pair counts for every file that has the column.
        ignore_columns: Event columns of a plain file to leave out (any other unknown one is an
            error, since it may be a misspelt one of ours).
        header: Whether the first line names the columns.
        encoding: Such as "utf-8", "latin-1", "cp1252", "utf-16", "shift_jis".
        delimiter: Between fields: one character, "tab", or more characters.
        quote: Around fields; "none": nothing is quoted.
        escape: Before a character that means itself, such as a backslash; "none": there is none.
        decimal: Of ratings.
        time_unit: Of times that are numbers; "excel-days" are those of spreadsheets, since 1899.
        time_format: Of times that are text, as strptime has it.
        time_zone: Of times that name none, such as "Europe/Berlin".
        day_first: Whether 1/2/2020 is in February.
        order: "time", or "file": events follow each other as in the files, and times are counted
            from 0.
        null_words: Texts that mean "missing".
        no_repair: Repairs that are left undone: "html" (tags and scripts in texts), "lists"
            (written as text), "null-words", "float-ids" (3.0 where another file has 3), "decimal".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...] = ()
    ignore_columns: tuple[str, ...] = ()
    header: bool | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    decimal: Literal[".", ","] | None = None
    time_unit: TimeUnit | None = None
    time_format: str | None = None
    time_zone: str = "UTC"
    day_first: bool | None = None
    order: Literal["time", "file"] = "time"
    null_words: tuple[str, ...] = NULL_WORDS
    no_repair: tuple[RepairName, ...] = ()

    @field_validator("columns", "ignore_columns", "null_words", "no_repair", mode="before")
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("columns")
    @classmethod
    def _pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = {"user_id", "item_id", "timestamp", "event_type", "rating", "title", "review"}
        known |= {"brand", "categories", "description", "text", "about"}
        for pair in value:
            ours, equals, theirs = pair.partition("=")
            if not equals or not theirs or ours not in known:
                raise ValueError(
                    f"write {pair!r} as ours=theirs, such as user_id=visitorid; ours are "
                    + ", ".join(sorted(known))
                )
        return value

    @field_validator("delimiter", "quote", "escape", mode="before")
    @classmethod
    def _character(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, str):
            return value
        value = _CHARACTERS.get(value, value)
        if info.field_name != "delimiter" and value != "none" and len(value) != 1:
            raise ValueError("give one character, or none")
        if not value or value in ("\n", "\r", "\0"):
            raise ValueError("give a character that is no line end")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            if value:
                " ".encode(value)  # refuses codecs of bytes, such as base64
            return value and codecs.lookup(value).name
        except LookupError:
            raise ValueError("not an encoding; such as utf-8, latin-1, cp1252, utf-16") from None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (OSError, ValueError, LookupError):
            raise ValueError("not a time zone; such as UTC, Europe/Berlin") from None

    @field_validator("time_format")
    @classmethod
    def _is_a_format(cls, value: str | None) -> str | None:
        if value is not None and "%" not in value:
            raise ValueError("give a format of strptime, such as %d.%m.%Y %H:%M")
        try:
            duckdb.execute("SELECT try_strptime('', ?)", [value])
        except duckdb.Error as error:
            raise ValueError(str(error).splitlines()[0]) from None
        return value


class PrepareConfig(ReadingConfig):
    """Settings of ``genrec.data.prepare.prepare``.

    Attributes:
        format: How the files name and write things; "plain" is our own columns.
        split: "leave-one-out": each user's last event is test, the one before it valid.
            "global-time": everybody's events after a moment.
        held_out: Events of a user in test, and again in valid: a window instead of one event;
            leave-one-out only.
        valid_users: Users, drawn at random, who have events in valid; the others' are trained on.
            None: so many that valid holds a twelfth of the events, 100 at least and 5,000, as many
            as training chooses by, at most; leave-one-out only.
        test_users: The same for test; None: all, 0: nobody, for a model to be served.
        valid_share: Share of all events in valid; global-time only.
        test_share: Share of all events in test; global-time only.
        min_user_events: Users with fewer events are dropped, together with ``min_item_events``
            and again and again until both hold (k-core). 0: off.
        min_item_events: Items with fewer events are dropped, from the catalogue too; 1 keeps
            just the items that have events. 0: off.
        min_rating: Lower ratings reject the row; None: any finite number passes.
        max_rating: Higher ratings reject the row.
        max_reject_share: Stop when more than this share of the rows cannot be used.
        max_line_bytes: Longer lines (of CSV: longer fields too) are rejected unread.
        memory_limit: What DuckDB may hold before it spills to disk beside the output; the whole
            process needs about 1 GB more.

    How the files are written is set by ``ReadingConfig``.
    """

    format: FormatName = "plain"
    split: Literal["leave-one-out", "global-time"] = "leave-one-out"
    held_out: int = Field(default=1, ge=1)
    valid_users: int | None = Field(default=None, ge=0)
    test_users: int | None = Field(default=None, ge=0)
    valid_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.1, gt=0, lt=1)
    min_user_events: int = Field(default=0, ge=0)
    min_item_events: int = Field(default=0, ge=0)
    min_rating: float | None = Field(default=None, allow_inf_nan=False)
    max_rating: float | None = Field(default=None, allow_inf_nan=False)
    max_reject_share: float = Field(default=0.05, ge=0, le=1)
    max_line_bytes: int = Field(default=1 << 20, ge=64)
    memory_limit: str = Field(default="4GB", pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$")

    @model_validator(mode="after")
    def _draws_users_where_users_are_split(self) -> PrepareConfig:
        if self.split == "global-time" and (self.valid_users, self.test_users) != (None, None):
            raise ValueError("valid_users and test_users go with leave-one-out")
        return self

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> PrepareConfig:
        if self.valid_share + self.test_share >= 1:
            raise ValueError("valid_share + test_share must stay below 1: the rest is train")
        return self
