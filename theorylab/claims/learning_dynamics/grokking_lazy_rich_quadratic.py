"""Quadratic networks between lazy and rich training: exact losses, infinitely many samples, and the lazy limit."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Integers, Parameter
from theorylab.theory import Theory

theory = Theory(
    "learning_dynamics/grokking-lazy-rich-quadratic",
    title="Grokking as the transition from lazy to rich training: a quadratic network on a quadratic target",
    source=Source(
        authors="Kumar, Tanishq and Bordelon, Blake and Gershman, Samuel J. and Pehlevan, Cengiz",
        title="Grokking as the Transition from Lazy to Rich Training Dynamics",
        year=2023,
        where="the polynomial regression task and its theory",
        arxiv="2310.06110v3",
    ),
)

FRESH = Parameter("fresh", Integers(1), "fresh samples of a trial", 64)
BATCH = Parameter("batch", Integers(1), "samples of each of the two steps", 20)
FROM_EACH = Parameter("inputs", Integers(1), "inputs of each of the two sets", 64)
TRAINED = Parameter("steps", Integers(0), "steps of training before the loss is measured", 8)


def _start(factor: float) -> Claim:
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
    from theorylab.prediction import ClosedForm
    from theorylab.sims.learning_dynamics.quadratic_moments import fresh_loss

    def closed(expr: Any) -> ClosedForm:
        return ClosedForm(expr=expr, space=d.START.space, quantity=d.START.quantity, conventions=d.CONVENTIONS)

    points = [
        {"D": 12, "N": 2, "alpha": 1.0, "eps": 0.6, "steps": 0, "fresh": 64},
        {"D": 20, "N": 5, "alpha": 2.0, "eps": 0.3, "steps": 0, "fresh": 64},
    ]
    return Claim(
        prediction=d.START if factor == 1.0 else closed(factor * d.START.expr),
        simulation=fresh_loss,
        check=Expectation(observable="loss"),
        points=points,
        parameters=[d.NU, d.ETA, TRAINED, FRESH],
        mutants=[
            Mutant("full squared error, without the half", 2 * d.START.expr),
            Mutant("linear part of variance alpha^2", d.START.expr + d.alpha**2 / 2 * (1 - 1 / d.N)),
        ],
        budgets={
            "quick": Budget(6_144, 0.05, points=points[:1]),
            "standard": Budget(131_072, 0.01),
            "paper": Budget(524_288, 0.005),
        },
    )


@theory.claim
def loss_at_the_start() -> Claim:
    """A quadratic network with normal weights has, on average, the loss (1/2)(alpha^2/N + (2 S + T)/4) with
    S = k^2 (N + N(N+1)/D) - 2k N/D + 1 and T = k^2 (N^2 + 2N/D) - 2kN + 1, k = alpha eps/N.

    Exact at any D and N: the mean of (A) over the weights. An output that is not centred has the variance alpha^2/N.
    """
    return _start(1.0)


@theory.claim(control=True, expected="fails")
def loss_at_the_start_off_by_four_per_cent() -> Claim:
    """The loss at the start is 4 % higher than it is."""
    from dataclasses import replace

    claim = _start(1.04)
    quick = Budget(49_152, 0.012, points=claim.points[:1])
    return replace(claim, mutants=(), budgets={**claim.budgets, "quick": quick})


@theory.claim
def test_loss_from_overlaps() -> Claim:
    """Whatever its weights, the network's loss on fresh samples is
    (1/2)[(alpha/N)^2 sum Q_ij + (2 S2 + T^2)/4], with S2 = k^2 sum Q_ij^2 - 2k sum m_i^2 + 1 and T = k tr Q - 1.

    Checked on trained networks: every trial is compared with the formula at its own overlaps. The three parts are the
    power in the linear mode, the mismatch of the quadratic forms and that of their traces.
    """
    import numpy as np

    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
    from theorylab.derivations.learning_dynamics import grokking_losses
    from theorylab.sims.learning_dynamics.quadratic_moments import fresh_loss

    def weighted(*weights: float) -> Any:
        def wrong(_: Any, *, alpha: Any, eps: Any, overlaps: Any, teacher: Any) -> Any:
            parts = grokking_losses.of_overlaps(float(alpha), float(eps), overlaps, teacher)
            return parts @ np.array(weights)

        return wrong

    points = [
        {"D": 16, "N": 2, "nu": 3.0, "alpha": 1.0, "eps": 0.6, "eta": 0.1, "steps": 8, "fresh": 64},
        {"D": 30, "N": 4, "nu": 2.0, "alpha": 0.7, "eps": 1.0, "eta": 0.05, "steps": 20, "fresh": 64},
    ]
    return Claim(
        prediction=d.TEST_LOSS,
        simulation=fresh_loss,
        check=Expectation(observable="loss", given=("overlaps", "teacher")),
        points=points,
        parameters=[d.DIMENSION, d.NEURONS, d.NU, d.ETA, TRAINED, FRESH],
        mutants=[
            Mutant("S2 for 2 S2", weighted(1.0, 0.5, 1.0)),
            Mutant("without the traces", weighted(1.0, 1.0, 0.0)),
            Mutant("without the linear mode", weighted(0.0, 1.0, 1.0)),
        ],
        budgets={
            "quick": Budget(32_768, 0.024, points=points[:1]),
            "standard": Budget(131_072, 0.01),
            "paper": Budget(524_288, 0.005),
        },
    )


@theory.claim
def one_step_of_descent() -> Claim:
    """A step on infinitely many samples maps the inner products G of weights and teacher to L G L^T,
    L = 1 - (eta/alpha) M(G): exactly, at any D and eta.

    In the simulation both factors of an inner product take their step on a finite batch of their own, so that the noise
    of the gradients averages out and the expectation is that of infinitely many samples.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
    from theorylab.derivations.learning_dynamics.grokking_population import Population
    from theorylab.sims.learning_dynamics.quadratic_moments import one_step

    def traceless(_: Any, **at: Any) -> Any:
        return d.one_step(**at, trace=0.0)[0]

    def first_order(value: Any, *, alpha: Any, eps: Any, eta: Any, overlaps: Any, teacher: Any) -> Any:
        model = Population(float(alpha), float(eps), teacher.shape[-1])
        gram = model.gram(overlaps, teacher)
        move = float(eta) * model.drift(gram)
        return value - d.listed(move @ gram @ move.swapaxes(-1, -2))

    def halved(_: Any, **at: Any) -> Any:
        return d.ONE_STEP(**{**at, "eta": at["eta"] / 2})

    points = [
        {"D": 10, "N": 2, "alpha": 0.6, "eps": 0.6, "eta": 0.3, "overlap": 0.5, "batch": 32},
        {"D": 16, "N": 3, "alpha": 2.0, "eps": 0.5, "eta": 0.5, "overlap": 0.3, "batch": 32},
    ]
    return Claim(
        prediction=d.ONE_STEP,
        simulation=one_step,
        check=Expectation(observable="moved", given=("overlaps", "teacher"), scale="absolute"),
        points=points,
        parameters=[d.DIMENSION, d.NEURONS, d.OVERLAP, BATCH],
        mutants=[
            Mutant("without the term of the trace T", traceless),
            Mutant("without the square of the step", first_order),
            Mutant("half the learning rate", halved),
        ],
        budgets={
            "quick": Budget(49_152, 0.014, points=points[:1]),
            "standard": Budget(1_048_576, 0.005),
            "paper": Budget(4_194_304, 0.003),
        },
    )


