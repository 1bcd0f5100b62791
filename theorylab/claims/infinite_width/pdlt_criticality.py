"""Deep random networks near criticality: metric, susceptibilities and four-point vertex."""

from __future__ import annotations

import math
from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.theory import Theory

PDLT = Source(
    authors="Roberts, Daniel A. and Yaida, Sho and Hanin, Boris",
    title="The Principles of Deep Learning Theory",
    year=2021,
    where="chapters 4 and 5",
    arxiv="2106.10165v2",
    doi="10.1017/9781009023405",
)

theory = Theory(
    "infinite_width/pdlt-criticality",
    title="Criticality and fluctuations of deep random networks",
    source=PDLT,
)

SIZES = (16, 32, 64, 128)
GELU = {"activation": "gelu", "C_W": 1.9830582574375475, "C_b": 0.1729223907560673, "K": 3.5615528128088303}
SWISH = {"activation": "swish", "C_W": 1.988004678269492, "C_b": 0.5551431707215304, "K": 14.320173618025798}


def _network(activation: str, depth: int, C_W: float, C_b: float = 0.0, K: float = 1.0) -> dict[str, Any]:
    return {"activation": activation, "depth": depth, "C_W": C_W, "C_b": C_b, "K": K}


def _trend(quick: tuple[int, float], standard: tuple[int, float], more: Any = None) -> dict[str, Budget]:
    """Trials and margins; the standard budget may have points of its own."""
    return {
        "quick": Budget(trials=quick[0], margin=quick[1], sizes=(8, 16, 32, 64)),
        "standard": Budget(trials=standard[0], margin=standard[1], sizes=(8, 16, 32, 64), points=more),
        "paper": Budget(trials=10 * standard[0], margin=standard[1] / 2, sizes=SIZES, points=more),
    }


def _changed(**wrong: Any) -> Any:
    """The last layer's V when some of the recursion's ingredients are others."""

    def mutant(value: Any, activation: Any, depth: Any, C_W: Any, C_b: Any, K: Any) -> Any:
        import numpy as np

        from theorylab.derivations.infinite_width.gaussian_averages import Averages, named

        act, metric, v = named(str(activation)), float(K), 0.0
        for _ in range(int(depth)):
            averages = Averages(act, metric, fine=False)
            slope = float(C_W) * averages.parallel
            source = float(C_W) ** 2 * (averages.fourth - wrong.get("square", 1.0) * averages.second**2)
            v, metric = source + slope ** wrong.get("power", 2) * v, float(C_b + C_W * averages.second)
        return np.asarray(v)

    return mutant


@theory.claim
def vertex() -> Claim:
    """Width times the variance of the conditional variance g tends to V, which obeys
    V' = C_W^2 (<phi^4> - <phi^2>^2) + chi_par^2 V with V = 0 in the first layer."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.sims.infinite_width import layer_chain

    points = (_network("tanh", 4, 1.5, 0.1), _network("sin", 3, 1.0))
    more = (
        *points,
        _network("erf", 5, 1.5, 0.2),
        {**GELU, "depth": 1},
        {**SWISH, "depth": 1},
        _network("relu", 1, 2.0),
    )
    return Claim(
        prediction=d.VERTEX,
        simulation=layer_chain.vertex,
        check=Asymptotic(size="n", observable="vertex"),
        points=points,
        parameters=[d.WIDTH],
        mutants=[
            Mutant("chi_par for chi_par^2", _changed(power=1)),
            Mutant("<phi^4> without <phi^2>^2", _changed(square=0.0)),
            Mutant("3 <phi^2>^2, as for a cumulant of phi", _changed(square=3.0)),
        ],
        budgets=_trend((16_384, 0.1), (600_000, 0.04), more),
    )


@theory.claim
def next_to_leading_metric() -> Claim:
    """The mean of g is K + G/n with G' = chi_par G + j V/8, j = C_W <phi^2 (z^4 - 6 K z^2 + 3 K^2)>/K^4.

    tanh at criticality, from K = 1: after six hidden layers K = 0.089 and G = -0.089, as fluctuations of g meet a
    concave K'.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.sims.infinite_width import layer_chain

    def added(part: float) -> Any:
        def mutant(value: Any, n: Any, **at: Any) -> Any:
            return value + part * d.NEXT_METRIC(**at)

        return mutant

    points = (_network("sin", 5, 1.5, K=0.5),)
    return Claim(
        prediction=d.METRIC_AT_WIDTH,
        simulation=layer_chain.vertex,
        check=Asymptotic(size="n", observable="metric", scale="absolute"),
        points=points,
        mutants=[
            Mutant("no correction", added(-1.0)),
            Mutant("j/4 for j/8", added(1.0)),
        ],
        budgets={
            "quick": Budget(trials=65_536, margin=0.125, sizes=(4, 8, 16, 32)),
            "standard": Budget(
                trials=1_000_000,
                margin=0.04,
                sizes=(8, 16, 32, 64),
                points=(*points, _network("erf", 5, 1.0, K=0.5)),
            ),
            "paper": Budget(trials=10_000_000, margin=0.015, sizes=(8, 16, 32, 64)),
        },
    )


