r"""Grokking as the passage from lazy to rich training: a quadratic network on a quadratic target.

Model
    Inputs $x \sim N(0, I_D)$, $h_i = w_i \cdot x/\sqrt D$, output $f = \frac\alpha N \sum_i \phi(h_i)$ with
    $\phi(h) = h + \frac\epsilon2 h^2$, target $y = \frac12 (\beta \cdot x)^2/D$ with $|\beta|^2 = D$, $P = \nu D$
    samples. $\alpha$ is the laziness (large is lazy), $\epsilon$ the alignment of the tangent kernel at the start with
    the target. Full-batch gradient descent with rate $\eta N D/\alpha^2$ on $\frac1{2P} \sum \Delta^2$, where
    $\Delta = y - f$, or $y - f + f(0)$ for a centred output. Weights start normal, with an overlap $\pm m_0$ with the
    teacher.
Result
    (A) With $m_i = w_i \cdot \beta/D$, $Q_{ij} = w_i \cdot w_j/D$, $k = \alpha\epsilon/N$,
    $T = k\, \mathrm{tr}\, Q - 1$ and $S_2 = k^2 \sum Q_{ij}^2 - 2 k \sum m_i^2 + 1$ the test loss is
    $\frac12 [\frac{\alpha^2}{N^2} \sum Q_{ij} + \frac14 (2 S_2 + T^2)]$, exactly, at any D, N and w.
    (B) On infinitely many samples (m, Q) close: see `grokking_population`.
    (C) On finitely many, two-time kernels close as D grows: see `grokking_dmft`. With $m_0 = 0$ the overlap with the
    teacher stays zero in the limit (a network of finite D escapes from $m \sim D^{-1/2}$ after a time $\sim \ln D$):
    for rich training at finite times the theory needs $m_0 > 0$.
    (D) $\alpha \to \infty$ with a centred output: descent with the tangent kernel of the start, see `grokking_lazy`.
    Grokking: the train loss falls by the kernel of the start, the test loss only when the neurons have turned, at a
    time that grows with $\alpha$ and falls with $\epsilon$; at fixed $\epsilon$ the ratio of the times grows with
    $\alpha$.
Range
    (C) is a theory of a fixed number of steps: its numerical error, returned with every value, grows with them. At
    N = 4, $\epsilon$ = 0.3 and 1024 samples a batch it is 3 % of the train loss at the time $\eta t$ = 3, 10 % at 7 and
    25 % at 24; of the test loss 1, 2 and 9 %. Late losses need many samples; claims stop where the error is inside
    their margins.
Source
    Kumar, Bordelon, Gershman and Pehlevan, arXiv:2310.06110v3: the polynomial regression task and its mean-field
    theory. (A)-(C) as derived here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.derivation import Derivation
from theorylab.derivations.learning_dynamics import grokking_dmft as dmft
from theorylab.derivations.learning_dynamics import grokking_lazy as lazy
from theorylab.derivations.learning_dynamics import grokking_lazy_rich_steps as steps
from theorylab.derivations.learning_dynamics import grokking_losses as losses
from theorylab.derivations.learning_dynamics.grokking_population import Population, alike
from theorylab.parameters import Choices, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical, PredictionError

POSITIVE = Interval(0.0, open_low=True)
DIMENSION = Parameter("D", Integers(2), "dimension of the inputs", default=100)
NEURONS = Parameter("N", Integers(1, 64), "number of neurons", default=2)
NU = Parameter("nu", POSITIVE, "samples over dimension, P/D", default=3.0)
ALPHA = Parameter("alpha", POSITIVE, "laziness: scale of the output, large is lazy", default=1.0)
EPS = Parameter("eps", POSITIVE, "alignment of the tangent kernel at the start with the target", default=0.6)
ETA = Parameter("eta", POSITIVE, "learning rate, in units of alpha^2/(N D)", default=0.1)
OVERLAP = Parameter(
    "overlap", Interval(0.0, 1.0, open_high=True), "overlap of each neuron with the teacher", default=0.0
)
OUTPUT = Parameter("output", Choices(("plain", "centred")), "whether the output at the start is subtracted", "plain")
STEPS = Parameter("t", Integers(0), "steps of gradient descent", default=12)
TIME = Parameter("time", Interval(0.0), "time of the flow, eta times steps", default=1.0)
SAMPLES = Parameter("samples", Integers(512), "samples of the single-sample process, a power of two", default=8192)
THRESHOLD = Parameter("threshold", Interval(0.0, 1.0, True, True), "loss to be reached, over that of f = 0", 0.2)
LONGEST = Parameter("steps", Integers(2), "steps within which both losses are to reach it", default=60)
OVERLAPS = Parameter("overlaps", Observed("inner products of the weights over D, float[N, N]"), "Q")
TEACHER = Parameter("teacher", Observed("inner products of weights and teacher over D, float[N]"), "m")
INPUTS = Parameter("inputs", Observed("training inputs, float[P, D]"), "inputs")
WEIGHTS = Parameter("weights", Observed("weights at the start, float[D, N]"), "weights")
INNER = Parameter("inner", Observed("inner products of pairs of inputs, float[pairs]"), "x.x'")
D, N, alpha, eps = (p.symbol for p in (DIMENSION, NEURONS, ALPHA, EPS))
CONVENTIONS = {
    "loss": "half the mean squared error, on training samples and on fresh ones",
    "rate": "learning rate eta N D/alpha^2: dw = (eta/alpha) (sqrt(D)/P) sum Delta phi'(h) x",
    "inputs": "N(0, I_D), h = w.x/sqrt(D)",
    "teacher": "|beta|^2 = D",
}
_ROUNDING = 1e-12
_TIME = {**CONVENTIONS, "t": "counts steps; t = 0 is the start"}
_A = Derivation("Isserlis' theorem", steps.loss)
_B = Derivation("Isserlis' theorem", steps.population)
_C = Derivation("cavity method", steps.finite)
_D = Derivation("linearisation", steps.lazy)


def _test_loss(*, alpha: Any, eps: Any, overlaps: Any, teacher: Any) -> tuple[np.ndarray, np.ndarray]:
    value = losses.of_overlaps(float(alpha), float(eps), overlaps, teacher).sum(axis=-1)
    return value, _ROUNDING * value


def listed(gram: np.ndarray) -> np.ndarray:
    """m, then Q by rows from the diagonal on, of inner products of weights and teacher."""
    n = gram.shape[-1] - 1
    return np.concatenate([gram[:, :n, n], *(gram[:, i, i:n] for i in range(n))], axis=1)


def one_step(
    *, alpha: Any, eps: Any, eta: Any, overlaps: Any, teacher: Any, trace: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """`ONE_STEP`; `trace` is a factor on the term of the trace, 1 but for mutants."""
    n = teacher.shape[-1]
    model = Population(float(alpha), float(eps), n, trace=trace)
    value = listed(model.step(model.gram(overlaps, teacher), float(eta)))
    return value, np.full(value.shape, _ROUNDING)


def descent_given(
    *, alpha: Any, eps: Any, eta: Any, output: Any, t: Any, overlaps: Any, teacher: Any, trace: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """`DESCENT_GIVEN`; `trace` as in `one_step`."""
    model = Population(float(alpha), float(eps), teacher.shape[-1], str(output) == "centred", trace)
    grams = model.descent(model.gram(overlaps, teacher), float(eta), np.atleast_1d(t))
    value = np.moveaxis(model.loss(grams).sum(axis=-1), 0, -1)
    return value, _ROUNDING * value


def at_points(evaluate: Callable[..., Any], along: str, arrays: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """`evaluate(values along, **one point) -> (value, error)` at all points of broadcast arrays, curves together."""
    names = [n for n in arrays if n != along]
    columns = np.broadcast_arrays(*(arrays[n] for n in names), arrays[along])
    shape = columns[-1].shape
    flat = [c.ravel() for c in columns]
    value, error = np.empty(columns[-1].size), np.empty(columns[-1].size)
    keys = list(zip(*(c.tolist() for c in flat[:-1])))
    for key in dict.fromkeys(keys):
        where = np.array([k == key for k in keys])
        value[where], error[where] = evaluate(flat[-1][where], **dict(zip(names, key)))
    return value.reshape(shape), error.reshape(shape)


def _discrete(**arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    def one(t: Any, *, N: float, alpha: float, eps: float, eta: float, overlap: float, output: str) -> Any:
        model = Population(alpha, eps, int(N), output == "centred")
        value = model.loss(model.descent(model.gram(*alike(int(N), overlap)), eta, t)).sum(axis=-1)
        return value, _ROUNDING * value

    return at_points(one, "t", arrays)


def flow(*, trace: float = 1.0, **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """`FLOW`; `trace` as in `one_step`."""

    def one(time: Any, *, N: float, alpha: float, eps: float, overlap: float, output: str) -> Any:
        model = Population(alpha, eps, int(N), output == "centred", trace)
        parts, error = model.flow(model.gram(*alike(int(N), overlap)), time)
        return parts.sum(axis=-1), error.sum(axis=-1)

    return at_points(one, "time", arrays)


def _setting(N: float, nu: float, alpha: float, eps: float, eta: float, overlap: float, output: str) -> dmft.Setting:
    return dmft.Setting(int(N), nu, alpha, eps, eta, overlap, output == "centred")


def finite(
    quantity: Callable[[dmft.Path], np.ndarray],
    label: str,
    noise: Callable[[float], float] = lambda nu: 1.0,
    equal_time: float = 1.0,
) -> Numerical:
    """A quantity along training on finitely many samples.

    Parameters
    ----------
    quantity
        Of a path, float64[T + 1].
    label
        What it is, in words.
    noise, equal_time
        Factors on the noise's covariance, at a nu, and on the response at equal times: 1 but for mutants.
    """

    def one(t: Any, *, samples: float, **at: Any) -> Any:
        setting = replace(_setting(**at), noise=noise(at["nu"]), equal_time=equal_time)
        value, error = dmft.median([quantity(p) for p in dmft.paths(setting, int(t.max()), int(samples))])
        return value[t.astype(int)], error[t.astype(int)]

    return Numerical(
        function=lambda **arrays: at_points(one, "t", arrays),
        space=Space([NEURONS, NU, ALPHA, EPS, ETA, OVERLAP, OUTPUT, STEPS, SAMPLES]),
        quantity=label,
        conventions=_TIME,
        derivation=_C,
        formula=r"\langle \Delta(t)^2 \rangle/2",
    )


def crossing(loss: np.ndarray, level: float) -> float:
    """Steps after which a loss first falls below a level, logarithms interpolated.

    Raises
    ------
    PredictionError
        When it does not.
    """
    below = np.flatnonzero(loss < level)
    if below.size == 0 or below[0] == 0:
        raise PredictionError(
            f"the loss does not fall through {level:.4g} within {loss.size - 1} steps (it ends at {loss[-1]:.4g}): "
            "take more steps, or another threshold"
        )
    high, low = np.log(loss[below[0] - 1 : below[0] + 1] / level)
    return float(below[0] - 1 + high / (high - low))


def _falls(of: Callable[[float, float], float]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A function of the times at which train and test loss fall through the threshold."""

    def one(threshold: Any, *, samples: float, steps: float, **at: Any) -> Any:
        found = dmft.paths(_setting(**at), int(steps), int(samples))
        eta = at["eta"]

        def value(path: dmft.Path, level: float) -> float:
            test = crossing(path.test.sum(axis=1), level)
            return of(eta * crossing(path.train, level), eta * test)

        # E y^2/2 = 3/8.
        return dmft.median([[value(p, 0.375 * part) for part in threshold] for p in found])

    return lambda **arrays: at_points(one, "threshold", arrays)


