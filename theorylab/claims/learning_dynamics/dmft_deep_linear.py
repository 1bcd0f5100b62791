"""Deep linear networks of infinite width that learn features: the two-time equations against trained networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.claim import Budget, Claim, Mutant, Source
from theorylab.parameters import Choices, Parameter
from theorylab.theory import Theory

theory = Theory(
    "learning_dynamics/dmft-deep-linear",
    title="Dynamical mean-field theory of deep linear networks",
    source=Source(
        authors="Blake Bordelon and Cengiz Pehlevan",
        title="Self-Consistent Dynamical Field Theory of Kernel Evolution in Wide Neural Networks",
        year=2022,
        where="section 4.2 and appendix F",
        arxiv="2205.09653v3",
    ),
)

ACTIVATION = Parameter("activation", Choices(("linear",)), "activation of the networks", "linear")
TWO = {"L": 2, "gamma": 1.5, "rate": 0.04, "K": 1.0, "y": 1.0}
THREE = {"L": 3, "gamma": 1.0, "rate": 0.03, "K": 1.0, "y": 1.0}
OTHER = {"L": 2, "gamma": 0.5, "rate": 0.05, "K": 0.7, "y": 1.5}
TIMES = np.array([2.0, 6.0, 12.0])
# Of kernels: at the first updates what the norms do not explain is a product of fluctuations, with heavy tails.
LATE = np.array([6.0, 12.0])
QUICK, STANDARD, PAPER = (32, 64, 128, 256), (64, 128, 256, 512), (500, 1000, 2000, 4000)


def _variants() -> tuple[Any, Any]:
    """Wrong equations: without responses, and with the layer's own gradients for those above it."""
    from theorylab.derivations.learning_dynamics.linear_dmft import Window

    class NoResponses(Window):
        """The fields of a layer are those of independent weights."""

        def forward_coefficients(self, layer: int, t: int, new: slice) -> np.ndarray:
            return super().forward_coefficients(layer, t, new) - self.A[layer - 1, new, :t]

        def backward_coefficients(self, layer: int, t: int) -> np.ndarray:
            return super().backward_coefficients(layer, t) - self.B[layer + 1, t, : t * self.patterns]

    class OwnGradients(Window):
        """G_l in the place of G_(l+1), found by iteration: the row depends on itself."""

        own: np.ndarray | None = None

        def down(self, layer: int, t: int, new: slice) -> None:
            self.own = None
            super().down(layer, t, new)
            change = np.inf if t else 0.0
            while change > 1e-13:
                self.own = self.G[layer, t, :t].copy()
                super().down(layer, t, new)
                change = float(np.max(np.abs(self.G[layer, t, :t] - self.own)))

        def backward_coefficients(self, layer: int, t: int) -> np.ndarray:
            right = super().backward_coefficients(layer, t)
            if self.own is None:
                return right
            extra = (self.own - self.G[layer + 1, t, :t])[:, None] * self.errors[:t]
            return np.asarray(right + self.eta * extra.ravel())

    return NoResponses, OwnGradients


