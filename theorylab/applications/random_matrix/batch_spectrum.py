r"""The spectrum that a batch shows, its outliers and the learning rates that it bears, from that of the full data.

The eigenvalues are those of the Hessian, or of its generalised Gauss-Newton part, over all N samples; a batch has B of
them without replacement. For the Gauss-Newton part (multiplicative noise) that, N and B are all that is needed. For a
Hessian with additive noise the scatter of the sample Hessians must be given, which no eigenvalue of the mean tells. The
claims below `random_matrix/granziol-ggn`, `random_matrix/granziol-additive` and `random_matrix/granziol-learning-rate`
say how well either is verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from theorylab.application import Application, Quantity, Result
from theorylab.errors import UsageError
from theorylab.inputs import Vector
from theorylab.parameters import Choices, Integers, Interval, Parameter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from theorylab.derivations.random_matrix.batch_spectrum import BatchSpectrum, Noise

PARAMETERS = (
    Parameter("N", Integers(2), "samples in the data set; times the outputs, for a Gauss-Newton matrix of several"),
    Parameter("B", Integers(1), "batch size, drawn without replacement; times the outputs likewise"),
    Parameter("P", Integers(0), "parameters; those without an eigenvalue given are at zero. 0: as many as given", 0),
    Parameter("noise", Choices(("multiplicative", "additive")), "Gauss-Newton, or additive", "multiplicative"),
    Parameter("sigma_eps", Interval(0), "additive: standard deviation of an entry of one sample's Hessian", 0.0),
    Parameter("spread", Interval(0), "additive, instead: sum_n |h_n - H|_F^2/(N - 1) = P (P + 1) sigma_eps^2", 0.0),
    Parameter("outliers", Integers(1, 100), "how many of the largest eigenvalues to follow", 3),
)
EIGENVALUES = Vector("EIGENVALUES.npy", "eigenvalues of the Hessian over the full data", 2)
# Negative eigenvalues of a Gauss-Newton matrix that are rounding, relative to the largest.
ROUNDING = 1e-10
# Batch sizes of a figure.
SIZES = 40


def _noise(N: int, B: int, P: int, kind: str, sigma_eps: float, spread: float) -> Noise:
    from theorylab.derivations.random_matrix.batch_spectrum import Noise

    if B > N:
        raise UsageError(f"B = {B} exceeds N = {N}: a batch without replacement is part of the data set")
    if B == N:
        raise UsageError(f"B = N = {N}: the batch is the whole data set and has its spectrum; take a smaller B")
    if kind == "multiplicative":
        if sigma_eps or spread:
            raise UsageError("sigma_eps and spread are of additive noise; add -p noise=additive")
        return Noise(N, B)
    if bool(sigma_eps) == bool(spread):
        raise UsageError("additive noise needs sigma_eps or spread, one of them and positive: eigenvalues do not tell")
    return Noise(N, B, sigma_eps or float(np.sqrt(spread / (P * (P + 1.0)))))


def _spectrum(values: np.ndarray, N: int, P: int, kind: str) -> np.ndarray:
    """All P eigenvalues, descending."""
    if P and len(values) > P:
        raise UsageError(f"{len(values)} eigenvalues for P = {P} parameters; P is at least their number")
    values = np.sort(np.append(values, np.zeros(max(P - len(values), 0))))[::-1]
    if values[0] <= 0.0:
        raise UsageError(f"the largest eigenvalue is {values[0]:g}: no learning rate is limited by it")
    if kind == "multiplicative":
        if values[-1] < -ROUNDING * values[0]:
            raise UsageError(
                f"eigenvalue {values[-1]:g} is negative: a Gauss-Newton matrix has none; for a Hessian give its noise, "
                "-p noise=additive -p sigma_eps=..."
            )
        values = np.where(values > ROUNDING * values[0], values, 0.0)
        if (rank := int(np.sum(values > 0.0))) > N:
            raise UsageError(
                f"{rank} eigenvalues are positive: a Gauss-Newton matrix of N = {N} samples has {N} at most"
            )
    if np.all(values == values[0]):
        raise UsageError(f"all eigenvalues are {values[0]:g}: at least two different ones are needed")
    return np.asarray(values)


def predict(
    values: np.ndarray, *, N: int, B: int, P: int, noise: str, sigma_eps: float, spread: float, outliers: int
) -> Result:
    """The application: see `PARAMETERS`."""
    from theorylab.derivations.random_matrix import batch_spectrum as theory

    size = max(P, len(values))
    how = _noise(N, B, size, noise, sigma_eps, spread)
    spectrum = _spectrum(values, N, P, noise)
    batch = theory.batch_spectrum(spectrum, how)
    critical = theory.critical_batch(spectrum, how)
    quantities, notes = _followed(batch, how, min(outliers, size))
    quantities += [
        Quantity("bulk low", batch.edges[0], None, "lower edge of the batch's bulk"),
        Quantity("bulk high", batch.edges[1], None, "upper edge of the batch's bulk"),
        Quantity("critical batch", critical, None, "batch size from which lambda_1 stands out of the bulk"),
        Quantity("b", 1.0 / how.inverse, None, "effective batch size, 1/b = 1/B - 1/N"),
    ]
    if noise == "additive":
        quantities.append(Quantity("s", how.radius(size), None, "sigma_eps sqrt(P/b): lambda_1 > s, or it is lost"))
    else:
        quantities.append(Quantity("zeros", batch.zeros, None, f"eigenvalues of the batch that are zero, of {size}"))
    quantities += _rates(batch, how)
    notes.append("2/lambda_1' is the limit of descent on one batch; fresh batches may bear up to twice as much or more")
    return Result(
        "random_matrix/batch-spectrum",
        f"a batch of {B} of {N} samples, {size} parameters, {noise} noise",
        quantities,
        notes,
        {
            "spectrum": lambda: _draw_spectrum(batch, B),
            "rates": lambda: _draw_rates(spectrum, how, critical),
        },
        {"spectrum": spectrum, "batch": batch, "noise": how, "density": batch.density()},
    )


def _followed(batch: BatchSpectrum, how: Noise, count: int) -> tuple[list[Quantity], list[str]]:
    """Eigenvalues that were asked for, and a note for those that are lost."""
    quantities, notes = [], []
    for i in range(count):
        source = f"from {batch.spectrum[i]:.5g}"
        if i < batch.above:
            place, overlap = float(batch.places[i]), float(batch.overlaps[i])
            quantities.append(Quantity(f"lambda_{i + 1}'", place, _scatter(how, batch, place, overlap), source))
            quantities.append(Quantity(f"overlap_{i + 1}", overlap, None, "with its eigenvector of the full data"))
        else:
            quantities.append(Quantity(f"lambda_{i + 1}'", batch.edges[1], None, f"{source}, lost: the edge"))
    if batch.above < count:
        first = batch.above + 1
        lost = f"eigenvalue {first} is" if first == count else f"eigenvalues {first} to {count} are"
        notes.append(f"{lost} below the threshold of an outlier: the edge of the bulk is given instead")
    if batch.below:
        place, overlap = float(batch.places[batch.above]), float(batch.overlaps[batch.above])
        quantities.append(
            Quantity("lambda_P'", place, _scatter(how, batch, place, overlap), f"from {batch.spectrum[-1]:.5g}")
        )
        quantities.append(Quantity("overlap_P", overlap, None, "with its eigenvector of the full data"))
    return quantities, notes


def _scatter(how: Noise, batch: BatchSpectrum, place: float, overlap: float) -> tuple[float, float] | None:
    """Two standard deviations of one batch, known for additive noise: variance 2 s^2 overlap/P."""
    if how.sigma_eps is None:
        return None
    reach = 2.0 * float(np.sqrt(2.0 * overlap * how.inverse)) * how.sigma_eps
    return place - reach, place + reach


def _rates(batch: BatchSpectrum, how: Noise) -> list[Quantity]:
    from theorylab.derivations.random_matrix.batch_spectrum import fresh_batch_rate

    top, full = batch.largest(), float(batch.spectrum[0])
    out = [
        Quantity("rate, SGD", 2.0 / top, None, "largest stable learning rate on one batch, 2/lambda_1'"),
        Quantity("rate, SGD, full", 2.0 / full, None, "of the full data, 2/lambda_1"),
        Quantity("rate, adaptive", 2.0 / top**0.5, None, "preconditioned by the curvature's root: 2/sqrt(lambda_1')"),
        Quantity("rate, adaptive, full", 2.0 / full**0.5, None, "of the full data, 2/sqrt(lambda_1)"),
    ]
    if how.sigma_eps is None:
        fresh = fresh_batch_rate(batch.spectrum, how.batch)
        out.append(
            Quantity("rate, fresh", fresh, None, "SGD, mean square, a fresh batch each step, if samples were Gaussian")
        )
    return out


def _draw_spectrum(batch: BatchSpectrum, B: int) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    x, density = batch.density()
    shown = np.convolve(density > 0.0, [1, 1, 1], mode="same") > 0
    x, density = x[shown], density[shown]
    axes.plot(x, density, color="C0", lw=1.4, label=f"bulk, batch of {B}")
    top = 1.08 * float(density.max())
    places = batch.spectrum
    axes.plot(places, np.full(places.shape, -0.03 * top), "|", color="0.4", ms=7, mew=0.6, label="full data")
    for i, place in enumerate(batch.places):
        axes.axvline(place, color="C3", lw=1.0, ymax=0.5, label="outliers of the batch" if i == 0 else None)
    axes.set(xlabel="eigenvalue", ylabel="density", ylim=(-0.07 * top, top))
    axes.legend(frameon=False, fontsize=8)
    if batch.zeros:
        axes.set_title(f"{batch.zeros} eigenvalues at zero are not drawn", fontsize=9)
    return figure


def _draw_rates(spectrum: np.ndarray, how: Noise, critical: float) -> Figure:
    from dataclasses import replace

    from matplotlib.figure import Figure

    from theorylab.derivations.random_matrix.batch_spectrum import largest

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    sizes = np.geomspace(max(1.0, how.samples / 1e4), 0.98 * how.samples, SIZES)
    top = np.array([largest(spectrum, replace(how, batch=float(size))) for size in sizes])
    for power, colour, name in ((1.0, "C0", r"SGD, $2/\lambda_1'$"), (0.5, "C1", r"adaptive, $2/\sqrt{\lambda_1'}$")):
        axes.loglog(sizes, 2.0 / top**power, color=colour, lw=1.4, label=name)
        axes.axhline(2.0 / spectrum[0] ** power, color=colour, lw=0.8, ls=":")
    axes.axvline(how.batch, color="k", lw=0.8, label=f"$B = {how.batch:g}$")
    axes.axvline(critical, color="0.6", lw=0.8, ls="--", label="outlier lost on the left")
    axes.set(xlabel="batch size", ylabel="largest stable learning rate, one batch")
    axes.legend(frameon=False, fontsize=8)
    return figure


batch_spectrum = Application(
    "random_matrix/batch-spectrum",
    "spectrum, outliers and learning rates of a batch, from the Hessian's eigenvalues",
    predict,
    (EIGENVALUES,),
    PARAMETERS,
)