def _time_prediction(of: Callable[[float, float], float], label: str, formula: str) -> Numerical:
    return Numerical(
        function=_falls(of),
        space=Space([NEURONS, NU, ALPHA, EPS, ETA, OVERLAP, OUTPUT, THRESHOLD, LONGEST, SAMPLES]),
        quantity=label,
        conventions={**CONVENTIONS, "time": "eta times steps; logarithms are natural"},
        derivation=_C,
        formula=formula,
    )


def _lazy(*, eps: Any, eta: Any, t: Any, inputs: Any, weights: Any) -> tuple[np.ndarray, np.ndarray]:
    value = lazy.losses(inputs, weights, float(eps), float(eta), np.atleast_1d(t).astype(int))
    return value, _ROUNDING * np.abs(value)


def _kernel(*, D: Any, eps: Any, inner: Any) -> tuple[np.ndarray, np.ndarray]:
    value = inner * (1.0 + eps**2 * inner / D)
    return value, _ROUNDING * np.abs(value)


TEST_LOSS = Numerical(
    function=_test_loss,
    space=Space([ALPHA, EPS, OVERLAPS, TEACHER]),
    quantity="test loss, from the overlaps",
    conventions=CONVENTIONS,
    derivation=_A,
    formula=r"\frac12 \left[\frac{\alpha^2}{N^2} \sum_{ij} Q_{ij} + \frac14 (2 S_2 + T^2)\right]",
)
START = ClosedForm(
    expr=steps.expected_start(N, alpha, eps, D),
    space=Space([DIMENSION, NEURONS, ALPHA, EPS]),
    quantity="expected loss at the start, not centred",
    conventions=CONVENTIONS,
    derivation=_A,
    corners=({"D": 2, "N": 1, "alpha": 1.0, "eps": 1.0}, {"D": 10**6, "N": 64, "alpha": 1e-3, "eps": 1e3}),
)
ONE_STEP = Numerical(
    function=one_step,
    space=Space([ALPHA, EPS, ETA, OVERLAPS, TEACHER]),
    quantity="m, then Q by rows from the diagonal on, after a step on infinitely many samples",
    conventions=CONVENTIONS,
    derivation=_B,
    formula=r"G \mapsto (1 - \tfrac\eta\alpha M) G (1 - \tfrac\eta\alpha M)^T",
)
DESCENT_GIVEN = Numerical(
    function=descent_given,
    space=Space([ALPHA, EPS, ETA, OUTPUT, STEPS, OVERLAPS, TEACHER]),
    quantity="test loss on infinitely many samples, from the overlaps at the start",
    conventions=_TIME,
    derivation=_B,
    formula=r"L(G_t), \quad G_{t+1} = (1 - \tfrac\eta\alpha M_t) G_t (1 - \tfrac\eta\alpha M_t)^T",
)
DESCENT = Numerical(
    function=_discrete,
    space=Space([NEURONS, ALPHA, EPS, ETA, OVERLAP, OUTPUT, STEPS]),
    quantity="test loss on infinitely many samples",
    conventions=_TIME,
    derivation=_B,
    formula=DESCENT_GIVEN.formula,
)
FLOW = Numerical(
    function=flow,
    space=Space([NEURONS, ALPHA, EPS, OVERLAP, OUTPUT, TIME]),
    quantity="test loss on infinitely many samples, gradient flow",
    conventions=CONVENTIONS,
    derivation=_B,
    formula=r"L(G(t)), \quad \dot G = -\tfrac1\alpha (M G + G M^T)",
)


