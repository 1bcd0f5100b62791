"""A linear student along training: errors over time, over examples, stopped and regularised, at finite size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from theorylab.derivations.learning_dynamics import advani_saxe_grokking as grokking
from theorylab.derivations.learning_dynamics import advani_saxe_limits as limits
from theorylab.derivations.learning_dynamics import advani_saxe_linear_dynamics as model
from theorylab.derivations.learning_dynamics import advani_saxe_square as square
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import linear_spectra, linear_student

SNR, INR = 4.0, 0.25
ALPHAS = (0.5, 1.0, 2.0)
# Inputs and draws of X, for the points.
DRAWN = {"quick": (100, 12), "standard": (300, 40), "paper": (1000, 50)}
SPECTRA = {"quick": (64, 2_000), "standard": (64, 40_000), "paper": (128, 200_000)}


def _points(axes: Axes, x: np.ndarray, y: np.ndarray, color: str, marker: str = "o", label: str | None = None) -> None:
    """Means over trials with their standard errors."""
    error = y.std(axis=0, ddof=1) / np.sqrt(len(y))
    axes.errorbar(
        x, y.mean(axis=0), error, fmt=marker, color=color, markersize=3.5, capsize=1.5, linewidth=0.8, label=label
    )


def curves(budget: str = "quick") -> Figure:
    """Test and train error over time for fewer, as many and more examples than inputs."""
    N, trials = DRAWN[budget]
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    t, some = np.geomspace(0.03, 300.0, 200), np.geomspace(0.05, 200.0, 9)
    for i, alpha in enumerate(ALPHAS):
        color = f"C{i}"
        at = {"alpha": alpha, "snr": SNR, "inr": INR}
        drawn = linear_student.flow(trials, Stream.from_seed(0), N=N, t=some, draws=20, **at)
        left.plot(t, model.TEST(t=t, **at), color=color, label=rf"$\alpha = {alpha:g}$")
        right.plot(t, model.TRAIN(t=t, **at), color=color)
        _points(left, some, drawn["test"], color)
        shown = drawn["train"].mean(axis=0) > 2e-3
        _points(right, some[shown], drawn["train"][:, shown], color)
        stop = float(limits.STOP(**at))
        left.plot(stop, float(model.TEST(t=stop, **at)), marker="v", color=color, markersize=8, markerfacecolor="none")
    left.plot([], [], "kv", markerfacecolor="none", label="best time $t^*$")
    left.plot([], [], "ko", markersize=3.5, label=f"$N = {N}$, {trials} draws of $X$")
    left.set(xscale="log", ylim=(0.3, 2.2), xlabel=r"time $t/\tau$", ylabel=r"test error $E_g/\sigma_w^2$")
    right.set(
        xscale="log", yscale="log", ylim=(2e-3, 2), xlabel=r"time $t/\tau$", ylabel=r"train error $E_t/\sigma_w^2$"
    )
    left.legend(fontsize=8, frameon=False)
    left.set_title(rf"SNR = {SNR:g}, INR = {INR:g}", fontsize=9)
    return figure


def plane(budget: str = "quick") -> Figure:
    """Test error over examples per input and time, with the best stopping time and the overtraining peak."""
    size = {"quick": 60, "standard": 150, "paper": 250}[budget]
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.subplots()
    alpha, t = np.linspace(0.1, 4.0, size), np.geomspace(0.1, 1000.0, size)
    error = np.stack([model.TEST(alpha=a, snr=SNR, inr=INR, t=t) for a in alpha], axis=1)
    mesh = axes.pcolormesh(alpha, t, error, norm=LogNorm(error.min(), 3.0), cmap="viridis", shading="gouraud")
    axes.plot(alpha, limits.STOP(alpha=alpha, snr=SNR, inr=INR), color="white", label="best time $t^*(\\alpha)$")
    late = t[t > 40.0]
    axes.plot(limits.PEAK(snr=SNR, inr=INR, t=late), late, color="C3", linestyle="--", label=r"peak $\alpha^*(t)$")
    axes.set(yscale="log", xlabel=r"examples per input $\alpha = P/N$", ylabel=r"time $t/\tau$")
    figure.colorbar(mesh, label=r"test error $E_g/\sigma_w^2$")
    axes.legend(fontsize=8, loc="upper right", facecolor="0.3", labelcolor="white")
    return figure


def stopped_and_regularised(budget: str = "quick") -> Figure:
    """End of training, best stopping and best ridge against examples; what the start adds; excess of stopping."""
    N, trials = DRAWN[budget]
    figure = Figure(figsize=(11.4, 3.4), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    alpha = np.concatenate([np.linspace(0.1, 0.97, 40), np.linspace(1.03, 4.0, 50)])
    P = alpha * 1e6
    end = limits.FINAL(N=10**6, P=np.rint(P), snr=SNR, inr=0.0)
    for part in (alpha < 1, alpha > 1):
        first.plot(alpha[part], end[part], color="C3", label="end of training" if part[0] else None)
    stop = limits.STOP(alpha=alpha, snr=SNR, inr=0.0)
    first.plot(alpha, model.TEST(alpha=alpha, snr=SNR, t=stop), color="C0", label="stopped at $t^*$")
    first.plot(alpha, limits.BEST_RIDGE_TEST(alpha=alpha, snr=SNR), "k--", label="best ridge, $g = 1/$SNR")
    for a in (0.25, 0.5, 0.75, 1.5, 2.0, 3.0):
        drawn = linear_student.trained_to_the_end(
            trials, Stream.from_seed(1), N=N, P=round(a * N), snr=SNR, inr=0.0, draws=20
        )["value"]
        _points(first, np.array([a]), drawn[:, None], "C3")
        best = float(limits.STOP(alpha=a, snr=SNR, inr=0.0))
        stopped = linear_student.flow(trials, Stream.from_seed(2), N=N, alpha=a, snr=SNR, inr=0.0, t=best, draws=20)
        _points(first, np.array([a]), stopped["test"], "C0")
    first.axhline(1 / SNR, color="0.7", linewidth=0.8, linestyle=":")
    first.set(ylim=(0.2, 2.5), ylabel=r"test error $E_g/\sigma_w^2$", title=f"SNR = {SNR:g}, INR = 0")
    for i, inr in enumerate((0.0, 0.5, 1.0, 2.0)):
        end = limits.FINAL(N=10**6, P=np.rint(P), snr=SNR, inr=inr)
        for part in (alpha < 1, alpha > 1):
            second.plot(alpha[part], end[part], color=f"C{i}", label=f"INR = {inr:g}" if part[0] else None)
        for a in (0.25, 0.5, 0.75):
            drawn = linear_student.trained_to_the_end(
                trials, Stream.from_seed(3), N=N, P=round(a * N), snr=SNR, inr=inr, draws=20
            )["value"]
            _points(second, np.array([a]), drawn[:, None], f"C{i}")
    second.set(ylim=(0.2, 4.0), ylabel=r"$E_g(t \to \infty)/\sigma_w^2$", title="what the start adds is not unlearned")
    for axes in (first, second):
        axes.set_xlabel(r"examples per input $\alpha = P/N$")
        axes.legend(fontsize=8, frameon=False)
    size = {"quick": 20, "standard": 60, "paper": 90}[budget]
    some, snr = np.geomspace(0.3, 5.0, size), np.geomspace(0.1, 1000.0, size)
    excess = 100 * limits.EXCESS(alpha=some[None, :], snr=snr[:, None])
    filled = third.contourf(some, snr, excess, levels=np.arange(0.0, 4.26, 0.25), cmap="magma_r")
    top, _, at_alpha, at_snr = limits.largest_excess()
    third.plot(at_alpha, at_snr, "w*", markersize=10, markeredgecolor="k", label=f"largest: {100 * top:.2f} %")
    third.set(xscale="log", yscale="log", xlabel=r"$\alpha$", ylabel="SNR", title="excess of early stopping over ridge")
    third.set_xticks([0.3, 1, 3, 5], ["0.3", "1", "3", "5"], minor=False)
    third.minorticks_off()
    third.legend(fontsize=8, loc="upper left")
    figure.colorbar(filled, label=r"% of the noise-free error")
    return figure


def finite_size(budget: str = "quick") -> Figure:
    """The coefficient of 1/N against measured ones; overtraining like the square root of time at alpha = 1."""
    N, trials = SPECTRA[budget]
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    t, some = np.geomspace(0.03, 20.0, 120), np.geomspace(0.05, 15.0, 8)
    for i, alpha in enumerate(ALPHAS):
        at = {"alpha": alpha, "snr": SNR, "inr": INR}
        left.plot(
            t, limits.SIZED(N=1, t=t, **at) - model.TEST(t=t, **at), color=f"C{i}", label=rf"$\alpha = {alpha:g}$"
        )
        drawn = linear_spectra.total_error(trials, Stream.from_seed(4), N=N, t=some, **at)["value"]
        _points(left, some, drawn - N * model.TEST(t=some, **at), f"C{i}")
    left.plot([], [], "ko", markersize=3.5, label=rf"$N (E_g - E_g^\infty)$ at $N = {N}$")
    left.set(xscale="log", xlabel=r"time $t/\tau$", ylabel=r"coefficient of $1/N$ in $E_g/\sigma_w^2$")
    left.legend(fontsize=8, frameon=False)
    t = np.geomspace(0.1, 1e4, 200)
    for i, inr in enumerate((0.0, 1.0)):
        right.plot(t, square.SQUARE_TEST(snr=1.0, inr=inr, t=t) - 1.0, color=f"C{i}", label=f"exact, INR = {inr:g}")
        late = t[t > 3]
        right.plot(
            late,
            square.SQUARE_LAW(snr=1.0, inr=inr, t=late) - 1.0,
            "k:",
            label=r"$2(2-\sqrt{2})\sqrt{t/\pi} - \frac{1}{2} + (1 + \mathrm{INR})/\sqrt{2\pi t}$" if i == 0 else None,
        )
    for i, size in enumerate((32, 128)):
        seen = np.geomspace(0.3, 1e4, 10)
        means = linear_spectra.mean_errors(60, Stream.from_seed(5), N=size, alpha=1.0, snr=1.0, inr=0.0, t=seen)
        _points(right, seen, means["test"] - 1.0, "C0", ("s", "o")[i], f"$N = {size}$")
    right.set(xscale="log", yscale="log", ylim=(0.3, 200), xlabel=r"time $t/\tau$", ylabel=r"$E_g/\sigma_w^2 - 1/$SNR")
    right.set_title(r"$\alpha = 1$, SNR = 1: $\sqrt{t}$ while $t \ll N^2$", fontsize=9)
    right.legend(fontsize=7, frameon=False)
    return figure


def accuracies(budget: str = "quick") -> Figure:
    """Grokking without understanding: accuracies of a noise-free student, and the delay against examples."""
    N, trials = DRAWN[budget]
    e0 = 0.02
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    t, some = np.geomspace(0.05, 2000.0, 200), np.geomspace(0.1, 1000.0, 9)
    for i, alpha in enumerate((1.1, 1.5, 3.0)):
        at = {"alpha": alpha, "e0": e0}
        left.plot(t, grokking.TRAIN_ACCURACY(t=t, **at), color=f"C{i}", linestyle="--")
        left.plot(t, grokking.TEST_ACCURACY(t=t, **at), color=f"C{i}", label=rf"$\alpha = {alpha:g}$")
        drawn = linear_student.accuracies(trials, Stream.from_seed(6), N=N, t=some, draws=4, **at)
        _points(left, some, drawn["test"], f"C{i}")
        _points(left, some, drawn["train"], f"C{i}", "x")
    left.plot([], [], "k-", label="test")
    left.plot([], [], "k--", label="train")
    left.set(xscale="log", xlabel=r"time $t/\tau$", ylabel=rf"accuracy (squared error $\leq {e0:g}\,\sigma_w^2$)")
    left.legend(fontsize=8, frameon=False)
    beyond = np.geomspace(0.02, 4.0, 30)
    for i, level in enumerate((0.02, 0.1)):
        right.plot(
            beyond, grokking.DELAY(alpha=1.0 + beyond, e0=level), color=f"C{i}", label=rf"$e_0 = {level:g}\,\sigma_w^2$"
        )
        for a in (1.25, 1.5, 2.0, 3.0):
            delays = linear_spectra.delay(20 * trials, Stream.from_seed(7), N=N, alpha=a, e0=level, q=0.9)["value"]
            _points(right, np.array([a - 1]), delays[:, None], f"C{i}")
    right.set(xscale="log", yscale="log", xlabel=r"$\alpha - 1$", ylabel=r"delay from train to test accuracy 0.9")
    right.legend(fontsize=8, frameon=False)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "advani-saxe-curves": curves,
    "advani-saxe-plane": plane,
    "advani-saxe-stopped-and-regularised": stopped_and_regularised,
    "advani-saxe-finite-size": finite_size,
    "advani-saxe-accuracies": accuracies,
}
