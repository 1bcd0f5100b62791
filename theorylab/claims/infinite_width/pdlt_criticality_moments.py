"""Claims on the size of preactivations at any width: exact moments, logarithms, dead layers, the log-normal limit."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.claims.infinite_width.pdlt_criticality import theory

HANIN = Source(
    authors="Hanin, Boris and Nica, Mihai",
    title="Products of Many Large Random Matrices and Gradients in Deep Neural Networks",
    year=2020,
    where="Theorem 1",
    arxiv="1812.05994v2",
    journal="Communications in Mathematical Physics 376, 287-322",
)
RELU = {"a_plus": 1.0, "a_minus": 0.0, "C_W": 2.0}
LINEAR = {"a_plus": 1.0, "a_minus": 1.0, "C_W": 1.0}


def _budgets(quick: tuple[int, float], standard: tuple[int, float], points: Any = None) -> dict[str, Budget]:
    return {
        "quick": Budget(trials=quick[0], margin=quick[1]),
        "standard": Budget(trials=standard[0], margin=standard[1], points=points),
        "paper": Budget(trials=10 * standard[0], margin=standard[1] / 2, points=points),
    }


@theory.claim(source=HANIN)
def second_moment() -> Claim:
    """At any width, E g^2 = (K (C_W A_2)^L)^2 (1 + nu/n)^L for L hidden layers without biases, so that a preactivation
    has fourth moment 3 K^2 (1 + nu/n)^L at criticality: nu = 5 for ReLU, 2 for linear networks."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    def wrong(nu: Any) -> Any:
        return d.second_moment / (1 + classes.nu / d.n) ** d.depth * (1 + nu / d.n) ** d.depth

    points = ({**RELU, "n": 50, "depth": 2, "K": 1.5, "m": 2}, {**LINEAR, "n": 20, "depth": 2, "K": 1.5, "m": 2})
    more = (
        *points,
        {"a_plus": 1.0, "a_minus": 0.3, "C_W": 1.5, "n": 30, "depth": 2, "K": 1.0, "m": 2},
        {**RELU, "n": 120, "depth": 5, "K": 1.0, "m": 2},
    )
    return Claim(
        prediction=d.SECOND_MOMENT,
        simulation=layer_chain.scale_invariant,
        check=Expectation(observable="moment"),
        points=points,
        parameters=[d.POWER],
        mutants=[
            Mutant("3 A_4/A_2^2 without -1", wrong(classes.nu + 1)),
            Mutant("nu = 3 for ReLU, 3 A_4/(2 A_2^2)", wrong((classes.nu + 1) / 2)),
            Mutant("nu/4", wrong(classes.nu / 4)),
        ],
        budgets=_budgets((262_144, 0.023), (1_000_000, 0.012), more),
    )


@theory.claim(source=HANIN)
def second_moment_of_unequal_widths() -> Claim:
    """With hidden layers of widths n_l, E g^2 = (E g)^2 prod (1 + nu/n_l)."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    point = {"n1": 16, "n2": 128, "n3": 64, "a_plus": 1.0, "a_minus": 0.6, "C_W": 1.5, "K": 1.0}
    first, second, _ = (p.symbol for p in (d.N1, d.N2, d.N3))
    return Claim(
        prediction=d.SECOND_MOMENT_UNEQUAL,
        simulation=layer_chain.scale_invariant_unequal,
        check=Expectation(observable="moment"),
        points=(point,),
        mutants=[
            Mutant("the first layer left out", d.second_moment_unequal / (1 + classes.nu / first)),
            Mutant(
                "the second layer as wide as the first",
                d.second_moment_unequal * (1 + classes.nu / first) / (1 + classes.nu / second),
            ),
        ],
        budgets=_budgets((131_072, 0.04), (1_000_000, 0.012)),
    )


@theory.claim
def linear_moments() -> Claim:
    """A linear network has E g^m = K^m prod over layers of C_W^m prod_{j<m} (1 + 2 j/n)."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    point = {"a_plus": 1.0, "a_minus": 1.0, "C_W": 1.2, "n": 40, "depth": 2, "K": 1.0, "m": 3}
    power = (d.K * d.C_W**d.depth) ** d.m
    return Claim(
        prediction=d.LINEAR_MOMENT,
        simulation=layer_chain.scale_invariant,
        check=Expectation(observable="moment"),
        points=(point,),
        parameters=list(d.SLOPES),
        mutants=[
            Mutant("j for 2 j", power * ((1 + 1 / d.n) * (1 + 2 / d.n)) ** d.depth),
            Mutant("a product of second moments", power * (1 + 2 / d.n) ** (2 * d.depth)),
        ],
        budgets=_budgets((131_072, 0.029), (1_000_000, 0.012), (point, {**point, "n": 80, "m": 4})),
    )


