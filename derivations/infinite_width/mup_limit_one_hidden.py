r"""A network with one hidden layer in the maximal-update parametrisation: its limit of infinite width.

Model
    $f(x) = (\alpha/n) \sum_i \nu_i \phi(U_i \cdot x)$, $U_i \sim N(0, \sigma_u^2 I)$, $\nu_i \sim N(0, \sigma_v^2)$;
    loss $\frac12 \sum_\mu r_\mu^2$, $r_\mu = f(x_\mu) - y_\mu$; full-batch gradient descent, the gradient with respect
    to $(U_i, \nu_i)$ multiplied by $\eta n/\alpha^2$. In abc notation at $\alpha = 1$: readout $V = \nu/n$ with entries
    $v/\sqrt n$, $U = \sqrt n u$, u and v of variance 1/n, learning rate $n^0$.
Result
    As n grows $f_t(x) \to \alpha E\, \nu_t \phi(U_t \cdot x)$, every neuron following a map given by the residuals: a
    closed system, computed with particles (`mup_limit_particles`). Networks scatter about it by $O(n^{-1/2})$, their
    mean is off by $O(1/n)$. Features move: $\Delta q(x) = E \phi(U_t \cdot x)^2 - E \phi(U_0 \cdot x)^2$ is of order 1.
    - Linear activation: $S = \frac1n \sum_i (U_i, \nu_i)(U_i, \nu_i)^T$ obeys $S \to (I - \eta P) S (I - \eta P)$,
      $P = [[0, g], [g^T, 0]]$, $g = \sum_\mu r_\mu x_\mu$ (at $\alpha = 1$), $f = x^T S_{U\nu}$: at every width.
    - One sample, $|x| = 1$: $s_\pm = (q + w)/2 \pm f$ are multiplied by $(1 \mp \eta r)^2$, $q = x^T S_{UU} x$,
      $w = S_{\nu\nu}$; $w - q$ by $1 - \eta^2 r^2$. Gradient flow: with $a_0 = \sigma_u^2 + \sigma_v^2$,
      $R = \sqrt{a_0^2 + 4 y^2}$ and $T = \tanh(R \tau/2)$

          $f = 2 a_0 y T (R + a_0 T) / ((R + a_0 T)^2 - 4 y^2 T^2)$,  $\Delta q = (\sqrt{a_0^2 + 4 f^2} - a_0)/2$.

    - Large $\alpha$: gradient descent with the tangent kernel of the start, $\Delta q = O(\alpha^{-2})$. The
      neural-tangent parametrisation is $\alpha = \sqrt n$.
Assumptions
    Smooth activations: a rule on a grid loses its accuracy at a kink. Inputs here are two on the unit circle, (1, 0)
    and (cos, sin) of `angle`; `mup_limit_particles.limit` takes any. The error is the largest
    distance of the rule of 40 nodes a dimension from those of 32 and 26: 1e-4 to 5e-4, which bounds the true one.
Source
    Yang and Hu, arXiv:2011.14522v3, section 6 and appendix; closed solutions as derived here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import quad

from theorylab.derivation import Derivation
from theorylab.derivations.infinite_width import mup_limit_one_hidden_steps as steps
from theorylab.derivations.infinite_width.activations import activation as named
from theorylab.derivations.infinite_width.mup_limit_particles import demand_stable, limit, particles
from theorylab.parameters import Choices, Integers, Interval, Observed, Parameter, Space
from theorylab.prediction import ClosedForm, Numerical

POSITIVE = Interval(0.0, open_low=True)
ACTIVATION = Parameter("activation", Choices(("erf", "linear", "tanh")), "activation of the hidden layer", "tanh")
ANGLE = Parameter("angle", Interval(0.0, np.pi), "angle between the two inputs, both of length 1", 1.2, unit="rad")
LABEL_1 = Parameter("y1", Interval(), "label of the first input", 1.0)
LABEL_2 = Parameter("y2", Interval(), "label of the second input", -0.7)
RATE = Parameter("eta", POSITIVE, "learning rate: of n times the gradient, over alpha^2", 0.3)
SIGMA_U = Parameter("sigma_u", POSITIVE, "standard deviation of hidden weights at the start", 1.0)
SIGMA_V = Parameter("sigma_v", POSITIVE, "standard deviation of readout weights nu at the start", 1.0)
SCALE = Parameter("alpha", POSITIVE, "output scale", 1.0)
STEPS = Parameter("t", Integers(0), "number of steps", 10)
PLACE = Parameter("psi", Interval(-2 * np.pi, 2 * np.pi), "angle of the test point on the unit circle", 0.5, unit="rad")
LABEL = Parameter("y", Interval(), "label of the only input", 1.0)
TIME = Parameter("tau", Interval(0.0), "training time, eta times the number of steps", 1.0)
MOMENTS = Parameter("moments", Observed("second moments of (U_1, U_2, nu) over neurons, float[3, 3]"), "moments")
TRIPLE = Parameter("triple", Observed("means over neurons of U^2, nu^2 and U nu, float[3]"), "moments of one input")

CONVENTIONS = {
    "loss": "half the squared error, summed over samples",
    "f": "a mean over neurons, times alpha",
    "eta": "multiplies n/alpha^2 times the gradient with respect to (U_i, nu_i)",
    "t": "counts updates; readout and hidden layer are updated from the same old values",
}
_DATA = (ANGLE, LABEL_1, LABEL_2, RATE, SIGMA_U, SIGMA_V, SCALE, STEPS, PLACE)
TRAINING = Space([ACTIVATION, *_DATA])


def inputs(angle: float) -> np.ndarray:
    """The two inputs."""
    return np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])


def circle(psi: Any) -> np.ndarray:
    """Points of the unit circle, float[q, 2]."""
    psi = np.atleast_1d(psi)
    return np.stack([np.cos(psi), np.sin(psi)], axis=-1)


def _grouped(compute: Any, arrays: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """`compute(times, places, **rest) -> (values[k, q], errors[k, q])`, once for each setting of the rest."""
    names = [k for k in arrays if k not in ("t", "psi")]
    full = dict(zip(arrays, np.broadcast_arrays(*arrays.values())))
    shape = full["t"].shape
    columns = {k: v.ravel() for k, v in full.items()}
    keys = list(zip(*(columns[k].tolist() for k in names)))
    value, error = np.empty(len(keys)), np.empty(len(keys))
    for key in dict.fromkeys(keys):
        at = np.array([k == key for k in keys])
        times, when = np.unique(columns["t"][at].astype(int), return_inverse=True)
        places, where = np.unique(columns["psi"][at], return_inverse=True)
        found, doubt = compute(times.tolist(), places, **dict(zip(names, key)))
        value[at], error[at] = found[when, where], doubt[when, where]
    return value.reshape(shape), error.reshape(shape)


def _of_particles(part: str) -> Any:
    def compute(
        times: list[int], places: np.ndarray, *, activation: str, angle: float, y1: float, y2: float, **rest: Any
    ) -> Any:
        act = named(activation)
        fine, doubt = limit(act, inputs(angle), np.array([y1, y2]), circle(places), times=times, **rest)
        # Weights and sums are right to a few hundred roundings.
        return getattr(fine, part), getattr(doubt, part) + 1e-13

    return lambda **arrays: _grouped(compute, arrays)


def coarse(part: str, readout_first: bool = False, **arrays: Any) -> np.ndarray:
    """Outputs or changes on 24 nodes a dimension, to 1e-3: for comparisons, and for the readout updated first."""

    def compute(times: list[int], places: np.ndarray, *, activation: str, y1: float, y2: float, **rest: Any) -> Any:
        x, y = inputs(rest.pop("angle")), np.array([y1, y2])
        run = particles(
            named(activation), x, y, circle(places), times=times, count=24, readout_first=readout_first, **rest
        )
        return getattr(run, part), 1e-3 * np.abs(getattr(run, part))

    return _grouped(compute, arrays)[0]


def _lazy(*, activation: Any, **arrays: Any) -> Any:
    def compute(
        times: list[int], places: np.ndarray, *, activation: str, angle: float, y1: float, y2: float, eta: float,
        sigma_u: float, sigma_v: float, alpha: float,
    ) -> Any:  # fmt: skip
        x = np.concatenate([inputs(angle), circle(places)])
        cosines = np.clip(x @ x.T, -1.0, 1.0)
        act, variance = named(activation), sigma_u**2
        (k, ek), (g, eg) = (
            f(variance, variance, variance * cosines) for f in (act.dual_with_error, act.dual_slope_with_error)
        )
        theta = k + sigma_v**2 * cosines * g
        train = theta[:2, :2]
        demand_stable(eta, train, "at the start")
        values, vectors = np.linalg.eigh(train)
        along = vectors.T @ np.array([y1, y2])
        # (1 - (1 - eta lambda)^t)/lambda as a sum of powers: also for a kernel that is singular.
        factors = np.array([[eta * np.sum((1.0 - eta * v) ** np.arange(t)) for v in values] for t in times])
        value = (factors * along) @ vectors.T @ theta[:2, 2:]
        size = float(np.max(ek + sigma_v**2 * eg)) / float(np.max(np.abs(theta)))
        return value, (size + 1e-13) * np.max(np.abs(value)) * (1.0 + eta * values[-1] * max(times)) * np.ones_like(
            value
        )

    return _grouped(compute, {"activation": activation, **arrays})


def linear_given(
    moments: np.ndarray, x: np.ndarray, y: np.ndarray, at: np.ndarray, *, eta: float, alpha: float, times: np.ndarray,
    order: int = 2,
) -> np.ndarray:  # fmt: skip
    """Outputs of linear networks from their second moments at the start.

    Parameters
    ----------
    moments : float64[trials, d + 1, d + 1]
        Of (U, nu).
    x, y, at
        Inputs [m, d], labels, and the points [k, d], one for each of the times, whose output is wanted.
    eta, alpha, times
        Learning rate, output scale, numbers of steps.
    order
        Powers of eta that are kept: 1 leaves out P S P.

    Returns
    -------
    float64[trials, k]
    """
    s, d = np.array(moments, dtype=float), x.shape[1]
    out = np.empty((len(s), len(times)))
    for step in range(int(np.max(times)) + 1):
        cross = s[:, :d, d]
        for i in np.flatnonzero(np.asarray(times) == step):
            out[:, i] = alpha * cross @ at[i]
        residual = alpha * cross @ x.T - y
        theta = x @ s[:, :d, :d] @ x.T + s[:, d, d][:, None, None] * (x @ x.T)
        worst = theta[np.argmax(np.linalg.eigvalsh(theta)[:, -1])]
        demand_stable(eta, worst, f"after {step} steps")
        p = np.zeros_like(s)
        p[:, :d, d] = p[:, d, :d] = residual @ x / alpha
        ps = p @ s
        s = s - eta * (ps + ps.transpose(0, 2, 1)) + (eta**2 * ps @ p if order == 2 else 0.0)
    return out


def _linear_given(*, moments: Any, angle: Any, y1: Any, y2: Any, eta: Any, alpha: Any, t: Any, psi: Any) -> Any:
    t, psi = np.broadcast_arrays(np.atleast_1d(t), np.atleast_1d(psi))
    value = linear_given(
        np.asarray(moments), inputs(float(angle)), np.array([float(y1), float(y2)]), circle(psi),
        eta=float(eta), alpha=float(alpha), times=t.astype(int),
    )  # fmt: skip
    return value, 1e-12 * (1.0 + np.abs(value))


def _linear(*, sigma_u: Any, sigma_v: Any, t: Any, psi: Any, **data: Any) -> Any:
    population = np.diag([float(sigma_u) ** 2, float(sigma_u) ** 2, float(sigma_v) ** 2])[None]
    value, error = _linear_given(moments=population, t=t, psi=psi, **data)
    shape = np.broadcast_shapes(np.shape(t), np.shape(psi))
    return value[0].reshape(shape), error[0].reshape(shape)


def one_sample(triple: np.ndarray, y: float, eta: float, times: np.ndarray, part: str) -> np.ndarray:
    """Output, or w - q, of linear networks on one input of length 1, by the factors of s_+ and s_-.

    Parameters
    ----------
    triple : float64[trials, 3]
        q, w and f at the start.
    y, eta, times
        Label, learning rate, numbers of steps.
    part
        "f" or "balance".

    Returns
    -------
    float64[trials, k]
    """
    q, w, f = np.moveaxis(np.asarray(triple, dtype=float), -1, 0)
    plus, minus, balance = (q + w) / 2 + f, (q + w) / 2 - f, w - q
    out = np.empty((len(q), len(times)))
    for step in range(int(np.max(times)) + 1):
        r = (plus - minus) / 2 - y
        out[:, np.asarray(times) == step] = ((plus - minus) / 2 if part == "f" else balance)[:, None]
        demand_stable(eta, np.array([[np.max(plus + minus)]]), f"after {step} steps")
        plus, minus, balance = (1 - eta * r) ** 2 * plus, (1 + eta * r) ** 2 * minus, (1 - (eta * r) ** 2) * balance
    return out


def _one_sample(part: str) -> Any:
    def function(*, triple: Any, y: Any, eta: Any, t: Any) -> Any:
        value = one_sample(triple, float(y), float(eta), np.atleast_1d(t).astype(int), part)
        return value, 1e-12 * (1.0 + np.abs(value))

    return function


def flow_given(triple: np.ndarray, y: float, tau: np.ndarray) -> np.ndarray:
    """Output of the gradient flow of linear networks on one input, from q, w and f at the start: float64[trials, k]."""
    q, w, f = np.moveaxis(np.asarray(triple, dtype=float), -1, 0)[..., None]
    # sqrt(a^2 - 4 f^2) is conserved, and greater than 0: the moments are those of a distribution.
    c = np.sqrt((q + w - 2 * f) * (q + w + 2 * f))
    u = np.sqrt((q + w + 2 * f) / (q + w - 2 * f))
    root = np.sqrt(c**2 + 4 * y**2)
    turn = np.tanh(root * tau / 2)
    over, under = root * u + (2 * y * u + c) * turn, root + (c * u - 2 * y) * turn
    return np.asarray(c / 4 * (over / under - under / over))


def _flow_given(*, triple: Any, y: Any, tau: Any) -> Any:
    value = flow_given(triple, float(y), np.atleast_1d(tau))
    # under = root - 2 |y| turn + ...: digits are lost where c is small beside y.
    lost = 1.0 + np.abs(float(y)) / np.min(np.asarray(triple)[:, :2].sum(axis=1))
    return value, 1e-13 * lost**2 * (1.0 + np.abs(value))


def _hidden_layer(*, y: Any, sigma_u: Any, sigma_v: Any, tau: Any) -> Any:
    def grown(y: float, sigma_u: float, sigma_v: float, tau: float) -> tuple[float, float]:
        def speed(s: float) -> float:
            f = float(FLOW(y=y, sigma_u=sigma_u, sigma_v=sigma_v, tau=s))
            return 2.0 * (y - f) * f

        value, error = quad(speed, 0.0, tau, epsabs=0.0, epsrel=1e-11)
        return float(value), float(error)

    return np.vectorize(grown)(y, sigma_u, sigma_v, tau)


a0 = SIGMA_U.symbol**2 + SIGMA_V.symbol**2
flow = steps.flow.subs({steps.a0: a0, steps.y: LABEL.symbol, steps.t: TIME.symbol})
_f = sp.Symbol("f", real=True)
_change = 2 * _f**2 / (sp.sqrt(a0**2 + 4 * _f**2) + a0)
_GRADIENT = Derivation("gradient of the loss", steps.descent)
_LINEAR = Derivation("second moments of a linear network", lambda: [*steps.descent(), *steps.linear()])
_FLOW = Derivation("gradient flow of a linear network", lambda: [*steps.linear()[4:], *steps.flow_steps()])
_LAZY = Derivation("first order in 1/alpha", steps.lazy)
_FLOW_SPACE = Space([LABEL, SIGMA_U, SIGMA_V, TIME])

OUTPUT = Numerical(
    function=_of_particles("outputs"),
    space=TRAINING,
    quantity="output f of the infinitely wide network",
    conventions=CONVENTIONS,
    derivation=_GRADIENT,
    formula=r"f_t(x) = \alpha\, \mathbb E\, \nu_t \phi(U_t \cdot x)",
)
CHANGE = Numerical(
    function=_of_particles("changes"),
    space=TRAINING,
    quantity="change of the hidden second moment",
    conventions=CONVENTIONS,
    derivation=_GRADIENT,
    formula=r"\Delta q = \mathbb E\, \phi(U_t \cdot x)^2 - \mathbb E\, \phi(U_0 \cdot x)^2",
)
LAZY = Numerical(
    function=_lazy,
    space=TRAINING,
    quantity="output f of kernel gradient descent",
    conventions=CONVENTIONS,
    derivation=_LAZY,
    formula=r"f_t(x) = \Theta(x, X) \Theta^{-1} (1 - (1 - \eta \Theta)^t) y",
)
LINEAR = Numerical(
    function=_linear,
    space=Space(_DATA),
    quantity="output f of the infinitely wide linear network",
    conventions=CONVENTIONS,
    derivation=_LINEAR,
    formula=r"f_t(x) = \alpha\, x^T (S_t)_{U\nu},\quad S_{t+1} = (I - \eta P_t) S_t (I - \eta P_t)",
)
LINEAR_GIVEN = Numerical(
    function=_linear_given,
    space=Space([MOMENTS, ANGLE, LABEL_1, LABEL_2, RATE, SCALE, STEPS, PLACE]),
    quantity="output f of a linear network, from its second moments at the start",
    conventions=CONVENTIONS,
    derivation=_LINEAR,
    formula=LINEAR.formula,
)
ONE_SAMPLE_GIVEN = Numerical(
    function=_one_sample("f"),
    space=Space([TRIPLE, LABEL, RATE, STEPS]),
    quantity="output f of a linear network on one input",
    conventions=CONVENTIONS,
    derivation=_LINEAR,
    formula=r"f = (s_+ - s_-)/2,\quad s_\pm \mapsto (1 \mp \eta r)^2 s_\pm",
)
BALANCE_GIVEN = Numerical(
    function=_one_sample("balance"),
    space=Space([TRIPLE, LABEL, RATE, STEPS]),
    quantity="readout minus hidden second moment, w - q",
    conventions=CONVENTIONS,
    derivation=_LINEAR,
    formula=r"w - q \mapsto (1 - \eta^2 r^2) (w - q)",
)
FLOW_GIVEN = Numerical(
    function=_flow_given,
    space=Space([TRIPLE, LABEL, TIME]),
    quantity="output f of the gradient flow of a linear network",
    conventions=CONVENTIONS,
    derivation=_FLOW,
    formula=r"\dot f = (y - f) \sqrt{c^2 + 4 f^2},\quad c^2 = (q + w)^2 - 4 f^2 \text{ at the start}",
)
FLOW = ClosedForm(
    expr=flow,
    space=_FLOW_SPACE,
    quantity="output f of the gradient flow, infinite width",
    conventions=CONVENTIONS,
    derivation=_FLOW,
    corners=(
        {"y": 0.0},
        {"y": 50.0, "sigma_u": 0.01, "sigma_v": 0.01, "tau": 0.1},
        {"y": -3.0, "tau": 5.0},
        {"y": 1e-9, "tau": 1e-9},
    ),
)
FLOW_CHANGE = ClosedForm(
    expr=_change.subs(_f, flow),
    space=_FLOW_SPACE,
    quantity="change of the hidden second moment, gradient flow",
    conventions=CONVENTIONS,
    derivation=_FLOW,
    corners=FLOW.corners,
)
HIDDEN_LAYER = Numerical(
    function=_hidden_layer,
    space=_FLOW_SPACE,
    quantity=FLOW_CHANGE.quantity,
    conventions=CONVENTIONS,
    derivation=_FLOW,
    formula=r"\int_0^\tau 2 (y - f) f\,ds",
)
FINAL_CHANGE = ClosedForm(
    expr=_change.subs(_f, LABEL.symbol),
    space=Space([LABEL, SIGMA_U, SIGMA_V]),
    quantity="change of the hidden second moment at convergence",
    conventions=CONVENTIONS,
    derivation=_FLOW,
    corners=({"y": 1e-9}, {"y": 1e6}),
)


def _exponent(value: sp.Expr, quantity: str, derivation: Derivation) -> ClosedForm:
    return ClosedForm(
        expr=value,
        space=Space([]),
        quantity=quantity,
        conventions={**CONVENTIONS, "sign": "the quantity grows like its size to this power"},
        derivation=derivation,
    )


SCATTER = _exponent(-sp.Rational(1, 2), "exponent of the scatter between networks", _GRADIENT)
BIAS = _exponent(-sp.S.One, "exponent of the mean's distance from the limit", _GRADIENT)
LAZINESS = _exponent(-sp.Integer(2), "exponent of the feature change in the output scale", _LAZY)
TANGENT = _exponent(-sp.S.One, "exponent of the feature change in the neural-tangent parametrisation", _LAZY)