def short_steps(eta: float) -> Numerical:
    """The flow by steps of gradient descent of a rate that is small."""

    def function(*, time: Any, **arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        return _discrete(**arrays, eta=np.asarray(eta), t=np.round(np.asarray(time) / eta))

    return Numerical(
        function=function,
        space=FLOW.space,
        quantity=FLOW.quantity,
        conventions=CONVENTIONS,
        derivation=_B,
        formula=DESCENT.formula,
    )


def train_of(path: dmft.Path) -> np.ndarray:
    """The train loss along training."""
    return path.train


def test_of(path: dmft.Path) -> np.ndarray:
    """The test loss along training, from the overlaps."""
    return np.asarray(path.test.sum(axis=1))


TRAIN = finite(train_of, "train loss")
TEST = finite(test_of, "test loss")
DELAY = _time_prediction(
    lambda train, test: math.log(test / train), "delay ln(t_test/t_train)", r"\ln(t_{\rm test}/t_{\rm train})"
)
TRAIN_TIME = _time_prediction(lambda train, test: math.log(train), "ln t_train", r"\ln t_{\rm train}")
TEST_TIME = _time_prediction(lambda train, test: math.log(test), "ln t_test", r"\ln t_{\rm test}")
LAZY = Numerical(
    function=_lazy,
    space=Space([EPS, ETA, STEPS, INPUTS, WEIGHTS]),
    quantity="train losses, then test losses, of training with the tangent kernel of the start",
    conventions={**_TIME, "loss": "over that of f = 0, on the same data"},
    derivation=_D,
    formula=r"\Delta_{t+1} = (1 - \tfrac\eta P K) \Delta_t",
)
KERNEL = Numerical(
    function=_kernel,
    space=Space([DIMENSION, EPS, INNER]),
    quantity="expected tangent kernel at the start",
    conventions=CONVENTIONS,
    derivation=_D,
    formula=r"x \cdot x' (1 + \epsilon^2 x \cdot x'/D)",
)
ALIGNMENT = ClosedForm(
    expr=eps**2 / 4 * (1 + 8 / D),
    space=Space([DIMENSION, EPS]),
    quantity="alignment E y(x) K(x, x') y(x') of the tangent kernel at the start with the target",
    conventions=CONVENTIONS,
    derivation=_D,
)