def _late(name: str) -> Any:
    """One update more: sums over s <= t."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    def function(value: Any, *, t: Any, norms: Any, **at: Any) -> Any:
        return value + d.ONE[name](t=t + 1.0, **at) - d.ONE[name](t=t, **at)

    return function


def _network(name: str, mutants: Any, budgets: Any, points: Any, prediction: Any = None) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    return Claim(
        prediction=d.GIVEN[name] if prediction is None else prediction,
        simulation=sim.one_pattern,
        check=Asymptotic(size="N", observable=name, given=("norms",)),
        points=points,
        parameters=[d.WIDTH, ACTIVATION],
        mutants=mutants,
        budgets=budgets,
    )


def _variant(name: str, rows: Any) -> Any:
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    return replace(d.GIVEN[name], function=d.at_norms(name, rows))


def _points(*points: Any, times: np.ndarray = TIMES) -> list[dict[str, Any]]:
    return [{**p, "t": times} for p in points]


@theory.claim
def output() -> Claim:
    """As the width grows, the output of a deep linear network under gradient descent tends to that of the two-time
    equations at every update, like 1/N.

    Mean over pairs with readouts of opposite sign, less what the norms of the initial weights explain.
    """
    none, _ = _variants()
    mutants = [
        Mutant("without responses: independent weights forward and backward", _variant("f", none)),
        Mutant("sums over s <= t", _late("f")),
    ]
    points = _points(TWO, THREE, OTHER)
    budgets = {
        "quick": Budget(384, 0.05, sizes=QUICK, points=points[:1]),
        "standard": Budget(1024, 0.01, sizes=STANDARD),
        "paper": Budget(2048, 0.003, sizes=PAPER),
    }
    return _network("f", mutants, budgets, points)


@theory.claim(control=True, expected="fails")
def control_output() -> Claim:
    """The output at a learning rate that is higher by 5 %."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    def faster(*, rate: Any, **at: Any) -> Any:
        return d.at_norms("f")(rate=1.05 * rate, **at)

    budgets = {b: Budget(768, 0.01, sizes=QUICK) for b in ("quick", "standard", "paper")}
    mutant = Mutant("half of the output", lambda value, **_: value / 2)
    return _network("f", [mutant], budgets, _points(TWO), replace(d.GIVEN["f"], function=faster))


@theory.claim
def fields() -> Claim:
    """As the width grows, the mean squared fields H_l(t, t) of all layers tend to those of the two-time equations."""
    none, _ = _variants()
    mutants = [
        Mutant("before training", lambda value, *, K, **_: value * 0 + K),
        Mutant("sums over s <= t", _late("H")),
        Mutant("without responses", _variant("H", none)),
    ]
    points = _points(TWO, THREE, times=LATE)
    budgets = {
        "quick": Budget(768, 0.03, sizes=QUICK, points=points[:1]),
        "standard": Budget(768, 0.02, sizes=STANDARD),
        "paper": Budget(2048, 0.005, sizes=PAPER),
    }
    return _network("H", mutants, budgets, points)


@theory.claim(control=True, expected="fails")
def control_fields() -> Claim:
    """Kernels H_l that are larger by 1 %."""
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    budgets = {b: Budget(1024, 0.006, sizes=QUICK) for b in ("quick", "standard", "paper")}
    mutant = Mutant("half of the kernel", lambda value, **_: value / 2)
    return _network(
        "H", [mutant], budgets, _points(TWO, times=LATE), d.GIVEN["H"].altered(lambda value, **_: 1.01 * value)
    )


@theory.claim
def gradients() -> Claim:
    """As the width grows, the mean squared gradients G_l(t, t) of all layers tend to those of the two-time equations.

    With G_l in the place of G_(l+1) they would be too large, by 40 % in the first layer at gamma = 1.5, the output by
    1 %.
    """
    _, own = _variants()
    mutants = [
        Mutant("G_l for G_(l+1) in the equation for g_l", _variant("G", own)),
        Mutant("before training", lambda value, **_: value * 0 + 1.0),
    ]
    points = _points(TWO, THREE, times=LATE)
    budgets = {
        "quick": Budget(512, 0.1, sizes=QUICK, points=points[:1]),
        "standard": Budget(2048, 0.03, sizes=STANDARD),
        "paper": Budget(4096, 0.01, sizes=PAPER),
    }
    return _network("G", mutants, budgets, points)


@theory.claim
def tangent_kernel() -> Claim:
    """As the width grows, the tangent kernel tends to the sum over l of H_l(t, t) G_(l+1)(t, t)."""
    mutants = [
        Mutant("before training, (L + 1) K", lambda value, *, L, K, **_: value * 0 + (L + 1) * K),
        Mutant("L terms", lambda value, *, L, **_: value * L / (L + 1)),
    ]
    points = _points(TWO, THREE, times=LATE)
    budgets = {
        "quick": Budget(384, 0.08, sizes=QUICK, points=points[:1]),
        "standard": Budget(1536, 0.02, sizes=STANDARD),
        "paper": Budget(4096, 0.007, sizes=PAPER),
    }
    return _network("ntk", mutants, budgets, points)


