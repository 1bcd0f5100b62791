"""Deep linear networks: sigmoids of single modes, what the flow conserves, and small starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Interval, Parameter
from theorylab.theory import Theory

theory = Theory(
    "learning_dynamics/deep-linear-sigmoids",
    title="Exact solutions of learning in deep linear networks",
    source=Source(
        authors="Andrew M. Saxe and James L. McClelland and Surya Ganguli",
        title="Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
        year=2013,
        where="sections 1 and 3",
        arxiv="1312.6120v3",
    ),
)

DIMENSION = Parameter("d", Integers(1), "inputs, units of every layer and outputs", 3)
SHRINK = Parameter("shrink", Interval(1), "one over the standard deviation of the weights at the start")
PER_UNIT = Parameter("per_unit", Integers(1), "steps of gradient descent to a unit of time, 1/eta")
SURE = {"quick": 64, "standard": 512, "paper": 4096}


def _exact(margin: float, **points: Any) -> dict[str, Budget]:
    """Budgets of a statement that holds trial by trial; `points` for some of them."""
    return {name: Budget(trials, margin, points=points.get(name)) for name, trials in SURE.items()}


@theory.claim
def two_equal_layers() -> Claim:
    """From an aligned start of two equal layers each mode follows u(t) = s/(1 + (s/u_0 - 1) exp(-2 s t)), whatever the
    other modes do.

    Matrices in random bases, the other modes with random targets and starts, integrated by Runge-Kutta.
    """
    import sympy as sp

    from theorylab.checks import Curve
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.derivations.learning_dynamics import mode_ode as two
    from theorylab.sims.learning_dynamics.deep_linear import aligned

    half = two.logistic(two.t / 2, two.s, two.u0)
    times = np.array([0.3, 1.0, 2.0])
    points = [
        {"s": s, "u0": u0, "k": 0.0, "n": 2, "d": 4, "t": times} for s, u0 in ((1.3, 0.05), (0.5, 0.05), (1.0, 1.6))
    ]
    return Claim(
        prediction=two.UNBALANCED,
        simulation=aligned,
        check=Curve(axis="t"),
        points=points,
        parameters=[d.LAYERS, DIMENSION],
        mutants=[
            Mutant("rate s instead of 2s", half),
            Mutant("one layer: exponential", two.s + (two.u0 - two.s) * sp.exp(-two.t)),
        ],
        budgets=_exact(1e-5, quick=points[:1]),
    )


@theory.claim
def two_unequal_layers() -> Claim:
    """From an aligned start of two layers with k = |a^2 - b^2| each mode follows the solution of
    du/dt = sqrt(k^2 + 4 u^2) (s - u): from below, from above s, and from a negative product.

    A negative product is learned through zero: the gap keeps the layers from vanishing together.
    """
    import sympy as sp

    from theorylab.checks import Curve
    from theorylab.derivations.learning_dynamics import mode_ode as two
    from theorylab.sims.learning_dynamics.deep_linear import unequal

    def shrunk(_: Any, *, t: Any, s: Any, k: Any, u0: Any) -> Any:
        # du/dt = sqrt(k^2 + u^2) (s - u): half the rate of the right one at twice the gap.
        return two.UNBALANCED(t=t / 2, s=s, k=2 * k, u0=u0)

    times = np.array([0.3, 0.8, 1.6])
    points = [
        {"s": s, "k": k, "u0": u0, "d": 3, "t": times}
        for s, k, u0 in ((1.3, 0.7, 0.05), (1.0, 1.0, -0.4), (0.6, 1.5, 2.0))
    ]
    lazy = two.s + (two.u0 - two.s) * sp.exp(-two.k * two.t)
    return Claim(
        prediction=two.UNBALANCED,
        simulation=unequal,
        check=Curve(axis="t", scale="absolute"),
        points=points,
        parameters=[DIMENSION],
        mutants=[
            Mutant("k^2 + u^2 in the root", shrunk),
            Mutant("lazy: exponential with the rate k", lazy),
            Mutant("twice the gap", lambda _, t, s, k, u0: two.UNBALANCED(t=t, s=s, k=2 * k, u0=u0)),
        ],
        budgets=_exact(1e-5, quick=points[:2]),
    )


def _deep_mutants() -> list[Mutant]:
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d

    def power(_: Any, *, t: Any, n: Any, s: Any, u0: Any) -> Any:
        # u^(2 - 1/n): the power of 2n layers, at the rate of n.
        return d.DEEP(t=t / 2, n=2 * n, s=s, u0=u0)

    return [
        Mutant("u^(2 - 1/n)", power),
        Mutant("without the n layers' n", lambda _, t, n, s, u0: d.DEEP(t=t / n, n=n, s=s, u0=u0)),
        Mutant("logistic", lambda _, t, n, s, u0: d.DEEP(t=t, n=2, s=s, u0=u0)),
    ]


@theory.claim
def deep_equal_layers() -> Claim:
    """From an aligned start of n equal layers each mode obeys du/dt = n u^(2 - 2/n) (s - u), and is where the closed
    form of t(u) says, for 3 to 20 layers."""
    from theorylab.checks import Curve
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.sims.learning_dynamics.deep_linear import aligned

    points = [
        {"n": n, "s": s, "u0": u0, "d": 3, "t": np.array([0.2, 0.6, 1.0]) * 3.0 / n}
        for n, s, u0 in ((3, 1.3, 0.1), (5, 0.8, 0.1), (10, 1.1, 0.1), (20, 1.1, 0.3))
    ]
    return Claim(
        prediction=d.DEEP,
        simulation=aligned,
        check=Curve(axis="t"),
        points=points,
        parameters=[DIMENSION],
        mutants=_deep_mutants(),
        budgets=_exact(1e-5, quick=points[:2]),
    )


@theory.claim(control=True, expected="fails")
def deep_layers_slower_by_three_per_cent() -> Claim:
    """Control: three layers learn at 0.97 of their rate."""
    from dataclasses import replace

    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d

    slower = d.DEEP.altered(lambda _, *, t, **rest: d.DEEP(t=0.97 * t, **rest))
    claim = deep_equal_layers()
    points = list(claim.points[:1])
    return replace(claim, prediction=slower, mutants=(), budgets=_exact(1e-3, quick=points, standard=points))


def _times(many: int, found: Any) -> tuple[Any, Any]:
    return many * found.value, many * found.error


@theory.claim
def infinitely_many_layers() -> Claim:
    """As n -> infinity, n t(u) tends to (1/s^2) log(u (s - u_0)/(u_0 (s - u))) + 1/(s u_0) - 1/(s u), for fixed u_0 and
    u: learning takes finitely many steps at any depth, if the rate is that of the steepest direction.

    Checked at n = 10^9, where what is left of order 1/n is beyond the margin.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.prediction import Numerical

    many = 10**9
    very_deep = Numerical(
        function=lambda *, u, s, u0: _times(many, d.DEEP_TIME.evaluate(u=u, n=many, s=s, u0=u0)),
        space=d.INFINITE_TIME.space,
        quantity=d.INFINITE_TIME.quantity,
        conventions=d.CONVENTIONS,
        derivation=d.DEEP_TIME.derivation,
    )
    logit = d.INFINITE_TIME.expr - 1 / (d.s * d.u0) + 1 / (d.s * d.u)
    return Claim(
        prediction=d.INFINITE_TIME,
        check=Identity(other=very_deep, ranges={"u": (0.2, 2.0), "s": (0.5, 2.0), "u0": (0.01, 0.5)}),
        mutants=[
            Mutant("the logarithm alone", logit),
            Mutant("1/s instead of 1/s^2", d.INFINITE_TIME.expr + logit * (d.s - 1)),
        ],
        budgets={name: Budget(trials, 1e-6) for name, trials in (("quick", 5), ("standard", 50), ("paper", 500))},
    )


