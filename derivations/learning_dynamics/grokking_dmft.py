r"""Dynamical mean-field theory of a quadratic network on finitely many samples: one causal sweep, without iteration.

As D grows at fixed N, $\nu$ and number of steps, the coordinates of the weights are independent copies of a linear
process (`grokking_modes`), the training samples independent copies of a nonlinear one (`grokking_single_site`), and
each takes the other's averages: responses and noise. What step t needs is known from the steps before it, so that
nothing is iterated. The response of the forces includes the equal time s = t, which is the drift itself.

The averages over the single-sample process are by randomised quasi-Monte Carlo: Sobol points, shifted modulo 1 by
uniform numbers of their own in each of `BATCHES` batches, the first 1 + N normal numbers (teacher and initial fields)
widened by `WIDENED` with importance weights, because $\Delta^2$ and the responses are polynomials of high degree in
them. Against plain sampling that lowers the scatter of the train loss ten times at 8192 samples a batch, that of the
test loss forty times (N = 2, $\nu$ = 3, 12 steps). A value is the median over the batches, its error `BAND` times the
median's standard error from their scatter: one batch that a rare sample spoils moves the median little and widens the
error.

Formally the averages are those of polynomials of degree $3^t$, whose far tails no finite D samples: the limit is that
of typical data sets, and so is the quadrature. Late in training the scatter grows, and the error that is returned with
it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtri

from theorylab.derivations.learning_dynamics import grokking_losses as losses
from theorylab.derivations.learning_dynamics.grokking_modes import Modes
from theorylab.derivations.learning_dynamics.grokking_single_site import LANES, advance
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError
from theorylab.streams import Stream

BATCHES = 8
WIDENED = 1.3
# Standard errors of the median that count as its error: it misses once in 1000 by Student's law with 7 degrees.
BAND = 5.4
MEDIAN = math.sqrt(math.pi / 2.0)
# A loss that has grown so much is not going to fall: the step is too long.
RUNAWAY = 20.0
SEED = 20231010


@dataclass(frozen=True)
class Setting:
    r"""What the theory depends on: N, $\nu$ = P/D, $\alpha$, $\epsilon$, $\eta$, $m_0$ and whether f(0) is subtracted.

    `noise` and `equal_time` are factors on the noise's covariance and on the response at equal times; both are 1.
    """

    neurons: int
    nu: float
    alpha: float
    eps: float
    eta: float
    overlap: float
    centred: bool
    noise: float = 1.0
    equal_time: float = 1.0


@dataclass(frozen=True)
class Path:
    """Along training, at the steps 0..T.

    Parameters
    ----------
    train, fresh : float64[T + 1]
        Half mean squared errors, as averages over samples: of the training set, and of fresh ones.
    test : float64[T + 1, 3]
        The parts of the test loss, from the overlaps.
    norm, teacher : float64[T + 1]
        Q_11 and |m_1|.
    """

    train: np.ndarray
    fresh: np.ndarray
    test: np.ndarray
    norm: np.ndarray
    teacher: np.ndarray


def fields(neurons: int, steps: int, samples: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal numbers float64[blocks, 1 + N + N T, LANES] and weights float64[blocks, LANES] of one batch."""
    from scipy.stats import qmc

    count, lead = 1 + neurons + neurons * steps, 1 + neurons
    points = qmc.Sobol(count, scramble=False).random_base2(round(math.log2(samples)))
    shift = Stream.from_seed(SEED + batch).uniform(1, count)
    points += shift
    points %= 1.0
    # A shifted point is never 1, and 0 only by a coincidence of all its bits.
    normal = ndtri(np.clip(points, 2.0**-53, 1.0 - 2.0**-53))
    radius = np.sum(np.square(normal[:, :lead]), axis=1)
    normal[:, :lead] *= WIDENED
    weight = np.exp(-0.5 * (WIDENED**2 - 1.0) * radius)
    weight /= weight.sum()
    blocks = samples // LANES
    return np.ascontiguousarray(normal.reshape(blocks, LANES, count).transpose(0, 2, 1)), weight.reshape(blocks, LANES)


