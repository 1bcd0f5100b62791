r"""The sharp transform of any margin loss: how much zero-one regret a surrogate regret leaves.

With the excess $\tilde\psi$ of `margin_risk`, its lower convex hull $\psi$ on [0, 1] satisfies
$\psi(\text{zero-one regret}) \le \text{surrogate regret}$ for every distribution (regrets against the pointwise best
scores), and no larger function does: it is attained by mixtures of two inputs. $\Gamma = \psi^{-1}$. The loss is
classification-calibrated just when $\tilde\psi > 0$ on (0, 1]; where it is not, a posterior and a score of the wrong
sign that reaches the infimum of the risk are the counterexample.

Source: P. L. Bartlett, M. I. Jordan, J. D. McAuliffe, "Convexity, classification, and risk bounds", JASA 101 (2006),
definitions 1 and 2, theorem 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq

from theorylab.derivations.surrogate_losses.margin_risk import FARTHEST, MarginLoss, Risk
from theorylab.errors import DomainError

Array = np.ndarray
# Cells of the grid of theta, and the smallest theta at which a vanishing excess counts.
CELLS, SMALLEST = 200, 0.01
# Multiple of its error below which an excess is none.
NOTHING = 4.0


class NotCalibrated(DomainError):
    """A loss whose risk is as small at a score of the wrong sign."""


@dataclass(frozen=True)
class Transform:
    """The sharp transform of a calibrated loss.

    Parameters
    ----------
    risk
        The conditional risk.
    theta, excess, error : float[m]
        2 eta - 1 on a uniform grid of [0, 1], the least regret of a score of the wrong sign, and its error.
    wrong, right : float[m]
        Scores of the wrong and of the right sign that reach the infima.
    """

    risk: Risk
    theta: Array
    excess: Array
    error: Array
    wrong: Array
    right: Array

    @cached_property
    def vertices(self) -> Array:
        """Places of the hull's vertices on the grid, int[k], from 0."""
        return lower_hull(self.theta, self.excess)

    @cached_property
    def coarse(self) -> Array:
        """Vertices of the hull over half the grid, as places on the whole grid."""
        return 2 * lower_hull(self.theta[::2], self.excess[::2])

    @property
    def bridges(self) -> list[tuple[float, float]]:
        """The ranges of theta over which the hull is below the excess: its edges of more than one cell.

        A linear excess has one edge, which is no bridge.
        """
        out = []
        for i, j in zip(self.vertices, self.vertices[1:]):
            chord = np.interp(self.theta[i:j], self.theta[[i, j]], self.excess[[i, j]])
            if np.any(self.excess[i:j] - chord > NOTHING * self.error[i:j]):
                out.append((float(self.theta[i]), float(self.theta[j])))
        return out

    def _chord(self, theta: Array, vertices: Array) -> Array:
        return np.asarray(np.interp(theta, self.theta[vertices], self.excess[vertices]))

    def psi(self, theta: Any) -> tuple[Array, Array]:
        """Least surrogate regret at zero-one regret theta, and its error; theta float[k] in [0, 1]."""
        theta = np.atleast_1d(np.asarray(theta, dtype=float))
        chord = self._chord(theta, self.vertices)
        edge = np.clip(np.searchsorted(self.theta[self.vertices], theta, side="right"), 1, len(self.vertices) - 1)
        inside = self.vertices[edge] - self.vertices[edge - 1] == 1
        value, error = chord.copy(), np.abs(chord - self._chord(theta, self.coarse)) + self.error.max()
        if inside.any():
            exact, own, _, _ = self.risk.excess(theta[inside])
            value[inside], error[inside] = np.minimum(exact, chord[inside]), own
        return value, error

    def gamma(self, regret: Any) -> tuple[Array, Array]:
        """Largest zero-one regret at a surrogate regret, and its error; regret float[k] >= 0."""
        regret = np.atleast_1d(np.asarray(regret, dtype=float))
        value = np.array([self._gamma(float(t)) for t in regret])
        # The transform is convex: its slope is at least value over place.
        slope = np.where(value > 0, regret / np.where(value > 0, value, 1.0), np.inf)
        error = np.where(value < 1.0, self.psi(value)[1] / np.maximum(slope, 1e-300), 0.0)
        return value, np.minimum(error, 1.0)

    def _gamma(self, regret: float) -> float:
        at, heights = self.theta[self.vertices], self.excess[self.vertices]
        if regret <= 0.0:
            return 0.0
        if regret >= heights[-1]:
            return 1.0
        j = int(np.searchsorted(heights, regret, side="right"))
        if self.vertices[j] - self.vertices[j - 1] > 1:
            return float(np.interp(regret, heights[j - 1 : j + 1], at[j - 1 : j + 1]))
        return float(brentq(lambda x: self.risk.regret(x) - regret, at[j - 1], at[j], xtol=1e-14))

    @property
    def exponent(self) -> float:
        """k of psi ~ theta^k at small theta: zero-one regrets are of the order of surrogate regrets to the 1/k."""
        return float(np.log2(self.risk.regret(2.0 * SMALLEST) / self.risk.regret(SMALLEST)))


def lower_hull(x: Array, y: Array) -> Array:
    """Vertices of the lower convex hull of points of increasing x, int[k]."""
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) > 1:
            u, v = kept[-2:]
            if (x[v] - x[u]) * (y[i] - y[u]) > (y[v] - y[u]) * (x[i] - x[u]):
                break
            kept.pop()
        kept.append(i)
    return np.array(kept)


def sharp_transform(loss: MarginLoss, bound: float = 0.0) -> Transform:
    """The sharp transform of a margin loss.

    Parameters
    ----------
    loss
        The loss.
    bound
        Largest size of a score; 0 for any.

    Raises
    ------
    NotCalibrated
        With the counterexample.
    DomainError
        For a loss that is not real everywhere, or not bounded below.
    """
    risk = Risk(loss, bound)
    theta = np.arange(CELLS + 1) / CELLS
    excess, error, wrong, right = risk.excess(theta)
    excess[0] = 0.0
    none = (theta >= SMALLEST) & (excess <= NOTHING * error)
    if none.any():
        # A plain posterior where there is one, in the middle.
        places = np.flatnonzero(none)
        plain = places[places % (CELLS // 10) == 0]
        places = plain if len(plain) else places
        i = int(places[np.argmin(np.abs(theta[places] - 0.5))])
        raise NotCalibrated(_counterexample(loss, float(theta[i]), float(wrong[i]), risk))
    return Transform(risk, theta, excess, error, wrong, right)


def _counterexample(loss: MarginLoss, theta: float, score: float, risk: Risk) -> str:
    """The refusal: a posterior and a score of the wrong sign that is as good as any."""
    eta = (1.0 + theta) / 2.0
    least = float(risk.lowest(np.array([eta]), -1.0)[0][0])
    if not risk.bound and abs(score) > 0.9 * FARTHEST:
        what = "scores z -> -infinity, of the wrong sign, approach"
    elif abs(score) < 1e-6:
        what = "the score z = 0, a tie and so an error, reaches"
    else:
        what = f"the score z = {score:.6g}, of the wrong sign, reaches"
    among = f" among |z| <= {risk.bound:g}" if risk.bound else ""
    return (
        f"the loss {loss} is not classification-calibrated: at eta = P(y = 1 | x) = {eta:g} {what} "
        f"the infimum {least:.6g} of the conditional risk{among}"
    )