def _conserved(observable: str, mutants: list[Mutant]) -> Claim:
    from theorylab.checks import Curve
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.sims.learning_dynamics.deep_linear import conservation

    points = [{"n": n, "d": 3, "t": np.array([0.2, 0.8])} for n in (2, 3, 5)]
    return Claim(
        prediction=d.CONSERVED,
        simulation=conservation,
        check=Curve(axis="t", observable=observable, scale="absolute"),
        points=points,
        parameters=[DIMENSION, d.TIME],
        mutants=mutants,
        budgets=_exact(1e-4, quick=points[:2]),
    )


@theory.claim
def conserved_differences() -> Claim:
    """From any start, aligned or not, W_l W_l^T - W_{l+1}^T W_{l+1} stays what it was, for every l."""
    return _conserved(
        "kept",
        [
            Mutant("changes by a thousandth", lambda value, **_: 0.001 + 0.0 * value),
        ],
    )


@theory.claim(control=True, expected="fails")
def exchanged_differences() -> Claim:
    """Control: W_l^T W_l - W_{l+1} W_{l+1}^T, with the factors of either product exchanged, stays what it was."""
    return _conserved("exchanged", [])


def _breaking(prediction: Any, check: Any, points: Any, budgets: Any) -> Claim:
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.sims.learning_dynamics.deep_linear import descent

    return Claim(
        prediction=prediction,
        simulation=descent,
        check=check,
        points=points,
        parameters=[d.LAYERS, DIMENSION, PER_UNIT],
        mutants=[
            Mutant("one order more", prediction.expr + 1),
            Mutant("half an order less", prediction.expr - 0.5),
        ],
        budgets=budgets,
    )