@theory.claim
def relu_moments() -> Claim:
    """A ReLU network has E g^m = K^m prod over layers of (C_W/n)^m E[B (B + 2) ... (B + 2m - 2)], B ~ Binomial(n, 1/2)
    the number of active units."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    point = {**RELU, "n": 40, "depth": 1, "K": 1.0, "m": 3}
    power = (d.K * (d.C_W / 2) ** d.depth) ** d.m
    return Claim(
        prediction=d.RELU_MOMENT,
        simulation=layer_chain.scale_invariant,
        check=Expectation(observable="moment"),
        points=(point,),
        parameters=list(d.SLOPES),
        mutants=[
            Mutant("exactly half of the units active", power * ((1 + 4 / d.n) * (1 + 8 / d.n)) ** d.depth),
            Mutant("all units active", power * ((1 + 2 / d.n) * (1 + 4 / d.n)) ** d.depth),
        ],
        budgets=_budgets((400_000, 0.019), (1_500_000, 0.012), (point, {**point, "n": 80, "depth": 2})),
    )


@theory.claim
def log_of_linear() -> Claim:
    """log(g/K) of a linear network at criticality has mean L (psi(n/2) - log(n/2)) exactly."""
    import sympy as sp

    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    return Claim(
        prediction=d.LINEAR_LOG,
        simulation=layer_chain.log_norm,
        check=Expectation(observable="mean"),
        points=({"n": 8, "depth": 6, "activation": "linear", "C_W": 1.0, "K": 1.0},),
        parameters=[d.ACTIVATION, d.WEIGHT_VARIANCE, classes.METRIC],
        mutants=[
            Mutant("psi(n)", d.depth * (sp.digamma(d.n) - sp.log(d.n))),
            Mutant("the log-normal limit of ReLU", -5 * d.depth / (2 * d.n)),
        ],
        budgets=_budgets((65_536, 0.05), (300_000, 0.015)),
    )


@theory.claim
def log_variance_of_linear() -> Claim:
    """log(g/K) of a linear network has variance L psi'(n/2) exactly."""
    import sympy as sp

    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    return Claim(
        prediction=d.LINEAR_LOG_VARIANCE,
        simulation=layer_chain.log_norm,
        check=Expectation(observable="variance"),
        points=({"n": 6, "depth": 6, "activation": "linear", "C_W": 1.0, "K": 1.0},),
        parameters=[d.ACTIVATION, d.WEIGHT_VARIANCE, classes.METRIC],
        mutants=[
            Mutant("its limit 2 L/n", 2 * d.depth / d.n),
            Mutant("psi'(n)", d.depth * sp.polygamma(1, d.n)),
        ],
        budgets=_budgets((65_536, 0.05), (400_000, 0.015)),
    )


