"""Feature learning at infinite width: networks with one hidden layer in the maximal-update parametrisation."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

theory = Theory(
    "infinite_width/mup-limit-one-hidden",
    title="Feature learning at infinite width: the limit of a one-hidden-layer network in the maximal-update "
    "parametrisation",
    source=Source(
        authors="Greg Yang and Edward J. Hu",
        title="Feature Learning in Infinite-Width Neural Networks",
        year=2021,
        where="section 6 and appendix",
        arxiv="2011.14522v3",
    ),
)

WIDTH = Parameter("n", Integers(1), "number of hidden neurons", 64)
MIRRORED = Parameter("mirrored", Integers(0, 1), "1: every neuron twice, with readouts nu and -nu", 0)


def training(times: Any, activations: tuple[str, ...] = ("tanh",), rates: tuple[float, ...] = (0.3,)) -> list[Any]:
    """At both inputs, each after all the times."""
    import numpy as np

    t, psi = np.tile(times, 2), np.repeat([0.0, 1.2], len(times))
    return [{"activation": a, "eta": e, "t": t, "psi": psi} for a in activations for e in rates]


def learned(prediction: Any, observable: str, mutants: Any, margins: Any, points: Any, trials: Any) -> Claim:
    """Trained networks against a prediction at infinite width, extrapolated in the width."""
    from theorylab.checks import Asymptotic
    from theorylab.sims.infinite_width.mup_network import network

    sizes = [32, 64, 128, 256], [32, 64, 128, 256, 512], [64, 128, 256, 512, 1024, 2048]
    return Claim(
        prediction=prediction,
        simulation=network,
        check=Asymptotic(size="n", observable=observable),
        points=points[0],
        parameters=[WIDTH, MIRRORED],
        mutants=mutants,
        budgets={
            name: Budget(count, margin, points=at, sizes=size)
            for name, count, margin, at, size in zip(("quick", "standard", "paper"), trials, margins, points, sizes)
        },
    )


def _stands_still(part: str) -> Mutant:
    """The gradient of a mean over neurons, without the width: next to nothing moves."""
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    return Mutant("learning rate eta/n, n = 64", lambda _, **at: d.coarse(part, **{**at, "eta": at["eta"] / 64}))


@theory.claim
def output() -> Claim:
    """As the width grows the mean output of trained networks tends like 1/n to that of particles, each of which moves
    under the residuals of all: f_t(x) = E nu_t phi(U_t.x).

    The coefficient of 1/n is small: the mean is off by 0 to 0.6 of the output, over n.
    """
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    wide = ("tanh", "erf", "linear")
    return learned(
        d.OUTPUT,
        "f",
        [
            Mutant("fixed features: kernel gradient descent", lambda _, **at: d.LAZY(**at)),
            _stands_still("outputs"),
            Mutant("half the learning rate", lambda _, **at: d.coarse("outputs", **{**at, "eta": at["eta"] / 2})),
        ],
        (0.035, 0.01, 0.005),
        (training([5, 10]), training([5, 10], wide) + training([10, 20], rates=(0.1,)), training([5, 10, 20], wide)),
        (1024, 16_384, 65_536),
    )


@theory.claim
def feature_change() -> Claim:
    """The hidden second moment changes by an amount that does not vanish with the width,
    E phi(U_t.x)^2 - E phi(U_0.x)^2.

    At finite width it is smaller: by 0.5 to 4 of itself over n for tanh and erf, 1 to 12 for a linear network, most in
    the first steps. Updating the readout before the hidden gradient is taken makes 1 % in the output but 10 to 30 %
    here in the first few steps at eta = 0.3.
    """
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    early = [2, 5]
    return learned(
        d.CHANGE,
        "dq",
        [
            Mutant("readout updated first", lambda _, **at: d.coarse("changes", readout_first=True, **at)),
            _stands_still("changes"),
        ],
        (0.08, 0.03, 0.01),
        (
            [{**p, "t": p["t"][:2], "psi": p["psi"][:2]} for p in training(early)],
            training(early, ("tanh", "erf", "linear")),
            training(early, ("tanh", "erf", "linear"), (0.1, 0.3)),
        ),
        (2048, 40_000, 400_000),
    )


def _across_widths(observable: str, prediction: Any, mutants: Any) -> Claim:
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.sims.infinite_width.mup_network import halves

    return Claim(
        prediction=prediction,
        simulation=halves,
        check=Exponent(size="n", observable=observable),
        points=[{"activation": "tanh", "y2": 0.7, "eta": 0.6, "t": 2, "psi": 0.5}],
        parameters=[WIDTH, *d.TRAINING.parameters],
        mutants=mutants,
        budgets={
            "quick": Budget(3072, 0.15, sizes=[16, 32, 64, 128]),
            "standard": Budget(32_768, 0.05, sizes=[32, 64, 128, 256, 512]),
            "paper": Budget(131_072, 0.02, sizes=[32, 64, 128, 256, 512, 1024, 2048]),
        },
    )


@theory.claim
def fluctuations() -> Claim:
    """Networks scatter about the limit by n^(-1/2): so falls the mean absolute difference between two of width n."""
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    return _across_widths("scatter", d.SCATTER, [Mutant("n^-1, like their mean", -1), Mutant("it stays", 0)])


@theory.claim
def bias() -> Claim:
    """Their mean is off by order 1/n only: so falls the difference between a network and its two halves trained alone.

    Network and halves have the same neurons at the start, which takes out most of the scatter.
    """
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    return _across_widths("defect", d.BIAS, [Mutant("bias n^(-1/2), like one network", -0.5), Mutant("bias n^-2", -2)])
