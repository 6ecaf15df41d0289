"""Settings of an update."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class UpdateConfig(BaseModel):
    """How an update is trained, and what it must show.

    Attributes:
        epochs: Most passes of the head over the events; 0: it and its counts stay.
        learning_rate: Of the head.
        lora_epochs: Most passes of the LoRA adapter over the events; 0: it stays as it is.
        lora_learning_rate: Of the LoRA adapter.
        replay: Users without new events who are trained on again, for each one who has some.
        held_out: Share of the new events, the newest ones, that judge and are not trained on.
        valid: Share of the new events, those right before, that stop the training and
            choose.
        users: Most users asked about in either slice.
        fewest_users: Who must have been there before and come back in the newest days; fewer
            cannot judge.
        margin: By what share of the old model's NDCG@10 the new one may seem worse on older events.
            Where what was right before is wrong for good, a small one refuses what learned that.
        break_share: What of its NDCG@10 on older events the old model must keep on the newest
            ones; less is no drift but a break in the data, which a person should look at.
        num_beams: Of the search that judges.
        seed: Of everything drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(10, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    lora_epochs: int = Field(0, ge=0)
    lora_learning_rate: float = Field(2e-4, gt=0)
    replay: float = Field(4.0, ge=0)
    held_out: float = Field(0.2, gt=0, lt=1)
    valid: float = Field(0.1, ge=0, lt=1)
    users: int = Field(1000, ge=1)
    fewest_users: int = Field(30, ge=1)
    margin: float = Field(0.05, ge=0, lt=1)
    break_share: float = Field(0.33, ge=0, lt=1)
    num_beams: int = Field(50, ge=10)
    seed: int = 0

    @model_validator(mode="after")
    def _trains_something(self) -> UpdateConfig:
        if not (self.epochs or self.lora_epochs):
            raise ValueError("epochs or lora_epochs must be above 0, or nothing is trained")
        return self