@theory.claim
def log_of_relu() -> Claim:
    """Given that no layer is dead, log(g/K) of a ReLU network at criticality has mean L (log(4/n) + E psi(B/2)), B >= 1
    the number of active units."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    return Claim(
        prediction=d.RELU_LOG_ALIVE,
        simulation=layer_chain.log_norm,
        check=Expectation(observable="mean", given=("alive",)),
        points=({"n": 6, "depth": 4, "activation": "relu", "C_W": 2.0, "K": 1.0},),
        parameters=[d.ACTIVATION, d.WEIGHT_VARIANCE, classes.METRIC],
        mutants=[
            Mutant("the limit -5 L/(2 n)", lambda value, n, depth, alive: alive * (-2.5) * depth / n),
            Mutant(
                "half of the units active", lambda value, n, depth, alive: alive * d.LINEAR_LOG(n=n // 2, depth=depth)
            ),
        ],
        budgets=_budgets((32_768, 0.04), (400_000, 0.01)),
    )


@theory.claim
def log_variance_of_relu() -> Claim:
    """Given that no layer is dead, log(g/K) of a ReLU network has variance L (E psi'(B/2) + Var psi(B/2))."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    return Claim(
        prediction=d.RELU_LOG_VARIANCE_ALIVE,
        simulation=layer_chain.log_norm,
        check=Expectation(observable="variance", given=("alive",)),
        points=({"n": 24, "depth": 6, "activation": "relu", "C_W": 2.0, "K": 1.0},),
        parameters=[d.ACTIVATION, d.WEIGHT_VARIANCE, classes.METRIC],
        mutants=[
            Mutant("the limit 5 L/n", lambda value, n, depth, alive: alive * 5.0 * depth / n),
            Mutant(
                "half of the units active, always",
                lambda value, n, depth, alive: alive * d.LINEAR_LOG_VARIANCE(n=n // 2, depth=depth),
            ),
        ],
        budgets=_budgets((65_536, 0.05), (400_000, 0.02)),
    )


@theory.claim
def survival() -> Claim:
    """A ReLU network without biases has no dead layer with probability (1 - 2^-n)^L."""
    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    return Claim(
        prediction=d.SURVIVAL,
        simulation=layer_chain.log_norm,
        check=Expectation(observable="survives"),
        points=({"n": 4, "depth": 3, "activation": "relu", "C_W": 2.0, "K": 1.0},),
        parameters=[d.ACTIVATION, d.WEIGHT_VARIANCE, classes.METRIC],
        mutants=[
            Mutant("one layer", 1 - 2 ** (-d.n)),
            Mutant("2^(1-n)", (1 - 2 ** (1 - d.n)) ** d.depth),
        ],
        budgets=_budgets((16_384, 0.03), (200_000, 0.01)),
    )


@theory.claim(source=HANIN)
def log_normal() -> Claim:
    """At large width with r = L/n fixed, log(g/K) at criticality is normal with mean -nu r/2 and variance nu r.

    At r = 1/2 the distribution of ReLU networks of width 128 is within 0.01 of it.
    """
    from theorylab.checks import Law
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    point = {"n": 32, "depth": 16, "nu": 2.0, "activation": "linear", "C_W": 1.0, "K": 1.0}
    relu = {**point, "nu": 5.0, "activation": "relu", "C_W": 2.0}

    def other(mean: float, variance: float) -> Any:
        def mutant(value: Any, x: Any, nu: Any, n: Any, depth: Any) -> Any:
            from scipy.special import ndtr

            r = depth / n
            return ndtr((x - mean * nu * r) / (variance * nu * r) ** 0.5)

        return mutant

    return Claim(
        prediction=d.LOG_NORMAL,
        simulation=layer_chain.log_norm,
        check=Law(variable="x", observable="log"),
        points=(point,),
        parameters=[d.ACTIVATION, d.WEIGHT_VARIANCE, classes.METRIC],
        mutants=[
            Mutant("mean 0", other(0.0, 1.0)),
            Mutant("mean -nu r", other(-1.0, 1.0)),
            Mutant("nu of the other activation", other(-1.25, 2.5)),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.04),
            "standard": Budget(trials=60_000, margin=0.025, points=({**relu, "n": 128, "depth": 64}, point)),
            "paper": Budget(trials=400_000, margin=0.01, points=({**relu, "n": 512, "depth": 256}, point)),
        },
    )


