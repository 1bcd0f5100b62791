"""Wide networks of any depth evolve as linear models: mean, covariance and law of an ensemble along training."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

theory = Theory(
    "infinite_width/ntk-ensemble-dynamics",
    title="Wide networks of any depth evolve as linear models under gradient descent",
    source=Source(
        authors="Jaehoon Lee and Lechao Xiao and Samuel S. Schoenholz and Yasaman Bahri and Roman Novak and "
        "Jascha Sohl-Dickstein and Jeffrey Pennington",
        title="Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient Descent",
        year=2019,
        where="equations (13) to (16)",
        arxiv="1902.06720v4",
    ),
)

WIDTH = Parameter("n", Integers(1), "width of every hidden layer", 64)
GRAIN = Parameter("grain", Integers(1), "steps in a unit of training time", 16)
RELU: dict[str, Any] = {"activation": "relu", "C_W": 2.0, "C_b": 0.0}


def _places(*times: int) -> dict[str, Any]:
    """Two times at a test point and at the second of three inputs."""
    import numpy as np

    return {"t": np.tile(times, 2), "psi": np.repeat([0.5, 1.0], len(times))}


def _swapped(prediction: Any) -> Mutant:
    """All layers trained, the formula of the last one: K in the place of Theta."""

    def wrong(_: Any, **at: Any) -> Any:
        import numpy as np

        return prediction(**{**at, "trained": np.asarray("readout")})

    return Mutant("K in the place of Theta", wrong)


def _averaged(prediction: Any) -> Mutant:
    return Mutant("loss averaged over samples: eta/m", lambda _, **at: prediction(**{**at, "eta": at["eta"] / at["m"]}))


def _flowing(prediction: Any) -> Mutant:
    def wrong(_: Any, *, eta: Any, t: Any, **at: Any) -> Any:
        return prediction(tau=eta * t, **at)

    return Mutant("the flow in the place of descent", wrong)


@theory.claim
def mean_output() -> Claim:
    """With all layers trained the mean output of networks tends like 1/n to
    Theta(x, X) Theta^-1 (1 - (1 - eta Theta)^t) Y, at any depth.

    The coefficient of 1/n grows with depth: relative to the largest of these outputs it is about -0.6 for one hidden
    layer, -1.2 for two and -1.9 for three (erf), -0.5 for tanh and -2.5 for ReLU. Networks with opposite readouts are
    paired.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
    from theorylab.sims.infinite_width.wide_networks import mean_output as sim

    quick = [_places(2, 6)]
    points = [
        *quick,
        {**_places(2, 6), "depth": 3, "eta": 0.15},
        {**_places(3, 9), "depth": 4, "eta": 0.08},
        {**_places(2, 6), "activation": "tanh"},
        {**_places(2, 6), **RELU, "eta": 0.12},
    ]
    return Claim(
        prediction=d.MEAN,
        simulation=sim,
        check=Asymptotic(size="n", scale="peak"),
        points=points,
        parameters=[WIDTH],
        mutants=[_swapped(d.MEAN), _averaged(d.MEAN), _flowing(d.FLOW_MEAN)],
        budgets={
            "quick": Budget(1024, 0.02, points=quick, sizes=[32, 64, 128, 256]),
            "standard": Budget(6144, 0.012, sizes=[32, 64, 128, 256]),
            "paper": Budget(16_384, 0.005, sizes=[64, 128, 256, 512, 1024]),
        },
    )


