"""Deep nonlinear networks at infinite width against trained ones: outputs, kernels, and what finite width changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
from theorylab.derivations.learning_dynamics.single_site import Terms
from theorylab.derivations.learning_dynamics.single_site_solution import Method, descent
from theorylab.kernels.random import Stream
from theorylab.sims.learning_dynamics import mean_field_network as sim

GAMMAS = {0.3: "tab:blue", 1.0: "tab:green", 3.0: "tab:red"}
POINT = {"activation": "tanh", "L": 3, "K": 1.0, "y": 1.0}
RATE = 0.2
# Width, pairs of networks, updates and samples of a batch.
BUDGETS = {"quick": (128, 96, 24, 512), "standard": (512, 256, 30, 4096), "paper": (2000, 100, 50, 16_384)}
WIDTHS = {
    "quick": ((8, 4000), (16, 4000), (32, 2500), (64, 1500)),
    "standard": ((8, 40_000), (16, 40_000), (32, 30_000), (64, 20_000), (128, 10_000)),
    "paper": ((16, 400_000), (32, 400_000), (64, 200_000), (128, 100_000), (256, 40_000)),
}


def _mean(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=0), 2.0 * x.std(axis=0) / np.sqrt(len(x))


def outputs(budget: str = "quick") -> Figure:
    """Output and loss in time for three values of gamma, with the lazy limit."""
    width, pairs, steps, samples = BUDGETS[budget]
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    t = np.arange(steps + 1)
    lazy = d.LAZY(**POINT, rate=RATE, t=t)
    left.plot(t, lazy, color="black", linestyle=":", label=r"lazy limit: $y[1-(1-\eta\Theta)^t]$")
    right.plot(t, 0.5 * (1.0 - lazy) ** 2, color="black", linestyle=":")
    for gamma, colour in GAMMAS.items():
        value, error = d.OUTPUT.evaluate(**POINT, gamma=gamma, rate=RATE, t=t, samples=samples)
        left.plot(t, value, color=colour, label=rf"$\gamma = {gamma:g}$")
        left.fill_between(t, value - error, value + error, color=colour, alpha=0.25, linewidth=0)
        right.plot(t, 0.5 * (1.0 - value) ** 2, color=colour)
        at = t[1::2]
        trained = sim.one_pattern.run(
            pairs, Stream.from_seed(1), {**POINT, "gamma": gamma, "rate": RATE, "N": width, "t": at}
        )
        mean, bar = _mean(trained["f"])
        left.errorbar(at, mean, bar, fmt="o", markersize=3.5, color=colour, capsize=2)
        loss, bar = 0.5 * (1.0 - mean) ** 2, np.abs(1.0 - mean) * bar
        seen = loss > 3 * bar
        right.errorbar(at[seen], loss[seen], bar[seen], fmt="o", markersize=3.5, color=colour, capsize=2)
    left.set(xlabel="updates $t$", ylabel=r"output $f(t)$,  label $y = 1$")
    right.set(xlabel="updates $t$", ylabel=r"loss $\frac{1}{2}(y - f)^2$", yscale="log")
    left.legend(frameon=False, fontsize=9)
    figure.suptitle(
        rf"tanh, $L = 3$ hidden layers, rate $\eta\gamma^2 N$ with $\eta = {RATE:g}$; "
        rf"lines: infinite width, points: networks of $N = {width}$",
        fontsize=10,
    )
    return figure


def kernels(budget: str = "quick") -> Figure:
    """Two-time kernels of the last hidden layer: trained networks above the diagonal, theory below it."""
    width, pairs, steps, samples = BUDGETS[budget]
    figure = Figure(figsize=(10.2, 3.4), layout="constrained")
    panels = figure.subplots(1, 3)
    t = np.arange(steps + 1)
    for axes, gamma in zip(panels, GAMMAS):
        point = {**POINT, "gamma": gamma, "rate": RATE}
        theory = d.TWO_TIMES(**point, t=t, samples=samples)[-1]
        trained = sim.two_times.run(pairs, Stream.from_seed(2), {**point, "N": width, "t": t})["H"][:, -1].mean(axis=0)
        both = np.where(t[:, None] > t[None, :], trained, theory)
        image = axes.imshow(both, origin="lower", cmap="viridis", extent=(-0.5, steps + 0.5, -0.5, steps + 0.5))
        axes.plot([-0.5, steps + 0.5], [-0.5, steps + 0.5], color="white", linewidth=1)
        off = np.max(np.abs(trained / theory - 1.0))
        axes.set_title(rf"$\gamma = {gamma:g}$  (largest difference {100 * off:.1f} %)", fontsize=10)
        axes.set_xlabel("updates $s$")
        axes.text(0.95 * steps, 0.1 * steps, "theory", color="white", ha="right", fontsize=9)
        axes.text(0.05 * steps, 0.88 * steps, f"$N = {width}$", color="white", fontsize=9)
        bar = figure.colorbar(image, ax=axes, shrink=0.85)
    bar.set_label(r"$H_3(t, s) = \langle \phi(h^3(t))\,\phi(h^3(s)) \rangle$")
    panels[0].set_ylabel("updates $t$")
    return figure


def equal_times(budget: str = "quick") -> Figure:
    """The first layer's kernel with and without the part of the response at equal times."""
    width, pairs, steps, samples = BUDGETS[budget]
    network = d.network_of("tanh", 3, 2.0, 1.0, 1.4)
    figure = Figure(figsize=(5.4, 3.9), layout="constrained")
    axes = figure.subplots()
    steps = min(steps, 24)
    t = np.arange(steps + 1)
    lines = {
        "all": ("black", "-", "$RB(t, t)$ with both pieces"),
        "first": ("tab:orange", "--", "first piece alone"),
        "none": ("tab:red", ":", "$RB$ strictly causal"),
    }
    for kept, (colour, style, label) in lines.items():
        method = Method(samples, terms=Terms(equal_time=kept))
        found = descent(network, 0.1, steps, method).H.value[0, t, t]
        axes.plot(t, found, color=colour, linestyle=style, label=label)
    point = {"activation": "tanh", "L": 3, "K": 1.0, "y": 1.4, "gamma": 2.0, "rate": 0.1, "N": width, "t": t[::2]}
    mean, bar = _mean(sim.one_pattern.run(2 * pairs, Stream.from_seed(3), point)["H"][:, 0])
    axes.errorbar(
        t[::2], mean, bar, fmt="o", markersize=3.5, color="black", capsize=2, label=f"networks, $N = {width}$"
    )
    axes.set(xlabel="updates $t$", ylabel=r"$H_1(t,t) = \langle \phi(h^1(t))^2 \rangle$")
    axes.set_title(r"tanh, $L = 3$, $\gamma = 2$, $\eta = 0.1$, $y = 1.4$", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    return figure


def width(budget: str = "quick") -> Figure:
    """Deviation of mean outputs from infinite width against the width."""
    samples = BUDGETS[budget][3]
    figure = Figure(figsize=(5.4, 3.9), layout="constrained")
    axes = figure.subplots()
    cases = {
        "tanh": ("tab:blue", "o", {"activation": "tanh", "L": 2, "gamma": 1.5, "rate": 0.3}),
        "relu": ("tab:orange", "s", {"activation": "relu", "L": 2, "gamma": 2.0, "rate": 0.1}),
    }
    for k, (name, (colour, marker, case)) in enumerate(cases.items()):
        point = {**case, "K": 1.0, "y": 1.0, "t": np.array([4.0])}
        value, error = d.OUTPUT.evaluate(**point, samples=4 * samples)
        sizes, off, bars = [], [], []
        for n, trials in WIDTHS[budget]:
            mean, bar = _mean(sim.one_pattern.run(trials, Stream.from_seed(4 + k), {**point, "N": n})["f"])
            sizes.append(n)
            off.append(abs(float(mean[0] / value[0] - 1.0)))
            bars.append(float((bar[0] + error[0]) / value[0]))
        axes.errorbar(sizes, off, bars, fmt=marker, color=colour, markersize=4, capsize=2, label=f"{name}, $t = 4$")
        weight = (np.array(sizes) / np.array(bars)) ** 2 / np.array(sizes) ** 2
        slope = np.sum(weight * np.array(off) / np.array(sizes)) / np.sum(weight / np.array(sizes) ** 2)
        grid = np.geomspace(sizes[0] / 1.3, sizes[-1] * 1.3, 20)
        axes.plot(grid, slope / grid, color=colour, linewidth=1, label=f"{slope:.2f}$/N$")
    ticks = [n for n, _ in WIDTHS[budget]]
    axes.set(xscale="log", yscale="log", xlabel="width $N$", ylabel=r"$|\mathrm{E} f_N / f_\infty - 1|$")
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=3e-4)
    axes.legend(frameon=False, fontsize=9, ncols=2)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "dmft-deep-nonlinear-outputs": outputs,
    "dmft-deep-nonlinear-kernels": kernels,
    "dmft-deep-nonlinear-equal-times": equal_times,
    "dmft-deep-nonlinear-width": width,
}
