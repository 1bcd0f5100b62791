"""Two-layer linear networks in the mean-field parametrisation: kernels that evolve, at any width and in the limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Interval, Parameter
from theorylab.theory import Theory

theory = Theory(
    "learning_dynamics/dmft-two-layer-linear",
    title="Kernel evolution in wide two-layer linear networks: closed form",
    source=Source(
        authors="Blake Bordelon and Cengiz Pehlevan",
        title="Self-Consistent Dynamical Field Theory of Kernel Evolution in Wide Neural Networks",
        year=2022,
        where="section 4.1 and appendix F",
        arxiv="2205.09653v3",
    ),
)

DIMENSION = Parameter("D", Integers(1), "dimension of the inputs", 8)
PATTERNS = Parameter("P", Integers(1), "patterns", 3)
SIZE = Parameter("y", Interval(0.0, open_low=True), "size of every target", 1.0)
UNTIL = Parameter("until", Interval(0.0, open_low=True), "time at which training ends", 2.0)

START = ("gram", "targets", "fields", "readout", "overlap")
UPDATES = np.array([1.0, 4.0, 12.0])
RICH = {"gamma": 2.0, "y": 1.0, "t": np.array([0.1, 0.25, 0.5])}
HALF_RICH = {"gamma": 1.5, "y": 1.2, "t": np.array([0.15, 0.4])}
LAZY = {"gamma": 0.3, "y": 1.0, "t": np.array([0.25, 0.6])}
DATA = {"D": 12, "P": 3, "y": 1.0}
EXACT = {"quick": Budget(4096, 1e-5), "standard": Budget(8192, 1e-6), "paper": Budget(16_384, 1e-6)}


def _given(which: str, mutants: Any, wrong: Any = None) -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear as sim

    right = d.DESCENT_GIVEN[which]
    return Claim(
        prediction=right if wrong is None else replace(right, function=wrong(right.function)),
        simulation=sim.weights_descent,
        check=Expectation(observable=which, given=START, scale="peak"),
        points=[{**DATA, "N": n, "gamma": g, "eta": 0.04, "t": UPDATES} for n, g in ((20, 2.0), (30, 0.4))],
        parameters=[d.WIDTH, DIMENSION, PATTERNS, SIZE],
        mutants=mutants,
        budgets=EXACT,
    )


def _altered(which: str, change: Any) -> Any:
    """A mutant of descent: its state after a step is `change(state, first, second, g)`."""
    from theorylab.derivations.learning_dynamics import two_layer_kernels as maps

    def value(
        _: Any, *, gamma: Any, eta: Any, t: Any, gram: Any, targets: Any, fields: Any, readout: Any, overlap: Any
    ) -> Any:
        state, g, records = maps.Kernels(fields, readout, overlap), float(eta * gamma), []
        for _ in range(int(np.max(t)) + 1):
            records.append(state.overlap / gamma if which == "outputs" else state.tangent(gram))
            errors = targets - state.overlap / gamma
            first, second = (f(state, gram, errors) for f in (maps.first_order, maps.second_order))
            state = maps.Kernels(*(change(*each, g) for each in zip(state, first, second)))
        return np.stack([records[int(s)] for s in t], axis=1)

    return value


@theory.claim
def outputs_at_any_width() -> Claim:
    """Under gradient descent the outputs of a network of any width are those of the closed equations for H, G and
    c = gamma f from its own initial kernels: exactly, at any learning rate.

    Every trial has its own inputs and weights, and trains the weights themselves; the networks agree with the equations
    to rounding.
    """
    mutants = [
        Mutant(
            "first order in the step: gradient flow by Euler's rule", _altered("outputs", lambda x, u, v, g: x + g * u)
        ),
        Mutant("half of the second order", _altered("outputs", lambda x, u, v, g: x + g * u + g**2 * v / 2)),
    ]
    return _given("outputs", mutants)


@theory.claim
def tangent_kernel_at_any_width() -> Claim:
    """The tangent kernel of a two-layer linear network is H + G K, at any width and after any number of updates."""
    mutants = [
        Mutant("H + G: without the inputs", lambda value, *, gram, **_: value + (1 - gram)[:, None]),
        Mutant("first order in the step", _altered("tangent", lambda x, u, v, g: x + g * u)),
        Mutant("1 % more", lambda value, **_: 1.01 * value),
    ]
    return _given("tangent", mutants)


@theory.claim(control=True, expected="fails")
def control_learning_rate() -> Claim:
    """The outputs are those of the closed equations at a learning rate that is lower by 3 %."""

    def slower(right: Any) -> Any:
        return lambda *, eta, **at: right(eta=0.97 * eta, **at)

    return _given("outputs", [Mutant("half of the output", lambda value, **_: value / 2)], slower)


@theory.claim(control=True, expected="fails")
def control_kernel() -> Claim:
    """A tangent kernel that is larger by 1 %."""

    def larger(right: Any) -> Any:
        return lambda **at: (1.01 * right(**at)[0], right(**at)[1])

    return _given("tangent", [Mutant("half of the kernel", lambda value, **_: value / 2)], larger)


@theory.claim
def flow_at_any_width() -> Claim:
    """Under gradient flow dH/dt = gamma (c k^T + k c^T), dG/dt = 2 gamma c.Delta and dc/dt = gamma (H Delta + G k),
    k = K Delta, from a network's own initial kernels.

    The margin is that of the simulation's Runge-Kutta steps.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

    def half(value: Any, **at: Any) -> Any:
        return d.FLOW_GIVEN["outputs"](**{**at, "t": at["t"] / 2.0})

    def frozen(
        value: Any, *, gamma: Any, t: Any, gram: Any, targets: Any, fields: Any, readout: Any, overlap: Any
    ) -> Any:
        """The tangent kernel before training."""
        kernel = fields + readout[:, None, None] * gram
        values, vectors = np.linalg.eigh(kernel)
        errors = np.swapaxes(vectors, 1, 2) @ (targets - overlap / gamma)[..., None]
        left = np.exp(-values[:, None, :] * t[:, None]) * errors[:, None, :, 0]
        return targets[:, None, :] - left @ np.swapaxes(vectors, 1, 2)

    return Claim(
        prediction=d.FLOW_GIVEN["outputs"],
        simulation=sim.gradient_flow,
        check=Expectation(observable="outputs", given=START, scale="peak"),
        points=[{**DATA, "N": n, "gamma": g, "t": np.array([0.2, 0.4])} for n, g in ((12, 2.0), (20, 0.4))],
        parameters=[d.WIDTH, DIMENSION, PATTERNS, SIZE],
        mutants=[Mutant("the tangent kernel before training", frozen), Mutant("half the rate", half)],
        budgets={"quick": Budget(256, 1e-4), "standard": Budget(2048, 5e-5), "paper": Budget(8192, 5e-5)},
    )


