"""Frozen parameters in the solvable model: loss against frozen width, and against trained parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theorylab.derivations.scaling_laws import msr_random_feature_scaling as model
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws.frozen_bottleneck import bottleneck_loss

COLOURS = ("#2166ac", "#b2182b", "#1b7837")
UNITS = r"($\sigma_w = 1$, $\lambda_- = 0.01$)"


def _measure(trials: int, **at: Any) -> tuple[float, float]:
    """Simulated mean loss and half a 95 % interval."""
    value = bottleneck_loss(trials, Stream.from_seed(0), lam=0.01, sigma_w=1.0, **at)["value"]
    return float(value.mean()), 1.96 * float(value.std(ddof=1)) / np.sqrt(trials)


def loss_against_frozen_width(budget: str = "quick") -> Figure:
    """Loss against H at fixed N and T: flat with fewer features than samples, not so with more."""
    (few, many), M, trials = {
        "quick": ((20, 50), 120, 60),
        "standard": ((60, 150), 600, 150),
        "paper": ((200, 500), 2000, 100),
    }[budget]
    alpha = 0.8
    figure = Figure(figsize=(5.2, 3.5), layout="constrained")
    axes = figure.add_subplot()
    ratios = np.geomspace(1.0, 8.0, 7)
    for (N, T), colour, label in (((few, many), COLOURS[0], "N < T"), ((many, few), COLOURS[1], "N > T")):
        flat = float(model.RIDGELESS(N=N, T=T, M=M, alpha=alpha))
        widths = np.round(ratios * N)
        fine = np.geomspace(N, 8.0 * N, 200)
        K = min(N, T)
        plateau = flat * (1.0 - K / max(N, T))
        line = flat + 0.0 * fine if N < T else plateau * (1.0 + T / (N - T) + T / (fine - T))
        axes.plot(fine / N, line, color=colour, lw=1.3)
        axes.axhline(flat, color=colour, lw=0.8, ls=(0, (1, 2)))
        mean, half = np.transpose([_measure(trials, N=N, T=T, M=M, H=int(h), alpha=alpha) for h in widths])
        named = f"${label}$: $N = {N}$, $T = {T}$"
        axes.errorbar(widths / N, mean, half, fmt="o", ms=3.5, lw=1, color=colour, label=named)
        if N < T:
            both, root = np.arange(2 * N, 9 * N + 1), np.arange(N, int(np.sqrt(8.0) * N) + 1)
            for counted, width, style in ((both, both - N, "--"), (root, root * root / N, "-.")):
                for part in (counted < 0.93 * T, counted > 1.07 * T):
                    if part.any():
                        wrong = model.RIDGELESS(N=counted[part], T=T, M=M, alpha=alpha)
                        axes.plot(width[part] / N, wrong, color="0.6", lw=0.9, ls=style)
    low, high = 0.08, 2.5
    axes.set(xscale="log", yscale="log", ylim=(low * flat, high * flat))
    axes.set_xticks([1, 2, 4, 8], labels=["1", "2", "4", "8"])
    shown = [v for v in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if low * flat < v < high * flat]
    axes.set_yticks(shown, labels=[f"{v:g}" for v in shown])
    axes.minorticks_off()
    axes.set_xlabel("frozen width per trained parameter, $H/N$")
    axes.set_ylabel(f"mean test loss {UNITS}")
    handles = [
        *axes.get_legend_handles_labels()[0],
        Line2D([], [], color="0.3", lw=1.3, label="deterministic equivalent"),
        Line2D([], [], color="0.3", lw=0.8, ls=(0, (1, 2)), label="without a bottleneck"),
        Line2D([], [], color="0.6", lw=0.9, ls="--", label="if $N + H$ counted ($N < T$)"),
        Line2D([], [], color="0.6", lw=0.9, ls="-.", label=r"if $\sqrt{NH}$ counted ($N < T$)"),
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="lower left")
    return figure


def loss_against_trained_parameters(budget: str = "quick") -> Figure:
    """Loss against N at T = 4 N for several frozen widths: one power law, in the trained parameters."""
    M, trials, counts = {
        "quick": (300, 24, (6, 12, 24, 48)),
        "standard": (2000, 60, (8, 16, 32, 64, 128)),
        "paper": (8000, 60, (20, 40, 80, 160, 320)),
    }[budget]
    alpha = 0.8
    figure = Figure(figsize=(6.6, 3.3), layout="constrained")
    trained, all_together = figure.subplots(1, 2, sharey=True)
    fine = np.unique(np.round(np.geomspace(counts[0], counts[-1], 100)))
    line = model.RIDGELESS(N=fine, T=4 * fine, M=M, alpha=alpha)
    for eta, colour, marker in zip((1, 2, 8), COLOURS, "osD"):
        measured = [_measure(trials, N=n, T=4 * n, M=M, H=eta * n, alpha=alpha) for n in counts]
        mean, half = np.transpose(measured)
        total = [n * (1 + eta * n) + eta * n * M for n in counts]
        style: dict[str, Any] = {"fmt": marker, "ms": 4, "mfc": "none", "lw": 1, "color": colour}
        trained.errorbar(counts, mean, half, **style, label=f"$H = {eta}\\,N$")
        all_together.errorbar(total, mean, half, **style)
        all_together.plot(fine * (1 + eta * fine) + eta * fine * M, line, color=colour, lw=0.9)
    trained.plot(fine, line, color="0.3", lw=1.2, label="equivalent of $N$ features")
    for axes, label in ((trained, "trained parameters $N$"), (all_together, "all parameters $N + NH + HM$")):
        axes.set(xscale="log", yscale="log", xlabel=label)
    trained.set_xticks(counts, labels=[str(n) for n in counts])
    shown = [v for v in (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0) if line[-1] < v < 1.2 * line[0]]
    trained.set_yticks(shown, labels=[f"{v:g}" for v in shown])
    trained.minorticks_off()
    trained.set_ylabel(f"mean test loss, $T = 4N$\n{UNITS}")
    trained.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {
    "frozen-parameters-loss-against-width": loss_against_frozen_width,
    "frozen-parameters-loss-against-trained": loss_against_trained_parameters,
}
