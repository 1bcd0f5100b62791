"""Dual activations: E phi(u) phi(v) over pairs of Gaussians."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

CHO_SAUL = Source(
    authors="Cho, Youngmin and Saul, Lawrence K.",
    title="Kernel Methods for Deep Learning",
    year=2009,
    where="eqs. (3)-(7)",
    journal="Advances in Neural Information Processing Systems 22",
)
WILLIAMS = Source(
    authors="Williams, Christopher K. I.",
    title="Computing with infinite networks",
    year=1997,
    where="eq. (11)",
    journal="Advances in Neural Information Processing Systems 9",
)

theory = Theory(
    "infinite_width/ntk-nngp-duals",
    title="Dual activations: E phi(u) phi(v) over pairs of Gaussians",
    source=CHO_SAUL,
)

ACUTE, OBTUSE = {"a": 0.7, "b": 1.3, "theta": 0.6}, {"a": 1.2, "b": 0.8, "theta": 2.0}
PAIRS = {
    "quick": Budget(trials=4_096, margin=0.04),
    "standard": Budget(trials=131_072, margin=0.007),
    "paper": Budget(trials=400_000, margin=0.004),
}


def _dual(prediction: Any, formula: str, mutants: list[Mutant], budgets: Any = None, points: Any = None) -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width.ntk_nngp_toolbox import FORMULA
    from theorylab.parameters import Choices, Integers, Parameter
    from theorylab.sims.infinite_width.gaussian_pairs import FUNCTIONS, products

    several = Parameter("pairs", Integers(1), "pairs averaged in one trial", default=256)
    which = Parameter("formula", Choices(tuple(FUNCTIONS)), FORMULA.meaning)
    return Claim(
        prediction=prediction,
        simulation=products,
        check=Expectation(),
        points=[{"formula": formula, **p} for p in points or (ACUTE, OBTUSE)],
        parameters=[which, several],
        mutants=mutants,
        budgets=budgets or PAIRS,
    )


@theory.claim(source=CHO_SAUL)
def heaviside() -> Claim:
    """Two Gaussians at an angle theta are both positive with probability (pi - theta)/(2 pi)."""
    import sympy as sp

    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(
        d.HEAVISIDE,
        "heaviside",
        [
            Mutant("(pi - theta)/pi", (sp.pi - d.theta) / sp.pi),
            Mutant("theta for pi - theta", d.theta / (2 * sp.pi)),
        ],
    )


@theory.claim(source=CHO_SAUL)
def relu() -> Claim:
    """E relu(u) relu(v) = sqrt(ab) (sin theta + (pi - theta) cos theta)/(2 pi)."""
    import sympy as sp

    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(
        d.RELU,
        "relu",
        [
            Mutant("kappa_1 sqrt(ab), without 1/2", 2 * d.rectified_form(1)),
            Mutant("theta for pi - theta", d.rectified_form(1).subs(d.theta, sp.pi - d.theta)),
        ],
    )


@theory.claim(source=CHO_SAUL)
def relu_squared() -> Claim:
    """E relu(u)^2 relu(v)^2 = ab (3 sin theta cos theta + (pi - theta)(1 + 2 cos^2 theta))/(2 pi)."""
    import sympy as sp

    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    t = d.theta
    wrong = d.a * d.b / (2 * sp.pi) * (3 * sp.sin(t) * sp.cos(t) + (sp.pi - t) * (1 + sp.cos(t) ** 2))
    return _dual(
        d.RELU_SQUARED,
        "relu_squared",
        [Mutant("1 + cos^2 for 1 + 2 cos^2", wrong), Mutant("sqrt(ab) for ab", d.RELU_SQUARED.expr / d.a)],
        {
            "quick": Budget(trials=16_384, margin=0.06),
            "standard": Budget(trials=262_144, margin=0.012),
            "paper": Budget(trials=800_000, margin=0.008),
        },
    )


@theory.claim(source=WILLIAMS)
def erf() -> Claim:
    """E erf(u) erf(v) = (2/pi) arcsin(2c/sqrt((1 + 2a)(1 + 2b)))."""
    import sympy as sp

    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    wrong = 2 / sp.pi * sp.asin(d.c / sp.sqrt((1 + d.a) * (1 + d.b)))
    return _dual(
        d.ERF,
        "erf",
        [Mutant("a for 2a inside", d.at_angle(wrong)), Mutant("1/pi for 2/pi", d.ERF.expr / 2)],
    )


@theory.claim(source=WILLIAMS)
def erf_slope() -> Claim:
    """E erf'(u) erf'(v) = (4/pi)/sqrt((1 + 2a)(1 + 2b) - 4c^2)."""
    import sympy as sp

    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(
        d.ERF_SLOPE,
        "erf_slope",
        [
            Mutant("without 4 c^2", d.ERF_SLOPE.expr.subs(d.theta, sp.pi / 2)),
            Mutant("2/pi for 4/pi", d.ERF_SLOPE.expr / 2),
        ],
    )


@theory.claim
def bump() -> Claim:
    """E exp(-u^2) exp(-v^2) = 1/sqrt((1 + 2a)(1 + 2b) - 4c^2): pi/4 times the dual of the slope of erf."""
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(d.BUMP, "bump", [Mutant("4/pi too many", d.ERF_SLOPE.expr), Mutant("squared", d.BUMP.expr**2)])


@theory.claim
def sine() -> Claim:
    """E sin(u) sin(v) = exp(-(a + b)/2) sinh(c)."""
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(
        d.SINE,
        "sin",
        [
            Mutant("cosh for sinh", d.COSINE.expr),
            Mutant("exp(-(a + b))", d.at_angle(d.sine_in_c * _damped(d))),
        ],
    )


@theory.claim
def cosine() -> Claim:
    """E cos(u) cos(v) = exp(-(a + b)/2) cosh(c)."""
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(
        d.COSINE,
        "cos",
        [Mutant("sinh for cosh", d.SINE.expr), Mutant("exp(-(a + b))", d.at_angle(d.cosine_in_c * _damped(d)))],
    )


@theory.claim
def exponential() -> Claim:
    """E exp(u) exp(v) = exp((a + b)/2 + c)."""
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(
        d.EXPONENTIAL,
        "exp",
        [
            Mutant("c/2 for c", d.at_angle(d.exponential_in_c.subs(d.c, d.c / 2))),
            Mutant("exp(a + b + c)", d.at_angle(d.exponential_in_c / _damped(d))),
        ],
        points=({"a": 0.2, "b": 0.3, "theta": 0.6}, OBTUSE),
    )


@theory.claim
def quadratic() -> Claim:
    """E u^2 v^2 = ab + 2 c^2 (Isserlis)."""
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    return _dual(
        d.QUADRATIC,
        "square",
        [
            Mutant("ab + c^2", d.at_angle(d.a * d.b + d.c**2)),
            Mutant("3ab, as if u = v", 3 * d.a * d.b),
        ],
        {
            "quick": Budget(trials=8_192, margin=0.04),
            "standard": Budget(trials=262_144, margin=0.007),
            "paper": Budget(trials=800_000, margin=0.004),
        },
    )


@theory.claim
def hermite() -> Claim:
    """At unit variances E h_k(u) h_k(v) = rho^k for normalised Hermite polynomials: shown for k = 2 and 3."""
    import sympy as sp

    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d
    from theorylab.parameters import Choices, Integers, Parameter
    from theorylab.sims.infinite_width.gaussian_pairs import FUNCTIONS, products

    both = [{"formula": f"hermite_{k}", "k": k, "a": 1.0, "b": 1.0, "theta": t} for k in (2, 3) for t in (0.5, 2.2)]
    return Claim(
        prediction=d.HERMITE,
        simulation=products,
        check=Expectation(scale="absolute"),
        points=[{"formula": "hermite_2", "k": 2, "a": 1.0, "b": 1.0, "theta": t} for t in (0.5, 2.2)],
        parameters=[
            d.A,
            d.B,
            Parameter("formula", Choices(tuple(FUNCTIONS)), "function"),
            Parameter("pairs", Integers(1), "pairs averaged in one trial", default=256),
        ],
        mutants=[
            Mutant("unnormalised, k! rho^k", sp.factorial(d.k) * sp.cos(d.theta) ** d.k),
            Mutant("rho^(k - 1)", sp.cos(d.theta) ** (d.k - 1)),
        ],
        budgets={
            "quick": Budget(trials=8_192, margin=0.04),
            "standard": Budget(trials=262_144, margin=0.03, points=both),
            "paper": Budget(trials=800_000, margin=0.015, points=both),
        },
    )


def _damped(d: Any) -> Any:
    import sympy as sp

    return sp.exp(-(d.a + d.b) / 2)


@theory.claim
def price() -> Claim:
    """The derivative in c of the dual is the dual of the derivative (Price): shown for erf, symbolically."""
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d

    form = sp.diff(d.erf_in_c, d.c)
    return Claim(
        prediction=d.ERF_SLOPE_IN_C,
        check=Identity(other=form, ranges={"a": (0.5, 3.0), "b": (0.5, 3.0), "c": (-0.4, 0.4)}),
        mutants=[
            Mutant("derivative in the correlation", form * sp.sqrt(d.a * d.b)),
            Mutant("second derivative", sp.diff(form, d.c)),
        ],
        budgets={
            "quick": Budget(trials=3, margin=1e-12),
            "standard": Budget(trials=50, margin=1e-12),
            "paper": Budget(trials=200, margin=1e-12),
        },
    )


FORMULAS = ("heaviside", "relu", "relu_squared", "erf", "erf_slope", "bump", "sin", "cos", "hermite_3")


def _by_quadrature(factor: float, few: tuple[str, ...]) -> Claim:
    from dataclasses import replace

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d

    def scaled(**arrays: Any) -> Any:
        value, error = d.CLOSED.evaluate(**arrays)
        return factor * value, error

    form = d.CLOSED if factor == 1.0 else replace(d.CLOSED, function=scaled)
    margin = 1e-11 if factor == 1.0 else 0.002
    points = [{"formula": f, **p} for f in few for p in (ACUTE, OBTUSE)]
    every = [{"formula": f, **p} for f in FORMULAS for p in (ACUTE, OBTUSE)]
    close = [{"formula": f, "a": 1.0, "b": 1.1, "theta": t} for f in FORMULAS for t in (0.02, 1e-5, 2.6)]
    return Claim(
        prediction=form,
        check=Identity(other=d.QUADRATURE),
        points=points,
        mutants=[
            Mutant(
                "a for sqrt(ab)", lambda value, formula, a, b, theta: d.CLOSED(formula=formula, a=a, b=a, theta=theta)
            ),
            Mutant("wrong by 2 %", lambda value, **_: 1.02 * value),
        ],
        budgets={
            "quick": Budget(trials=1, margin=margin),
            "standard": Budget(trials=1, margin=margin, points=[*every, *close] if factor == 1.0 else None),
            "paper": Budget(trials=1, margin=margin, points=[*every, *close] if factor == 1.0 else None),
        },
    )


@theory.claim(source=CHO_SAUL)
def quadrature() -> Claim:
    """The closed forms of the dual activations agree to 1e-11 with quadrature that splits at kinks and measures its
    error, near coincidence and opposition included."""
    return _by_quadrature(1.0, ("relu", "erf_slope", "bump"))


@theory.claim(control=True, expected="fails", source=CHO_SAUL)
def quadrature_off_by_one_per_cent() -> Claim:
    """Control: dual activations 1 % larger than they are."""
    return _by_quadrature(1.01, ("relu",))


@theory.claim
def tensor_quadrature() -> Claim:
    """Tensor Gauss-Hermite quadrature of a ReLU converges only like 1/m in the number m of nodes.

    Nodes cannot tell where the kink is. Half a per cent is left at m = 40; for a jump (Heaviside) 3 %. Smooth
    functions are exact to rounding at m = 80.
    """
    import sympy as sp

    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import ntk_nngp_duals as d
    from theorylab.parameters import Choices, Integers, Parameter
    from theorylab.sims.infinite_width.gaussian_pairs import FUNCTIONS
    from theorylab.sims.infinite_width.tensor_quadrature import change_on_doubling

    which = Parameter("formula", Choices(tuple(FUNCTIONS)), "function")
    return Claim(
        prediction=d.TENSOR_EXPONENT,
        simulation=change_on_doubling,
        check=Exponent(size="m"),
        points=grid(formula="relu"),
        parameters=[which, Parameter("m", Integers(2), "nodes in each direction")],
        mutants=[Mutant("1/sqrt(m), as for a jump", sp.Rational(-1, 2)), Mutant("1/m^2", sp.Integer(-2))],
        budgets={
            "quick": Budget(trials=768, margin=0.16, sizes=(12, 24, 48, 96)),
            "standard": Budget(trials=3_000, margin=0.08, sizes=(24, 48, 96, 192)),
            "paper": Budget(trials=6_000, margin=0.05, sizes=(32, 64, 128, 256)),
        },
    )
