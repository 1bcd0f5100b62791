r"""Layer recursions of the metric K, the four-point vertex V and the next-to-leading metric G, computed.

Single input: with averages at K, and widths n_l of the hidden layers,

    K'  = C_b + C_W <phi^2>,      V'/n_l = (C_W^2/n_l) (<phi^4> - <phi^2>^2) + chi_par^2 V/n_{l-1},
    G'/n_l = (chi_par G + j V/8)/n_{l-1},      V = G = 0 in the first layer,

chi_par = C_W <phi^2 (z^2 - K)>/(2 K^2), j = C_W <phi^2 (z^4 - 6 K z^2 + 3 K^2)>/K^4; derived in `pdlt_criticality`.
Then Var g = V/n and E g = K + G/n + O(1/n^2) for the conditional variance g of a preactivation given the layers below.
Several inputs: V^(ab)(cd) = lim n Cov(g_ab, g_cd), with slopes d K'_ab/d K_ij = (C_W/2) <d_i d_j (phi_a phi_b)>.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from theorylab.derivations.infinite_width.activations import Activation
from theorylab.derivations.infinite_width.gaussian_averages import Averages, measured, named, plane
from theorylab.errors import DomainError
from theorylab.parameters import Choices, Constraint, Integers, Interval, Parameter, Space
from theorylab.prediction import Numerical

POSITIVE = Interval(0, open_low=True)
# With s_2 other than 0.
SKEW = "tanh(z) + tanh(z)**2/4"
ACTIVATION = Parameter(
    "activation", Choices(("linear", "relu", "tanh", "sin", "erf", "gelu", "swish", SKEW)), "activation function"
)
DEPTH = Parameter("depth", Integers(1), "number of hidden layers")
WIDTH = Parameter("n", Integers(2), "width of the hidden layers")
WEIGHT_VARIANCE = Parameter("C_W", POSITIVE, "width times the variance of a weight", default=1.0)
BIAS_VARIANCE = Parameter("C_b", Interval(0), "variance of a bias", default=0.0)
METRIC = Parameter("K", POSITIVE, "variance of the first layer's preactivations", default=1.0)
SECOND, THIRD = (
    Parameter(name, Integers(1), f"width of the {name} hidden layer, in units of the first", default=1)
    for name in ("second", "third")
)
K11, K12, K22 = (
    Parameter("K11", POSITIVE, "variance of the first preactivation of input 1"),
    Parameter("K12", Interval(), "covariance of the first preactivations of the inputs"),
    Parameter("K22", POSITIVE, "variance of the first preactivation of input 2"),
)
LAYERS = Space([ACTIVATION, DEPTH, WEIGHT_VARIANCE, BIAS_VARIANCE, METRIC])
CONVENTIONS = {
    "K": "variance of preactivations",
    "layers": "depth hidden layers: the numbers belong to layer depth + 1, whose fan-in is the last hidden width",
    "V, G": "come with 1/n of the layer below: Var g = V/n, E g = K + G/n",
}


@dataclass(frozen=True)
class Layer:
    """What holds of the preactivations of a layer.

    Parameters
    ----------
    K, V, G
        Metric, vertex and next-to-leading metric, the latter two in units of 1/width below.
    parallel, perpendicular
        Products of the susceptibilities chi_par and chi_perp from the first layer.
    tangent_bias, tangent_weight
        The tangent kernel's parts that come with the learning rates lambda_b and lambda_W/n_{l-1}.
    """

    K: float
    V: float = 0.0
    G: float = 0.0
    parallel: float = 1.0
    perpendicular: float = 1.0
    tangent_bias: float = 1.0
    tangent_weight: float = 0.0


def layers(act: Activation, widths: Sequence[float], C_W: float, C_b: float, K: float, fine: bool) -> list[Layer]:
    """All layers from the first, for hidden widths in any unit (equal ones give V and G per width).

    Parameters
    ----------
    act
        Activation.
    widths
        Widths n_1, n_2, ... of the hidden layers.
    C_W, C_b, K
        See the module.
    fine
        Which of the two quadratures.

    Raises
    ------
    DomainError
        When K leaves the range of double precision: the metric of such a network explodes or vanishes.
    """
    # The tangent kernel's weights enter with the activations below; those of the input count as phi(x)^2 = K/C_W.
    out = [Layer(K, tangent_weight=(K - C_b) / C_W)]
    below = None
    for n in widths:
        at = out[-1]
        averages = Averages(act, at.K, fine)
        second, slope = averages.second, C_W * averages.parallel
        # V and G of the layer are in units of the width below it, the new ones in units of n.
        exchange = n / below if below else 0.0
        source = C_W**2 * (averages.fourth - second**2)
        perpendicular = C_W * averages.perpendicular
        found = Layer(
            K=C_b + C_W * second,
            V=source + exchange * slope**2 * at.V,
            G=exchange * (slope * at.G + C_W * averages.curvature * at.V / 8.0),
            parallel=at.parallel * slope,
            perpendicular=at.perpendicular * perpendicular,
            tangent_bias=1.0 + perpendicular * at.tangent_bias,
            tangent_weight=second + perpendicular * at.tangent_weight,
        )
        if not 1e-280 < found.K < 1e140:
            raise DomainError(
                f"the metric of layer {len(out) + 1} is {found.K:.3g}: with C_W = {C_W:g} it leaves double precision; "
                "choose C_W nearer to its critical value, or fewer layers"
            )
        out.append(found)
        below = n
    return out


def _numerical(quantity: str, compute: Any, space: Space, formula: str) -> Numerical:
    """A prediction of `compute(act, fine, **numbers)`."""

    def function(activation: Any, **arrays: Any) -> Any:
        act = named(str(activation))
        numbers = {k: float(v) for k, v in arrays.items()}
        return measured(lambda fine: compute(act, fine, **numbers))

    from theorylab.derivations.infinite_width.pdlt_criticality import RECURSION

    return Numerical(
        function=function,
        space=space,
        quantity=quantity,
        conventions=CONVENTIONS,
        derivation=RECURSION,
        formula=formula,
    )


@lru_cache(maxsize=64)
def _last(act: Activation, fine: bool, depth: float, C_W: float, C_b: float, K: float) -> Layer:
    return layers(act, [1.0] * int(depth), C_W, C_b, K, fine)[-1]


VERTEX = _numerical(
    "V, width times the variance of g", lambda act, fine, **at: _last(act, fine, **at).V, LAYERS, r"V^{(\ell)}"
)
NORMALISED_VERTEX = _numerical(
    "V/(K^2 l), a third of the slope of the excess kurtosis",
    lambda act, fine, depth, **at: (lambda end: end.V / (end.K**2 * (depth + 1)))(_last(act, fine, depth, **at)),
    LAYERS,
    r"V^{(\ell)}/(\ell K^{(\ell)2})",
)
KURTOSIS = _numerical(
    "width times the excess kurtosis of a preactivation",
    lambda act, fine, **at: (lambda end: 3.0 * end.V / end.K**2)(_last(act, fine, **at)),
    LAYERS,
    r"3 V^{(\ell)}/K^{(\ell)2}",
)


def _metric(act: Activation, fine: bool, n: float, **at: Any) -> float:
    end = _last(act, fine, **at)
    return n * end.K + end.G


METRIC_AT_WIDTH = _numerical(
    "width times the mean of g, to next order: n K + G",
    _metric,
    LAYERS | Space([WIDTH]),
    r"n K^{(\ell)} + G^{(\ell)}",
)
NEXT_METRIC = _numerical("G", lambda act, fine, **at: _last(act, fine, **at).G, LAYERS, r"G^{(\ell)}")
METRIC_AT_DEPTH = _numerical("K", lambda act, fine, **at: _last(act, fine, **at).K, LAYERS, r"K^{(\ell)}")


def _unequal(act: Activation, fine: bool, second: float, third: float, C_W: float, C_b: float, K: float) -> float:
    return layers(act, [1.0, second, third], C_W, C_b, K, fine)[-1].V


UNEQUAL_VERTEX = _numerical(
    "V of three hidden layers of unequal widths, times the last width",
    _unequal,
    Space([ACTIVATION, SECOND, THIRD, WEIGHT_VARIANCE, BIAS_VARIANCE, METRIC]),
    r"V^{(4)}",
)


def _tangent(act: Activation, fine: bool, depth: float, **at: Any) -> np.ndarray:
    end = _last(act, fine, depth, **at)
    return np.array([end.tangent_bias / (depth + 1), end.tangent_weight])


TANGENT = _numerical(
    "tangent kernel: part of lambda_b over the layer's number, part of lambda_W",
    _tangent,
    LAYERS,
    r"\Theta^{(\ell)}",
)


DECAY = _numerical(
    "layer's number times K",
    lambda act, fine, depth, **at: (depth + 1) * _last(act, fine, depth, **at).K,
    LAYERS,
    r"\ell K^{(\ell)}",
)


def _powers(act: Activation, fine: bool, depth: float, C_W: float, **at: Any) -> np.ndarray:
    """l (1 - chi_par) and l (1 - chi_perp)."""
    K = _last(act, fine, depth, C_W, **at).K
    return (depth + 1) * (1.0 - np.array(susceptibilities(act, C_W, K, fine)))


POWERS = _numerical(
    "decay exponents of differences with depth, parallel and perpendicular",
    _powers,
    LAYERS,
    r"\ell (1 - \chi)",
)


def susceptibilities(act: Activation, C_W: float, K: float, fine: bool = True) -> tuple[float, float]:
    """chi_par and chi_perp at K."""
    averages = Averages(act, K, fine)
    return C_W * averages.parallel, C_W * averages.perpendicular


def fixed_point(act: Activation, C_W: float, C_b: float, fine: bool = True, most: int = 200) -> float:
    """K* = C_b + C_W <phi^2>_{K*} by Newton's method from above, where there is one that attracts.

    Raises
    ------
    DomainError
        When the metric grows without bound, or falls to zero.
    """
    K = 1.0
    for _ in range(most):
        averages = Averages(act, K, fine)
        step = (C_b + C_W * averages.second - K) / (1.0 - C_W * averages.parallel)
        if not np.isfinite(step):
            break
        new = K + step if K + step > 0 else K / 2
        if abs(new - K) < 4e-15 * K:
            return new
        if not 1e-12 < new < 1e12:
            break
        K = new
    raise DomainError(
        f"no fixed point K* > 0 found at C_W = {C_W:g}, C_b = {C_b:g}: choose a larger C_b or another C_W"
    )


SUSCEPTIBILITY = Space(
    [ACTIVATION, DEPTH, WEIGHT_VARIANCE, BIAS_VARIANCE, K11, K12, K22],
    [
        Constraint(
            K11.symbol * K22.symbol > K12.symbol**2, "the inputs' covariances are those of two different directions"
        )
    ],
)


def _one_of_two(which: str) -> Any:
    def compute(
        act: Activation, fine: bool, depth: float, C_W: float, C_b: float, K11: float, K12: float, K22: float
    ) -> float:
        end = _last(act, fine, depth, C_W, C_b, 0.5 * (K11 + K22))
        return float(getattr(end, which))

    return compute


PARALLEL = _numerical(
    "growth of a small difference in norm", _one_of_two("parallel"), SUSCEPTIBILITY, r"\prod_\ell \chi_\parallel"
)
PERPENDICULAR = _numerical(
    "growth of a small distance between inputs of equal norm",
    _one_of_two("perpendicular"),
    SUSCEPTIBILITY,
    r"\prod_\ell \chi_\perp",
)


def pair_vertex(
    act: Activation, depth: int, C_W: float, C_b: float, K: np.ndarray, fine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """K_ab and V^(ab)(cd) of two inputs after so many hidden layers, [2, 2] and [2, 2, 2, 2]."""
    x, y, weights = plane(fine)
    V = np.zeros((2, 2, 2, 2))
    for _ in range(depth):
        root = np.linalg.cholesky(K)
        z = root @ np.stack([x, y])
        phi = act(z)
        products = phi[:, None, :] * phi[None, :, :]
        first = products @ weights
        fourth = np.einsum("abx,cdx,x->abcd", products, products, weights)
        moved = np.einsum("abx,ix,jx,x->abij", products, z, z, weights) - first[:, :, None, None] * K
        inverse = np.linalg.inv(K)
        slope = 0.5 * C_W * np.einsum("im,abmk,kj->abij", inverse, moved, inverse)
        V = C_W**2 * (fourth - first[:, :, None, None] * first) + np.einsum("abij,ijkl,cdkl->abcd", slope, V, slope)
        K = C_b + C_W * first
    return K, V


# Order of the components: (11)(11), (11)(12), (11)(22), (12)(12), (12)(22), (22)(22).
COMPONENTS = tuple(
    zip(*[(*p, *q) for i, p in enumerate(((0, 0), (0, 1), (1, 1))) for q in ((0, 0), (0, 1), (1, 1))[i:]])
)


def _pair(
    act: Activation, fine: bool, depth: float, C_W: float, C_b: float, K11: float, K12: float, K22: float
) -> np.ndarray:
    first = np.array([[K11, K12], [K12, K22]])
    return pair_vertex(act, int(depth), C_W, C_b, first, fine)[1][COMPONENTS]


PAIR_VERTEX = _numerical(
    "V^(ab)(cd) of two inputs, in the order (11)(11), (11)(12), (11)(22), (12)(12), (12)(22), (22)(22)",
    _pair,
    SUSCEPTIBILITY,
    r"V^{(\alpha_1 \alpha_2)(\alpha_3 \alpha_4)}",
)


ORDERED = Space([ACTIVATION, WEIGHT_VARIANCE, BIAS_VARIANCE])


def _correlation_depth(act: Activation, fine: bool, C_W: float, C_b: float) -> np.ndarray:
    chi = susceptibilities(act, C_W, fixed_point(act, C_W, C_b, fine), fine)
    return np.asarray(1.0 / np.abs(np.log(chi)))


CORRELATION_DEPTH = _numerical(
    "depths over which differences change by e, parallel and perpendicular",
    _correlation_depth,
    ORDERED,
    r"1/|\log \chi|",
)


def _measured_depth(act: Activation, fine: bool, C_W: float, C_b: float) -> np.ndarray:
    """From the recursion itself: how K approaches K*, and how the covariance of two inputs leaves K*."""
    K = fixed_point(act, C_W, C_b, fine)
    step, distance = 1e-5 * K, 1e-5 * K
    x, y, weights = plane(fine)
    moved = C_b + C_W * Averages(act, K + step, fine).second - (C_b + C_W * Averages(act, K - step, fine).second)
    # Two inputs with variance K and covariance K - distance/2: z and z' = z plus a small independent part.
    low = np.sqrt(K) * np.stack(
        [x, (1.0 - 0.5 * distance / K) * x + np.sqrt(distance / K - 0.25 * (distance / K) ** 2) * y]
    )
    u, v = act(low)
    chi = np.array([moved / (2.0 * step), C_W * float(weights @ (u - v) ** 2) / distance])
    return np.asarray(1.0 / np.abs(np.log(chi)))


MEASURED_DEPTH = _numerical(
    "the same from the recursion of nearby inputs", _measured_depth, ORDERED, r"1/|\log (\delta K'/\delta K)|"
)


def _half_stable(act: Activation, fine: bool) -> np.ndarray:
    """K*, C_W and C_b by bisection on chi_par - chi_perp."""
    low, high = 1.0, 40.0

    def gap(K: float) -> float:
        averages = Averages(act, K, fine)
        return averages.parallel - averages.perpendicular

    sign = np.sign(gap(low))
    while high - low > 4e-15 * high:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if np.sign(gap(middle)) == sign else (low, middle)
    averages = Averages(act, low, fine)
    weight = 1.0 / averages.perpendicular
    return np.array([low, weight, low - weight * averages.second])


HALF_STABLE = _numerical(
    "K*, C_W and C_b at the half-stable point", _half_stable, Space([ACTIVATION]), r"(K^\ast, C_W, C_b)"
)