@theory.claim(source=HANIN)
def log_limits() -> Claim:
    """As n grows with r = L/n fixed, mean and variance of log(g/K) tend to -nu r/2 and nu r.

    Linear networks; for ReLU corrections are large, at n = 12 the exact variance is half as large again.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    point = {"r": 0.5, "nu": 2.0, "activation": "linear", "C_W": 1.0, "K": 1.0}
    return Claim(
        prediction=d.LOG_LIMITS,
        simulation=layer_chain.log_norm_at_ratio,
        check=Asymptotic(size="n", observable="moments"),
        points=(point,),
        parameters=[d.WIDTH, d.ACTIVATION, d.WEIGHT_VARIANCE, classes.METRIC],
        mutants=[
            Mutant("mean -nu r", lambda value, **at: value * [2.0, 1.0]),
            Mutant("nu = 5/4", lambda value, **at: value / 4),
        ],
        budgets={
            "quick": Budget(trials=32_768, margin=0.2, sizes=(4, 8, 16, 32)),
            "standard": Budget(trials=200_000, margin=0.05, sizes=(8, 16, 32, 64)),
            "paper": Budget(trials=1_000_000, margin=0.025, sizes=(16, 32, 64, 128)),
        },
    )


@theory.claim(source=HANIN)
def moments_of_the_limit() -> Claim:
    """As n grows with r = L/n fixed, E g^m/(E g)^m tends to exp(nu r m (m - 1)/2): those of the log-normal law.

    Shown for linear networks, whose exact moments are evaluated at n = 10^6.
    """
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import pdlt_moments as d

    return Claim(
        prediction=d.LOG_NORMAL_MOMENT,
        check=Identity(other=d.WIDE_MOMENT),
        points=tuple({"r": r, "nu": 2.0, "m": m} for r in (0.25, 1.0) for m in (2, 3, 5)),
        mutants=[
            Mutant("m^2 for m (m - 1)", sp.exp(d.nus * d.r * d.m**2 / 2)),
            Mutant("nu r/2", sp.sqrt(d.log_normal_moment)),
        ],
        budgets={name: Budget(trials=1, margin=1e-3) for name in ("quick", "standard", "paper")},
    )


@theory.claim
def critical_weights() -> Claim:
    """Without biases and for phi = a_+ z above 0 and a_- z below, the mean size of preactivations falls with depth for
    C_W < 1/A_2 and grows above, at every width."""
    from theorylab.checks import Boundary
    from theorylab.derivations.infinite_width import pdlt_criticality as c
    from theorylab.derivations.infinite_width import pdlt_criticality as classes
    from theorylab.derivations.infinite_width import pdlt_moments as d
    from theorylab.sims.infinite_width import layer_chain

    own = {"n": 64, "depth": 8, "K": 1.0, "m": 1}
    points = ({"a_plus": 1.0, "a_minus": 0.0, **own}, {"a_plus": 1.0, "a_minus": 0.2, **own})
    return Claim(
        prediction=c.CRITICAL_WEIGHT,
        simulation=layer_chain.scale_invariant,
        check=Boundary(parameter="C_W", observable="growth", ladder=(-2.0, -1.0, 1.0, 2.0)),
        points=points[:1],
        parameters=[d.WIDTH, d.DEPTH, classes.METRIC, d.POWER, d.WEIGHT_VARIANCE],
        mutants=[
            Mutant("1: that of a linear network", 1 + 0 * c.A2),
            Mutant("1/(a_+^2 + a_-^2)", 1 / (2 * c.A2)),
        ],
        budgets={
            "quick": Budget(trials=8_192, margin=0.03),
            "standard": Budget(trials=100_000, margin=0.01, points=points),
            "paper": Budget(trials=400_000, margin=0.005, points=points),
        },
    )
