"""One figure for the paper on learning rates and batch size: what a batch does to curvature, and to what one may step.

Above, Gauss-Newton noise: the outlier, the bulk edge and the overlap, and the largest stable learning rates, with the
boundary at which descent is seen to diverge. Below, the batch Hessians of a network trained here: its per-sample
Hessians are exact, and nothing is fitted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theorylab.derivations.random_matrix import granziol_ggn as population
from theorylab.derivations.random_matrix import granziol_network_mlp as network
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.derivations.random_matrix import rmt_marchenko_pastur_finite as finite
from theorylab.derivations.random_matrix.granziol_learning_rate_stability import spiked_threshold
from theorylab.derivations.random_matrix.granziol_network_mlp_hessians import Summary, hessians, summary
from theorylab.derivations.random_matrix.subordination import BatchLaw, DeformedSemicircle
from theorylab.kernels.random import Stream
from theorylab.sims.random_matrix import perceptron_batches
from theorylab.sims.random_matrix.bidiagonal import spiked_top
from theorylab.sims.random_matrix.data_batches import batch_spectrum
from theorylab.sims.random_matrix.preconditioned_descent import growth

THETA, SIGMA = 5.0, 1.0
SPIKED = {"theta": THETA, "sigma": SIGMA}
# Parameters and matrices of the spectra; parameters, replicas, steps and halvings of the boundary; network's batches.
EFFORT: dict[str, dict[str, Any]] = {
    "quick": {"spectra": (100, 24), "boundary": (24, 24, 20, 6), "batches": 600},
    "standard": {"spectra": (200, 100), "boundary": (40, 200, 60, 9), "batches": 6_000},
    "paper": {"spectra": (400, 200), "boundary": (100, 500, 100, 10), "batches": 40_000},
}
MLP = {
    "quick": {"network": 0, "d": 6, "h": 5, "N": 400, "steps": 1000},
    "standard": {"network": 0, "d": 6, "h": 5, "N": 400, "steps": 1000},
    "paper": {"network": 0, "d": 9, "h": 10, "N": 2000, "steps": 1000},
}


def top(P: int, B: np.ndarray) -> np.ndarray:
    """Predicted largest eigenvalue of a batch: the outlier where there is one, else the bulk edge."""
    r = P / B
    seen = population.THRESHOLD(r=r, sigma=SIGMA) < THETA
    outlier = population.OUTLIER_AT_RATIO(r=np.where(seen, r, 0.1), **SPIKED)
    return np.asarray(np.where(seen, outlier, law.UPPER_EDGE(c=r, sigma=SIGMA)))


def boundary(rng: Stream, effort: tuple[int, int, int, int], B: int, power: float, fresh: int) -> tuple[float, float]:
    """Learning rate at which the median replica stops decaying, by bisection, and half of the last bracket."""
    P, replicas, steps, halvings = effort
    centre = 2.0 / float(top(P, np.array(float(B)))) ** (1.0 - power)
    low, high = np.log(0.4 * centre), np.log(6.0 * centre)
    at = {"P": P, "B": B, "power": power, "steps": steps, "fresh": fresh, **SPIKED}
    for _ in range(halvings):
        middle = 0.5 * (low + high)
        values = growth(replicas, rng, alpha=float(np.exp(middle)), **at)["value"]
        low, high = (low, middle) if np.median(values) > 0.0 else (middle, high)
    return float(np.exp(0.5 * (low + high))), float(np.exp(0.5 * (low + high)) * 0.5 * (high - low))


def _curvature(left: Axes, middle: Axes, budget: str, rng: Stream) -> None:
    P, matrices = EFFORT[budget]["spectra"]
    B = np.geomspace(P / 25, 40 * P, 200)
    r = P / B
    seen = population.THRESHOLD(r=r, sigma=SIGMA) < THETA
    left.plot(B[seen] / P, population.OUTLIER_AT_RATIO(r=r[seen], **SPIKED), color="C3", label="outlier")
    left.plot(B / P, law.UPPER_EDGE(c=r, sigma=SIGMA), color="C0", lw=0.9, ls="--", label="bulk edge, limit")
    middle.plot(B[seen] / P, population.OVERLAP(r=r[seen], **SPIKED), color="C3", label="predicted")
    critical = float(B[seen][0] / P)
    middle.plot([B[0] / P, critical], [0, 0], color="C3")
    left.axhline(THETA, color="0.6", ls=":", lw=1.0, label=r"$\theta$, all samples")
    sizes = np.unique(np.rint(np.geomspace(P / 20, 20 * P, 9))).astype(int)
    edge = [float(finite.mean_extreme(P - 1, int(size), 1)) for size in sizes]
    left.plot(sizes / P, edge, color="C0", label="bulk edge at this $P$")
    for size in sizes:
        values = batch_spectrum(matrices, rng, P=P, B=int(size), **SPIKED)["value"]
        overlaps = spiked_top(8 * matrices, rng, P=P, B=int(size), **SPIKED)["overlap"]
        visible = float(population.THRESHOLD(r=P / size, sigma=SIGMA)) < THETA
        for at, colour in ((-1, "C3"), (-2, "C0")) if visible else ((-1, "C0"),):
            mean, error = values[:, at].mean(), values[:, at].std(ddof=1) / np.sqrt(matrices)
            left.errorbar(size / P, mean, error, fmt="o", color=colour, markersize=3.5, capsize=2)
        error = overlaps.std(ddof=1) / np.sqrt(len(overlaps))
        middle.errorbar(size / P, overlaps.mean(), error, fmt="o", color="k", markersize=3.5, capsize=2)
    left.set(xscale="log", yscale="log", xlabel="$B/P$", ylabel="eigenvalue of the batch curvature")
    left.set_title(rf"outlier and bulk edge ($\theta = {THETA:g}$, $\sigma = {SIGMA:g}$)", fontsize=10)
    left.legend(frameon=False, fontsize=7)
    middle.set(xscale="log", ylim=(-0.03, 1.03), xlabel="$B/P$", ylabel="squared overlap with the spike")
    middle.set_title(f"overlap ($P = {P}$)", fontsize=10)


def _rates(axes: Axes, budget: str, rng: Stream) -> None:
    effort = EFFORT[budget]["boundary"]
    P = effort[0]
    B = np.geomspace(1, 20 * P, 200)
    whole = np.unique(np.rint(B))
    axes.plot(B / P, 2.0 / top(P, B), color="C0", label=r"SGD, one batch: $2/\lambda_1'$")
    axes.plot(B / P, 2.0 / np.sqrt(top(P, B)), color="C1", label=r"adaptive, one batch: $2/\sqrt{\lambda_1'}$")
    axes.plot(
        whole / P,
        spiked_threshold(P=P, B=whole, **SPIKED),
        color="C2",
        ls="--",
        lw=1.0,
        label="SGD, fresh batches: mean square",
    )
    styles = ((0.0, 0, "C0", "o"), (0.5, 0, "C1", "o"), (0.0, 1, "C2", "s"), (0.5, 1, "C4", "s"))
    for power, fresh, colour, marker in styles:
        for i, size in enumerate(np.unique(np.rint(np.geomspace(2, 8 * P, 5))).astype(int)):
            found, error = boundary(rng, effort, int(size), power, fresh)
            label = f"{'adaptive' if power else 'SGD'}, {'fresh batches' if fresh else 'one batch'}: where it diverges"
            axes.errorbar(
                size / P,
                found,
                error,
                fmt=marker,
                color=colour,
                markersize=4,
                capsize=2,
                mfc="none" if fresh else colour,
                label=label if i == 0 else None,
            )
    axes.set(xscale="log", yscale="log", xlabel="$B/P$", ylabel="largest stable learning rate")
    axes.set_title(f"critical learning rates ($P = {P}$)", fontsize=10)
    axes.set_ylim(0.008, None)
    axes.legend(frameon=False, fontsize=6.5, loc="lower right")


def _density(axes: Axes, known: Summary, spectrum: np.ndarray, model: dict[str, int], part: float, trials: int) -> None:
    """Eigenvalue density of batches of a part of the data set."""
    N, P = model["N"], known.parameters
    B = round(part * N)
    drawn = perceptron_batches.spectra(trials, Stream.from_seed(2), **model, t=part)["value"]
    low, high = float(drawn.min()) - 0.05, 1.03 * float(drawn.max())
    edges = np.linspace(low, high, 110)
    axes.stairs(np.histogram(drawn, edges, density=True)[0], edges, fill=True, color="0.82", label="measured")
    # All but the outlier by free compression of the data set's spectrum, zeros of the N x N Gram matrix included.
    x = np.linspace(low, high, 900)
    others = np.concatenate([spectrum[:-1], np.zeros(N - P)])
    bulk = BatchLaw(others, B / N)
    axes.plot(x, bulk.pdf(x) * B / P, color="C0", lw=1.2, label="free compression")
    inverse = network.inverse_b(B, N)
    centre = known.top.eigenvalue + known.top.s1 * inverse + network.next_orders(known, B, N)
    width = np.sqrt(known.top.variance * inverse)
    axes.plot(
        x,
        np.exp(-((x - centre) ** 2) / (2 * width**2)) / (np.sqrt(2 * np.pi) * width * P),
        color="C3",
        lw=1.2,
        label=r"outlier: $\lambda_1 + S_1/b$, its variance",
    )
    idealised = DeformedSemicircle(spectrum, float(np.sqrt(known.norm / (P + 1) * inverse)))
    axes.plot(x, idealised.pdf(x), color="k", ls="--", lw=0.7, label="GOE noise of the same norm")
    axes.axvline(known.top.eigenvalue, color="0.5", ls=":", lw=1.0)
    axes.set(yscale="log", ylim=(2e-4, 60), xlim=(low, high), xlabel="eigenvalue of the batch Hessian")
    axes.set_title(f"trained network, $B = {B}$ of {N}", fontsize=10)


def learning_rates(budget: str = "quick") -> Figure:
    """Outlier, bulk edge, overlap and critical learning rates against batch size, and the batch Hessians of a trained
    network at three batch sizes: theory as lines, simulation as points and filled."""
    rng = Stream.from_seed(0)
    figure = Figure(figsize=(11.4, 7.0), layout="constrained")
    above, below = figure.subplots(2, 3)
    _curvature(above[0], above[1], budget, rng)
    _rates(above[2], budget, rng)
    model = MLP[budget]
    each = hessians(**model)
    known, spectrum = summary(each), np.linalg.eigvalsh(each.mean(axis=0))
    for axes, part in zip(below, (0.1, 0.25, 0.5)):
        _density(axes, known, spectrum, model, part, EFFORT[budget]["batches"])
    below[0].set_ylabel(f"density ($P = {known.parameters}$ parameters)")
    below[0].legend(frameon=False, fontsize=7)
    return figure
