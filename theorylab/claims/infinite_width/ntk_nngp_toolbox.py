"""Kernels of infinitely wide networks: covariance at initialisation (NNGP) and tangent kernel (NTK)."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source, grid
from theorylab.theory import Theory

JACOT = Source(
    authors="Jacot, Arthur and Gabriel, Franck and Hongler, Clement",
    title="Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
    year=2018,
    where="Proposition 1 and Theorem 1",
    arxiv="1806.07572v4",
)
LEE = Source(
    authors="Lee, Jaehoon and Bahri, Yasaman and Novak, Roman and Schoenholz, Samuel S. and Pennington, Jeffrey and "
    "Sohl-Dickstein, Jascha",
    title="Deep Neural Networks as Gaussian Processes",
    year=2018,
    where="eqs. (4)-(6)",
    arxiv="1711.00165v3",
)

theory = Theory(
    "infinite_width/ntk-nngp-toolbox",
    title="Kernels of infinitely wide networks at initialisation and in training",
    source=JACOT,
)


def _one_hidden_layer(factor: Any, budgets: dict[str, Budget]) -> Claim:
    from dataclasses import replace

    from theorylab.checks import Expectation
    from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d
    from theorylab.sims.infinite_width.random_networks import one_hidden_layer

    form = (
        d.ONE_HIDDEN_LAYER
        if factor == 1
        else replace(d.ONE_HIDDEN_LAYER, expr=factor * d.one_hidden_layer, numeric=None)
    )
    return Claim(
        prediction=form,
        simulation=one_hidden_layer,
        check=Expectation(),
        points=grid(theta=[0.5, 1.2], n=256),
        parameters=[d.WIDTH],
        mutants=[
            Mutant("readout weights alone", d.readout_alone),
            Mutant("without 1/2", 2 * form.expr),
            Mutant("off by 5 %", form.expr * 105 / 100),
        ],
        budgets=budgets,
    )


@theory.claim
def one_hidden_layer() -> Claim:
    """The tangent kernel of N^(-1/2) sum_i a_i relu(w_i.x) has the mean |x||x'|(kappa_1 + cos(theta) kappa_0)/2 at
    every width N.

    Layers of units with independent weights: there is no finite-width correction of the mean.
    """
    return _one_hidden_layer(
        1,
        {
            "quick": Budget(trials=32_768, margin=0.016),
            "standard": Budget(trials=524_288, margin=0.004),
            "paper": Budget(trials=1_000_000, margin=0.0015),
        },
    )


@theory.claim(control=True, expected="fails")
def one_hidden_layer_off_by_one_per_cent() -> Claim:
    """Control: the same kernel, 1 % larger."""
    import sympy as sp

    return _one_hidden_layer(
        sp.Rational(101, 100),
        {
            "quick": Budget(trials=65_536, margin=0.003),
            "standard": Budget(trials=262_144, margin=0.003),
            "paper": Budget(trials=1_000_000, margin=0.003),
        },
    )


def _deep(prediction: Any, simulation: Any, observable: str, parameters: Any, points: Any, every: Any = None) -> Claim:
    from theorylab.checks import Asymptotic

    def no_bias(value: Any, C_b: Any, **rest: Any) -> Any:
        rest = {k: 0.0 if k == "lambda_b" else v for k, v in rest.items()}
        return prediction(C_b=0.0, **rest)

    return Claim(
        prediction=prediction,
        simulation=simulation,
        check=Asymptotic(size="n", observable=observable),
        points=points,
        parameters=parameters,
        mutants=[
            Mutant("without biases", no_bias),
            Mutant("one layer less", lambda value, L, **rest: prediction(L=L - 1, **rest)),
        ],
        budgets={
            "quick": Budget(trials=4_096, margin=0.05, sizes=(8, 16, 32, 64)),
            "standard": Budget(trials=40_960, margin=0.02, sizes=(16, 32, 64, 128), points=every),
            "paper": Budget(trials=100_000, margin=0.01, sizes=(32, 64, 128, 256), points=every),
        },
    )


def _networks(names: Any, **rest: Any) -> list[dict[str, Any]]:
    return [{"activation": name, "C_W": 1.5, "C_b": 0.1, **rest} for name in names]


ACTIVATIONS = ("relu", "erf", "tanh", "sin", "leaky", "gelu")


def _tangent(points: Any, every: Any, mutants: Any = ()) -> Claim:
    from dataclasses import replace

    from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d
    from theorylab.parameters import Integers, Parameter
    from theorylab.sims.infinite_width.random_networks import empirical_kernels

    outputs = Parameter("outputs", Integers(1), "outputs averaged over", default=8)
    claim = _deep(d.NTK, empirical_kernels, "ntk", [d.WIDTH, outputs], points, every)
    slopes = Mutant("without C_W on the term with the slopes", d.without_weights_on_slopes)
    return replace(claim, mutants=[*(mutants or claim.mutants), slopes])


@theory.claim
def tangent_kernel() -> Claim:
    """The tangent kernel of a random network of L weight layers tends to Theta^(L), like 1/width, with C_W = 1.5 on
    the term with the slopes as well.

    Six activations and up to four weight layers at `standard`. At width 64 the mean is within 2 % of its limit.
    """
    rates = {"lambda_W": 1.5, "lambda_b": 0.1}
    return _tangent(
        _networks(("relu", "erf"), L=3, theta=0.9, **rates),
        [*_networks(ACTIVATIONS, L=3, theta=0.9, **rates), *_networks(("relu", "erf"), L=4, theta=1.2, **rates)],
    )


@theory.claim(source=LEE)
def covariance_of_outputs() -> Claim:
    """The covariance of the outputs of a random network given its hidden layers tends to K^(L), like 1/width.

    Layer by layer the preactivations of the units are independent given the kernel of the layer below, so that widths
    cost what they count.
    """
    from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d
    from theorylab.sims.infinite_width.random_networks import covariance_chain

    return _deep(
        d.NNGP,
        covariance_chain,
        "value",
        [d.WIDTH],
        _networks(("leaky", "tanh"), L=3, theta=0.9),
        [*_networks(ACTIVATIONS, L=3, theta=0.9), *_networks(("relu", "erf"), L=5, theta=1.2)],
    )


@theory.claim
def learning_rates() -> Claim:
    """With learning rates lambda_W/n of the weights and lambda_b of the biases, Theta^(l+1) = lambda_b + lambda_W E phi
    phi + C_W E[phi' phi'] Theta^(l)."""
    from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d

    def as_variances(value: Any, C_W: Any, C_b: Any, lambda_W: Any, lambda_b: Any, **rest: Any) -> Any:
        return d.NTK(C_W=C_W, C_b=C_b, lambda_W=C_W, lambda_b=C_b, **rest)

    point = {"L": 3, "theta": 0.9, "C_W": 2.0, "C_b": 0.3, "lambda_W": 0.5, "lambda_b": 1.2}
    return _tangent(
        _networks(("relu",), **point),
        _networks(("relu", "erf"), **point),
        [Mutant("C_W and C_b for the learning rates", as_variances)],
    )


@theory.claim
def relu_in_depth() -> Claim:
    """Bias-free ReLU networks at C_W = 2 have S <- kappa_1(S), Theta <- kappa_1(S) + Theta kappa_0(S): the general
    recursion agrees, through 100 layers and near coincident inputs."""
    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import ntk_nngp_toolbox as d
    from theorylab.parameters import Space
    from theorylab.prediction import Numerical

    def general(L: Any, theta: Any) -> Any:
        return d.NTK.evaluate(activation="relu", L=L, theta=theta, C_W=2.0, C_b=0.0, lambda_W=2.0, lambda_b=0.0)

    return Claim(
        prediction=d.RELU_DEPTH,
        check=Identity(other=Numerical(function=general, space=Space([d.DEPTH, d.THETA]))),
        points=grid(L=[2, 10, 100], theta=[1e-8, 0.9, 3.0]),
        mutants=[
            Mutant("one layer less", lambda value, L, theta: d.RELU_DEPTH(L=L - 1, theta=theta)),
            Mutant("off by 1 %", lambda value, **_: 1.01 * value),
        ],
        budgets={
            "quick": Budget(trials=1, margin=1e-11),
            "standard": Budget(trials=1, margin=1e-11),
            "paper": Budget(trials=1, margin=1e-11),
        },
    )
