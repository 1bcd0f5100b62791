r"""Laws of a given spectrum after free noise: plus a Gaussian matrix, or the part of it that a batch of samples sees.

The Stieltjes transform G of either is that of the spectrum, g, at a displaced point: G(z) = g(omega) with z = z(omega)
explicit. Over every real u the curve u + i v(u) on which Im z vanishes is one point, and x = z(u + i v(u)) rises with
u (Biane 1997; Belinschi and Bercovici 2005): density and distribution function are evaluations of g on that curve, and
nothing is iterated in the complex plane. In a gap v = 0.

- `DeformedSemicircle`: plus a Gaussian matrix of off-diagonal variance s^2/P: z = omega + s^2 g(omega), Pastur's
  equation; v solves s^2 int dmu/|omega - t|^2 = 1.
- `BatchLaw`: B of N samples whose Gram matrix has this spectrum: z = (omega - (1 - t)/g(omega))/t, t = B/N, the free
  compression; v solves (1 - t) int dmu/|omega - t|^2 = |g(omega)|^2.

Source
    Pastur, Theor. Math. Phys. 10 (1972) 67; Biane, Indiana Univ. Math. J. 46 (1997) 705; Nica and Speicher, Amer. J.
    Math. 118 (1996) 799; Belinschi and Bercovici, IMRN 2 (2005) 65, arXiv:math/0404277. The distribution function, an
    antiderivative of G in omega, and the moments are elementary.
"""

from __future__ import annotations

from abc import abstractmethod
from math import comb
from typing import Any

import numpy as np
from scipy.optimize import elementwise

from theorylab.derivations.random_matrix.laws import Law
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Numbers held at once in a sum over the spectrum.
CHUNK = 2**21
# Heights below this part of the spread of the spectrum are a gap.
FLAT = 1e-11
# Steps of Newton's method for G off the real line.
STEPS = 100


