"""Dynamical mean-field theory of deep nonlinear networks: what gradient descent does at infinite width."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

theory = Theory(
    "learning_dynamics/dmft-deep-nonlinear",
    title="Self-consistent dynamical field theory of wide networks: deep nonlinear networks",
    source=Source(
        authors="Blake Bordelon and Cengiz Pehlevan",
        title="Self-Consistent Dynamical Field Theory of Kernel Evolution in Wide Neural Networks",
        year=2022,
        where="sections 3 and 4, appendix D",
        arxiv="2205.09653v3",
    ),
)

WIDTH = Parameter("N", Integers(1), "width of the hidden layers", 128)
SIZES = {"quick": [8, 16, 32, 64], "standard": [16, 32, 64, 128], "paper": [64, 128, 256, 512]}
STRICT = "RB strictly causal, without its part at equal times"
FIRST = "RB at equal times without the layer above: <phi'' z> alone"
OWN = "G of the layer itself in place of the layer above"
BARE = "RA as the response of h, without phi'"
NONE = "no responses: neurons driven by kernels alone"


def _at(t: Any, **changes: Any) -> dict[str, Any]:
    import numpy as np

    point = {"activation": "tanh", "L": 2, "gamma": 1.5, "rate": 0.3, "K": 1.0, "y": 1.0, "samples": 512}
    return {**point, "t": np.array(t, dtype=float), **changes}


def _rich(t: Any, samples: int, **changes: Any) -> dict[str, Any]:
    """Far from lazy: kernels change by a half."""
    return _at(t, **{"gamma": 2.5, "rate": 0.2, "y": 1.4, "samples": samples, **changes})


def _budgets(
    trials: Any, margins: Any, quick: Any, standard: Any, sizes: dict[str, list[int]] = SIZES
) -> dict[str, Budget]:
    points = {"quick": quick, "standard": standard, "paper": [{**p, "samples": 32_768} for p in standard]}
    return {
        name: Budget(n, margin, sizes=sizes[name], points=points[name])
        for name, n, margin in zip(SIZES, trials, margins)
    }


def _wrong(pick: str) -> Any:
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d

    return lambda name, **terms: Mutant(name, d.without(getattr(d, pick), **terms))


@theory.claim
def outputs() -> Claim:
    """The mean output of trained tanh networks tends to f(t) = sum_{s<t} [RA_L(t,s)/gamma + eta Delta(s) H_L(t,s)] as
    1/N.

    Coefficients of 1/N are small, 0.1 to 0.3 of the output: at N = 100 the limit is met to 0.3 %. Means are over pairs
    of networks with opposite readouts.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    wrong = _wrong("output")
    quick = [_rich([2, 6], 2048)]
    return Claim(
        prediction=d.OUTPUT,
        simulation=sim.one_pattern,
        check=Asymptotic(size="N", observable="f"),
        points=quick,
        parameters=[WIDTH],
        mutants=[wrong(OWN, above=False), wrong(BARE, slope=False), wrong(NONE, responses=False)],
        budgets=_budgets(
            (2048, 32_768, 65_536),
            (0.025, 0.01, 0.005),
            quick,
            [_rich([2, 4, 8], 8192), _at([1, 2, 4, 8], samples=8192)],
        ),
    )


@theory.claim
def forward_kernels() -> Claim:
    """H_l(t, t) of both layers of trained tanh networks tends to <phi(h^l(t))^2> of the single-site process as 1/N.

    Without the part of RB at equal times H_1 would be 13 to 16 % larger.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    wrong = _wrong("forward")
    quick = [_rich([2, 6], 2048)]
    return Claim(
        prediction=d.FORWARD,
        simulation=sim.one_pattern,
        check=Asymptotic(size="N", observable="H"),
        points=quick,
        parameters=[WIDTH],
        mutants=[wrong(STRICT, equal_time="none"), wrong(OWN, above=False), wrong(NONE, responses=False)],
        budgets=_budgets(
            (2048, 32_768, 65_536),
            (0.03, 0.01, 0.005),
            quick,
            [_rich([2, 4, 8], 8192), _at([1, 2, 4, 8], samples=8192)],
        ),
    )


@theory.claim
def backward_kernels() -> Claim:
    """G_l(t, t) of both layers of trained tanh networks tends to <g^l(t)^2> of the single-site process as 1/N.

    G is the kernel of g = phi'(h) z. Gradients of the first layer shrink as its neurons saturate: without the part of
    RB at equal times they would shrink half as much.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    wrong = _wrong("backward")
    quick = [_rich([2, 6], 2048)]
    return Claim(
        prediction=d.BACKWARD,
        simulation=sim.one_pattern,
        check=Asymptotic(size="N", observable="G"),
        points=quick,
        parameters=[WIDTH],
        mutants=[wrong(STRICT, equal_time="none"), wrong(OWN, above=False), wrong(NONE, responses=False)],
        budgets=_budgets((2048, 32_768, 65_536), (0.1, 0.03, 0.015), quick, [_rich([2, 4, 8], 8192)]),
    )


