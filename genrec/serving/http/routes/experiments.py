"""GET /v1/experiments: the experiments that rules name, and which arm is better."""

from __future__ import annotations

from dataclasses import asdict

from anyio.to_thread import run_sync
from fastapi import APIRouter
from pydantic import BaseModel, Field

from genrec.experiments.ab_result import Guard, Standing
from genrec.serving.experiments import Judged, Trial
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import Service

router = APIRouter(tags=["experiments"])


class ArmResponse(BaseModel):
    """What users of an arm were shown, and what they did."""

    arm: str
    share: float = Field(description="Of users; 0: the arm was dropped.")
    users: int
    pages: int
    shown: int
    clicks: int
    conversions: int
    dislikes: int


class DifferenceResponse(BaseModel):
    """An arm against the control; an interval's ends are null where nothing can be said yet."""

    metric: str
    arm: str
    control_mean: float
    arm_mean: float
    difference: float
    low: float | None
    high: float | None
    lift: float | None
    standing: Standing


class GuardrailResponse(DifferenceResponse):
    """The same of what must not be harmed."""

    guard: Guard


class ResultResponse(BaseModel):
    """What can be said now, and at any other time: intervals hold at every look."""

    winner: str | None
    verdict: str
    users: dict[str, int]
    crossed_users: int = Field(description="Seen in several arms: left out.")
    dropped_users: int = Field(description="Of dropped arms: left out.")
    sample_ratio_p: float = Field(
        description="Anytime-valid p-value of the arms' sizes; below 0.01 nothing else counts."
    )
    alpha: float
    differences: list[DifferenceResponse]
    guardrails: list[GuardrailResponse]


class PreferenceResponse(BaseModel):
    """Which arm's items users take from lists mixed of both.

    `value` is the mean credit of a list: 1 if more of the challenger's items were clicked on each,
    -1 if of the control's; the interval's ends are null where nothing can be said yet.
    """

    winner: str | None
    verdict: str
    value: float
    low: float | None
    high: float | None
    num_lists: int
    num_users: int


class ExperimentResponse(BaseModel):
    """An experiment; times are seconds."""

    name: str
    control: str
    rules: list[str] = Field(description="That hold for its arms, or held last.")
    began: int
    ended: int | None = Field(description="null: it runs.")
    since: int = Field(description="Pages shown before do not count.")
    arms: list[ArmResponse] = Field(description="The control first.")
    interleaved: bool = Field(description="Whether lists are mixed of both arms'.")
    result: ResultResponse | None
    preference: PreferenceResponse | None = Field(
        description="Of an interleaved one, in its place."
    )
    fault: str | None = Field(description="Why there is no result yet.")
    faults: list[str] = Field(
        description="Rules that this gateway cannot answer as they say: their users are answered "
        "as all others, and count in no arm."
    )


class ExperimentsResponse(BaseModel):
    """Those that run first, then the newest."""

    experiments: list[ExperimentResponse]


@router.get("/v1/experiments", responses=describe_errors(503))
async def list_experiments(service: Service) -> ExperimentsResponse:
    """Judge the experiments that rules name or named, by what was shown and done so far."""
    judged = await run_sync(service.experiments.all)
    faults = service.rules.faults
    return ExperimentsResponse(
        experiments=[
            _response(trial, each, [faults[name] for name in trial.rules if name in faults])
            for trial, each in judged
        ]
    )


def _response(trial: Trial, judged: Judged, faults: list[str]) -> ExperimentResponse:
    shares = trial.experiment.shares
    result, preference = judged.result, None
    if judged.preference is not None:
        control, challenger = judged.arms
        told = judged.preference.to_json(challenger, control)
        preference = PreferenceResponse.model_validate(told)
    return ExperimentResponse(
        name=trial.experiment.name,
        control=trial.experiment.control,
        rules=list(trial.rules),
        began=trial.began,
        ended=trial.ended,
        since=judged.since,
        arms=[
            ArmResponse(arm=arm, share=shares.get(arm, 0.0), **asdict(figures))
            for arm, figures in judged.arms.items()
        ],
        interleaved=trial.interleaved,
        result=None if result is None else ResultResponse.model_validate(result.to_json()),
        preference=preference,
        fault=judged.fault,
        faults=faults,
    )
