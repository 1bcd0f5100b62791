"""Linear networks with one hidden layer in the maximal-update parametrisation: exact moments, and their flow."""

from __future__ import annotations

from typing import Any

from theorylab.claim import Budget, Claim, Mutant
from theorylab.claims.infinite_width.mup_limit_one_hidden import MIRRORED, WIDTH, theory
from theorylab.parameters import Integers, Parameter

GRAIN = Parameter("grain", Integers(1), "steps in a unit of training time", 16)
GROWING = Parameter("growing", Integers(0, 1), "1: the steps in a unit of time are grain times the width", 0)


@theory.claim
def linear_networks() -> Claim:
    """At every width a linear network follows its own second moments, S -> (I - eta P) S (I - eta P)."""
    import numpy as np

    from theorylab.checks import Curve
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.sims.infinite_width.mup_network import network

    def first_order(
        _: Any, *, moments: Any, angle: Any, y1: Any, y2: Any, eta: Any, alpha: Any, t: Any, psi: Any
    ) -> Any:
        at = d.circle(np.broadcast_to(psi, np.shape(t)))
        y = np.array([float(y1), float(y2)])
        options = {"eta": float(eta), "alpha": float(alpha), "times": t.astype(int), "order": 1}
        return d.linear_given(np.asarray(moments), d.inputs(float(angle)), y, at, **options)

    t = np.array([1, 3, 10, 30])
    points = [{"n": n, "alpha": a, "eta": e, "t": t} for n, a, e in ((24, 1.0, 0.1), (128, 0.5, 0.2), (512, 2.0, 0.3))]
    return Claim(
        prediction=d.LINEAR_GIVEN,
        simulation=network,
        check=Curve(axis="t", given=("moments",), observable="f", scale="absolute"),
        points=[{**p, "activation": "linear"} for p in points],
        parameters=[WIDTH, MIRRORED, d.ACTIVATION, d.SIGMA_U, d.SIGMA_V],
        mutants=[
            Mutant("without P S P: readout and hidden layer at first order in eta", first_order),
            Mutant("1 % more learning rate", lambda _, **at: d.LINEAR_GIVEN(**{**at, "eta": 1.01 * at["eta"]})),
        ],
        budgets={"quick": Budget(512, 1e-9), "standard": Budget(4096, 1e-9), "paper": Budget(65_536, 1e-9)},
    )


