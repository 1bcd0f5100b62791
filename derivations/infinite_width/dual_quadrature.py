r"""Dual activations of any function, by quadrature, with an error that is measured.

Well apart, pairs are summed in Hermite coefficients, $G = \sum_k h_k(a) h_k(b) \rho^k$ with
$f(\sqrt a\, z) = \sum_k h_k(a) He_k(z)/\sqrt{k!}$: what is left out after K terms is at most
$|\rho|^{K+1} \sqrt{t_a t_b}$, where $t_a = F_a - \sum_{k \le K} h_k(a)^2$ is known. Near coincidence (and opposition)
the integral is taken over $u = \sqrt a\,(z \cos\eta + w \sin\eta)$, $v = \sqrt b\,(z \cos\eta - w \sin\eta)$, $\eta =
\theta/2$, with the inner integral split where u or v meets a kink, and the outer one where two kinks cross:
between these everything is smooth. There $E (f(u) - f(v))^2$ is integrated rather than subtracted, with
$f(u) - f(v) = (u - v) \int_0^1 f'(v + t (u - v)) dt$ where no kink lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from theorylab.derivations.infinite_width.closed_duals import Dual, cosine
from theorylab.derivations.infinite_width.gaussian_pairs import Pairs
from theorylab.errors import DomainError

# Half the range of a normal in one and two dimensions; the width of the coarsest panels; how often they may be halved.
REACH, REACH_2D, WIDTH, HALVINGS = 16.0, 12.0, 0.5, 5
ORDER = 16
# Number of different variances from which on their coefficients are interpolated.
INTERPOLATED = 48
# Hermite coefficients that a sum over few pairs has, and the most that tables for many have.
TERMS, MOST_TERMS = 256, 1024
# Correlations above which pairs are integrated as close ones unless the Hermite sum has converged.
APART, TOLERANCE = 0.95, 1e-14
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
SEGMENT, SEGMENT_WEIGHTS = np.polynomial.legendre.leggauss(8)
SEGMENT, SEGMENT_WEIGHTS = (SEGMENT + 1) / 2, SEGMENT_WEIGHTS / 2
# Differences up to which f(u) - f(v) is the integral of its slope.
SMALL_STEP = 0.25


class Quadrature(Dual):
    """E f(u) f(v) for any f with a finite second moment.

    Parameters
    ----------
    function
        f, of a NumPy array.
    slope
        f', of a NumPy array; where f has a kink its value does not matter.
    kinks
        Where f or a derivative of it jumps.
    name
        How errors call f.
    """

    def __init__(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        slope: Callable[[np.ndarray], np.ndarray] | None,
        kinks: Sequence[float] = (),
        name: str = "the activation",
    ) -> None:
        self.function, self.slope, self.kinks, self.name = function, slope, sorted(kinks), name

    def _square(self, a: np.ndarray) -> Any:
        return self.norms(a)[0]

    def _value(self, pairs: Pairs) -> Any:
        return self.measured(pairs)[0].c

    def _fall(self, pairs: Pairs) -> Any:
        aligned = Pairs(pairs.a, pairs.b, pairs.mean, np.zeros_like(pairs.p), 2 * pairs.mean, pairs.e)
        return self._value(aligned) - self._value(pairs)

    def _pairs(self, pairs: Pairs) -> Pairs:
        return self.measured(pairs)[0]

    def norms(self, a: Any) -> tuple[np.ndarray, np.ndarray]:
        """E f^2 at each variance, and its error.

        Raises
        ------
        DomainError
            When the integral does not converge.
        """
        a = np.asarray(a, dtype=float)
        distinct, back = np.unique(a, return_inverse=True)
        value, error, _ = self._coefficients(distinct, 0)
        return value[back].reshape(a.shape), error[back].reshape(a.shape)

    def measured(self, pairs: Pairs) -> tuple[Pairs, np.ndarray]:
        """Covariances of f(u) and f(v), and the error of E f(u) f(v)."""
        shape = np.shape(pairs.c)
        flat = Pairs(*(np.asarray(v, dtype=float).reshape(-1) for v in pairs[:6]))
        variances, back = np.unique(np.concatenate([flat.a, flat.b]), return_inverse=True)
        norm, off, coefficients = self._coefficients(variances, TERMS)
        ia, ib = back[: len(flat.a)], back[len(flat.a) :]
        tail = np.maximum(norm - np.sum(coefficients**2, axis=0), 0.0)
        fa, fb = norm[ia], norm[ib]
        mean = np.sqrt(fa) * np.sqrt(fb)
        rho = cosine(flat)
        c, e = np.zeros_like(mean), fa - fb
        for k in range(len(coefficients) - 1, -1, -1):
            c *= rho
            c += coefficients[k, ia] * coefficients[k, ib]
        rest = np.abs(rho) ** len(coefficients) * np.sqrt(tail[ia] * tail[ib])
        error = rest + np.sqrt(off[ia] * off[ib]) + 4e-16 * mean
        p, q = mean - c, mean + c
        coincide = (flat.p == 0) & (flat.e == 0)
        c[coincide], p[coincide], q[coincide] = fa[coincide], 0.0, 2 * fa[coincide]
        error[coincide] = off[ia][coincide] + 4e-16 * fa[coincide]
        close = ~coincide & ((np.abs(rho) > APART) | (rest > TOLERANCE * mean))
        for i in np.flatnonzero(close):
            c[i], p[i], q[i], e[i], error[i] = self._close(Pairs(*(v[i] for v in flat[:6])), fa[i], fb[i])
        out = Pairs(fa, fb, c, p, q, e)
        return Pairs(*(v.reshape(shape) for v in out[:6])), error.reshape(shape)

    def converges(self, largest: float) -> bool:
        """Whether the Hermite sum has converged for every correlation, at variances up to `largest`."""
        return self._enough(np.array([largest])) is not None

    def _enough(self, variance: np.ndarray) -> int | None:
        """How many Hermite coefficients have all the weight of f there; None when MOST_TERMS do not."""
        terms = TERMS // 2
        while terms <= MOST_TERMS:
            norm, _, coefficients = self._coefficients(variance, terms)
            if norm[0] - np.sum(coefficients**2) <= 10 * TOLERANCE * norm[0]:
                return terms
            terms *= 2
        return None

    def scaled_table(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hermite coefficients at variances a and b, [a, k] and [k, b], as many as have any weight."""
        distinct, back = np.unique(np.concatenate([a, b]), return_inverse=True)
        norm, _, coefficients = self._coefficients(distinct, self._enough(distinct[-1:]) or MOST_TERMS)
        rest = np.cumsum(coefficients[::-1] ** 2, axis=0)[::-1]
        terms = 1 + int(np.max(np.flatnonzero(np.any(rest > 1e-17 * norm, axis=1)), initial=0))
        both = coefficients[:terms, back]
        return np.ascontiguousarray(both[:, : len(a)].T), np.ascontiguousarray(both[:, len(a) :])

    def _coefficients(self, variances: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """E f^2, its error, and Hermite coefficients [terms, variances]; variances distinct and ascending."""
        if len(variances) > INTERPOLATED and variances[0] > 0:
            found = self._interpolated(variances, terms)
            if found is not None:
                return found
        return self._direct(variances, terms)

    def _direct(self, variances: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shared = all(k == 0.0 for k in self.kinks)
        size = 64 if shared else 1
        parts = [self._group(variances[i : i + size], terms) for i in range(0, len(variances), size)]
        return (
            np.concatenate([p[0] for p in parts]),
            np.concatenate([p[1] for p in parts]),
            np.concatenate([p[2] for p in parts], axis=1),
        )

    def _interpolated(self, variances: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """All of these are analytic in log a > -infinity: a polynomial through Chebyshev points, checked at others."""
        low, high = np.log(variances[0]), np.log(variances[-1])
        checks = np.linspace(low, high, 7)[1:-1] + 0.013 * (high - low)
        referees = self._direct(np.exp(checks), terms)
        for count in (16, 32, 64):
            nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
            signs = np.sin(np.pi * (np.arange(count) + 0.5) / count) * (-1.0) ** np.arange(count)
            norm, off, coefficients = self._direct(np.exp(low + (high - low) * (nodes[::-1] + 1) / 2), terms)
            values = np.vstack([norm, coefficients])[:, ::-1]

            def at(
                points: np.ndarray, values: np.ndarray = values, nodes: Any = nodes, signs: Any = signs
            ) -> np.ndarray:
                gaps = (2 * (points - low) / (high - low) - 1)[:, None] - nodes
                weights = signs / np.where(gaps == 0.0, 1e-300, gaps)
                return np.asarray(values @ (weights / weights.sum(1, keepdims=True)).T)

            found = at(checks)
            wrong = np.max(np.abs(found - np.vstack([referees[0], referees[2]])), axis=0)
            scale = np.minimum(referees[0], np.sqrt(referees[0]))
            if np.all(wrong <= 5 * TOLERANCE * scale):
                out = at(np.log(variances))
                return out[0], np.full(len(variances), np.max(off) + np.max(wrong)), out[1:]
        return None

    def _group(self, variances: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scale = np.sqrt(variances)
        cuts = [k / s for k in self.kinks for s in scale[:1] if s > 0]
        last: np.ndarray | None = None
        for halving in range(HALVINGS + 1):
            z, w = panels(-REACH, REACH, WIDTH / 2**halving, cuts)
            with np.errstate(all="ignore"):
                f = self.function(np.multiply.outer(z, scale))
                norm = (w * normal_density(z)) @ (f * f)
            if not np.all(np.isfinite(norm)):
                break
            if last is not None:
                change = np.abs(norm - last)
                if np.all(change <= 1e-14 * np.abs(norm)):
                    coefficients = hermite_functions(z, terms) @ (f * (w * normal_density(z))[:, None])
                    edge = np.max((f * f * normal_density(z)[:, None])[[0, -1]], axis=0)
                    if np.all(edge <= 1e-14 * norm):
                        return norm, change + edge, coefficients
                    break
            last = norm
        raise DomainError(
            f"{self.name} has no finite second moment under a Gaussian of variance {np.max(variances):g}, or none that "
            "quadrature can settle to 1e-14: use an activation that grows more slowly and has no poles"
        )

    def _close(self, pair: Pairs, fa: float, fb: float) -> tuple[float, float, float, float, float]:
        """Covariance, distances, gap of the squares and error of one pair, refined until two resolutions agree."""
        mean = np.sqrt(fa * fb)
        last: tuple[float, float, float, float] | None = None
        for width in (2.0, 1.4, 0.7, 0.35, 0.175):
            e = self._gap_of_squares(pair, width)
            roots = e / (np.sqrt(fa) + np.sqrt(fb))
            if (pair.c >= 0 or self.parity == "odd") and self.slope is not None:
                folded = pair if pair.c >= 0 else pair._replace(c=-pair.c, p=pair.q, q=pair.p)
                near = 0.5 * (self._moment(folded, width, squared=True) - roots**2)
                far = 2 * mean - near
                new = (mean - near, near, far, e) if pair.c >= 0 else (near - mean, far, near, e)
            else:
                c = self._moment(pair, width, squared=False)
                new = (c, mean - c, mean + c, e)
            change = np.inf if last is None else abs(new[0] - last[0])
            last = new
            if change <= TOLERANCE * mean:
                break
        return (*new, change + 4e-16 * mean)

    def _gap_of_squares(self, pair: Pairs, width: float) -> Any:
        """E f(u)^2 - E f(v)^2 by differences of f."""
        if pair.e == 0:
            return 0.0
        s, t = np.sqrt(pair.a), np.sqrt(pair.b)
        cuts = [k / x for k in self.kinks for x in (s, t) if x > 0]
        z, w = panels(-REACH, REACH, width / 4, cuts)
        u, v = s * z, t * z
        step = float(pair.root_gap) * z
        change = self._difference(u, v, step)
        return float(np.sum(w * normal_density(z) * change * (self.function(u) + self.function(v))))

    def _difference(self, u: np.ndarray, v: np.ndarray, step: np.ndarray) -> np.ndarray:
        """f(u) - f(v), given u - v to its own digits."""
        out: np.ndarray = np.asarray(self.function(u) - self.function(v))
        if self.slope is None:
            return out
        smooth = np.abs(step) < SMALL_STEP
        for k in self.kinks:
            smooth &= (u - k) * (v - k) > 0
        chosen = np.flatnonzero(smooth)
        flat_v, flat_step = v.reshape(-1)[chosen], step.reshape(-1)[chosen]
        inside = np.zeros(len(chosen))
        for x, w in zip(SEGMENT, SEGMENT_WEIGHTS):
            inside += w * self.slope(flat_v + x * flat_step)
        out.reshape(-1)[chosen] = flat_step * inside
        return out

    def _moment(self, pair: Pairs, width: float, squared: bool) -> float:
        """E (f(u) - f(v))^2, or E f(u) f(v), over the rotated pair, split at kinks and where they cross."""
        s, t = np.sqrt(pair.a), np.sqrt(pair.b)
        # Rotate by the smaller half-angle: obtuse pairs are those of u and -v.
        sign = 1.0 if pair.p <= pair.q else -1.0
        total = pair.p + pair.q
        sine, cos = (np.sqrt(x / total) for x in (min(pair.p, pair.q), max(pair.p, pair.q)))
        first, second = [k / s for k in self.kinks], [sign * k / t for k in self.kinks]
        cuts = [(j - k) / (2 * sine) for j in first for k in second] if sine > 0 else []
        outer, weight = panels(-REACH_2D, REACH_2D, width, cuts)
        lines = [(k, -sine) for k in first] + [(k, sine) for k in second]
        z, w = inner_panels(outer, REACH_2D, width, lines, cos)
        x = outer[:, None]
        u, v = s * (z * cos + x * sine), sign * t * (z * cos - x * sine)
        if squared:
            step = float(pair.root_gap) * z * cos + (s + t) * sine * x
            inside = self._difference(u, v, step) ** 2
        else:
            inside = self.function(u) * self.function(v)
        return float(np.sum(weight * normal_density(outer) * np.sum(w * normal_density(z) * inside, axis=1)))


def normal_density(z: np.ndarray) -> np.ndarray:
    """Standard normal density."""
    return np.asarray(np.exp(-z * z / 2) / np.sqrt(2 * np.pi))


def panels(low: float, high: float, width: float, cuts: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss-Legendre on panels no wider than `width`, with ends at the cuts."""
    ends = [low, *sorted({x for x in cuts if low < x < high}), high]
    edges = np.concatenate(
        [np.linspace(x, y, max(1, int(np.ceil((y - x) / width - 1e-9))) + 1)[:-1] for x, y in pairwise(ends)]
        + [np.array([high])]
    )
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * POINTS).reshape(-1), (half[:, None] * WEIGHTS).reshape(-1)


def inner_panels(
    outer: np.ndarray, reach: float, width: float, lines: Sequence[tuple[float, float]], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights [outer, inner] on panels that also end on the lines z = (offset + slope w)/scale."""
    grid = np.linspace(-reach, reach, int(np.ceil(2 * reach / width)) + 1)
    edges = np.broadcast_to(grid, (len(outer), len(grid)))
    if lines and scale > 0:
        moving = np.stack([np.clip((o + k * outer) / scale, -reach, reach) for o, k in lines], axis=1)
        edges = np.sort(np.concatenate([edges, moving], axis=1), axis=1)
    half, middle = np.diff(edges, axis=1) / 2, (edges[:, 1:] + edges[:, :-1]) / 2
    shape = (len(outer), -1)
    return (middle[..., None] + half[..., None] * POINTS).reshape(shape), (half[..., None] * WEIGHTS).reshape(shape)


def hermite_functions(z: np.ndarray, terms: int) -> np.ndarray:
    """He_k(z)/sqrt(k!), k < terms, as rows."""
    out = np.empty((terms, len(z)))
    for k in range(terms):
        out[k] = 1.0 if k == 0 else (z * out[k - 1] - (np.sqrt(k - 1) * out[k - 2] if k > 1 else 0.0)) / np.sqrt(k)
    return out


class Gelu(Quadrature):
    r"""f(z) = z (1 + erf(z/sqrt 2))/2, with a closed form where rounded covariances do.

    With g(z) = erf(z/sqrt 2) and Stein's lemma, twice in u and twice in v, E u v g(u) g(v) = c E g g + E g' g' (ab +
    c^2 (1/A + 1/B - 1)), A = 1 + a, B = 1 + b, and E g g = (2/pi) arcsin(c/sqrt(AB)), E g' g' = (2/pi)/sqrt(AB - c^2).
    """

    plain_limit = 20.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f(u) f(v) from rounded covariances."""
        out, root, bracket = _gelu_parts(a, b, c)
        out *= c
        bracket /= root
        out += bracket
        out *= 1 / (2 * np.pi)
        return out


class GeluSlope(Quadrature):
    """The slope of `Gelu`: its dual is the derivative in c."""

    plain_limit = 20.0

    def plain(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
        """E f'(u) f'(v) from rounded covariances."""
        out, root, bracket = _gelu_parts(a, b, c)
        bracket /= root * root
        bracket += 2 / (1 + a)
        bracket += 2 / (1 + b) - 1
        bracket *= c
        bracket /= root
        out += bracket
        out *= 1 / (2 * np.pi)
        return out


def _gelu_parts(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pi/2 + arcsin(c/sqrt(AB)), sqrt(AB - c^2) and ab + c^2 (1/A + 1/B - 1)."""
    root = c * c
    bracket = root * (1 / (1 + a))
    bracket += root * (1 / (1 + b) - 1)
    bracket += a * b
    np.subtract((1 + a) * (1 + b), root, out=root)
    np.sqrt(root, out=root)
    angle = c * np.sqrt(1 / (1 + a))
    angle *= np.sqrt(1 / (1 + b))
    np.arcsin(angle, out=angle)
    angle += np.pi / 2
    return angle, root, bracket