@theory.claim
def pairs_of_neurons() -> Claim:
    """Gradient flow conserves a_i a_j - h_i^T K^-1 h_j for every pair of neurons.

    Its absolute value is compared, whose mean is not zero.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

    return Claim(
        prediction=d.CONSERVED,
        simulation=sim.gradient_flow,
        check=Expectation(observable="neurons", given=("neurons_before",)),
        points=[{**DATA, "N": 12, "gamma": 2.0, "t": np.array([0.2, 0.5])}],
        parameters=[d.WIDTH, DIMENSION, PATTERNS, SIZE, d.GAMMA],
        mutants=[
            Mutant("1 % less", lambda value, **_: 0.99 * value),
            Mutant("decays with the learning", lambda value, *, t, **_: np.exp(-0.1 * t) * value),
        ],
        budgets={"quick": Budget(4096, 1e-4), "standard": Budget(8192, 5e-5), "paper": Budget(16_384, 5e-5)},
    )


@theory.claim
def trace() -> Claim:
    """E[G - tr(K^-1 H)] = 1 - P at every time of gradient flow, at every width.

    Each network conserves it; its mean is that before training.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

    return Claim(
        prediction=d.TRACE,
        simulation=sim.gradient_flow,
        check=Expectation(observable="trace"),
        points=[{"D": 8, "P": p, "y": 1.0, "N": 30, "gamma": 2.0, "t": np.array([0.5])} for p in (2, 4)],
        parameters=[d.WIDTH, DIMENSION, SIZE, d.GAMMA, d.TIME],
        mutants=[
            Mutant("1 - P of the lazy limit, without P: tr H", 1 - 2 * d.PATTERNS.symbol),
            Mutant("-P", -d.PATTERNS.symbol),
        ],
        budgets={"quick": Budget(1024, 0.15), "standard": Budget(16_384, 0.03), "paper": Budget(65_536, 0.015)},
    )