@theory.claim
def covariance() -> Claim:
    """The covariance between networks of the outputs at two points tends like 1/n to
    K + A K A^T - A K(X, .) - K(., X) A^T, with A = Theta(x, X) Theta^-1 (1 - (1 - eta Theta)^t).

    A trial estimates the covariance at finite width without bias, from two draws of the hidden layers with two readouts
    each. Relative to the largest of the components the coefficients of 1/n are 1 to 3 for one hidden layer of erf, 3 to
    5 for ReLU and for two hidden layers.
    """
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
    from theorylab.sims.infinite_width.wide_networks import covariance as sim

    pairs: dict[str, Any] = {"psi": np.array([0.5, 0.5]), "psi2": np.array([0.5, 1.5])}
    quick: list[dict[str, Any]] = [{**pairs, "t": np.array([3, 3])}]
    points = [
        *quick,
        {**pairs, "t": np.array([4, 4]), **RELU, "eta": 0.12},
        {**pairs, "t": np.array([5, 5]), **RELU, "trained": "readout"},
    ]
    deep: dict[str, Any] = {**pairs, "t": np.array([2, 2]), "depth": 3, "eta": 0.15}

    def one_cross_term(_: Any, **at: Any) -> Any:
        return d.covariance(crossed=1.0, **at)[0]

    return Claim(
        prediction=d.COVARIANCE,
        simulation=sim,
        check=Asymptotic(size="n", scale="peak"),
        points=points,
        parameters=[WIDTH],
        mutants=[Mutant("one of the two cross terms forgotten", one_cross_term), _averaged(d.COVARIANCE)],
        budgets={
            "quick": Budget(4096, 0.14, points=quick, sizes=[16, 32, 64, 128]),
            "standard": Budget(32_768, 0.07, sizes=[32, 64, 128, 256]),
            "paper": Budget(524_288, 0.02, points=[*points, deep], sizes=[32, 64, 128, 256]),
        },
    )


@theory.claim
def law() -> Claim:
    """The output of a wide network is Gaussian all along training, with this mean and variance.

    At width 256, with one hidden layer and with two; what the width leaves, a hundredth in the mean and a few
    hundredths in the variance, is part of the margin.
    """
    from theorylab.checks import Law
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
    from theorylab.sims.infinite_width.wide_networks import output as sim

    def mistaken(**change: Any) -> Any:
        return lambda _, **at: d.LAW(**{**at, **change})

    def one_cross_term(_: Any, *, f: Any, **at: Any) -> Any:
        from scipy.special import ndtr

        middle, square = d.mean(**at)[0], d.covariance(crossed=1.0, psi2=at["psi"], **at)[0]
        return ndtr((f - middle) / square**0.5)

    points: list[dict[str, Any]] = [
        {"t": 3, "psi": 0.5},
        {"t": 3, "psi": 1.5, "activation": "tanh"},
        {"t": 3, "psi": 0.5, "depth": 3, "eta": 0.15},
    ]
    return Claim(
        prediction=d.LAW,
        simulation=sim,
        check=Law(variable="f"),
        points=[{**p, "n": 256} for p in points],
        parameters=[WIDTH],
        mutants=[
            Mutant("K in the place of Theta", mistaken(trained="readout")),
            Mutant("one of the two cross terms forgotten", one_cross_term),
            Mutant("the law before training", mistaken(t=0)),
        ],
        budgets={
            "quick": Budget(4096, 0.07, points=[{**points[0], "n": 256}]),
            "standard": Budget(65_536, 0.03),
            "paper": Budget(262_144, 0.015, points=[{**p, "n": 1024} for p in points]),
        },
    )


def _last_layer(prediction: Any, observable: str, mutants: Any, margins: Any, places: dict[str, Any]) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.sims.infinite_width.wide_networks import last_layer

    quick = [{**places, **RELU, "trained": "readout"}]
    points = [*quick, {**quick[0], "depth": 3}, {**quick[0], "activation": "erf", "C_b": 0.1}]
    deeper = [*points, {**quick[0], "depth": 4}]
    if "psi2" in prediction.space:
        quick, points, deeper = ([{**p, "psi2": p["psi"]} for p in part] for part in (quick, points, deeper))
    return Claim(
        prediction=prediction,
        simulation=last_layer,
        check=Asymptotic(size="n", observable=observable, scale="peak"),
        points=points,
        parameters=[WIDTH],
        mutants=mutants,
        budgets={
            "quick": Budget(1024, margins[0], points=quick, sizes=[24, 48, 96, 192]),
            "standard": Budget(12_288, margins[1], sizes=[48, 96, 192, 384]),
            "paper": Budget(65_536, margins[2], points=deeper, sizes=[64, 128, 256, 512, 1024]),
        },
    )


@theory.claim
def last_layer_mean() -> Claim:
    """With the last layer alone trained the mean output tends like 1/n to K(x, X) K^-1 (1 - (1 - eta K)^t) Y.

    The readout's start is averaged over exactly, along the steps of descent. Coefficients of 1/n are -1 to -8 of the
    output in the first steps.
    """
    import numpy as np

    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    def tangent(_: Any, **at: Any) -> Any:
        return d.MEAN(**{**at, "trained": np.asarray("all")})

    mutants = [Mutant("Theta in the place of K", tangent), _averaged(d.MEAN)]
    return _last_layer(d.MEAN, "mean", mutants, (0.05, 0.02, 0.01), _places(6, 20))