@theory.claim
def many_samples() -> Claim:
    """The test loss of full-batch training on nu D samples tends to that of the closed recursion for (m, Q), like 1/nu,
    at any fixed D and from the overlaps that each network has at the start.
    """
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
    from theorylab.sims.learning_dynamics.quadratic_moments import many_samples as simulation

    def without_trace(_: Any, **at: Any) -> Any:
        return d.descent_given(**at, trace=0.0)[0]

    def changed(**changes: Any) -> Any:
        return lambda _, **at: d.DESCENT_GIVEN(**{**at, **{k: f(at[k]) for k, f in changes.items()}})

    shared = {"D": 16, "eta": 0.2, "t": np.array([2.0, 4.0, 8.0])}
    points = [
        {"N": 3, "alpha": 0.6, "eps": 0.6, "overlap": 0.0, "output": "plain", **shared},
        {"N": 2, "alpha": 1.0, "eps": 0.6, "overlap": 0.4, "output": "centred", **shared},
    ]
    return Claim(
        prediction=d.DESCENT_GIVEN,
        simulation=simulation,
        check=Asymptotic(size="nu", observable="test", given=("overlaps", "teacher")),
        points=points,
        parameters=[d.DIMENSION, d.NEURONS, d.NU, d.OVERLAP],
        mutants=[
            Mutant("without the term of the trace T", without_trace),
            Mutant("half the learning rate", changed(eta=lambda eta: eta / 2)),
            Mutant("half the alignment", changed(eps=lambda eps: eps / 2)),
        ],
        budgets={
            "quick": Budget(1_024, 0.06, points=points[:1], sizes=(12, 24, 48, 96)),
            "standard": Budget(8_192, 0.01, sizes=(32, 64, 128, 256)),
            "paper": Budget(32_768, 0.005, sizes=(32, 64, 128, 256)),
        },
    )


@theory.claim
def flow_of_the_overlaps() -> Claim:
    """Short steps follow the flow dm/dt = -1(1.m)/N - e (2k Q m - 2m + T m), and likewise for Q, e = eps/(2 alpha).

    Two computations: the recursion at eta = 0.002, and Runge-Kutta steps refined until they stand still. They differ by
    the order of eta, 2e-5 here.
    """
    from theorylab.checks import Identity
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d

    points = [
        {"N": 3, "alpha": 1.0, "eps": 0.6, "overlap": 0.0, "output": "plain", "time": 3.0},
        {"N": 2, "alpha": 2.0, "eps": 0.5, "overlap": 0.4, "output": "centred", "time": 6.0},
    ]
    return Claim(
        prediction=d.FLOW,
        check=Identity(other=d.short_steps(0.002)),
        points=points,
        mutants=[
            Mutant("without the term of the trace T", lambda _, **at: d.flow(**at, trace=0.0)[0]),
            Mutant("time in steps of N", lambda _, **at: d.FLOW(**{**at, "time": at["time"] / at["N"]})),
        ],
        budgets={
            "quick": Budget(1, 0.002, points=points[:1]),
            "standard": Budget(1, 0.001),
            "paper": Budget(1, 0.0005),
        },
    )