@theory.claim
def descent_at_infinite_width() -> Claim:
    """As the width grows, the outputs of gradient descent on P patterns tend to those of the closed equations from
    H = K, G = 1, c = 0, like 1/N.
    """
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear as sim

    def lazy(value: Any, *, gamma: Any, eta: Any, t: Any, gram: Any, targets: Any) -> Any:
        return d.DESCENT["outputs"](gamma=1e-6, eta=eta, t=t, gram=gram, targets=targets)

    def readout_alone(value: Any, *, gamma: Any, eta: Any, t: Any, gram: Any, targets: Any) -> Any:
        values, vectors = np.linalg.eigh(gram)
        left = (1.0 - eta * values[:, None, :]) ** t[:, None] * (np.swapaxes(vectors, 1, 2) @ targets[..., None])[
            :, None, :, 0
        ]
        return targets[:, None, :] - left @ np.swapaxes(vectors, 1, 2)

    points = [{**DATA, "gamma": g, "eta": 0.03, "t": np.array([3.0, 10.0])} for g in (2.0, 0.4)]
    return Claim(
        prediction=d.DESCENT["outputs"],
        simulation=sim.fields_descent,
        check=Asymptotic(size="N", observable="outputs", given=("gram", "targets"), scale="peak"),
        points=points,
        parameters=[d.WIDTH, DIMENSION, PATTERNS, SIZE],
        mutants=[Mutant("lazy training", lazy), Mutant("the readout alone is trained", readout_alone)],
        budgets={
            "quick": Budget(512, 0.03, sizes=(50, 100, 200, 400), points=points[:1]),
            "standard": Budget(4096, 0.004, sizes=(125, 250, 500, 1000)),
            "paper": Budget(4096, 0.001, sizes=(1250, 2500, 5000, 10_000)),
        },
    )


def _flow(prediction: Any, observable: str, mutants: Any, points: Any, margins: Any = (0.02, 0.005, 0.002)) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

    points = [{"P": 1, **p} for p in points]
    return Claim(
        prediction=prediction,
        simulation=sim.whitened_flow,
        check=Asymptotic(size="N", observable=observable),
        points=points,
        parameters=[d.WIDTH, PATTERNS, d.GAMMA, d.TARGET, d.TIME],
        mutants=mutants,
        budgets={
            "quick": Budget(512, margins[0], sizes=(50, 100, 200, 400), points=points[:1]),
            "standard": Budget(4096, margins[1], sizes=(125, 250, 500, 1000)),
            "paper": Budget(4096, margins[2], sizes=(1250, 2500, 5000, 10_000)),
        },
    )


@theory.claim
def closed_form() -> Claim:
    """As the width grows, gradient flow on whitened data learns phi(t) along the targets, with |y| - phi = |y| B^2 /
    (A^2 + cosh(2 B t) + B sinh(2 B t)), A = gamma |y|, B = sqrt(1 + A^2).
    """
    import sympy as sp

    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    def lost_root(value: Any, *, gamma: Any, y: Any, t: Any) -> Any:
        """dphi/dt = 2 (1 + gamma^2 phi^2)(y - phi): t(phi) in closed form, inverted by bisection."""
        low, high = np.zeros_like(value), np.full_like(value, y)
        for _ in range(60):
            phi = (low + high) / 2.0
            a = gamma * y
            logs = -np.log1p(-phi / y) + 0.5 * np.log1p((gamma * phi) ** 2)
            time = (logs + a * np.arctan(gamma * phi)) / (2.0 * (1.0 + a * a))
            low, high = np.where(time < t, phi, low), np.where(time < t, high, phi)
        return (low + high) / 2.0

    mutants = [
        Mutant("(1 + gamma^2 phi^2) without its square root", lost_root),
        Mutant("gamma for gamma^2 in the square root", d.output.subs(d.gamma, sp.sqrt(d.gamma))),
        Mutant("rate 1 instead of 2", d.output.subs(d.t, d.t / 2)),
    ]
    return _flow(d.OUTPUT, "output", mutants, [RICH, HALF_RICH, LAZY])


