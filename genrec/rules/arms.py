"""Rules that hold for the users of one arm of an experiment.

    {"diversity": 1, "arm": {"experiment": "spread", "arms": {"old": 1, "new": 1}, "is": "new"}}

Who is in which arm is a hash of the experiment's name and the user's ID
(``genrec.experiments.assignment``), so nothing is stored, and who judges the experiment assigns the
users anew. With ``"interleaved": true`` nobody is in one: a gateway asks both arms for each user's
list and mixes them (``genrec.experiments.interleaving``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from genrec.arguments import check_flag, check_text, wrong_type
from genrec.errors import DataError
from genrec.experiments.assignment import Experiment, rescaled

ARM = "arm"
INTERLEAVED = "interleaved"
_FIELDS = ("experiment", "arms", "is")


@dataclass(frozen=True)
class Arm:
    """An arm of an experiment.

    Attributes:
        experiment: Its name and the weights of its arms.
        name: Which one.
        interleaved: Whether every user is shown a list of both arms.
    """

    experiment: Experiment
    name: str
    interleaved: bool = False

    def holds_for(self, user_id: str | None) -> bool:
        """Tell whether a user is in it; nobody known is in none, nor anybody where it is mixed."""
        if user_id is None or self.interleaved:
            return False
        return self.experiment.assign(user_id) == self.name

    def within(self, experiments: Mapping[str, Experiment]) -> Arm:
        """Return the arm of the experiment of its name, where there is one.

        Rules of one experiment are stored one after the other. The arms and weights of the newest
        one hold for all of them: else users would be counted in an arm whose rules they were not
        answered by.
        """
        found = experiments.get(self.experiment.name)
        return self if found is None else replace(self, experiment=found)

    @property
    def is_live(self) -> bool:
        """Whether anybody is in it: it was not dropped."""
        return self.name in self.experiment.live_arms

    def may_meet(self, other: Arm) -> bool:
        """Tell whether somebody can be in both arms."""
        return self.experiment.name != other.experiment.name or self.name == other.name


def read_arm(written: Any, name: str, is_new: bool = True) -> Arm:
    """Return the arm that a rule names.

    Args:
        written: As in the module's docstring.
        name: For messages.
        is_new: Whether its weights must keep their bounds, which those stored by an earlier
            release may not.

    Raises:
        DataError: It is none; the message says what is expected.
    """
    if not isinstance(written, Mapping) or set(written) - {INTERLEAVED} != {*_FIELDS}:
        fields = f"{', '.join(_FIELDS)}, and if you like {INTERLEAVED}"
        raise wrong_type(written, name, f"an object of {fields}")
    try:
        arms = written["arms"] if is_new else rescaled(written["arms"])
        experiment = Experiment(written["experiment"], arms)
    except DataError as error:
        raise type(error)(f"{name}: {error}") from None
    arm = check_text(written["is"], f"{name}.is")
    if arm not in experiment.arms:
        raise DataError(f"{name}.is='{arm}': the arms are {', '.join(experiment.arms)}")
    interleaved = check_flag(written.get(INTERLEAVED, False), f"{name}.{INTERLEAVED}")
    if interleaved and list(experiment.shares.values()) != [0.5, 0.5]:
        raise DataError(f"{name}.arms: two arms of equal weight are interleaved, not others")
    return Arm(experiment, arm, interleaved)


def experiments_of(arms: Iterable[Arm | None]) -> dict[str, Experiment]:
    """Return the experiments that rules name, by name.

    Args:
        arms: Of the rules, those that were stored last at the end: they say how users are assigned
            where rules disagree; None: a rule for everybody.
    """
    return {arm.experiment.name: arm.experiment for arm in arms if arm is not None}
