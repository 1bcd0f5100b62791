"""From feature learning to the tangent kernel: the maximal-update limit at a large output scale."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.infinite_width.mup_limit_one_hidden import MIRRORED, WIDTH, learned, theory, training
from theorylab.parameters import Interval, Parameter

POWER = Parameter("laziness", Interval(0.0), "the output scale is alpha n^laziness", 0.0)


@theory.claim
def lazy_limit() -> Claim:
    """With a large output scale the same particles follow gradient descent with the tangent kernel of the start, in
    closed form from the duals of the activation: at alpha = 1000 they agree to 1e-4."""
    import numpy as np

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.prediction import Numerical

    scaled = Numerical(
        function=lambda **at: d.OUTPUT.evaluate(**{**at, "alpha": np.asarray(1000.0)}),
        space=d.TRAINING,
        quantity="output f at alpha = 1000",
        conventions=d.CONVENTIONS,
        derivation=d.OUTPUT.derivation,
        formula=d.OUTPUT.formula,
    )

    def readout_only(_: Any, **at: Any) -> Any:
        # No tangent of the hidden layer: as if sigma_v were 0.
        return d.LAZY(**{**at, "sigma_v": np.asarray(1e-9)})

    points = [{"activation": a, "t": np.array([1, 5, 20]), "psi": 0.5} for a in ("erf", "tanh", "linear")]
    return Claim(
        prediction=d.LAZY,
        check=Identity(other=scaled),
        points=points[:1],
        mutants=[
            Mutant("tangent kernel of the readout alone", readout_only),
            Mutant("1 % more of the kernel", lambda _, **at: d.LAZY(**{**at, "eta": 1.01 * at["eta"]})),
            Mutant("at alpha = 1", lambda _, **at: d.OUTPUT(**at)),
        ],
        budgets={k: Budget(1, 1e-4, points=None if k == "quick" else points) for k in ("quick", "standard", "paper")},
    )


@theory.claim(control=True, expected="fails")
def control_lazy_limit() -> Claim:
    """A control: kernel gradient descent with a kernel that is 1 % too large."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    def wrong(**at: Any) -> Any:
        return d.LAZY.evaluate(**{**at, "eta": 1.01 * at["eta"]})

    return replace(lazy_limit(), prediction=replace(d.LAZY, function=wrong), mutants=())


@theory.claim
def neural_tangent_parametrization() -> Claim:
    """In the neural-tangent parametrisation, alpha = sqrt(n), trained networks tend to kernel gradient descent: the
    limit at infinite alpha.

    Networks are mirrored: their output starts at zero, as the mean of all networks does.
    """
    from dataclasses import replace

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    wide = ("tanh", "erf", "linear")
    claim = learned(
        d.LAZY,
        "f",
        [
            Mutant("features that learn: the limit at alpha = 1", lambda _, **at: d.OUTPUT(**at)),
            Mutant("half the learning rate", lambda _, **at: d.LAZY(**{**at, "eta": at["eta"] / 2})),
        ],
        (0.035, 0.01, 0.005),
        tuple([{**p, "mirrored": 1, "laziness": 0.5} for p in points]
              for points in (training([5, 10]), training([5, 10], wide), training([5, 10, 20], wide))),
        (1024, 16_384, 65_536),
    )  # fmt: skip
    return replace(claim, parameters=[*claim.parameters, POWER])


def _falling(prediction: Any, size: str, sizes: Any, more: Any, point: Any, mutants: Any) -> Claim:
    from theorylab.checks import Exponent
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.sims.infinite_width.mup_network import network

    return Claim(
        prediction=prediction,
        simulation=network,
        check=Exponent(size=size, observable="dq"),
        points=[{"activation": "tanh", "t": 5, "psi": 0.0, "mirrored": 1, **point}],
        parameters=[WIDTH, MIRRORED, POWER, *d.TRAINING.parameters],
        mutants=mutants,
        budgets={
            "quick": Budget(1024, 0.15, sizes=sizes),
            "standard": Budget(16_384, 0.05, sizes=more),
            "paper": Budget(65_536, 0.02, sizes=more),
        },
    )


@theory.claim
def feature_change_with_output_scale() -> Claim:
    """The feature change falls like alpha^-2 with the output scale."""
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    mutants = [Mutant("alpha^-1", -1), Mutant("alpha^-4", -4)]
    return _falling(d.LAZINESS, "alpha", [4, 8, 16, 32], [8, 16, 32, 64], {"n": 64}, mutants)


@theory.claim
def feature_change_in_neural_tangent_parametrization() -> Claim:
    """In the neural-tangent parametrisation the feature change falls like 1/n; in the maximal-update one it stays."""
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    mutants = [Mutant("n^(-1/2), as single weights move", -0.5), Mutant("it stays", 0)]
    sizes = [32, 64, 128, 256], [128, 256, 512, 1024]
    return _falling(d.TANGENT, "n", *sizes, {"laziness": 0.5}, mutants)