@theory.claim(control=True, expected="fails")
def control_closed_form() -> Claim:
    """The output at a rate that is higher by 4 %."""
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    wrong = replace(d.OUTPUT, expr=d.output.subs(d.t, d.t * 26 / 25))
    return _flow(wrong, "output", [Mutant("rate 1 instead of 2", d.output.subs(d.t, d.t / 2))], [RICH])


@theory.claim
def kernel() -> Claim:
    """On whitened data the mean squared readout, and field along the targets, grow as sqrt(1 + gamma^2 phi^2)."""
    import sympy as sp

    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    mutants = [
        Mutant("without the square root", d.READOUT_KERNEL.expr**2),
        Mutant("gamma for gamma^2", sp.sqrt(1 + d.gamma * d.output**2)),
        Mutant("2 gamma phi: tangent kernel for the kernel", sp.sqrt(1 + 4 * d.gamma**2 * d.output**2)),
    ]
    return _flow(d.READOUT_KERNEL, "readout", mutants, [RICH, HALF_RICH], (0.03, 0.01, 0.003))


@theory.claim
def final_kernel() -> Claim:
    """Trained to the end, G and H along the targets are sqrt(1 + gamma^2 |y|^2)."""
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    mutants = [
        Mutant("1 + gamma^2 y^2", 1 + d.gamma**2 * d.y**2),
        Mutant("1 + gamma y", 1 + d.gamma * d.y),
        Mutant("gamma y", d.gamma * d.y),
    ]
    return _flow(d.FINAL, "fields", mutants, [{**RICH, "t": np.array([2.5])}, {**HALF_RICH, "t": np.array([3.0])}])


@theory.claim
def final_alignment() -> Claim:
    """Trained to the end on P whitened patterns, the tangent kernel has alignment 2 B / sqrt(4 B^2 + (P-1)(1 + B)^2)
    with the targets, B = sqrt(1 + gamma^2 |y|^2).

    Its eigenvalues are 2 B along the targets and 1 + B across.
    """
    import sympy as sp

    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d

    B, P = sp.sqrt(1 + d.gamma**2 * d.y**2), d.PATTERNS.symbol
    mutants = [
        Mutant("1 + B along the targets, 2 across: H alone moves", (1 + B) / sp.sqrt((1 + B) ** 2 + 4 * (P - 1))),
        Mutant("2 across: G K alone does not move", 2 * B / sp.sqrt(4 * B**2 + 4 * (P - 1))),
        Mutant("before training", 1 / sp.sqrt(P)),
    ]
    points = [
        {"P": 4, "gamma": 2.0, "y": 1.0, "t": np.array([2.5])},
        {"P": 3, "gamma": 1.0, "y": 1.5, "t": np.array([3.0])},
    ]
    return _flow(d.ALIGNMENT, "alignment", mutants, points)


@theory.claim
def time_to_learn() -> Claim:
    """Half of the target is learned after (1/B)(artanh((1 + A v)/B) - artanh(1/B)), v = tanh(asinh(A/2)/2), and other
    fractions likewise.
    """
    import sympy as sp

    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_two_layer_linear as d
    from theorylab.sims.learning_dynamics import two_layer_linear_flow as sim

    points = [
        {"gamma": 2.0, "y": 1.0, "fraction": 0.5, "until": 1.5},
        {"gamma": 3.0, "y": 1.0, "fraction": 1.0 - 0.5**0.5, "until": 1.5},
        {"gamma": 0.3, "y": 1.0, "fraction": 0.8, "until": 4.0},
    ]
    return Claim(
        prediction=d.TIME_TO_REACH,
        simulation=sim.time_to_reach,
        check=Asymptotic(size="N", observable="value"),
        points=points,
        parameters=[d.WIDTH, UNTIL],
        mutants=[
            Mutant("lazy training", -sp.log(1 - d.fraction) / 2),
            Mutant("the final rate throughout", -sp.log(1 - d.fraction) / (2 * sp.sqrt(1 + d.gamma**2 * d.y**2))),
            Mutant("rate 1 instead of 2", 2 * d.TIME_TO_REACH.expr),
        ],
        budgets={
            "quick": Budget(512, 0.03, sizes=(50, 100, 200, 400), points=points[:1]),
            "standard": Budget(2048, 0.01, sizes=(125, 250, 500, 1000)),
            "paper": Budget(4096, 0.003, sizes=(1250, 2500, 5000, 10_000)),
        },
    )