@theory.claim
def one_step_of_descent() -> Claim:
    """A step eta of gradient descent changes W_l W_l^T - W_{l+1}^T W_{l+1} by order eta^2, from any start.

    Exactly by eta^2 (G_l G_l^T - G_{l+1}^T G_{l+1}), G the negative gradients: a step of the derivation. Measured draw
    by draw, by halving the learning rate.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d

    points = [{"n": n, "d": 3, "per_unit": 40} for n in (2, 3, 5)]
    return _breaking(d.STEP_ORDER, Expectation(observable="step"), points, _exact(1e-6, quick=points[1:2]))


@theory.claim
def descent_for_a_unit_of_time() -> Claim:
    """Over a fixed time gradient descent breaks the conservation by order eta, for small eta.

    Measured draw by draw, by halving the learning rate.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d

    budgets = {
        "quick": Budget(512, 0.12, sizes=(20, 40, 80, 160)),
        "standard": Budget(2048, 0.02, sizes=(20, 40, 80, 160, 320)),
        "paper": Budget(8192, 0.01, sizes=(40, 80, 160, 320, 640)),
    }
    check = Asymptotic(size="per_unit", rate=1.0, observable="unit", order=2)
    return _breaking(d.UNIT_TIME_ORDER, check, [{"n": 3, "d": 3}], budgets)


@theory.claim
def rise_from_small_starts() -> Claim:
    """From small independent Gaussian weights, nothing aligned, a mode rises from a tenth to nine tenths of its target
    in the time of equal aligned layers, as the scale of the start tends to zero.

    How long it stays near zero depends on the draw, how it rises does not: the balance is off by the square of the
    scale. With three layers the wait grows like one over the scale, with two like its logarithm.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.sims.learning_dynamics.deep_linear import small_start

    points = [{"n": n, "s": 1.0, "u": 0.9, "u0": 0.1, "d": 3} for n in (2, 3, 4)]
    return Claim(
        prediction=d.DEEP_TIME,
        simulation=small_start,
        check=Asymptotic(size="shrink", rate=2.0, observable="rise", order=2),
        points=points,
        parameters=[DIMENSION, SHRINK],
        mutants=[
            Mutant("u^(2 - 1/n)", lambda _, u, n, s, u0: 2 * d.DEEP_TIME(u=u, n=2 * n, s=s, u0=u0)),
            Mutant("one layer fewer", lambda _, u, n, s, u0: d.DEEP_TIME(u=u, n=n - 1, s=s, u0=u0)),
            Mutant("without the n layers' n", lambda value, u, n, s, u0: n * value),
        ],
        budgets={
            "quick": Budget(96, 0.03, sizes=(16, 32, 64, 128), points=points[1:2]),
            "standard": Budget(1024, 0.01, sizes=(8, 16, 32, 64)),
            "paper": Budget(8192, 0.003, sizes=(8, 16, 32, 64, 128)),
        },
    )


@theory.claim
def half_time_of_small_starts() -> Claim:
    """Two layers of small independent Gaussian weights learn half of a mode after log(s/u_0 - 1)/(2s) with
    u_0 = |a + b|^2/4, a and b the mode's column of the first layer and row of the second.

    Draw by draw, as the scale tends to zero: what decays while the mode grows does not count.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.parameters import Observed, Space
    from theorylab.prediction import Numerical
    from theorylab.sims.learning_dynamics.deep_linear import small_start

    def at(factor: float) -> Any:
        return lambda _, s, start: d.HALF_TIME(s=s, u0=np.minimum(factor * start, 0.49 * s))

    start = Parameter("start", Observed("|a + b|^2/4 of the draw"), "effective strength at the start")
    given = Numerical(
        function=lambda *, s, start: (d.HALF_TIME(s=s, u0=start), 1e-12),
        space=Space([d.TARGET, start]),
        quantity=d.HALF_TIME.quantity,
        conventions=d.CONVENTIONS,
        derivation=d.HALF_TIME.derivation,
        formula=r"\frac{1}{2s} \log\left(\frac{s}{u_0} - 1\right)",
    )
    return Claim(
        prediction=given,
        simulation=small_start,
        check=Asymptotic(size="shrink", rate=2.0, observable="half", given=("start",), order=2, scale="absolute"),
        points=[{"n": 2, "s": s, "d": 3} for s in (1.0, 2.0)],
        parameters=[d.LAYERS, DIMENSION, SHRINK],
        mutants=[
            Mutant("|a + b|^2 without its 1/4", at(4.0)),
            Mutant("|a + b|^2/2, the length of (a + b)/sqrt(2)", at(2.0)),
        ],
        budgets={
            "quick": Budget(128, 0.11, sizes=(16, 32, 64, 128), points=[{"n": 2, "s": 1.0, "d": 3}]),
            "standard": Budget(2048, 0.02, sizes=(16, 32, 64, 128)),
            "paper": Budget(8192, 0.005, sizes=(32, 64, 128, 256, 512)),
        },
    )