@theory.claim
def fields_at_two_times() -> Claim:
    """As the width grows, the fields of all layers are correlated between updates t and s as H_l(t, s)."""
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    def equal(value: Any, *, t: Any, **at: Any) -> Any:
        own = d.ONE["H"](t=t, **at)
        return np.sqrt(own[:, :, None] * own[:, None, :])

    points = [{**TWO, "t": np.array([0.0, 20.0])}]
    return Claim(
        prediction=d.ONE["H(t, s)"],
        simulation=sim.two_times,
        check=Asymptotic(size="N", observable="H"),
        points=points,
        parameters=[d.WIDTH, ACTIVATION],
        mutants=[
            Mutant("fields that keep their direction: sqrt(H(t, t) H(s, s))", equal),
            Mutant("before training", lambda value, *, K, **_: value * 0 + K),
        ],
        budgets={
            "quick": Budget(768, 0.08, sizes=QUICK),
            "standard": Budget(4096, 0.03, sizes=STANDARD),
            "paper": Budget(4096, 0.015, sizes=PAPER),
        },
    )


def _pair_of_patterns(name: str, observable: str, mutants: Any, budgets: Any) -> Claim:
    from theorylab.checks import Asymptotic
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d
    from theorylab.sims.learning_dynamics import mean_field_network as sim

    return Claim(
        prediction=d.TWO[name],
        simulation=sim.two_patterns,
        check=Asymptotic(size="N", observable=observable, scale="peak"),
        points=[{"L": 2, "gamma": 1.5, "rate": 0.05, "K": 1.0, "rho": 0.4, "y": 1.0, "y2": -0.8, "t": TIMES[1:]}],
        parameters=[d.WIDTH, ACTIVATION],
        mutants=mutants,
        budgets=budgets,
    )


@theory.claim
def two_patterns() -> Claim:
    """As the width grows, the outputs on two correlated patterns tend to those of the two-time equations on indices
    (time, pattern).

    The gradients g_l are the same for all patterns.
    """
    from theorylab.derivations.learning_dynamics import dmft_deep_linear as d

    def alone(value: Any, *, L: Any, gamma: Any, rate: Any, K: Any, rho: Any, y: Any, y2: Any, t: Any) -> Any:
        at = {"L": L, "gamma": gamma, "rate": rate, "K": K, "t": t}
        return np.stack([d.ONE["f"](y=y, **at), np.sign(y2) * d.ONE["f"](y=np.abs(y2), **at)])

    def lazy(value: Any, *, gamma: Any, **at: Any) -> Any:
        return d.TWO["outputs"](gamma=0.0, **at)

    mutants = [
        Mutant("each pattern alone", alone),
        Mutant("lazy training", lazy),
        Mutant("one update more", lambda value, *, t, **at: d.TWO["outputs"](t=t + 1.0, **at)),
    ]
    budgets = {
        "quick": Budget(384, 0.03, sizes=QUICK),
        "standard": Budget(4096, 0.01, sizes=STANDARD),
        "paper": Budget(4096, 0.005, sizes=PAPER),
    }
    return _pair_of_patterns("outputs", "f", mutants, budgets)


@theory.claim
def tangent_kernel_of_two_patterns() -> Claim:
    """As the width grows, the tangent kernel of two correlated patterns tends to the sum over l of H_l(t mu, t nu)
    G_(l+1)(t, t)."""

    def initial(value: Any, *, L: Any, K: Any, rho: Any, **_: Any) -> Any:
        gram = K * np.array([[1.0, rho], [rho, 1.0]])
        return 0.0 * value + (L + 1.0) * gram[..., None]

    mutants = [
        Mutant("before training", initial),
        Mutant("L terms", lambda value, *, L, **_: value * L / (L + 1)),
    ]
    budgets = {
        "quick": Budget(512, 0.1, sizes=QUICK),
        "standard": Budget(4096, 0.03, sizes=STANDARD),
        "paper": Budget(8192, 0.015, sizes=PAPER),
    }
    return _pair_of_patterns("kernels", "ntk", mutants, budgets)
