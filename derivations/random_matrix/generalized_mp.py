r"""The generalized Marchenko-Pastur law: the spectrum of sample covariances with any population spectrum, as an object.

For S = Sigma^(1/2) X X^T Sigma^(1/2)/n, H the spectral law of Sigma, c = p/n, and omega(z) of `silverstein`,

    G(z) = int dmu(x)/(z - x) = (1/z) int omega dH/(omega - t)
    density(x) = Im omega / (pi c |omega|^2)
    1 - F(x) = (1/(pi c)) (arg omega (1 - c + c H({0})) + c int_{t>0} arg(omega - t) dH - x Im omega/|omega|^2)

at omega(x + i0). The last is the imaginary part of int log(z - x) dmu, whose derivative is G: no integral is left.
A population eigenvalue alpha apart from the others stands at omega = alpha: its outlier is z(alpha), if dz/d omega > 0
there, and dz/d omega times alpha/z is the squared overlap of the eigenvectors.

Near an edge, everything is a function of the distance from it, which is known to twice double precision: density and
the tails beyond the first and the last interval keep their digits relative to themselves.

Source
    Marchenko and Pastur, Math. USSR Sbornik 1 (1967) 457; Silverstein and Choi, J. Multivariate Anal. 54 (1995) 295;
    Bai and Yao, J. Multivariate Anal. 106 (2012) 167, arXiv:0806.1141, for spikes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import elementwise

from theorylab.derivations.random_matrix.laws import ACCURACY, Law
from theorylab.derivations.random_matrix.silverstein import STEPS, TIGHT, Edge, Population
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Part of an interval beside an outer edge in which its tail is integrated from the edge, and nodes of that integral.
NEAR, NODES = 0.1, 24
# Nodes of a panel of an integral over the law, and how often panels are halved.
PANEL, HALVINGS = 16, 40
# What the closed form of the distribution function is good to, in units of 1/c.
CANCELLED = 1e-14


class Outlier(NamedTuple):
    """Where the spike `alpha` of the population is seen in the sample.

    Parameters
    ----------
    value
        Limit of the sample eigenvalue: the outlier, or the edge of the support where there is none.
    overlap
        Squared overlap of sample and population eigenvector; 0 where there is no outlier.
    detached
        Whether there is an outlier.
    note
        The same in a sentence.
    """

    value: float
    overlap: float
    detached: bool
    note: str


class GeneralizedMarchenkoPastur(Law):
    """The limiting spectrum of sample covariances at c = p/n, for a population spectrum with these atoms.

    Parameters
    ----------
    c
        Aspect ratio p/n.
    values
        Population eigenvalues, none negative: a list of a few atoms, or the whole spectrum of a covariance.
    masses
        Their probabilities; equal ones when None.

    Raises
    ------
    DomainError
        For a negative or missing eigenvalue or mass, masses that do not sum to one, or c that is not positive.
    """

    def __init__(self, c: float, values: Any, masses: Any = None) -> None:
        self.population = Population(c, values, masses)
        zero = max(self.population.empty, 1.0 - 1.0 / self.population.c)
        self.atoms = ((0.0, zero),) if zero > 0.0 else ()
        edges = self.population.edges
        # Where every mass but that at zero lies: pairs of edges, and the mass below and above each.
        self._pairs = tuple(zip(edges[::2], edges[1::2]))
        self._above = [self._plateau(edge.omega) for edge in edges]

    def _plateau(self, omega: float) -> float:
        """Mass above the gap beyond an edge: in a gap all arguments are 0 or pi."""
        population = self.population
        below_zero = population.spare / population.c if omega < 0.0 else 0.0
        return float(below_zero + population.w[population.t > omega].sum())

    @property
    def c(self) -> float:
        """Aspect ratio p/n."""
        return self.population.c

    def intervals(self) -> tuple[tuple[float, float], ...]:
        """The intervals of the continuous part, ascending."""
        return tuple((low.high, high.high) for low, high in self._pairs)

    def support(self) -> tuple[float, float]:
        """From the lowest edge, or from the atom at 0, to the highest edge."""
        low, high = self.intervals()[0][0], self.intervals()[-1][1]
        return (min(0.0, low) if self.atoms else low), high

    def pdf(self, x: Any) -> np.ndarray:
        """Density of the continuous part; 0 outside the intervals."""
        x = np.asarray(x, dtype=float)
        out = np.zeros(x.shape)
        inside, omega = self._inside(x)
        out[inside] = self._density(omega)
        return out

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x), the atom included."""
        return self._tail(np.asarray(x, dtype=float), upper=False)

    def sf(self, x: Any) -> np.ndarray:
        """P(X > x)."""
        return self._tail(np.asarray(x, dtype=float), upper=True)

    def moments(self, count: int) -> np.ndarray:
        """E X, ..., E X^count, from the free cumulants c <t^k> of the companion."""
        population = self.population
        cumulants = [population.c * float(population.w @ population.t**k) for k in range(1, count + 1)]
        series = np.zeros(count + 1)
        series[0] = 1.0
        # M = 1 + sum_k cumulant_k z^k M^k, order by order.
        for order in range(1, count + 1):
            power, total = series[: order + 1].copy(), 0.0
            for k, cumulant in enumerate(cumulants[:order], 1):
                total += cumulant * power[order - k]
                power = np.convolve(power, series[: order + 1])[: order + 1]
            series[order] = total
        return np.asarray(series[1:] / population.c)

    def moment(self, order: int) -> float:
        """E X^order."""
        if order != int(order) or order < 0:
            raise DomainError(f"order = {order:g} has no closed form here: orders are 0, 1, 2, ...; try `expect`")
        return 1.0 if order == 0 else float(self.moments(int(order))[-1])

    def var(self) -> float:
        """Variance: that of the population, and c times its squared mean."""
        population = self.population
        spread = float(population.w @ (population.t - population.mean) ** 2) + population.empty * population.mean**2
        return spread + population.c * population.mean**2

    def stieltjes(self, z: Any) -> np.ndarray:
        r"""$G(z) = \int d\mu(x)/(z - x)$, with Im G < 0 for Im z > 0.

        Raises
        ------
        DomainError
            On the support, where G jumps, and at an atom: take Im z != 0.
        """
        z = np.asarray(z, dtype=complex)
        omega = self.companion(z)
        population = self.population
        # At z = 0 = omega, without an atom there, the quotient is that of their derivatives.
        at_zero = z == 0.0
        ratio = np.where(at_zero, 1.0, omega) / np.where(at_zero, population.spare, z)
        out = ratio * np.sum(population.w / (omega[..., None] - population.t), axis=-1)
        if population.empty > 0.0:
            out = out + population.empty / z
        return np.asarray(out)

    def companion(self, z: Any) -> np.ndarray:
        """omega(z) = -1/v(z), with v the companion transform int dmu/(x - z) of X^T Sigma X/n; see `stieltjes`."""
        z = np.asarray(z, dtype=complex)
        flat = np.ravel(z)
        real = flat.imag == 0.0
        out = np.empty_like(flat)
        upper = self.population.omega(flat.real[~real] + 1j * np.abs(flat.imag[~real]))
        out[~real] = np.where(flat.imag[~real] > 0.0, upper, np.conj(upper))
        out[real] = self._outside(flat.real[real])
        return out.reshape(z.shape)

    def outlier(self, alpha: float) -> Outlier:
        """Where a spike of the population, one eigenvalue alpha apart from all others, is seen in the sample.

        Raises
        ------
        DomainError
            Unless alpha is positive and finite.
        """
        if not (np.isfinite(alpha) and alpha > 0.0):
            raise DomainError(f"the spike {alpha:g} is not a population eigenvalue: it must be positive and finite")
        for low, high in self._pairs:
            if low.omega <= alpha <= high.omega:
                edge = low if alpha - low.omega < high.omega - alpha else high
                note = (
                    f"no outlier: the spike {alpha:g} is inside [{low.omega:g}, {high.omega:g}], and its eigenvalue at "
                    f"the edge {edge.high:g} of the bulk"
                )
                return Outlier(edge.high, 0.0, False, note)
        value, slope = (float(f(np.asarray(alpha))) for f in (self.population.place, self.population.slope))
        return Outlier(value, alpha * slope / value, True, f"the spike {alpha:g} has an outlier at {value:g}")

    def _outside(self, x: np.ndarray) -> np.ndarray:
        """omega at real places off the support, where it is real: between two edges, by a bracket."""
        edges = self.population.edges
        ends = np.array([e.high for e in edges])
        gap = np.searchsorted(ends, x)
        bad = (gap % 2 == 1) | np.isin(x, ends) | ((x == 0.0) & bool(self.atoms))
        if np.any(bad):
            raise DomainError(f"z = {x[bad][0]:g} lies on the support, where G jumps: take Im z != 0")
        far = x - self.population.c * self.population.mean
        omegas = np.array([e.omega for e in edges])
        low = np.where(gap == 0, np.minimum(far, omegas[0]) - 1e-3 * np.abs(far), omegas[np.maximum(gap - 1, 0)])
        high = np.where(gap == len(ends), np.maximum(far, omegas[-1]) + 1e-3 * np.abs(far), omegas[gap % len(ends)])
        found = elementwise.find_root(
            lambda o, place: self.population.place(o) - place, (low, high), args=(x,), tolerances=TIGHT, maxiter=1000
        )
        if not np.all(found.success):
            raise PredictionError("Silverstein's equation has no root in its bracket")
        return np.asarray(found.x)

    def _inside(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which x are inside an interval, and omega(x + i0) there."""
        edges = self.population.edges
        place = np.searchsorted([e.high for e in edges], x, side="left")
        inside = (place % 2 == 1) & ~np.isin(x, [e.high for e in edges])
        omega = self.population.omega(x[inside])
        # Once more from the nearer edge, of which the distance has all its digits.
        left = place[inside] - 1
        for k in np.unique(left):
            part = left == k
            lower, upper = edges[k], edges[k + 1]
            at, y = omega[part], x[inside][part]
            near_lower = np.abs(at - lower.omega) < np.abs(at - upper.omega)
            for edge, which in ((lower, near_lower), (upper, ~near_lower)):
                at[which] = edge.omega + self._from_edge(edge, (y[which] - edge.high) - edge.low, at[which])
            omega[part] = at
        return inside, omega

    def _from_edge(self, edge: Edge, distance: np.ndarray, omega: np.ndarray) -> np.ndarray:
        """omega - omega(edge) from z - edge = delta^2 K(delta), by Newton's method from a first omega."""
        t, q = self.population.t, self.population.q
        delta = omega - edge.omega
        weight = q / (edge.omega - t) ** 2
        for _ in range(STEPS):
            gap = omega[:, None] - t
            factor = np.sum(weight / gap, axis=1)
            slope = 2.0 * delta * factor - delta**2 * np.sum(weight / gap**2, axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = (delta**2 * factor - distance) / slope
            delta = delta - np.where(np.isfinite(step), step, 0.0)
            omega = edge.omega + delta
            if not np.any(np.abs(step) > 1e-15 * np.abs(delta)):
                break
        # A real correction too small for omega itself still counts in the imaginary part.
        return delta

    def _density(self, omega: np.ndarray) -> np.ndarray:
        return np.asarray(omega.imag / (np.pi * self.population.c * np.abs(omega) ** 2))

    def _tail(self, x: np.ndarray, upper: bool) -> np.ndarray:
        """P(X > x) or P(X <= x)."""
        edges = self.population.edges
        ends = np.array([e.high for e in edges])
        above = np.array([1.0, *self._above])[np.searchsorted(ends, x, side="right")]
        above = np.where(x < 0.0, 1.0, np.where((x < ends[0]) & bool(self.atoms), self._above[0], above))
        out = np.asarray(above if upper else 1.0 - above)
        inside, omega = self._inside(x)
        place = x[inside]
        t, w, c = self.population.t, self.population.w, self.population.c
        mass = (
            np.angle(omega) * self.population.spare
            + c * np.angle(omega[:, None] - t) @ w
            - place * omega.imag / np.abs(omega) ** 2
        ) / (np.pi * c)
        mass = mass if upper else 1.0 - mass
        outer, sign = (len(self._pairs) - 1, -1.0) if upper else (0, 1.0)
        if upper or not self.atoms:
            low, high = self._pairs[outer]
            edge = high if upper else low
            distance = sign * ((place - edge.high) - edge.low)
            near = (distance > 0.0) & (distance < NEAR * (high.high - low.high))
            if np.any(near):
                tail = self._from_outside(edge, sign, distance[near])
                # A structure too fine for the nodes shows as a difference.
                mass[near] = np.where(np.abs(tail - mass[near]) < CANCELLED * max(1.0, 1.0 / c), tail, mass[near])
        out[inside] = mass
        return out

    def _from_outside(self, edge: Edge, sign: float, distance: np.ndarray) -> np.ndarray:
        """Mass between an outer edge and places so far inside it: the integral in the square root of the distance."""
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        s = (nodes + 1.0) / 2.0
        step = (distance[:, None] * s**2).ravel()
        start = edge.omega + 1j * np.sqrt(
            step / np.abs(np.sum(self.population.q / (edge.omega - self.population.t) ** 3))
        )
        where = edge.high + sign * step
        clear = step > 1e-8 * abs(edge.high)
        start[clear] = self.population.omega(where[clear])
        omega = edge.omega + self._from_edge(edge, sign * step, start)
        density = self._density(omega).reshape(len(distance), NODES)
        return np.asarray((density * s * weights).sum(axis=1) * distance)

    def _marks(self) -> list[float]:
        return [*self.support(), *(end for pair in self.intervals() for end in pair)]

    def _mean(self, function: Any) -> Any:
        """Integral against the density, interval by interval, in the angle that takes the edges away."""
        return sum(self._integral(function, low, high) for low, high in self.intervals())

    def _integral(self, function: Any, low: float, high: float) -> Any:
        """Over one interval: panels of Gauss-Legendre nodes, halved where they differ from their halves."""
        nodes, weights = np.polynomial.legendre.leggauss(PANEL)

        def panels(start: np.ndarray, end: np.ndarray) -> np.ndarray:
            u = start[:, None] + (end - start)[:, None] * (nodes + 1.0) / 2.0
            x = low + (high - low) * np.sin(u / 2.0) ** 2
            values = np.asarray(function(x)) * self.pdf(x) * np.sin(u) * (high - low) / 2.0
            return np.asarray((values @ weights) * (end - start) / 2.0)

        ends = np.linspace(0.0, np.pi, 5)
        start, end = ends[:-1], ends[1:]
        coarse = panels(start, end)
        total, size = 0.0, float(np.abs(coarse).sum())
        for _ in range(HALVINGS):
            middle = 0.5 * (start + end)
            halves = panels(np.concatenate([start, middle]), np.concatenate([middle, end])).reshape(2, -1)
            done = np.abs(halves.sum(axis=0) - coarse) <= ACCURACY * 1e-2 * size
            total += halves[:, done].sum()
            if np.all(done):
                return total
            start, end = (np.concatenate(pair) for pair in ((start[~done], middle[~done]), (middle[~done], end[~done])))
            coarse = halves[:, ~done].ravel()
        raise PredictionError(f"the mean over {type(self).__name__} is only known to {np.abs(coarse).sum():.1e}")