def _law(points: Any, mutants: Any, quick: Budget, standard: Budget, paper: Budget) -> Claim:
    from theorylab.checks import Law
    from theorylab.derivations.learning_dynamics import deep_linear_sigmoids as d
    from theorylab.sims.learning_dynamics.deep_linear import half_times

    return Claim(
        prediction=d.HALF_TIME_LAW,
        simulation=half_times,
        check=Law(variable="x"),
        points=points,
        parameters=[Parameter("faster", Integers(0), "stronger modes in the target, of strengths 2 s, 3 s, ...", 0)],
        mutants=mutants,
        budgets={"quick": quick, "standard": standard, "paper": paper},
    )


def _of_chi_square(degrees: Any, rate: float = 2.0) -> Any:
    """A mutant: the law for another number of degrees of freedom, or another rate."""

    def value(_: Any, *, x: Any, s: Any, h: Any, sigma: Any) -> Any:
        from scipy.special import gammaincc

        return gammaincc(degrees(h) / 2.0, s * np.exp(-rate * s * x) / sigma**2)

    return value


@theory.claim
def law_of_half_times() -> Claim:
    """For small sigma the time at which half of a mode is learned has the distribution function
    Gamma(h/2, s exp(-2 s x)/sigma^2)/Gamma(h/2), with two layers of h x h normal weights: log(1/sigma)/s and a
    spread of order 1/s.
    """
    points = [{"s": s, "h": h, "sigma": 0.004, "faster": 0} for s, h in ((1.0, 3), (2.0, 6))]
    mutants = [
        Mutant("chi^2 of 2h degrees", _of_chi_square(lambda h: 2 * h)),
        Mutant("rate s instead of 2s", _of_chi_square(lambda h: h, 1.0)),
    ]
    return _law(points, mutants, Budget(896, 0.135, points=points[:1]), Budget(16_384, 0.04), Budget(262_144, 0.012))


@theory.claim
def later_modes_lose_directions() -> Claim:
    """Beside m stronger modes, in layers of h + m units, a mode is learned as if alone in layers of h: what its start
    has along the m directions that they take first does not count.

    So the start of the i-th mode is, in effect, |(a + b)_perp|^2/4, orthogonal to those of the stronger ones: weaker
    modes wait longer than the sigmoids of their own |a + b|^2/4 say. Not in the paper, whose starts are aligned.
    """
    points = [{"s": 1.0, "h": h, "sigma": 1e-3, "faster": 2} for h in (1, 2)]
    mutants = [
        Mutant("no direction is lost", _of_chi_square(lambda h: h + 2)),
        Mutant("rate s instead of 2s", _of_chi_square(lambda h: h, 1.0)),
    ]
    return _law(points, mutants, Budget(640, 0.15, points=points[:1]), Budget(6144, 0.06), Budget(65_536, 0.025))
