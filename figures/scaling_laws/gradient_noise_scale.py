"""What a step gains against the learning rate, the best one against the batch, and steps against examples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from theorylab.derivations.scaling_laws import gradient_noise_scale as d
from theorylab.kernels.random import Stream
from theorylab.sims.scaling_laws.gradient_noise import quadratic_step

# Steps at each point.
STEPS = {"quick": 20_000, "standard": 200_000, "paper": 2_000_000}
AT = {"P": 20, "sigma": 2.0}


def batches(budget: str = "quick") -> Figure:
    """Theory as lines, one-step ensembles as points; the hyperbola of steps and examples."""
    steps = STEPS[budget]
    rng = Stream.from_seed(6)
    figure = Figure(figsize=(11.0, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    fastest = float((d.P / d.harmonic).subs(d.P, AT["P"]).evalf())
    noise = float(d.noise_batch.subs(d.REFERENCE).subs({d.P: AT["P"], d.sigma: AT["sigma"]}).evalf())
    share = np.linspace(0.01, 1.0, 100)
    for i, batch in enumerate((1, 4, 16, 64)):
        rates = share * fastest
        # reference_share is linear in the learning rate: one value gives the line.
        slope = 1.0 - float(d.reference_share(**AT, B=batch, eta=1e-3))
        gain = rates * (1.0 - slope * rates / 1e-3)
        left.plot(share, gain / (fastest / 2), color=f"C{i}", label=f"$B = {batch}$")
        best = float(d.reference_rate(**AT, B=batch))
        for part in np.linspace(0.1, 1.0, 6):
            eta = part * fastest
            if eta > 2.2 * best:
                continue
            found = eta * quadratic_step(steps, rng, **AT, B=batch, eta=eta)["share"] / (fastest / 2)
            left.errorbar(part, found.mean(), found.std() / np.sqrt(steps), fmt="o", color=f"C{i}", markersize=3.5)
        left.plot(best / fastest, best / fastest, marker="|", markersize=9, color="k", linestyle="none")
    left.set(xlabel=r"learning rate $\eta/\eta_{max}$", ylabel=r"expected decrease $/\Delta L_{max}$", ylim=(-0.3, 1.0))
    left.legend(frameon=False, fontsize=8)
    sizes = np.geomspace(0.5, 500, 200)
    middle.loglog(sizes, 1 / (1 + noise / sizes), color="C0", label=r"$1/(1 + B_{noise}/B)$")
    middle.axvline(noise, color="0.6", linestyle=":", linewidth=1, label=f"$B_{{noise}} = {noise:.1f}$")
    for batch in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        best = float(d.reference_rate(**AT, B=batch))
        found = best * quadratic_step(steps, rng, **AT, B=batch, eta=best)["share"] / (fastest / 2)
        middle.errorbar(batch, found.mean(), found.std() / np.sqrt(steps), fmt="o", color="C0", markersize=4, capsize=2)
    middle.set(xlabel="batch size $B$", ylabel=r"largest expected decrease $/\Delta L_{max}$")
    middle.legend(frameon=False, fontsize=8)
    ratio = np.geomspace(0.03, 30, 100)
    right.loglog(1 + ratio, d.steps_needed(ratio=ratio), color="C0", label="hyperbola")
    some = np.array([0.1, 0.3, 1.0, 3.0, 10.0])
    counted = d.steps_counted(ratio=some)
    right.plot(some * counted, counted, "o", color="C0", markersize=5, label="counted, small gains")
    for part, at in zip(some, counted):
        name = "B_{noise}" if part == 1 else f"{part:g}\\,B_{{noise}}"
        right.annotate(f"${name}$", (part * at, at), xytext=(5, 4), textcoords="offset points", fontsize=8)
    right.set(xlabel="examples $E/E_{min}$", ylabel="steps $S/S_{min}$", xlim=(0.9, 40), ylim=(0.9, 40))
    right.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Callable[[str], Figure]] = {"gradient-noise-scale": batches}