def sweep(at: Setting, steps: int, samples: int, batch: int) -> Path:
    """One batch: all steps from one set of samples.

    Raises
    ------
    PredictionError
        When the train loss runs away.
    """
    n = at.neurons
    normal, weight = fields(n, steps, samples, batch)
    blocks = normal.shape[0]
    teacher, initial = np.ascontiguousarray(normal[:, 0]), np.ascontiguousarray(normal[:, 1 : 1 + n])
    noise = np.ascontiguousarray(normal[:, 1 + n :]).reshape(blocks, steps, n, LANES)
    force, slope = (np.empty((blocks, steps + 1, n, LANES)) for _ in range(2))
    delta, origin = np.empty((blocks, steps + 1, LANES)), np.empty((blocks, LANES))
    modes = Modes(n, at.overlap, steps)
    train, fresh = np.empty(steps + 1), np.empty(steps + 1)
    for t in range(steps + 1):
        moments, responses = (np.zeros((len(modes.probe), t + 1)) for _ in range(2))
        train[t], fresh[t], taught = advance(
            t,
            at.eps,
            at.alpha / n,
            at.eta / (at.alpha * at.nu),
            at.centred,
            modes.special,
            modes.probe,
            modes.signs,
            modes.loaded,
            np.ascontiguousarray(modes.start[:, t]),
            modes.load[t],
            modes.drive(t),
            modes.response,
            teacher,
            initial,
            noise,
            weight,
            force,
            slope,
            delta,
            origin,
            moments,
            responses,
        )
        if not train[t] < RUNAWAY * train[0]:
            raise PredictionError(
                f"training runs away at step {t}: eta = {at.eta:g} is too large for nu = {at.nu:g}, eps = {at.eps:g}; "
                f"take eta < {critical_rate(at.nu, at.eps):.2g}, at which the lazy network is stable, or less"
            )
        responses[:, t] *= at.equal_time
        if t < steps:
            scale = at.noise * at.eta**2 / (at.alpha**2 * at.nu)
            modes.advance(t, at.eta / at.alpha, moments, responses, taught, scale)
    return Path(0.5 * train, 0.5 * fresh, _test(at, modes), *_overlaps(modes))


def critical_rate(nu: float, eps: float) -> float:
    r"""Learning rate at which lazy training loses stability as N and D grow.

    Eigenvalues of $\frac1P (x \cdot x') (1 + \epsilon^2 x \cdot x'/D)$ end at $(1 + \nu^{-1/2})^2 + \epsilon^2/\nu$ for
    the linear part with the quadratic one's diagonal, and at $\epsilon^2 + (1 + \epsilon^2)/\nu$ for the direction of
    equal outputs.
    """
    return float(2.0 / max((1.0 + nu**-0.5) ** 2 + eps**2 / nu, eps**2 + (1.0 + eps**2) / nu))


def _gram(modes: Modes, t: int, s: int) -> np.ndarray:
    """Inner products over D of (w_1, ..., w_N, beta) at t with those at s, float64[N + 1, N + 1]."""
    n = modes.neurons
    gram = np.ones((n + 1, n + 1))
    gram[:n, :n] = modes.overlaps(t, s)
    gram[:n, n], gram[n, :n] = modes.load[t] * modes.signs, modes.load[s] * modes.signs
    return gram


def _test(at: Setting, modes: Modes) -> np.ndarray:
    rows = []
    for t in range(modes.steps + 1):
        now = _gram(modes, t, t)
        if at.centred:
            rows.append(losses.centred(at.alpha, at.eps, now, _gram(modes, 0, 0), _gram(modes, t, 0)))
        else:
            rows.append(losses.of_overlaps(at.alpha, at.eps, now[:-1, :-1], now[:-1, -1]))
    return np.array(rows)


def _overlaps(modes: Modes) -> tuple[np.ndarray, np.ndarray]:
    norm = np.array([modes.overlaps(t, t)[0, 0] for t in range(modes.steps + 1)])
    return norm, np.abs(modes.load)


@lru_cache(32)
def paths(at: Setting, steps: int, samples: int) -> tuple[Path, ...]:
    """Independent batches.

    Raises
    ------
    DomainError
        When the neurons cannot see the teacher with opposite signs, or the samples are not a power of two.
    """
    if at.overlap != 0.0 and at.neurons > 1 and at.neurons % 2:
        raise DomainError(
            f"overlap = {at.overlap:g} with N = {at.neurons}: half of the neurons see the teacher with the "
            "opposite sign; take an even N, N = 1, or overlap = 0"
        )
    each = samples // BATCHES
    if each < 2 * LANES or each & (each - 1):
        raise DomainError(f"samples = {samples}: Sobol points come in powers of two; take {BATCHES} times 64, 128, ...")
    return tuple(sweep(at, steps, each, batch) for batch in range(BATCHES))


def median(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Median over batches, on the first axis, and its error."""
    rows = np.asarray(values)
    error = BAND * MEDIAN * rows.std(axis=0, ddof=1) / math.sqrt(len(rows))
    return np.median(rows, axis=0), error