@theory.claim
def last_layer_variance() -> Claim:
    """With the last layer alone trained the variance between networks tends like 1/n to
    K + A K A^T - 2 A K(X, x), A = K(x, X) K^-1 (1 - (1 - eta K)^t)."""
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    def one_cross_term(_: Any, **at: Any) -> Any:
        return d.covariance(crossed=1.0, **at)[0]

    mutants = [Mutant("one of the two cross terms forgotten", one_cross_term), _averaged(d.COVARIANCE)]
    return _last_layer(d.COVARIANCE, "variance", mutants, (0.05, 0.025, 0.01), {**_places(5, 10), "eta": 0.1})


def _given(prediction: Any, observable: str, part: str) -> Claim:
    import numpy as np

    from theorylab.checks import Curve
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
    from theorylab.sims.infinite_width.wide_networks import last_layer

    def flowing(_: Any, *, kernel: Any, m: Any, spread: Any, waves: Any, eta: Any, t: Any) -> Any:
        return d.given(part, kernel, float(m), float(spread), float(waves), eta * t, 1.0, flow=True)

    points = [
        {"n": 96, "eta": 0.2, "t": np.array([1, 4, 16, 64])},
        {"n": 300, "eta": 0.1, "m": 6, **RELU, "depth": 3, "t": np.array([1, 4, 16, 64])},
    ]
    wrong_rate = Mutant("kernel 1 % too large", lambda _, **at: prediction(**{**at, "eta": 1.01 * at["eta"]}))
    return Claim(
        prediction=prediction,
        simulation=last_layer,
        check=Curve(axis="t", given=("kernel",), observable=observable, scale="absolute"),
        points=points,
        parameters=[WIDTH, d.PLACE, d.ACTIVATION, d.DEPTH, d.WEIGHTS, d.BIASES, d.RADIUS],
        mutants=[wrong_rate, Mutant("the flow in the place of descent", flowing), _averaged(prediction)],
        budgets={"quick": Budget(512, 1e-9, points=points[:1]), "standard": Budget(4096, 1e-9),
                 "paper": Budget(65_536, 1e-9)},
    )  # fmt: skip


@theory.claim
def last_layer_at_given_features() -> Claim:
    """With the last layer alone trained the mean over readouts is that of the formula at every width and depth, with
    the network's own features for K."""
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    return _given(d.MEAN_GIVEN, "own_mean", "mean")


@theory.claim
def last_layer_variance_at_given_features() -> Claim:
    """So is the variance over readouts."""
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    return _given(d.VARIANCE_GIVEN, "own_variance", "variance")


@theory.claim(control=True, expected="fails")
def control_last_layer_at_given_features() -> Claim:
    """A control: the mean over readouts with a kernel that is 1 % too large."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    def wrong(*, eta: Any, **at: Any) -> Any:
        return d.MEAN_GIVEN.evaluate(eta=1.01 * eta, **at)

    right = last_layer_at_given_features()
    return replace(right, prediction=replace(d.MEAN_GIVEN, function=wrong), mutants=())


@theory.claim
def small_steps() -> Claim:
    """As steps shrink the mean output tends to that of gradient flow, with e^(-tau K) in the place of
    (1 - eta K)^t, with an error of order of the step."""
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
    from theorylab.sims.infinite_width.wide_networks import last_layer_in_small_steps

    tau = np.array([0.5, 1.0, 2.0])
    points = [{**RELU, "n": 256, "tau": tau, "psi": np.full(3, 0.5)}]
    more = [*points, {"n": 256, "depth": 3, "tau": tau, "psi": np.full(3, 0.5)}]
    return Claim(
        prediction=d.FLOW_GIVEN,
        simulation=last_layer_in_small_steps,
        check=Asymptotic(size="grain", observable="mean", given=("kernel",), scale="peak", order=2),
        points=points,
        parameters=[WIDTH, GRAIN, d.PLACE, d.ACTIVATION, d.DEPTH, d.WEIGHTS, d.BIASES, d.RADIUS],
        mutants=[
            Mutant("kernel 5 % too large", lambda _, **at: d.FLOW_GIVEN(**{**at, "tau": 1.05 * at["tau"]})),
            Mutant("loss averaged over samples", lambda _, **at: d.FLOW_GIVEN(**{**at, "tau": at["tau"] / at["m"]})),
        ],
        budgets={
            "quick": Budget(1024, 0.007, sizes=[4, 8, 16, 32]),
            "standard": Budget(4096, 0.003, points=more, sizes=[8, 16, 32, 64]),
            "paper": Budget(16_384, 0.001, points=more, sizes=[16, 32, 64, 128]),
        },
    )


@theory.claim(control=True, expected="fails")
def control_small_steps() -> Claim:
    """A control: the mean output of gradient flow under a kernel that is 5 % too large."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    def wrong(*, tau: Any, **at: Any) -> Any:
        return d.FLOW_GIVEN.evaluate(tau=1.05 * tau, **at)

    return replace(small_steps(), prediction=replace(d.FLOW_GIVEN, function=wrong), mutants=())


