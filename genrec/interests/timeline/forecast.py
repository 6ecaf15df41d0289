"""The next window's interests, predicted from the present one.

A conditional logit over the coarse codes: what the causal LM expects next, what the history holds
at several half-lives, what usually follows that, and what everybody takes are so many opinions,
pooled with weights that were fitted to windows the model never saw. A code's score is linear in the
logarithms of its shares, so the forecast is a product of opinions, normalised over the codes.

Enters: histories as codes, the LM's distribution. Leaves: a distribution for each. Knows neither
users nor models.

Source: McFadden 1974, "Conditional logit analysis of qualitative choice behavior"; logarithmic
opinion pools as in Genest and Zidek 1986.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from genrec.data.co_occurrence import close_pairs
from genrec.data.half_life import decay
from genrec.errors import ArtifactError
from genrec.model.load import base_of

# In a folder of its own: vLLM takes every file of weights beside a model's for the model's.
FORECAST_FILE = "forecast/model.safetensors"
HALF_LIVES_EVENTS = (2.0, 8.0, 32.0)
FLOOR = 1e-4
"""Share of everybody's interests in each opinion, so that none is ruled out."""
FOLLOWS_WITHIN = 5
"""Events within which a code follows another."""
PENALTY = 1e-3
LOG_TEMPERATURES = (-1.0, 3.0)


