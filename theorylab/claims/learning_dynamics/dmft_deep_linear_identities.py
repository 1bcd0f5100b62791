"""Deep linear networks of infinite width: what the two-time equations imply, and what they agree with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.learning_dynamics.dmft_deep_linear import OTHER, THREE, TWO, theory

TIMES = np.array([1.0, 5.0, 20.0, 40.0])
FLOW_TIMES = np.array([0.1, 0.3, 0.6])


def _identity(prediction: Any, other: Any, mutants: Any, points: Any, margins: Any = (1e-10, 1e-11, 1e-11)) -> Claim:
    from theorylab.checks import Identity

    return Claim(
        prediction=prediction,
        check=Identity(other=other),
        points=points,
        mutants=mutants,
        budgets={b: Budget(1, m) for b, m in zip(("quick", "standard", "paper"), margins)},
    )


@theory.claim
def every_layer_gives_the_output() -> Claim:
    """f(t) = <h_l(t) g_l(t)>/gamma for every layer l."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    mutants = [Mutant("one update more", lambda value, *, t, **at: d.ONE["f"](t=t + 1.0, **at))]
    points = [{**p, "t": TIMES} for p in (TWO, THREE, OTHER)]
    return _identity(d.ONE["f"], d.ONE["first"], mutants, points)


@theory.claim
def layers_mirror_one_another() -> Claim:
    """For K = 1, H_l(t, s) = G_(L+1-l)(t, s)."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    mutants = [Mutant("H_l = G_l", lambda value, **at: value[::-1])]
    return _identity(d.ONE["H"], d.ONE["mirrored"], mutants, [{**p, "t": TIMES} for p in (TWO, THREE)])


@theory.claim
def substitution_is_the_fixed_point() -> Claim:
    """Rows of later times substituted into one another give the fixed point that sweeps of the whole map reach."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    mutants = [Mutant("one update more", lambda value, *, t, **at: d.ONE["f"](t=t + 1.0, **at))]
    return _identity(d.ONE["f"], d.SWEPT, mutants, [{**p, "t": TIMES[:3]} for p in (TWO, THREE)])


@theory.claim
def one_hidden_layer() -> Claim:
    """At L = 1 the two-time equations are the closed equations for H, G and c of two-layer networks."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d
    from theorylab.derivations.learning_dynamics import two_layer_kernels as maps

    def closed(*, L: Any, gamma: Any, rate: Any, K: Any, y: Any, t: Any) -> tuple[Any, Any]:
        gram = np.full((1, 1, 1), float(K))
        path = maps.descend(maps.infinite_width(gram), gram, np.full((1, 1), float(y)), float(gamma), float(rate), t)
        return path.outputs[0, :, 0], np.full(len(t), 1e-14)

    points = [{"L": 1, "gamma": g, "rate": 0.05, "K": k, "y": 1.2, "t": TIMES} for g, k in ((2.0, 1.0), (0.5, 0.6))]
    mutants = [Mutant("lazy training", lambda value, *, gamma, **at: d.ONE["f"](gamma=0.0, **at))]
    return _identity(d.ONE["f"], replace(d.ONE["f"], function=closed), mutants, points)


@theory.claim
def flow_of_one_hidden_layer() -> Claim:
    """At L = 1 and vanishing learning rate the two-time equations give the closed form of two-layer networks.

    Extrapolated from three steps; the margin is the tolerance of the error.
    """
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as two

    points = [
        {"L": 1, "gamma": g, "K": 1.0, "y": 1.0, "t": FLOW_TIMES, "step": 0.02, "tolerance": 1e-4} for g in (2.0, 0.3)
    ]

    def closed(*, L: Any, gamma: Any, K: Any, y: Any, t: Any, step: Any, tolerance: Any) -> tuple[Any, Any]:
        return two.OUTPUT.evaluate(gamma=gamma, y=y, t=t)

    mutants = [
        Mutant("Euler's rule at the step itself", _euler),
        Mutant("rate 1 instead of 2", lambda value, *, gamma, y, t, **_: two.OUTPUT(gamma=gamma, y=y, t=t / 2)),
    ]
    return _identity(d.FLOW["f"], replace(d.FLOW["f"], function=closed), mutants, points, (3e-4, 3e-4, 3e-4))


def _euler(value: Any, *, t: Any, step: Any, tolerance: Any, **at: Any) -> Any:
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    return d.ONE["f"](rate=step, t=np.rint(t / step), **at)


@theory.claim
def lazy_limit() -> Claim:
    """At gamma = 0 training is that of a fixed kernel, the tangent kernel of an infinitely wide linear network:
    f = y (1 - (1 - eta Theta)^t).

    Two derivations, one number: the two-time equations, and the recursion of tangent kernels from layer to layer.
    """
    from theorylab.derivations.infinite_width.recursion import gram
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    def kernel(*, L: Any, gamma: Any, rate: Any, K: Any, y: Any, t: Any) -> tuple[Any, Any]:
        theta = gram("linear", np.array([[np.sqrt(float(K))]]), depth=int(L) + 1).Theta
        value = -y * np.expm1(t * np.log1p(-rate * float(np.asarray(theta)[0, 0])))
        return value, 1e-14 * np.abs(value)

    points = [{**p, "gamma": 0.0, "t": TIMES} for p in (TWO, THREE, OTHER, {**OTHER, "L": 5})]
    mutants = [
        Mutant("L K for (L + 1) K: the readout is not trained", lambda value, *, L, **at: _fixed(L=L - 1, **at)),
        Mutant("1 % more", lambda value, **_: 1.01 * value),
    ]
    return _identity(d.ONE["f"], replace(d.ONE["f"], function=kernel), mutants, points)


def _fixed(*, L: Any, gamma: Any, rate: Any, K: Any, y: Any, t: Any) -> Any:
    return y * (1.0 - (1.0 - rate * (L + 1.0) * K) ** t)


@theory.claim
def lazy_closed_form() -> Claim:
    """At gamma = 0 descent learns f = y (1 - (1 - eta (L + 1) K)^t)."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    def flat(*, L: Any, rate: Any, K: Any, y: Any, t: Any) -> tuple[Any, Any]:
        return d.ONE["f"].evaluate(L=L, gamma=0.0, rate=rate, K=K, y=y, t=t)

    points = [{**{k: v for k, v in p.items() if k != "gamma"}, "t": TIMES} for p in (TWO, THREE, OTHER)]
    mutants = [Mutant("L layers of weights", d.LAZY.expr.subs(d.L, d.L - 1))]
    return _identity(d.LAZY, replace(d.ONE["f"], space=d.LAZY.space, function=flat), mutants, points)


@theory.claim(control=True, expected="fails")
def control_lazy_limit() -> Claim:
    """The lazy limit with a kernel that is larger by 1 %."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    def larger(*, rate: Any, **at: Any) -> tuple[Any, Any]:
        return d.ONE["f"].evaluate(rate=1.01 * rate, **at)

    points = [{**TWO, "gamma": 0.0, "t": TIMES}]
    mutants = [Mutant("half of the output", lambda value, **_: value / 2)]
    return _identity(d.ONE["f"], replace(d.ONE["f"], function=larger), mutants, points, (1e-4, 1e-4, 1e-4))