class SubordinatedLaw(Law):
    """What the two laws share.

    Parameters
    ----------
    spectrum : float64[n]
        Places of the given spectrum.
    weights : float64[n], optional
        Their masses, of sum 1; equal without them.

    Raises
    ------
    DomainError
        For a spectrum that is empty or not finite, or weights that are no probabilities.
    """

    # |x - offset - u| and the height v are at most `reach`.
    offset: float
    reach: float

    def __init__(self, spectrum: Any, weights: Any = None) -> None:
        places = np.atleast_1d(np.asarray(spectrum, dtype=float))
        masses = np.full(places.shape, 1.0 / max(places.size, 1)) if weights is None else np.asarray(weights, float)
        if places.ndim != 1 or places.size == 0 or not np.all(np.isfinite(places)):
            raise DomainError("a spectrum is a list of finite numbers, at least one")
        if masses.shape != places.shape or np.any(masses < 0.0) or abs(masses.sum() - 1.0) > 1e-9:
            raise DomainError("weights of a spectrum are not negative, sum to one, and are as many as its places")
        self.places, inverse = np.unique(places, return_inverse=True)
        self.masses = np.bincount(inverse, weights=masses)
        self.first = float(self.masses @ self.places)
        self.spread = float(np.sqrt(self.masses @ (self.places - self.first) ** 2))

    @abstractmethod
    def _excess(self, g: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Positive below the curve; `square` is int dmu/|omega - t|^2."""

    @abstractmethod
    def _place(self, omega: np.ndarray, g: np.ndarray) -> np.ndarray:
        """z(omega)."""

    @abstractmethod
    def _antiderivative(self, logs: np.ndarray, omega: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Im of the integral of G dz up to omega; `logs` is Im int log(omega - t) dmu."""

    @abstractmethod
    def _rate(self, g: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """dz/domega, with `slope` = g'."""

    def _sums(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """g(u + i v), int dmu/|omega - t|^2 and int arg(omega - t) dmu, at v >= 0."""
        u, v = np.broadcast_arrays(np.asarray(u, dtype=float), np.asarray(v, dtype=float))
        shape, u, v = u.shape, u.ravel(), v.ravel()
        g, square, angle = np.empty(u.shape, dtype=complex), np.empty(u.shape), np.empty(u.shape)
        step = max(1, CHUNK // len(self.places))
        for i in range(0, len(u), step):
            part = slice(i, i + step)
            away, height = u[part, None] - self.places, v[part, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                terms = self.masses / (away**2 + height**2)
                square[part] = terms.sum(axis=1)
                g[part] = (terms * away).sum(axis=1) - 1j * (v[part] * square[part])
            angle[part] = np.arctan2(height, away) @ self.masses
        return g.reshape(shape), square.reshape(shape), angle.reshape(shape)

    def height(self, u: Any) -> np.ndarray:
        """v(u), the curve on which x is real; 0 over a gap.

        Raises
        ------
        PredictionError
            When a root is not found to rounding.
        """
        u = np.asarray(u, dtype=float)
        flat, out = FLAT * (self.reach + self.spread), np.zeros(u.shape)

        def excess(log_v: np.ndarray, at: np.ndarray) -> np.ndarray:
            return self._excess(*self._sums(at, np.exp(log_v))[:2])

        under = excess(np.full(u.shape, np.log(flat)), u) > 0.0
        if np.any(under):
            ends = (np.full(int(under.sum()), np.log(flat)), np.full(int(under.sum()), np.log(1.001 * self.reach)))
            root = elementwise.find_root(excess, ends, args=(u[under],), tolerances={"xatol": 1e-13, "fatol": 1e-14})
            if not np.all(root.success):
                raise PredictionError("the curve of a subordinated law was not found to rounding")
            out[under] = np.exp(root.x)
        return out

    def curve(self, u: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place, density and distribution function over points u of the real line: all three without inversion."""
        u = np.asarray(u, dtype=float)
        v = self.height(u)
        g, _, logs = self._sums(u, v)
        omega = u + 1j * v
        # On the real axis arguments are 0 and pi.
        x = self._place(omega, g).real
        return x, np.abs(g.imag) / np.pi, 1.0 - self._antiderivative(logs, omega, g) / np.pi

    def grid(self, count: int) -> np.ndarray:
        """Points u whose curve covers the support."""
        edge = self.reach + 1e-3 * (self.reach + self.spread)
        return np.asarray(np.linspace(self.places[0] - edge, self.places[-1] + edge, count))

    def _inverted(self, x: np.ndarray) -> np.ndarray:
        """The u with x = z(u + i v(u))."""
        x = np.asarray(x, dtype=float)
        wide = self.reach * (1.0 + 1e-9) + 1e-9 * self.spread

        def miss(u: np.ndarray, at: np.ndarray) -> np.ndarray:
            return np.asarray(self.curve(u)[0] - at)

        ends = (x - self.offset - wide, x - self.offset + wide)
        root = elementwise.find_root(miss, ends, args=(x,), tolerances={"xatol": 1e-14 * wide, "fatol": 1e-14 * wide})
        if not np.all(root.success):
            raise PredictionError("a point of a subordinated law was not found to rounding")
        return np.asarray(root.x)

    def support(self) -> tuple[float, float]:
        """From the lowest edge of the bulk to the highest."""
        low = -self._mirrored().edge()
        return low, self.edge()

    @abstractmethod
    def _mirrored(self) -> SubordinatedLaw:
        """The law of -X, as far as its edge is asked for."""

    def edge(self) -> float:
        """Upper edge: dz/domega vanishes above the spectrum."""
        top = self.places[-1]
        low, high = np.log(FLAT * (self.reach + self.spread)), np.log(2.0 * self.reach)

        def rate(log_u: np.ndarray) -> np.ndarray:
            g, square, _ = self._sums(top + np.exp(log_u), np.zeros_like(log_u))
            return self._rate(g.real, -square)

        if rate(np.array(low)) > 0.0:
            # An atom that stays: z -> its place.
            return float(self._place(top, np.array(np.inf)))
        root = elementwise.find_root(rate, (np.array(low), np.array(high)), tolerances={"xatol": 1e-13})
        if not root.success:
            raise PredictionError("the edge of a subordinated law was not found to rounding")
        u = top + np.exp(root.x)
        return float(self._place(u, self._sums(u, np.zeros_like(u))[0].real))

    def pdf(self, x: Any) -> np.ndarray:
        """Density of the continuous part at x."""
        return np.asarray(self.curve(self._inverted(np.asarray(x, dtype=float)))[1])

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x)."""
        return np.asarray(np.clip(self.curve(self._inverted(np.asarray(x, dtype=float)))[2], 0.0, 1.0))

    def ppf(self, q: Any) -> np.ndarray:
        """The smallest x with P(X <= x) >= q.

        Raises
        ------
        DomainError
            For q outside [0, 1].
        """
        q = np.asarray(q, dtype=float)
        if not np.all((q >= 0.0) & (q <= 1.0)):
            raise DomainError(f"q = {q[~((q >= 0.0) & (q <= 1.0))].flat[0]:g} is not a probability in [0, 1]")
        low, high = self.support()
        out = np.where(q <= 0.0, low, high)
        inside = (q > 0.0) & (q < 1.0)
        if np.any(inside):
            wanted, ends = q[inside], self.grid(2)
            root = elementwise.find_root(
                lambda u, p: self.curve(u)[2] - p,
                (np.full(wanted.shape, ends[0]), np.full(wanted.shape, ends[1])),
                args=(wanted,),
                tolerances={"xatol": 1e-14 * (ends[1] - ends[0]), "fatol": 1e-15},
            )
            out[inside] = self.curve(root.x)[0]
        return np.asarray(out)

    def stieltjes(self, z: Any) -> np.ndarray:
        r"""$G(z) = \int d\mu(x)/(z - x)$ for Im z != 0: Newton's method from the curve below z.

        Raises
        ------
        DomainError
            On the real line, where `pdf` gives the imaginary part.
        PredictionError
            When z(omega) = z is not met to rounding.
        """
        z = np.asarray(z, dtype=complex)
        if np.any(z.imag == 0.0):
            raise DomainError("z lies on the real line, where G may jump: take Im z != 0")
        upper = np.where(z.imag < 0.0, z.conj(), z)
        u = self._inverted(upper.real)
        omega = u + 1j * (self.height(u) + upper.imag)
        for _ in range(STEPS):
            inverse = 1.0 / (omega[..., None] - self.places)
            g, slope = inverse @ self.masses, -(inverse**2) @ self.masses
            miss = self._place(omega, g) - upper
            if np.all(np.abs(miss) <= 1e-13 * (np.abs(upper) + self.reach)):
                return np.asarray(np.where(z.imag < 0.0, g.conj(), g))
            step = miss / self._rate(g, slope)
            # Stay above the curve: half the way where a step would leave the half-plane.
            while np.any(low := (omega - step).imag <= 0.0):
                step = np.where(low, step / 2.0, step)
            omega = omega - step
        raise PredictionError(f"G was not found: z is missed by {float(np.max(np.abs(miss))):.1e}")

    def _central(self, order: int, mean: float) -> float:
        # From the moments, which are exact: a law of several intervals is hard to integrate over.
        return float(sum(comb(order, k) * self.moment(k) * (-mean) ** (order - k) for k in range(order + 1)))

    def outlier(self, a: Any) -> tuple[np.ndarray, np.ndarray]:
        """Where an eigenvalue a above the spectrum goes, and the rate dz/domega there.

        Where the rate is not positive the eigenvalue is swallowed: the upper edge and 0.
        """
        a = np.asarray(a, dtype=float)
        g, square, _ = self._sums(a, np.zeros_like(a))
        rate = self._rate(g.real, -square)
        seen = (a > self.places[-1]) & (rate > 0.0)
        place = np.where(seen, self._place(a, g.real), self.edge())
        return place, np.where(seen, rate, 0.0)


class DeformedSemicircle(SubordinatedLaw):
    """A spectrum plus an independent Gaussian matrix with off-diagonal entries of variance s^2/P.

    Parameters
    ----------
    spectrum, weights
        As for `SubordinatedLaw`.
    s
        Half the radius of the noise's semicircle.
    """

    def __init__(self, spectrum: Any, s: float, weights: Any = None) -> None:
        super().__init__(spectrum, weights)
        if not (np.isfinite(s) and s > 0.0):
            raise DomainError(f"s = {s:g} is not a standard deviation: it must be positive and finite")
        self.s, self.offset, self.reach = float(s), 0.0, float(s)

    def _excess(self, g: np.ndarray, square: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(self.s**2 * square))

    def _place(self, omega: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.asarray(omega + self.s**2 * g)

    def _rate(self, g: np.ndarray, slope: np.ndarray) -> np.ndarray:
        return np.asarray(1.0 + self.s**2 * slope)

    def _antiderivative(self, logs: np.ndarray, omega: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.asarray(logs + self.s**2 * g.real * g.imag)

    def _mirrored(self) -> DeformedSemicircle:
        return DeformedSemicircle(-self.places, self.s, self.masses)

    def moment(self, order: int) -> float:
        """E X^order: the noise adds s^2 to the second free cumulant and nothing to the others."""
        if order != int(order) or order < 0:
            raise DomainError(f"order = {order:g} has no closed form: orders are 0, 1, 2, ...; try `expect`")
        kappa = _free_cumulants([float(self.masses @ self.places**k) for k in range(int(order) + 1)])
        if len(kappa) > 2:
            kappa[2] += self.s**2
        return _moments(kappa)[int(order)]


class BatchLaw(SubordinatedLaw):
    """Spectrum of the Gram matrix of B samples drawn without replacement, from that of all N.

    Parameters
    ----------
    spectrum, weights
        Eigenvalues of the N x N Gram matrix of the whole data set, divided by N, zeros included.
    t
        B/N, in (0, 1).
    """

    def __init__(self, spectrum: Any, t: float, weights: Any = None) -> None:
        super().__init__(spectrum, weights)
        if not 0.0 < t < 1.0:
            raise DomainError(f"t = {t:g} is not the part of a data set in a batch: it must be in (0, 1)")
        if self.spread == 0.0:
            raise DomainError("a spectrum of one point is that of every batch: there is no law to compute")
        self.t = float(t)
        lost = 1.0 - self.t
        self.offset, self.reach = lost / self.t * self.first, float(np.sqrt(lost / self.t)) * self.spread
        left = self.masses > lost
        self.atoms = tuple(
            (float(place / t), float((mass - lost) / t)) for place, mass in zip(self.places[left], self.masses[left])
        )

    def _excess(self, g: np.ndarray, square: np.ndarray) -> np.ndarray:
        return np.asarray(np.log((1.0 - self.t) * square) - 2.0 * np.log(np.abs(g)))

    def _place(self, omega: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.asarray((omega - (1.0 - self.t) / g) / self.t)

    def _rate(self, g: np.ndarray, slope: np.ndarray) -> np.ndarray:
        return np.asarray((1.0 + (1.0 - self.t) * slope / g**2) / self.t)

    def _antiderivative(self, logs: np.ndarray, omega: np.ndarray, g: np.ndarray) -> np.ndarray:
        # Im g <= 0, so that below the spectrum its argument is -pi, whatever the sign of a zero.
        return np.asarray((logs - (1.0 - self.t) * np.abs(np.angle(g))) / self.t)

    def _mirrored(self) -> BatchLaw:
        return BatchLaw(-self.places, self.t, self.masses)

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x), atoms included."""
        x = np.asarray(x, dtype=float)
        # Just above an atom.
        for place, _ in self.atoms:
            near = np.abs(x - place) <= 1e-10 * self.reach
            x = np.where(near, place + 1e-9 * self.reach, x)
        return super().cdf(x)

    def moment(self, order: int) -> float:
        """E X^order: free cumulants are multiplied by t^(order - 1), and the batch divides by t."""
        if order != int(order) or order < 0:
            raise DomainError(f"order = {order:g} has no closed form: orders are 0, 1, 2, ...; try `expect`")
        kappa = _free_cumulants([float(self.masses @ self.places**k) for k in range(int(order) + 1)])
        return _moments([k * self.t ** (n - 1) / self.t**n if n else 1.0 for n, k in enumerate(kappa)])[int(order)]


def _powers(moments: list[float], count: int) -> list[list[float]]:
    """Coefficients, up to the order of `moments`, of the powers 0..count of sum m_k z^k."""
    order = len(moments)
    rows = [[1.0] + [0.0] * (order - 1)]
    for _ in range(count):
        rows.append([sum(rows[-1][i] * moments[n - i] for i in range(n + 1)) for n in range(order)])
    return rows


def _free_cumulants(moments: list[float]) -> list[float]:
    """kappa_0 = 1, kappa_1, ... from m_0 = 1, m_1, ...: M(z) = 1 + sum kappa_k (z M(z))^k."""
    kappa = [1.0]
    powers = _powers(moments, len(moments))
    for n in range(1, len(moments)):
        kappa.append(moments[n] - sum(kappa[k] * powers[k][n - k] for k in range(1, n)))
    return kappa


def _moments(kappa: list[float]) -> list[float]:
    """The inverse of `_free_cumulants`."""
    moments = [1.0]
    for n in range(1, len(kappa)):
        powers = _powers([*moments, *[0.0] * (len(kappa) - n)], n)
        moments.append(sum(kappa[k] * powers[k][n - k] for k in range(1, n + 1)))
    return moments
