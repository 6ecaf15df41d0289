"""What a user may set about preparation."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
]


class PrepareConfig(BaseModel):
    """Settings of ``genrec.data.prepare.prepare``.

    Attributes:
        format: How the files name and write things; "plain" is our own columns.
        ignore_columns: Event columns of a plain file to leave out (any other unknown one is an
            error, since it may be a misspelt one of ours).
        split: "leave-one-out": each user's last event is test, the one before it valid.
            "global-time": everybody's events after a moment.
        held_out: Events of a user in test, and again in valid: a window instead of one event;
            leave-one-out only.
        valid_users: Users, drawn at random, who have events in valid; the others' are trained on.
            None: all; leave-one-out only.
        test_users: The same for test; 0 leaves nothing out, for a model to be served.
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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FormatName = "plain"
    ignore_columns: tuple[str, ...] = ()
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