@theory.claim
def unequal_widths() -> Claim:
    """With hidden layers of unequal widths V'/n_l = (C_W^2/n_l) (<phi^4> - <phi^2>^2) + chi_par^2 V/n_{l-1}: what a
    layer adds comes with its own width."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.derivations.infinite_width.gaussian_averages import Averages, named
    from theorylab.sims.infinite_width import layer_chain

    def below(value: Any, activation: Any, second: Any, third: Any, C_W: Any, C_b: Any, K: Any) -> Any:
        """Every source with the width of the layer before, the first with its own."""
        act, metric, variance = named(str(activation)), float(K), 0.0
        for n in (1.0, 1.0, float(second)):
            averages = Averages(act, metric, fine=False)
            slope = float(C_W) * averages.parallel
            variance = float(C_W) ** 2 * (averages.fourth - averages.second**2) / n + slope**2 * variance
            metric = float(C_b + C_W * averages.second)
        return variance * third

    network = {"activation": "sin", "C_W": 1.0, "C_b": 0.0, "K": 0.5}
    points = ({**network, "second": 2, "third": 4}, {**network, "second": 4, "third": 1})
    return Claim(
        prediction=d.UNEQUAL_VERTEX,
        simulation=layer_chain.vertex_unequal,
        check=Asymptotic(size="n", observable="vertex"),
        points=points[:1],
        parameters=[d.WIDTH],
        mutants=[
            Mutant("1/n_{l-1} for 1/n_l on what is added", below),
            Mutant("equal widths", lambda value, second, third, **at: d.VERTEX(depth=3, **at)),
        ],
        budgets={
            "quick": Budget(trials=16_384, margin=0.1, sizes=(8, 16, 32, 64)),
            "standard": Budget(trials=600_000, margin=0.04, sizes=(8, 16, 32, 64), points=points),
            "paper": Budget(trials=6_000_000, margin=0.015, sizes=(8, 16, 32, 64), points=points),
        },
    )


def _carried(factors: tuple[float, float, float]) -> Any:
    """V of two inputs when the slopes of the metric by K_11, K_12 and K_22 are multiplied by other factors."""

    def mutant(value: Any, *, activation: Any, depth: Any, C_W: Any, C_b: Any, K11: Any, K12: Any, K22: Any) -> Any:
        import numpy as np

        from theorylab.derivations.infinite_width.gaussian_averages import named
        from theorylab.derivations.infinite_width.pdlt_recursion import pair_vertex

        act, weight, bias = named(str(activation)), float(C_W), float(C_b)
        first = np.array([[K11, K12], [K12, K22]], dtype=float)
        K, V = pair_vertex(act, int(depth) - 1, weight, bias, first, fine=False)
        rows, columns = np.array([0, 0, 1]), np.array([0, 1, 1])
        before = V[rows, columns][:, rows, columns]
        slopes = np.empty((3, 3))
        for k, (i, j) in enumerate(zip(rows, columns)):
            step = np.zeros((2, 2))
            step[i, j] = step[j, i] = 1e-5
            ends = [pair_vertex(act, 1, weight, bias, K + sign * step, fine=False)[0] for sign in (1, -1)]
            slopes[:, k] = (ends[0] - ends[1])[rows, columns] / 2e-5
        wrong = slopes * np.array(factors)
        change = wrong @ before @ wrong.T - slopes @ before @ slopes.T
        return value + change[np.triu_indices(3)]

    return mutant


PAIRS = {"activation": "tanh", "depth": 2, "C_W": 1.5, "C_b": 0.1, "K11": 1.0, "K12": 0.4, "K22": 0.7}


@theory.claim
def vertex_of_two_inputs() -> Claim:
    """For two inputs n Cov(g_ab, g_cd) tends to V^(ab)(cd), whose recursion contracts
    (C_W/2) <d_i d_j (phi_a phi_b)> with V^(ij)(kl) on both sides, over all ordered pairs of indices."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.sims.infinite_width import layer_chain

    return Claim(
        prediction=d.PAIR_VERTEX,
        simulation=layer_chain.two_inputs,
        check=Asymptotic(size="n", observable="vertex", scale="peak"),
        points=(PAIRS,),
        parameters=[d.WIDTH],
        mutants=[
            Mutant("without what the layers before carry on", _carried((0.0, 0.0, 0.0))),
            Mutant("sums over unordered pairs of indices", _carried((1.0, 0.5, 1.0))),
        ],
        budgets={
            "quick": Budget(trials=32_768, margin=0.09, sizes=(8, 16, 32, 64)),
            "standard": Budget(trials=150_000, margin=0.03, sizes=SIZES, points=(PAIRS, {**PAIRS, "depth": 3})),
            "paper": Budget(trials=1_500_000, margin=0.015, sizes=SIZES, points=(PAIRS, {**PAIRS, "depth": 3})),
        },
    )