@theory.claim
def three_layers() -> Claim:
    """With three hidden layers, where RB(t, t) has its second piece, H_l(t, t) tends to <phi(h^l(t))^2> as 1/N.

    Without RB_{l+1}(t, t) <phi'^2> the kernel of the first layer would be 11 % larger (gamma = 2).
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    wrong = _wrong("forward")
    quick = [_rich([7], 2048, L=3)]
    return Claim(
        prediction=d.FORWARD,
        simulation=sim.one_pattern,
        check=Asymptotic(size="N", observable="H"),
        points=quick,
        parameters=[WIDTH],
        mutants=[wrong(FIRST, equal_time="first"), wrong(STRICT, equal_time="none")],
        budgets=_budgets(
            (2048, 32_768, 65_536),
            (0.03, 0.01, 0.005),
            quick,
            [_at([4, 14], L=3, gamma=2.0, rate=0.1, y=1.4, samples=8192)],
        ),
    )


@theory.claim
def relu() -> Claim:
    """The mean output of trained ReLU networks tends to that of the single-site processes as 1/N: no derivative of the
    activation's slope is needed.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    wrong = _wrong("output")
    quick = [_at([2, 5], activation="relu", gamma=2.0, rate=0.1, samples=1024)]
    return Claim(
        prediction=d.OUTPUT,
        simulation=sim.one_pattern,
        check=Asymptotic(size="N", observable="f", scale="peak"),
        points=quick,
        parameters=[WIDTH],
        mutants=[wrong(OWN, above=False), wrong(NONE, responses=False)],
        budgets=_budgets(
            (3072, 32_768, 65_536),
            (0.05, 0.02, 0.01),
            quick,
            [
                _at([2, 4], activation="relu", gamma=2.0, rate=0.1, samples=8192),
                _at([2, 4], activation="relu", L=3, gamma=1.5, rate=0.1, samples=8192),
            ],
            {**SIZES, "quick": [12, 24, 48, 96]},
        ),
    )


@theory.claim
def two_patterns() -> Claim:
    """With two patterns the equations hold with an index (time, pattern) for every time: both mean outputs tend to
    theirs as 1/N.

    The readout is shared: G_{L+1} = 1 between patterns, too.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    def alone(_: Any, *, y: Any, y2: Any, rho: Any, **point: Any) -> Any:
        import numpy as np

        return np.stack([d.OUTPUT(y=label, **point) for label in (y, y2)])

    wrong = _wrong("outputs")
    quick = [_at([2, 5], gamma=2.0, rate=0.2, rho=0.3, y2=-0.8, samples=2048)]
    return Claim(
        prediction=d.OUTPUTS,
        simulation=sim.two_patterns,
        check=Asymptotic(size="N", observable="f", scale="peak"),
        points=quick,
        parameters=[WIDTH],
        mutants=[Mutant("patterns learnt one by one", alone), wrong(BARE, slope=False), wrong(NONE, responses=False)],
        budgets=_budgets(
            (2048, 32_768, 65_536),
            (0.03, 0.01, 0.005),
            quick,
            [_at([2, 4, 8], gamma=2.0, rate=0.2, rho=0.3, y2=-0.8, samples=8192)],
        ),
    )


@theory.claim
def two_times() -> Claim:
    """Between two times, too, H_l(t, s) of trained networks tends to <phi(h^l(t)) phi(h^l(s))> as 1/N."""
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    def coherent(value: Any, **_: Any) -> Any:
        size = np.sqrt(np.diagonal(value, axis1=1, axis2=2))
        return size[:, :, None] * size[:, None, :]

    def early(value: Any, **_: Any) -> Any:
        diagonal = np.diagonal(value, axis1=1, axis2=2)
        return np.minimum(diagonal[:, :, None], diagonal[:, None, :])

    quick = [_rich([0, 2, 6], 2048)]
    return Claim(
        prediction=d.TWO_TIMES,
        simulation=sim.two_times,
        check=Asymptotic(size="N", observable="H"),
        points=quick,
        parameters=[WIDTH],
        mutants=[
            Mutant("fields that only grow: sqrt(H(t,t) H(s,s))", coherent),
            Mutant("independent increments: H at the earlier time", early),
        ],
        budgets=_budgets(
            (2048, 32_768, 65_536),
            (0.04, 0.015, 0.0075),
            quick,
            [_rich([0, 2, 4, 8], 8192)],
        ),
    )


def _lazy_points(samples: int) -> list[dict[str, Any]]:
    points = [("tanh", 2, 0.4), ("relu", 3, 0.5), ("erf", 2, 0.3), ("linear", 1, 0.2)]
    return [
        {**_at([4], activation=name, L=depth, rate=rate, gamma=0.002, K=0.8, samples=samples), "t": 4.0}
        for name, depth, rate in points
    ]


@theory.claim
def lazy_limit() -> Claim:
    """As gamma -> 0 the output is that of kernel descent, y [1 - (1 - eta Theta)^t], with the initial tangent kernel
    Theta of the recursion for wide networks: two derivations, one number.

    Responses are needed for it: RA/gamma stays finite. Smooth networks come to it like gamma^2, ReLU networks like
    gamma: neurons whose field is of order gamma switch. At gamma = 0.02 and three layers f is still 1.2 % off.
    """
    import numpy as np

    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d

    def frozen(_: Any, *, activation: Any, L: Any, gamma: Any, rate: Any, K: Any, y: Any, t: Any, samples: Any) -> Any:
        theta = d.tangent_kernel(str(activation), int(L), float(K)) * L / (L + 1.0)
        return y * (1.0 - (1.0 - rate * theta) ** t)

    def continuous(
        _: Any, *, activation: Any, L: Any, gamma: Any, rate: Any, K: Any, y: Any, t: Any, samples: Any
    ) -> Any:
        return y * (1.0 - np.exp(-rate * d.tangent_kernel(str(activation), int(L), float(K)) * t))

    wrong = _wrong("output")
    points = _lazy_points(512)
    return Claim(
        prediction=d.OUTPUT,
        check=Identity(other=d.LAZY),
        points=points,
        mutants=[
            Mutant("one layer of weights too few", frozen),
            Mutant("gradient flow", continuous),
            wrong(NONE, responses=False),
        ],
        budgets={
            "quick": Budget(1, 0.02, points=points[:2]),
            "standard": Budget(1, 0.005, points=_lazy_points(4096)),
            "paper": Budget(1, 0.002, points=_lazy_points(16_384)),
        },
    )


def _shallow(samples: int, *gammas: float) -> list[dict[str, Any]]:
    return [{**_at([3], L=1, gamma=gamma, y=1.3, samples=samples), "t": 3.0} for gamma in gammas]


@theory.claim
def one_hidden_layer() -> Claim:
    """With one hidden layer neurons are particles that meet in the output, and the single-site processes give what
    Gauss-Hermite quadrature over these particles gives.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d

    def lazy(_: Any, *, gamma: Any, samples: Any, **point: Any) -> Any:
        return d.LAZY(**point)

    def halved(_: Any, *, gamma: Any, **point: Any) -> Any:
        return d.OUTPUT(gamma=gamma / 2, **point)

    wrong = _wrong("output")
    return Claim(
        prediction=d.OUTPUT,
        check=Identity(other=d.PARTICLES),
        points=_shallow(1024, 3.0),
        mutants=[
            Mutant("kernels that do not move", lazy),
            Mutant("half of gamma", halved),
            wrong(BARE, slope=False),
        ],
        budgets={
            "quick": Budget(1, 0.005, points=_shallow(1024, 3.0)),
            "standard": Budget(1, 0.002, points=_shallow(4096, 1.5, 3.0)),
            "paper": Budget(1, 0.0005, points=_shallow(32_768, 0.5, 1.5, 3.0)),
        },
    )


