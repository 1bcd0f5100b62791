r"""Studies of equal compute: runs of one-pass SGD at many sizes, and exponents read off the minima of their losses.

A trial is a whole study of power-law random features (`power_law_features`): for each of `sizes` numbers of features, a
factor sqrt 2 apart up to `largest`, some runs of SGD, batch size 1, each on features drawn for it, until the largest
budget f = r d is spent. There are `runs` of them at the largest size, and more in proportion to 1/d at smaller ones,
which cost less and scatter more. At each of `budgets` budgets, a factor of 2 apart up to 2^last, a parabola in log d is
fitted by least squares to the logarithm of the mean risk at `reach` sizes to either side of where a parabola through
all sizes has its vertex; its own vertex is the compute-optimal size and loss. Exponents are least-squares slopes in
log f. The study knows nothing but its risks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.kernels import sgd
from theorylab.kernels.random import Stream
from theorylab.simulation import Cost, simulation

SQRT2 = 2.0**0.5


def grid(largest: int, sizes: int) -> np.ndarray:
    """Numbers of features, ascending: int64[sizes], or fewer where small ones would coincide."""
    d = np.rint(largest / SQRT2 ** np.arange(sizes - 1, -1, -1)).astype(np.int64)
    return np.unique(np.maximum(d, 1))


def repeats(d: np.ndarray, runs: int) -> np.ndarray:
    """Runs at each size, int64[sizes]."""
    return np.asarray(np.rint(runs * d[-1] / d), dtype=np.int64)


def principal_pays(d: float, v: float, steps: float) -> bool:
    """Whether a decomposition of the features costs less than drawing all inputs."""
    return 2.0 * v * d * d + 10.0 * d**3 < 2.0 * v * d * steps


def _cost(*, largest: float, sizes: float, ratio: float, last: float, runs: float, **_: object) -> Cost:
    d = grid(int(largest), int(sizes)).astype(float)
    count, v, steps = repeats(d, int(runs)), np.rint(ratio * d), np.floor(2.0**last / d)
    decomposed = np.array([principal_pays(*each) for each in zip(d, v, steps)])
    products = np.where(decomposed, 2.0 * v * d * d, 2.0 * v * d * steps)
    factorisations = np.where(decomposed, 10.0 / 3.0 * d**3, 0.0)
    loops = np.where(decomposed, 5.0, 3.0) * d * steps
    inputs = np.where(decomposed, d + 1.0, v) * steps
    return Cost(
        flops=float(count @ (products + factorisations + loops)),
        # Features, and what a decomposition copies; risks.
        bytes=8.0 * float(np.max(np.where(decomposed, 4.0 * v * d + 6.0 * d * d, 1.1 * v * d))) + 4e4,
        draws=float(count @ (v * d + inputs)),
        moved=float(count @ (40.0 * v * d)),
        products=float(count @ products),
        factorisations=float(count @ factorisations),
        order=float(largest),
    )


def risks(
    trials: int,
    rng: Stream,
    *,
    alpha: float,
    beta: float,
    ratio: float,
    rate: float,
    d: int,
    times: np.ndarray,
) -> np.ndarray:
    """Risk of a run of SGD on features drawn for it, float64[trials, times]; v = ratio d, gamma = rate/sum j^(-2a)."""
    v = round(ratio * d)
    scale = np.arange(1.0, v + 1.0) ** -alpha
    goal = scale * np.arange(1.0, v + 1.0) ** -beta
    features = np.asarray(rng.normal(trials, v, d))
    features *= (scale / d**0.5)[:, None]
    form = "principal" if principal_pays(d, v, float(times[-1])) else "direct"
    gamma = rate / float(np.sum(scale * scale))
    return np.asarray(sgd.random_features(trials, rng, features, goal, rate=gamma, batch=1, times=times, form=form))


def minima(logs: np.ndarray, places: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of parabolas, one for each budget.

    Parameters
    ----------
    logs : float64[trials, sizes, budgets]
    places : float64[sizes]
    reach
        Sizes to either side of the one that is nearest to the vertex of a parabola through all sizes.

    Returns
    -------
    place, least : float64[trials, budgets]
    """
    everywhere = np.broadcast_to(places[:, None], logs.shape)
    nearest = np.argmin(np.abs(places - _vertices(logs, everywhere)[0][..., None]), axis=-1)
    count = 2 * reach + 1
    first = np.clip(nearest - reach, 0, len(places) - count)
    window = first[:, None, :] + np.arange(count)[None, :, None]
    return _vertices(np.take_along_axis(logs, window, axis=1), places[window])


def _vertices(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of parabolas fitted along the second axis, within the range of x; where a fit bends down, its end."""
    centre = x.mean(axis=1, keepdims=True)
    u = x - centre
    m2, m3, m4 = (np.mean(u**k, axis=1) for k in (2, 3, 4))
    y0, y1, y2 = (np.mean(y * u**k, axis=1) for k in (0, 1, 2))
    # Normal equations of c + b u + a u^2, the mean of u being zero.
    bend = ((y2 - m2 * y0) * m2 - m3 * y1) / ((m4 - m2 * m2) * m2 - m3 * m3)
    slope = (y1 - bend * m3) / m2
    up = bend > 0
    lowest = np.where(up, -slope / (2.0 * np.where(up, bend, 1.0)), -np.sign(slope) * np.inf)
    vertex = np.clip(lowest, u.min(axis=1), u.max(axis=1))
    return centre[:, 0, :] + vertex, y0 - bend * m2 + slope * vertex + bend * vertex**2


@simulation(backends=("numpy", "numba"), cost=_cost)
def study(
    trials: int,
    rng: Stream,
    *,
    alpha: float,
    beta: float,
    ratio: float,
    rate: float,
    largest: int,
    sizes: int,
    last: int,
    budgets: int,
    runs: int,
    reach: int,
) -> dict[str, Any]:
    """Exponents of the compute-optimal size and loss as a study finds them.

    Returns
    -------
    size, loss : float64[trials]
        Slopes of log d* and of -log P* in log f.
    risk : float64[trials, sizes, budgets]
        Mean risks.

    Raises
    ------
    ValueError
        When the smallest budget does not buy the largest model two steps.
    """
    d = grid(largest, sizes)
    if 2.0 ** (last - budgets + 1) < 2.0 * largest:
        raise ValueError(f"a budget of 2^{last - budgets + 1} is less than two steps of {largest} features")
    f = 2.0 ** np.arange(last - budgets + 1, last + 1)
    mean = np.empty((trials, len(d), budgets))
    for i, (each, count) in enumerate(zip(d, repeats(d, runs))):
        times = np.rint(f / each).astype(np.int64)
        total = np.zeros((trials, budgets))
        for _ in range(count):
            total = total + risks(trials, rng, alpha=alpha, beta=beta, ratio=ratio, rate=rate, d=int(each), times=times)
        mean[:, i] = total / count
    place, least = minima(np.log2(mean), np.log2(d), reach)
    row = np.polyfit(np.log2(f), np.eye(budgets), 1)[0]
    return {"size": place @ row, "loss": -least @ row, "risk": mean}