@theory.claim(control=True, expected="fails")
def control_linear_networks() -> Claim:
    """A control: the second moments of a linear network, at a learning rate that is 1 % too large."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    def wrong(**at: Any) -> Any:
        return d.LINEAR_GIVEN.evaluate(**{**at, "eta": 1.01 * at["eta"]})

    return replace(linear_networks(), prediction=replace(d.LINEAR_GIVEN, function=wrong), mutants=())


@theory.claim
def linear_particles() -> Claim:
    """Particles on quadrature nodes and the recursion of second moments are one limit for linear networks."""
    import numpy as np

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.prediction import Numerical

    right = Numerical(
        function=lambda **at: d.OUTPUT.evaluate(activation="linear", **at),
        space=d.LINEAR.space,
        quantity=d.OUTPUT.quantity,
        conventions=d.CONVENTIONS,
        derivation=d.OUTPUT.derivation,
        formula=d.OUTPUT.formula,
    )
    points = [
        {"t": np.array([1, 3, 10, 30]), "eta": e, "sigma_u": u, "sigma_v": v, "alpha": a}
        for e, u, v, a in ((0.1, 1.0, 1.0, 1.0), (0.2, 0.5, 1.2, 0.5), (0.05, 1.5, 0.7, 3.0))
    ]
    return Claim(
        prediction=d.LINEAR,
        check=Identity(other=right),
        points=points[1:2],
        mutants=[
            Mutant("sigma_v for sigma_u", lambda _, **at: d.LINEAR(**{**at, "sigma_u": at["sigma_v"]})),
            Mutant("1 % more learning rate", lambda _, **at: d.LINEAR(**{**at, "eta": 1.01 * at["eta"]})),
        ],
        budgets={k: Budget(1, 1e-10, points=None if k == "quick" else points) for k in ("quick", "standard", "paper")},
    )


def _one_input(prediction: Any, observable: str, times: Any, mutants: Any) -> Claim:
    import numpy as np

    from theorylab.checks import Curve
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.sims.infinite_width.mup_network import one_input

    t = np.array(times)
    points = [{"n": 48, "y": 1.0, "eta": 0.2, "t": t}, {"n": 200, "y": -0.6, "eta": 0.4, "sigma_u": 0.5, "t": t}]
    return Claim(
        prediction=prediction,
        simulation=one_input,
        check=Curve(axis="t", given=("triple",), observable=observable, scale="absolute"),
        points=points,
        parameters=[WIDTH, d.SIGMA_U, d.SIGMA_V],
        mutants=mutants,
        budgets={"quick": Budget(512, 1e-9), "standard": Budget(4096, 1e-9), "paper": Budget(65_536, 1e-9)},
    )


@theory.claim
def one_sample() -> Claim:
    """On one input of length 1 the combinations s_+- = (q + w)/2 +- f of a linear network are multiplied by
    (1 -+ eta r)^2, at every learning rate and width."""
    import numpy as np

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    def unsquared(_: Any, *, triple: Any, y: Any, eta: Any, t: Any) -> Any:
        return d.one_sample(np.asarray(triple), float(y), float(eta) / 2, t.astype(int), "f")

    def flowing(_: Any, *, triple: Any, y: Any, eta: Any, t: Any) -> Any:
        return d.FLOW_GIVEN(triple=triple, y=y, tau=eta * t)

    mutants = [
        Mutant("(1 -+ eta r) once: half the learning rate", unsquared),
        Mutant("gradient flow at time eta t", flowing),
    ]
    return _one_input(d.ONE_SAMPLE_GIVEN, "f", [1, 2, 5, 10], mutants)


@theory.claim
def balance() -> Claim:
    """A step multiplies w - q, the readout's second moment less the hidden one, by 1 - eta^2 r^2: only the flow
    conserves it."""
    import numpy as np

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    def kept(value: Any, *, triple: Any, **_: Any) -> Any:
        return np.broadcast_to((triple[:, 1] - triple[:, 0])[:, None], value.shape)

    return _one_input(d.BALANCE_GIVEN, "balance", [8], [Mutant("conserved", kept)])


@theory.claim
def flow_of_networks() -> Claim:
    """As steps shrink a linear network follows df/dt = (y - f) sqrt(c^2 + 4 f^2) from its own moments at the start,
    c^2 = (q + w)^2 - 4 f^2 conserved, with an error of order of the step.

    The coefficient of the step is 0.04 to 0.35 at unit moments and y = 1, largest halfway to the target.
    """
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.sims.infinite_width.mup_network import small_steps

    tau = np.array([0.25, 0.5, 1.0, 2.0])

    def kernel(_: Any, *, triple: Any, y: Any, tau: Any) -> Any:
        q, w, f = (triple[:, i : i + 1] for i in range(3))
        return y + (f - y) * np.exp(-(q + w) * tau)

    def unmixed(_: Any, *, triple: Any, y: Any, tau: Any) -> Any:
        # f/2 and y/2 in the place of f and y.
        return 2.0 * d.FLOW_GIVEN(triple=triple * np.array([1.0, 1.0, 0.5]), y=y / 2.0, tau=tau)

    return Claim(
        prediction=d.FLOW_GIVEN,
        simulation=small_steps,
        check=Asymptotic(size="grain", observable="f", given=("triple",), scale="peak", order=2),
        points=[{"n": 64, "y": 2.0, "tau": tau}],
        parameters=[WIDTH, GRAIN, GROWING, d.SIGMA_U, d.SIGMA_V],
        mutants=[
            Mutant("kernel regime: the curvature q + w stays", kernel),
            Mutant("f for 2 f under the root", unmixed),
        ],
        budgets={
            "quick": Budget(512, 0.002, sizes=[8, 16, 32, 64]),
            "standard": Budget(4096, 0.0005, sizes=[16, 32, 64, 128],
                               points=[{"n": n, "y": y, "tau": tau} for n in (64, 128) for y in (2.0, -1.5)]),
            "paper": Budget(65_536, 0.0001, sizes=[32, 64, 128, 256, 512]),
        },
    )  # fmt: skip


def _flow(prediction: Any, observable: str, tau: Any, mutants: Any, margins: Any) -> Claim:
    import numpy as np

    from theorylab.checks import Asymptotic
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d
    from theorylab.sims.infinite_width.mup_network import small_steps

    return Claim(
        prediction=prediction,
        simulation=small_steps,
        check=Asymptotic(size="n", observable=observable, order=2),
        points=[{"y": 2.0, "tau": np.array(tau), "growing": 1, "grain": 1}],
        parameters=[WIDTH, GRAIN, GROWING, d.TIME],
        mutants=mutants,
        budgets={
            "quick": Budget(2048, margins[0], sizes=[16, 32, 64, 128]),
            "standard": Budget(
                12_288,
                margins[1],
                sizes=[16, 32, 64, 128, 256],
                points=[{"y": y, "tau": np.array(tau), "growing": 1, "grain": 1} for y in (2.0, -1.2)],
            ),
            "paper": Budget(65_536, margins[2], sizes=[32, 64, 128, 256, 512]),
        },
    )


@theory.claim
def flow() -> Claim:
    """As the width grows and steps shrink like 1/n, the output of a linear network on one input tends to
    f = (a0/4)(u - 1/u) with u from (u - u_-)/(u_+ - u) ~ e^{R tau}, R = sqrt(a0^2 + 4 y^2)."""
    import sympy as sp

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    y, tau = d.LABEL.symbol, d.TIME.symbol
    mutants = [
        Mutant("kernel regime: y (1 - e^(-a0 tau))", y * (1 - sp.exp(-d.a0 * tau))),
        Mutant("a0 = sigma_u^2", d.flow.subs(d.SIGMA_V.symbol, 0)),
        Mutant("f for 2 f: R = sqrt(a0^2 + y^2)", 2 * d.flow.subs(y, y / 2)),
    ]
    return _flow(d.FLOW, "f", [0.5, 1.0], mutants, (0.03, 0.012, 0.005))


@theory.claim(control=True, expected="fails")
def control_flow() -> Claim:
    """A control: the output of the flow, 5 % too large."""
    from dataclasses import replace

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    return replace(flow(), prediction=replace(d.FLOW, expr=1.05 * d.flow), mutants=())


@theory.claim
def feature_change_at_convergence() -> Claim:
    """At convergence the hidden second moment has grown by (sqrt(a0^2 + 4 y^2) - a0)/2."""
    import sympy as sp

    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    y = d.LABEL.symbol
    mutants = [
        Mutant("y for 2 y: (sqrt(a0^2 + y^2) - a0)/2", (sp.sqrt(d.a0**2 + y**2) - d.a0) / 2),
        Mutant("all of it in q: twice", 2 * d.FINAL_CHANGE.expr),
        Mutant("small targets: y^2/a0", y**2 / d.a0),
    ]
    return _flow(d.FINAL_CHANGE, "dq", [3.0], mutants, (0.06, 0.02, 0.01))


@theory.claim
def invariant() -> Claim:
    """All along the flow q - sigma_u^2 = (sqrt(a0^2 + 4 f^2) - a0)/2: q and w grow by the same amount, and
    (q + w)^2 - 4 f^2 is conserved.

    The other side is the integral of dq/dt = 2 (y - f) f, the hidden layer's own equation.
    """
    import sympy as sp

    from theorylab.checks import Identity
    from theorylab.derivations.infinite_width import mup_limit_one_hidden as d

    ranges = {"y": (0.3, 2.0), "sigma_u": (0.4, 1.5), "sigma_v": (0.4, 1.5), "tau": (0.1, 2.0)}
    return Claim(
        prediction=d.FLOW_CHANGE,
        check=Identity(other=d.HIDDEN_LAYER, ranges=ranges),
        mutants=[Mutant("(sqrt(a0^2 + f^2) - a0)/2", (sp.sqrt(d.a0**2 + d.flow**2) - d.a0) / 2)],
        budgets={"quick": Budget(4, 1e-9), "standard": Budget(20, 1e-9), "paper": Budget(100, 1e-9)},
    )