@theory.claim
def lazy_limit() -> Claim:
    """As alpha grows, a network with centred output trains like its linearisation: train and test loss are those of
    gradient descent with the tangent kernel of the start, up to the order of 1/alpha.

    Every data set and start is compared with its own kernel. The corrections are negative: what is left of feature
    learning helps. At alpha = 8 they are 1 to 6 %.
    """
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
    from theorylab.sims.learning_dynamics.quadratic_moments import centred_training

    def with_kernel(neurons: Any) -> Any:
        def wrong(_: Any, *, eps: Any, eta: Any, t: Any, inputs: Any, weights: Any) -> Any:
            return d.LAZY(eps=eps, eta=eta, t=t, inputs=inputs, weights=neurons(weights))

        return wrong

    shared = {"eta": 0.15, "t": np.array([5.0, 15.0])}
    points = [{"D": 12, "N": 4, "nu": 6.0, "eps": 0.4, **shared}, {"D": 20, "N": 6, "nu": 4.0, "eps": 0.3, **shared}]
    return Claim(
        prediction=d.LAZY,
        simulation=centred_training,
        check=Asymptotic(size="alpha", observable="losses", given=("inputs", "weights")),
        points=points,
        parameters=[d.DIMENSION, d.NEURONS, d.NU, d.ALPHA],
        mutants=[
            Mutant("half the learning rate", lambda _, **at: d.LAZY(**{**at, "eta": at["eta"] / 2})),
            Mutant("kernel of the linear part alone", with_kernel(lambda w: 0.0 * w)),
        ],
        budgets={
            "quick": Budget(640, 0.04, points=points[:1], sizes=(8, 16, 32, 64)),
            "standard": Budget(8_192, 0.01, sizes=(16, 32, 64, 128)),
            "paper": Budget(16_384, 0.005, sizes=(32, 64, 128, 256)),
        },
    )


@theory.claim
def tangent_kernel() -> Claim:
    """The tangent kernel of the start is (x.x')(1 + eps^2 x.x'/D) on average over the weights, at any N.

    Its limit for many neurons, and exact in the mean at N = 1 already.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
    from theorylab.sims.learning_dynamics.quadratic_moments import tangent_kernel as simulation

    points = [{"D": 16, "N": 64, "eps": 1.0, "inputs": 1}, {"D": 32, "N": 32, "eps": 1.5, "inputs": 1}]
    return Claim(
        prediction=d.KERNEL,
        simulation=simulation,
        check=Expectation(observable="kernel", given=("inner",)),
        points=points,
        parameters=[d.NEURONS, FROM_EACH],
        mutants=[
            Mutant("eps for eps^2", lambda _, *, D, eps, inner: inner * (1 + eps / 2 * inner / D)),
            Mutant("the linear part alone", lambda _, *, D, eps, inner: inner),
            Mutant("without 1/D", lambda _, *, D, eps, inner: inner * (1 + eps**2 * inner)),
        ],
        budgets={
            "quick": Budget(65_536, 0.08, points=points[:1]),
            "standard": Budget(4_194_304, 0.02),
            "paper": Budget(16_777_216, 0.01),
        },
    )


@theory.claim
def alignment_at_the_start() -> Claim:
    """The tangent kernel of the start is aligned with the target by E y(x) K(x, x') y(x') = (eps^2/4)(1 + 8/D), at any
    number of neurons: it grows with eps, and vanishes without the quadratic part.
    """
    from theorylab.checks import Expectation
    from theorylab.derivations.learning_dynamics import grokking_lazy_rich_quadratic as d
    from theorylab.sims.learning_dynamics.quadratic_moments import tangent_kernel as simulation

    points = [{"D": 8, "N": 32, "eps": 1.5, "inputs": 96}, {"D": 16, "N": 64, "eps": 1.0, "inputs": 96}]
    return Claim(
        prediction=d.ALIGNMENT,
        simulation=simulation,
        check=Expectation(observable="alignment"),
        points=points,
        parameters=[d.NEURONS, FROM_EACH],
        mutants=[
            Mutant("without 8/D", d.eps**2 / 4),
            Mutant("eps for eps^2", d.eps / 4 * (1 + 8 / d.D)),
        ],
        budgets={
            "quick": Budget(4_096, 0.11, points=points[:1]),
            "standard": Budget(524_288, 0.05),
            "paper": Budget(2_097_152, 0.02),
        },
    )