def _nearby(norm: bool, **network: Any) -> dict[str, Any]:
    """Two inputs that differ by a hundredth, in norm or in direction alone."""
    K = network.pop("K")
    gap = 0.02 * K
    if norm:
        return {**network, "K11": K + gap / 2, "K12": (1.0 - 1e-6) * math.sqrt(K**2 - gap**2 / 4), "K22": K - gap / 2}
    return {**network, "K11": K, "K12": K - 1e-4 * K, "K22": K}


@theory.claim
def differences_in_norm() -> Claim:
    """A small difference of two inputs in norm grows by chi_par = (C_W/K) <z phi phi'> from layer to layer."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.sims.infinite_width import layer_chain

    points = (_nearby(True, **_network("tanh", 3, 1.5, 0.1)),)
    more = (*points, _nearby(True, **_network("tanh", 6, 1.0)), _nearby(True, depth=4, **SWISH))
    return Claim(
        prediction=d.PARALLEL,
        simulation=layer_chain.two_inputs,
        check=Asymptotic(size="n", observable="norm"),
        points=points,
        parameters=[d.WIDTH],
        mutants=[
            Mutant("chi_perp for chi_par", lambda value, **at: d.PERPENDICULAR(**at)),
            Mutant("chi_par^2", lambda value, **at: value**2),
        ],
        budgets=_trend((8_192, 0.1), (100_000, 0.02), more),
    )


@theory.claim
def differences_in_direction() -> Claim:
    """The squared distance of two inputs of equal norm grows by chi_perp = C_W <phi'^2> from layer to layer.

    At the half-stable points of GELU and swish it stays what it was.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import pdlt_recursion as d
    from theorylab.sims.infinite_width import layer_chain

    points = (_nearby(False, **_network("tanh", 3, 1.5, 0.1)),)
    more = (*points, _nearby(False, **_network("tanh", 6, 1.0)), _nearby(False, depth=4, **GELU))
    return Claim(
        prediction=d.PERPENDICULAR,
        simulation=layer_chain.two_inputs,
        check=Asymptotic(size="n", observable="distance"),
        points=points,
        parameters=[d.WIDTH],
        mutants=[
            Mutant("chi_par for chi_perp", lambda value, **at: d.PARALLEL(**at)),
            Mutant("one layer less", lambda value, depth, **at: d.PERPENDICULAR(depth=depth - 1, **at)),
        ],
        budgets={
            "quick": Budget(trials=4_096, margin=0.05, sizes=SIZES),
            "standard": Budget(trials=60_000, margin=0.03, sizes=(32, 64, 128, 256), points=more),
            "paper": Budget(trials=600_000, margin=0.01, sizes=(32, 64, 128, 256), points=more),
        },
    )
