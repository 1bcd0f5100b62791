r"""The mean squared error of SGD with a constant step on a quadratic: its derivation, and the whole curve as the check.

The iteration is $w_{t+1} = (1 - \eta h) w_t - \eta \sigma \xi_t$ with $\xi_t$ standard normal, from $w_0$: gradient
descent on $h w^2 / 2$ with noise of standard deviation $\sigma$ in the gradient. Run it with

    theorylab verify examples/sgd_on_a_quadratic.py --details
    theorylab derive examples/sgd_on_a_quadratic.py
    theorylab predict examples/sgd_on_a_quadratic.py -p t=0:50:6
"""

import numpy as np
import sympy as sp

import theorylab as tl

t = tl.Parameter("t", tl.Integers(0), "number of steps")
eta = tl.Parameter("eta", tl.Interval(0, open_low=True), "step size", default=0.1)
h = tl.Parameter("h", tl.Interval(0, open_low=True), "curvature", default=1.0)
w0 = tl.Parameter("w0", tl.Interval(), "start", default=1.0)
sigma = tl.Parameter("sigma", tl.Interval(0), "standard deviation of the gradient noise", default=1.0)
T, E, H, W, S = (q.symbol for q in (t, eta, h, w0, sigma))
space = tl.Space([t, eta, h, w0, sigma], [tl.Constraint(E * H < 1, "the iteration would overshoot the minimum")])

kept = (1 - E * H) ** 2  # share of w^2 that survives one step
formula = kept**T * W**2 + E**2 * S**2 * (1 - kept**T) / (1 - kept)


def steps() -> list[tl.Step]:
    """From one step to the closed form; every equality is replayed by machine."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    a, xi = sp.symbols("a xi", real=True)
    normal = sp.exp(-(xi**2) / 2) / sp.sqrt(2 * sp.pi)
    stable = {E: (0.1, 0.9), H: (0.1, 0.9)}
    return [
        tl.Step(
            "one step",
            sp.Integral(((1 - E * H) * a - E * S * xi) ** 2 * normal, (xi, -sp.oo, sp.oo)),
            kept * a**2 + E**2 * S**2,
            "the noise has mean 0, variance 1, and is independent of the iterate a",
        ),
        tl.Step(
            "all steps",
            kept**T * W**2 + E**2 * S**2 * sp.Sum(kept**k, (k, 0, T - 1)),
            formula,
            "the recursion unrolled, and the geometric sum",
            where=stable,
        ),
        tl.Step(
            "consistency",
            formula.subs(T, T + 1),
            kept * formula + E**2 * S**2,
            "the closed form satisfies the recursion",
            where=stable,
        ),
    ]


def sgd(trials, rng, *, t, eta, h, w0, sigma):  # type: ignore[no-untyped-def]
    """The squared error at the steps `t` of each trial, array[trials, len(t)]."""
    noise = rng.normal(trials, int(t.max()))
    w = np.full((trials, 1 + noise.shape[1]), w0)
    for i in range(noise.shape[1]):
        w[:, i + 1] = w[:, i] - eta * (h * w[:, i] + sigma * noise[:, i])
    return w[:, t.astype(int)] ** 2


learning_curve = tl.Claim(
    name="sgd-on-a-quadratic/learning-curve",
    statement="SGD on h w^2/2 has E w_t^2 = a^t w_0^2 + eta^2 sigma^2 (1 - a^t)/(1 - a), where a = (1 - eta h)^2.",
    prediction=tl.ClosedForm(
        expr=formula,
        space=space,
        quantity="E w_t^2",
        conventions={"noise": "added to the gradient, not to the iterate"},
        derivation=tl.Derivation("a textbook recursion", steps),
    ),
    simulation=sgd,
    check=tl.Curve(axis="t", scale="peak"),
    points=[{"t": [0, 1, 2, 5, 10, 20, 50]}, {"t": [0, 1, 2, 5, 10, 20, 50], "eta": 0.5}],
    mutants=[
        tl.Mutant("the factor eta^2 forgotten", formula.subs(S, S / E)),
        tl.Mutant("1 - eta h for its square", (1 - E * H) ** T * W**2 + E * S**2 / H * (1 - (1 - E * H) ** T)),
        tl.Mutant("no noise", kept**T * W**2),
    ],
    budgets={
        "quick": tl.Budget(trials=40_000, margin=0.03),
        "standard": tl.Budget(trials=400_000, margin=0.01),
    },
)