def _identity(prediction: Any, other: Any, points: Any, mutants: Any, margin: float) -> Claim:
    from theorylab.checks import Identity

    counts = {"quick": points[:1], "standard": points, "paper": points}
    return Claim(
        prediction=prediction,
        check=Identity(other=other, scale="absolute"),
        points=points,
        mutants=mutants,
        budgets={name: Budget(1, margin, points=at) for name, at in counts.items()},
    )


@theory.claim
def flow() -> Claim:
    """With all layers trained, descent in 20 000 steps and gradient flow have the same mean output to 1e-4."""
    import numpy as np

    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
    from theorylab.prediction import Numerical

    def steps(*, tau: Any, **at: Any) -> Any:
        # One learning rate for each time, the number of steps common.
        return d.MEAN.evaluate(eta=np.maximum(tau, 1e-300) / 20_000, t=np.full(np.shape(tau), 20_000), **at)

    fine = Numerical(
        function=steps, space=d.FLOW_MEAN.space, quantity=d.MEAN.quantity, conventions=d.CONVENTIONS,
        derivation=d.MEAN.derivation, formula=d.MEAN.formula,
    )  # fmt: skip
    tau = np.array([0.2, 0.6, 2.0])
    points = [{"tau": tau}, {"tau": tau, "depth": 4}, {"tau": tau, **RELU}]
    longer = Mutant("kernel 1 % too large", lambda _, **at: d.FLOW_MEAN(**{**at, "tau": 1.01 * at["tau"]}))
    return _identity(d.FLOW_MEAN, fine, points, [longer, _swapped(d.FLOW_MEAN)], 1e-4)


def _infinitely_long(trained: str) -> Any:
    import numpy as np

    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d
    from theorylab.prediction import Numerical

    def function(**at: Any) -> Any:
        return d.FLOW_COVARIANCE.evaluate(**{**at, "trained": np.asarray(trained), "tau": np.asarray(1e5)})

    return Numerical(
        function=function, space=d.POSTERIOR.space, quantity="covariance after training", conventions=d.CONVENTIONS,
        derivation=d.FLOW_COVARIANCE.derivation, formula=d.FLOW_COVARIANCE.formula,
    )  # fmt: skip


def _after_training(trained: str, mutants: Any, margin: float) -> Claim:
    import numpy as np

    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    pairs = {"psi": np.array([0.5, 0.5, 3.0]), "psi2": np.array([0.5, 1.5, 3.0])}
    points = [pairs, {**pairs, "depth": 3}, {**pairs, **RELU}]
    return _identity(d.POSTERIOR, _infinitely_long(trained), points, mutants, margin)


@theory.claim
def posterior() -> Claim:
    """Training the last layer alone to the end gives the posterior of the Gaussian process:
    Cov f = K(x, x') - K(x, X) K^-1 K(X, x')."""
    from theorylab.derivations.infinite_width import ntk_ensemble_dynamics as d

    def prior_scaled(_: Any, **at: Any) -> Any:
        return d.POSTERIOR(**{**at, "C_b": at["C_b"] + 0.02})

    return _after_training("readout", [Mutant("biases of variance C_b + 0.02", prior_scaled)], 1e-6)


@theory.claim(expected="fails")
def posterior_of_all_layers() -> Claim:
    """A trained infinitely wide network is a sample of its Gaussian process's posterior, also when all layers are
    trained.

    The variance is larger, by K (Theta_x Theta^-1 - K_x K^-1)^2 on one sample; only training the last layer alone
    samples the posterior (claim `posterior`).
    """
    return _after_training("all", (), 1e-3)