@dataclass(frozen=True)
class Forecaster:
    """Opinions and their weights.

    Attributes:
        popularity: Share of each code in the training events. Shape: (K,).
        follows: Share of each code among those that come soon after each code. Shape: (K, K).
        weights: Of the opinions, in the order of ``opinions``. Shape: (F,).
        turnover: Share of the training events whose code is another than that of the event before.
        temperature: Of what the model says of the next event; see ``calibrate``.
    """

    popularity: np.ndarray
    follows: np.ndarray
    weights: np.ndarray
    turnover: float = 1.0
    temperature: float = 1.0

    def predict(self, histories: Sequence[np.ndarray], expected: np.ndarray) -> np.ndarray:
        """Return what each history's next window will hold.

        Args:
            histories: Coarse codes of the events, oldest first.
            expected: What the model expects next. Shape: (B, K).

        Returns:
            Shares that sum to 1; 0 for codes no item has. Shape: (B, K).
        """
        scores = opinions(histories, expected, self.popularity, self.follows) @ self.weights
        return _shares(scores, self.popularity > 0)

    def chances(self, shares: np.ndarray, num_events: int) -> np.ndarray:
        """Return how likely each code is met at all among so many next events.

        Events that repeat the code before them are no new chances.

        Args:
            shares: Of each code in the next window. Shape: (B, K).
            num_events: At least 1.
        """
        missed: np.ndarray = (1 - shares) ** (1 + (num_events - 1) * self.turnover)
        return 1 - missed

    def save(self, directory: Path) -> None:
        """Write into a run's folder."""
        numbers = asdict(self)
        arrays = {name: np.ascontiguousarray(value) for name, value in numbers.items()}
        (directory / FORECAST_FILE).parent.mkdir(exist_ok=True)
        save_file(arrays, directory / FORECAST_FILE)

    @classmethod
    def of_run(cls, run: Path) -> Forecaster | None:
        """Read what was saved in a run, or in the base of an adapter without its own.

        Returns:
            None where there is none.

        Raises:
            ArtifactError: It is damaged.
        """
        path = Path(run) / FORECAST_FILE
        if not path.exists():
            base = base_of(Path(run))
            return None if base == Path(run) else cls.of_run(base)
        try:
            arrays = load_file(path)
            return cls(
                arrays["popularity"],
                arrays["follows"],
                arrays["weights"],
                arrays["turnover"].item(),
                arrays["temperature"].item(),
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ArtifactError(f"{path} is damaged ({error}); make the run again") from None


def fit_forecaster(
    trained: Sequence[np.ndarray],
    histories: Sequence[np.ndarray],
    windows: Sequence[np.ndarray],
    log_probs: np.ndarray,
    in_use: np.ndarray,
) -> Forecaster:
    """Fit temperature and weights of the opinions to what happened.

    Args:
        trained: Coarse codes of every training history; popularity and succession are theirs.
        histories: What was known when each window began.
        windows: Coarse codes of the events that then happened; none of them trained on.
        log_probs: Of the code that comes next, as the model saw it then. Shape: (B, K).
        in_use: Whether any item has each code. Shape: (K,), bool.
    """
    popularity, follows = succession(trained, in_use)
    temperature = calibrate(log_probs, np.array([window[0] for window in windows]))
    expected = soften(log_probs, temperature)
    features = opinions(histories, expected, popularity, follows)
    counts = np.stack([np.bincount(window, minlength=len(in_use)) for window in windows])
    shares = counts / counts.sum(axis=1, keepdims=True)
    start = np.zeros(features.shape[-1])
    start[0] = 1.0

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        predicted = _shares(features @ weights, in_use)
        logs = np.log(np.maximum(predicted, np.finfo(float).tiny))
        value = -(shares * logs).sum(axis=1).mean() + PENALTY * ((weights - start) ** 2).sum()
        slope = np.einsum("bk,bkf->f", predicted - shares, features) / len(shares)
        return value, slope + 2 * PENALTY * (weights - start)

    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    return Forecaster(popularity, follows, found.x, measure_turnover(trained), temperature)


def calibrate(log_probs: np.ndarray, happened: np.ndarray) -> float:
    """Find the temperature at which the model's odds are as sure as they are right.

    The views an engine pools are weighed by how well they rank, which leaves the pool too sure of
    itself: what it gives 90% may come true half of the time.

    Args:
        log_probs: Of every code. Shape: (B, K).
        happened: The code that came. Shape: (B,).

    Returns:
        Of the least mean log-loss. Source: temperature scaling, Guo et al., arXiv 1706.04599.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(log_probs.astype(float) / np.exp(log_temperature), axis=-1)
        logs = scaled[np.arange(len(happened)), happened]
        return -float(np.maximum(logs, np.log(np.finfo(float).tiny)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def soften(log_probs: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities at a temperature. Shape: (..., K) to the same."""
    probabilities: np.ndarray = softmax(log_probs.astype(float) / temperature, axis=-1)
    return probabilities


def calibrated(log_probs: np.ndarray, forecaster: Forecaster | None) -> np.ndarray:
    """Return probabilities of the next event at a run's temperature; as they are without one."""
    return soften(log_probs, 1.0 if forecaster is None else forecaster.temperature)


def succession(trained: Sequence[np.ndarray], in_use: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how popular each code is, and what comes soon after each.

    Args:
        trained: Coarse codes of every training history, oldest first.
        in_use: Whether any item has each code; each is counted once beforehand. Shape: (K,), bool.

    Returns:
        Shares. Shapes: (K,), (K, K).
    """
    counts = in_use.astype(float)
    pairs = np.zeros((len(in_use), len(in_use)))
    for codes in trained:
        np.add.at(counts, codes, 1)
        for distance, earlier, later in close_pairs(np.zeros(len(codes)), FOLLOWS_WITHIN):
            np.add.at(pairs, (codes[earlier], codes[later]), 1 / distance)
    popularity = counts / counts.sum()
    # As if each code had been followed once more by what everybody takes.
    pairs += popularity
    return popularity, pairs / pairs.sum(axis=1, keepdims=True)


def measure_turnover(trained: Sequence[np.ndarray]) -> float:
    """Return the share of events, but the first ones, whose code is not that of the one before.

    Without such an event it is 1.
    """
    turns = [codes[1:] != codes[:-1] for codes in trained if len(codes) > 1]
    return float(np.concatenate(turns).mean()) if turns else 1.0


def opinions(
    histories: Sequence[np.ndarray],
    expected: np.ndarray,
    popularity: np.ndarray,
    follows: np.ndarray,
) -> np.ndarray:
    """Return the logarithm of every code's share in each opinion.

    Returns:
        The model; the history at each half-life, and as a whole; what follows the newest events;
        everybody; whether the code was met; how many events ago. Shape: (B, K, F).
    """
    columns: list[list[np.ndarray]] = [[] for _ in range(len(HALF_LIVES_EVENTS) + 4)]
    for codes in histories:
        ages = np.arange(len(codes))[::-1]
        last = np.full(len(popularity), np.inf)
        np.minimum.at(last, codes, ages)
        shares = [decayed(codes, half_life, popularity) for half_life in HALF_LIVES_EVENTS]
        shares += [decayed(codes, np.inf, popularity), shares[1] @ follows]
        shares += [np.isfinite(last) * (np.e - 1) + 1, 1 / (1 + np.where(np.isinf(last), 0, last))]
        for column, share in zip(columns, shares, strict=True):
            column.append(share)
    values = [expected + FLOOR * popularity, *map(np.stack, columns)]
    values.append(np.broadcast_to(popularity, expected.shape))
    result: np.ndarray = np.log(np.maximum(np.stack(values, axis=-1), np.finfo(float).tiny))
    return result


def decayed(
    codes: np.ndarray, half_life: float, popularity: np.ndarray, floor: float = FLOOR
) -> np.ndarray:
    """Return the shares of codes in a history whose events fade with those after them.

    Args:
        codes: Oldest first; may be empty.
        half_life: Events; infinite: all weigh the same.
        popularity: Has the rest of the say, all of it where there is no event. Shape: (K,).
        floor: That rest.

    Returns:
        Sums to 1. Shape: (K,).
    """
    if not len(codes):
        return popularity
    weights = decay(np.arange(len(codes))[::-1], half_life)
    shares = np.bincount(codes, weights, minlength=len(popularity)) / weights.sum()
    result: np.ndarray = (1 - floor) * shares + floor * popularity
    return result


def _shares(scores: np.ndarray, in_use: np.ndarray) -> np.ndarray:
    shares: np.ndarray = softmax(np.where(in_use, scores, -np.inf), axis=-1)
    return shares
