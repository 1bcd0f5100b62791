"""Two-layer linear networks in the mean-field parametrisation: what the width does, and forms of the same function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.learning_dynamics.dmft_two_layer_linear import LAZY, RICH, theory

POINT = {**RICH, "t": np.array([0.5])}


@theory.claim
def closed_form_at_any_width() -> Claim:
    """On one pattern the output of a network of any width is |y| - f = (|y| - f_0) R^2 / (4 A (A - c) + (S^2 - 4 c^2 +
    4 A c) cosh(R t) + R S sinh(R t)), with S = H + G and c = gamma f at its own start, R^2 = S^2 - 4 c^2 + 4 A^2.

    Not in the paper, which has infinite width; it is the mode of imbalance k^2 = S^2 - 4 c^2 from u_0 = c.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

    def limit(_: Any, *, gamma: Any, y: Any, t: Any, total: Any, overlap: Any) -> Any:
        return d.OUTPUT(gamma=gamma, y=y, t=t) + 0.0 * total[:, None]

    def centred(_: Any, *, gamma: Any, y: Any, t: Any, total: Any, overlap: Any) -> Any:
        return d.GIVEN_START(gamma=gamma, y=y, t=t, total=total, overlap=0.0 * overlap)

    def typical(_: Any, *, gamma: Any, y: Any, t: Any, total: Any, overlap: Any) -> Any:
        return d.GIVEN_START(gamma=gamma, y=y, t=t, total=0.0 * total + 2.0, overlap=np.clip(overlap, -0.9, 0.9))

    return Claim(
        prediction=d.GIVEN_START,
        simulation=sim.whitened_net,
        check=Expectation(observable="output", given=("total", "overlap")),
        points=[{"N": 6, **p} for p in (RICH, LAZY)],
        parameters=[d.WIDTH],
        mutants=[
            Mutant("infinite width", limit),
            Mutant("f_0 = 0", centred),
            Mutant("H + G = 2", typical),
        ],
        budgets={"quick": Budget(4096, 1e-4), "standard": Budget(16_384, 2e-5), "paper": Budget(65_536, 2e-5)},
    )


def _width(prediction: Any, observable: str, mutants: Any, budgets: Any) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

    return Claim(
        prediction=prediction,
        simulation=sim.halves,
        check=Asymptotic(size="N", observable=observable, scale="peak"),
        points=[POINT, {**LAZY, "t": np.array([0.5])}],
        parameters=[d.WIDTH],
        mutants=mutants,
        budgets=budgets,
    )


@theory.claim
def bias_of_the_width() -> Claim:
    """At width N the mean output of gradient flow on one pattern is phi + (1/N)(2 d^2/dS^2 + (1/2) d^2/dc^2) f: wide
    networks learn faster than narrow ones.

    The derivatives are those of the closed form in the initial S = H + G, of variance 4/N, and c = gamma f_0, of
    variance 1/N. Two networks of width N, and both as one of width 2 N, have the same linear fluctuations: what is left
    of (f_1 + f_2)/2 - f_12 is this bias.
    """
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    mutants = [
        Mutant("without the 1/2 of Taylor's formula", lambda value, **_: 2 * value),
        Mutant("the other sign", lambda value, **_: -value),
    ]
    budgets = {
        "quick": Budget(4096, 0.3, sizes=(8, 16, 32, 64), points=[POINT]),
        "standard": Budget(65_536, 0.1, sizes=(16, 32, 64, 128)),
        "paper": Budget(262_144, 0.05, sizes=(32, 64, 128, 256)),
    }
    return _width(d.BIAS, "bias", mutants, budgets)


@theory.claim
def variance_of_the_width() -> Claim:
    """At width N the output of gradient flow on one pattern has variance (1/N)(4 (df/dS)^2 + (df/dc)^2)."""
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    def part(of_s: float, of_c: float) -> Any:
        def value(_: Any, *, gamma: Any, y: Any, t: Any) -> Any:
            s, c = d.derivatives(gamma, y, t)
            return of_s * s.first**2 + of_c * c.first**2

        return value

    mutants = [
        Mutant("f_0 alone fluctuates", part(0.0, 1.0)),
        Mutant("the kernel alone fluctuates", part(4.0, 0.0)),
    ]
    budgets = {
        "quick": Budget(8192, 0.2, sizes=(8, 16, 32, 64)),
        "standard": Budget(32_768, 0.08, sizes=(16, 32, 64, 128)),
        "paper": Budget(262_144, 0.03, sizes=(32, 64, 128, 256)),
    }
    return _width(d.VARIANCE, "variance", mutants, budgets)


def _untrained(prediction: Any, check: Any, mutants: Any, points: Any, margins: Any, trials: Any) -> Claim:
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear as sim

    budgets = {n: Budget(k, m) for n, k, m in zip(("quick", "standard", "paper"), trials, margins)}
    return Claim(
        prediction=prediction,
        simulation=sim.untrained,
        check=check,
        points=points,
        parameters=[d.WIDTH, d.GAMMA, d.RHO],
        mutants=mutants,
        budgets=budgets,
    )


