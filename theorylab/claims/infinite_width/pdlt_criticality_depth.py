"""Claims on what recursions come to at large depth: universality classes, half-stable points, correlation depths."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.infinite_width.pdlt_criticality import _network, theory


def _deep(margins: tuple[float, float, float]) -> dict[str, Budget]:
    """Computed at depth 400 for a quick look, and at 3000."""
    listed = [(name, C_W) for name, C_W in (("tanh", 1.0), ("tanh(z) + tanh(z)**2/4", 1.0), ("sin", 1.0))]
    derivatives = (
        {"s1": 1.0, "s2": 0.0, "s3": -2.0},
        {"s1": 1.0, "s2": 0.5, "s3": -2.0},
        {"s1": 1.0, "s2": 0.0, "s3": -1.0},
    )
    points = [
        tuple({**_network(name, depth, C_W), **own} for (name, C_W), own in zip(listed, derivatives))
        for depth in (400, 3000, 10_000)
    ]
    return {
        "quick": Budget(trials=1, margin=margins[0], points=points[0][1:2]),
        "standard": Budget(trials=1, margin=margins[1], points=points[1]),
        "paper": Budget(trials=1, margin=margins[2], points=points[2]),
    }


def _limit(prediction: Any, other: Any, mutants: list[Mutant], extra: list[Any], quick: float = 0.02) -> Claim:
    from theorylab.checks import Identity

    return Claim(
        prediction=prediction,
        check=Identity(other=other),
        points=({},),
        parameters=extra,
        mutants=mutants,
        budgets=_deep((quick, 0.004, 0.0015)),
    )


def _others() -> list[Any]:
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    return list(d.LAYERS.parameters)


@theory.claim
def metric_decays() -> Claim:
    """In the K* = 0 class (tanh, sin) at criticality l K tends to 1/(-a_1), a_1 = s_3/s_1 + (3/4) (s_2/s_1)^2, with
    corrections (log l)/l."""
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    s1, s2, s3 = (p.symbol for p in (c.FIRST, c.SECOND, c.THIRD))
    return _limit(
        c.METRIC_LIMIT,
        d.DECAY,
        [
            Mutant("b_1 for a_1", -1 / (s3 / s1 + s2**2 / s1**2)),
            Mutant("a_1/2", 2 * c.METRIC_LIMIT.expr),
        ],
        _others(),
        quick=0.0115,
    )


@theory.claim
def susceptibilities_decay() -> Claim:
    """In the K* = 0 class at criticality chi_par = 1 - 2/l and chi_perp = 1 - p/l, p = b_1/a_1: differences in norm
    fall like l^-2, those in direction like l^-p."""
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    return _limit(
        c.POWER_LIMITS,
        d.POWERS,
        [
            Mutant("1/p for p", lambda value, **at: value ** [1, -1]),
            Mutant("chi_par = 1 - 1/l", lambda value, **at: value * [0.5, 1]),
        ],
        _others(),
    )


@theory.claim
def tangent_kernel_in_depth() -> Claim:
    """In the K* = 0 class at criticality the tangent kernel is lambda_b l/(1 + p) + lambda_W s_1^2/(-a_1 p): only
    lambda_b ~ 1/l lets weights and biases learn alike."""
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    return _limit(
        c.TANGENT_LIMITS,
        d.TANGENT,
        [
            Mutant("lambda_b l", lambda value, **at: value * [2, 1]),
            Mutant("s_1^2/(-a_1)/2", lambda value, **at: value * [1, 0.5]),
        ],
        _others(),
    )


@theory.claim
def vertex_grows() -> Claim:
    """In the K* = 0 class at criticality V/(K^2 l) tends to 2/3: width times the excess kurtosis grows by 2 a layer."""
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    return _limit(
        c.VERTEX_LIMIT,
        d.NORMALISED_VERTEX,
        [Mutant("1/3", c.VERTEX_LIMIT.expr / 2), Mutant("as a linear network: 2", 3 * c.VERTEX_LIMIT.expr)],
        [*_others(), c.FIRST, c.SECOND, c.THIRD],
    )


def _scale_invariant_points() -> tuple[dict[str, Any], ...]:
    return tuple(
        {**_network(name, depth, C_W, K=1.7), "a_plus": 1.0, "a_minus": slope}
        for name, C_W, slope in (("relu", 2.0, 0.0), ("linear", 1.0, 1.0))
        for depth in (1, 8)
    )


@theory.claim
def scale_invariant_vertex() -> Claim:
    """For phi = a_+ z above 0 and a_- z below at criticality V^(l+1) = nu K^2 l, nu = 3 A_4/A_2^2 - 1: width times the
    excess kurtosis grows by 15 a layer for ReLU, by 6 for linear networks."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    return Claim(
        prediction=c.SCALE_INVARIANT_VERTEX,
        check=Identity(other=d.VERTEX),
        points=_scale_invariant_points(),
        parameters=_others(),
        mutants=[
            Mutant("3 A_4/A_2^2", c.SCALE_INVARIANT_VERTEX.expr * (1 + 1 / c.nu)),
            Mutant("A_4/A_2^2 - 1", c.SCALE_INVARIANT_VERTEX.expr / c.nu * (c.A4 / c.A2**2 - 1 + c.nu / 100)),
        ],
        budgets={name: Budget(trials=1, margin=1e-9) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def scale_invariant_tangent_kernel() -> Claim:
    """For phi = a_+ z above 0 and a_- z below at criticality the tangent kernel is (lambda_b + lambda_W A_2 K) l."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    return Claim(
        prediction=c.TANGENT_SCALE_INVARIANT,
        check=Identity(other=d.TANGENT),
        points=_scale_invariant_points(),
        parameters=_others(),
        mutants=[
            Mutant("K for A_2 K", lambda value, K, depth, **at: value**0 * [1, K * (depth + 1)]),
            Mutant("l - 1", lambda value, depth, **at: value * depth / (depth + 1)),
        ],
        budgets={name: Budget(trials=1, margin=1e-9) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def correlation_depth() -> Claim:
    """Off criticality differences decay, or grow, by e over 1/|log chi| layers: chi_par for the metric, chi_perp for
    the distance of two inputs, at K*.

    The other side takes two inputs through the recursion, a hundred-thousandth of K* apart.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import pdlt_recursion as d

    points = (
        {"activation": "tanh", "C_W": 1.5, "C_b": 0.1},
        {"activation": "erf", "C_W": 1.2, "C_b": 0.2},
        {"activation": "sin", "C_W": 0.7, "C_b": 0.3},
    )
    return Claim(
        prediction=d.CORRELATION_DEPTH,
        check=Identity(other=d.MEASURED_DEPTH),
        points=points,
        mutants=[
            Mutant("parallel and perpendicular exchanged", lambda value, **at: value[::-1]),
            Mutant("1/|chi - 1|, near criticality alone", lambda value, **at: 1 / abs(1 - _chi(value, at))),
        ],
        budgets={name: Budget(trials=1, margin=1e-3) for name in ("quick", "standard", "paper")},
    )


def _chi(depth: Any, at: Any) -> Any:
    """chi of either sign of its logarithm."""
    import numpy as np

    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.derivations.infinite_width.gaussian_averages import named

    act = named(str(at["activation"]))
    weight = float(at["C_W"])
    return np.array(d.susceptibilities(act, weight, d.fixed_point(act, weight, float(at["C_b"]))))


def _half_stable(name: str, predictions: tuple[Any, Any, Any]) -> Claim:
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.parameters import Space
    from theorylab.prediction import Numerical

    def joined() -> Any:
        import numpy as np

        value = np.array([float(p()) for p in predictions])
        return value, 1e-12 * value

    return Claim(
        prediction=Numerical(
            function=joined,
            space=Space([]),
            quantity=f"K*, C_W and C_b of {name}",
            conventions=c.CONVENTIONS,
            derivation=predictions[0].derivation,
        ),
        check=Identity(other=d.HALF_STABLE),
        points=({"activation": name},),
        parameters=[d.ACTIVATION],
        mutants=[
            Mutant("critical at K* = 0, C_W = 1/phi'(0)^2 = 4", lambda value: value * [1, 0, 1] + [0, 4, 0]),
            Mutant(
                "C_b = K* (1 - C_W/2), as for ReLU",
                lambda value: value * [1, 1, 0] + [0, 0, value[0] * (1 - value[1] / 2)],
            ),
        ],
        budgets={budget: Budget(trials=1, margin=1e-9) for budget in ("quick", "standard", "paper")},
    )


@theory.claim
def half_stable_gelu() -> Claim:
    """GELU is critical at K* = (3 + sqrt 17)/2 = 3.5616, C_W = 1.98306, C_b = 0.17292: closed forms of elementary
    functions."""
    from theorylab.derivations.infinite_width import pdlt_half_stable as d

    return _half_stable("gelu", (d.GELU_METRIC, d.GELU_WEIGHT, d.GELU_BIAS))


@theory.claim
def half_stable_swish() -> Claim:
    """Swish is critical at K* = 14.3202, C_W = 1.98800, C_b = 0.55514, here to 50 digits."""
    from theorylab.derivations.infinite_width import pdlt_half_stable as d

    return _half_stable("swish", (d.SWISH_METRIC, d.SWISH_WEIGHT, d.SWISH_BIAS))