@theory.claim
def responses_are_correlations() -> Claim:
    """RA and RB as correlations of fields with the noise that drives them, and as averages of derivatives along the
    process, give one output.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d

    wrong = _wrong("output")

    def points(samples: int, last: float) -> list[dict[str, Any]]:
        return [{**_rich([last], samples), "t": last}]

    return Claim(
        prediction=d.OUTPUT,
        check=Identity(other=d.BY_TANGENTS),
        points=points(256, 4.0),
        mutants=[wrong(BARE, slope=False), wrong(NONE, responses=False)],
        budgets={
            "quick": Budget(1, 0.03),
            "standard": Budget(1, 0.01, points=points(1024, 8.0)),
            "paper": Budget(1, 0.003, points=points(4096, 8.0)),
        },
    )


@theory.claim(control=True, expected="fails")
def output_too_large() -> Claim:
    """The mean output is 5 % larger than that of the single-site processes."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d
    from theorylab.prediction import Numerical
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    def larger(**arrays: Any) -> Any:
        value, error = d.OUTPUT.evaluate(**arrays)
        return 1.05 * value, error

    quick = [_at([4], L=1, samples=256)]
    return Claim(
        prediction=Numerical(
            function=larger, space=d.ONE, quantity="5 % more than the output", conventions=d.CONVENTIONS
        ),
        simulation=sim.one_pattern,
        check=Asymptotic(size="N", observable="f"),
        points=quick,
        parameters=[WIDTH],
        mutants=[Mutant("10 % more", lambda value, **_: 1.1 / 1.05 * value)],
        budgets=_budgets((2048, 8192, 16_384), (0.015, 0.01, 0.01), quick, quick),
    )


@theory.claim(control=True, expected="fails")
def lazy_limit_at_finite_gamma() -> Claim:
    """At gamma = 0.7 the output is still that of kernel descent, to 2 %.

    It is 3 to 5 % larger.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import dmft_deep_nonlinear as d

    points = [{**_at([4], gamma=0.7, rate=0.2), "t": 4.0}]
    return Claim(
        prediction=d.OUTPUT,
        check=Identity(other=d.LAZY),
        points=points,
        mutants=[_wrong("output")(NONE, responses=False)],
        budgets={name: Budget(1, 0.02) for name in SIZES},
    )