@theory.claim
def outputs_before_training() -> Claim:
    """Before training E[f_mu f_nu] = K_mu_nu / (gamma^2 N), at every width."""
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    mutants = [
        Mutant("gamma for gamma^2", lambda value, *, gamma, **_: value * gamma),
        Mutant("1/N^2", lambda value, *, N, **_: value / N),
    ]
    return _untrained(
        d.INITIAL_OUTPUTS,
        Expectation(observable="outputs", scale="peak"),
        mutants,
        [{"N": 40, "gamma": 2.0, "rho": 0.5}],
        (0.15, 0.04, 0.01),
        (16_384, 262_144, 2_097_152),
    )


@theory.claim
def kernels_before_training() -> Claim:
    """Before training Var H_mu_nu = (K_mu_mu K_nu_nu + K_mu_nu^2)/N and Var G = 2/N."""
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    mutants = [
        Mutant("without K_mu_nu^2", lambda value, *, N, rho: np.stack([1.0 / N, 1.0 / N, 2.0 / N])),
        Mutant("without K_mu_mu K_nu_nu", lambda value, *, N, rho: np.stack([1.0 / N, rho**2 / N, 2.0 / N])),
    ]
    return _untrained(
        d.INITIAL_KERNELS,
        Expectation(observable="kernels"),
        mutants,
        [{"N": 160, "gamma": 1.0, "rho": 0.7}],
        (0.15, 0.04, 0.015),
        (16_384, 262_144, 2_097_152),
    )


@theory.claim
def outputs_are_normal() -> Claim:
    """Before training f_mu is normal with variance K_mu_mu / (gamma^2 N), for large width.

    At width N its excess kurtosis is 6/N, which moves the distribution by at most 0.14/N.
    """
    import sympy as sp

    from theorylab.checks import Law
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    mutants = [
        Mutant("variance 1/(gamma N)", d.NORMAL.expr.subs(d.gamma, sp.sqrt(d.gamma))),
        Mutant("variance 2/(gamma^2 N)", d.NORMAL.expr.subs(d.N, d.N / 2)),
    ]
    return _untrained(
        d.NORMAL,
        Law(variable="x", observable="output"),
        mutants,
        [{"N": 50, "gamma": 2.0, "rho": 0.5}],
        (0.025, 0.01, 0.005),
        (65_536, 262_144, 1_048_576),
    )


@theory.claim(control=True, expected="fails")
def control_normal() -> Claim:
    """Before training f_mu has a standard deviation that is larger by 5 %."""
    from theorylab.checks import Law
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    wrong = replace(d.NORMAL, expr=d.NORMAL.expr.subs(d.gamma, d.gamma * 20 / 21), numeric=None)
    return _untrained(
        wrong,
        Law(variable="x", observable="output"),
        [Mutant("variance 2/(gamma^2 N)", d.NORMAL.expr.subs(d.N, d.N / 2))],
        [{"N": 50, "gamma": 2.0, "rho": 0.5}],
        (0.002, 0.002, 0.002),
        (524_288, 524_288, 524_288),
    )


def _identity(prediction: Any, other: Any, ranges: Any, mutant: Any) -> Claim:
    from theorylab.checks import Identity

    return Claim(
        prediction=prediction,
        check=Identity(other=other, ranges=ranges),
        mutants=[mutant],
        budgets={b: Budget(n, 1e-30) for b, n in (("quick", 5), ("standard", 40), ("paper", 200))},
    )


@theory.claim
def hyperbolic_form() -> Claim:
    """The published form phi = (1/gamma) 2 v/(1 - v^2), v = (B tanh(B t + artanh(1/B)) - 1)/A, is the same function.

    It is 0/0 at gamma = 0 and t = 0, and cancels near there.
    """
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear_steps as steps

    ranges = {"gamma": (0.05, 4.0), "y": (0.2, 3.0), "t": (0.01, 2.0)}
    mutant = Mutant("rate 1 instead of 2", d.output.subs(d.t, d.t / 2))
    return _identity(d.OUTPUT, steps.published(d.gamma, d.y, d.t), ranges, mutant)


@theory.claim
def one_mode() -> Claim:
    """It is the mode of an unbalanced two-layer linear network at imbalance 2, strength gamma |y| and start 0, over
    gamma."""
    import sympy as sp

    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.derivations.learning_dynamics import mode_ode

    ranges = {"gamma": (0.05, 4.0), "y": (0.2, 3.0), "t": (0.01, 2.0)}
    mutant = Mutant("gamma for gamma^2 in the square root", d.output.subs(d.gamma, sp.sqrt(d.gamma)))
    other = mode_ode.unbalanced(d.t, d.gamma * d.y, sp.Integer(2), sp.S.Zero) / d.gamma
    return _identity(d.OUTPUT, other, ranges, mutant)


@theory.claim
def lazy_limit() -> Claim:
    """At gamma = 0 training is that of the fixed kernel 2 K: phi = |y| (1 - exp(-2 t))."""
    import sympy as sp

    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear_steps as steps

    mutant = Mutant("rate 1 instead of 2", d.y * (1 - sp.exp(-d.t)))
    other = sp.expand(steps.output(sp.S.Zero, d.y, d.t).rewrite(sp.exp))
    return _identity(d.LAZY, other, {"y": (0.2, 3.0), "t": (0.01, 3.0)}, mutant)
