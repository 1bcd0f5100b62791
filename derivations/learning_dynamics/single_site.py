r"""Single-site processes of deep networks at infinite width, swept once through time.

For layers $l = 1 \dots L$ and instants i, j (a step and a pattern), with learning rate $\eta$ and $D_j = y - f$ at j,

    $h^l_i = u^l_i + \sum_{j < i} [RA^{l-1}_{ij} + \eta\gamma H^{l-1}_{ij} D_j]\, g^l_j$,  $u^l \sim GP(0, H^{l-1})$,
    $z^l_i = r^l_i + \sum_{j \le i} RB^{l+1}_{ij} \phi(h^l_j) + \eta\gamma \sum_{j < i} G^{l+1}_{ij} D_j \phi(h^l_j)$,
    $r^l \sim GP(0, G^{l+1})$,  $g^l_i = \phi'(h^l_i) z^l_i$,
    $H^l_{ij} = \langle \phi(h^l_i) \phi(h^l_j) \rangle$,  $G^l_{ij} = \langle g^l_i g^l_j \rangle$,
    $RA^l_{ij} = \langle \partial \phi(h^l_i) / \partial r^l_j \rangle$,
    $RB^l_{ij} = \langle \partial g^l_i / \partial u^l_j \rangle$,

where $j < i$ compares steps, with $H^0 = K$, $RA^0 = 0$, $G^{L+1} = 1$, $RB^{L+1} = 0$. RA is strictly causal, but RB
has a part at equal times: a change of $u_i$ changes $g_i = \phi'(h_i) z_i$ at once.

The processes are carried by S samples a layer. Whatever a sum over the past needs lies in the span of the samples'
vectors $\phi(h_j)$ or $g_j$, of which an orthonormal basis is grown, one Gram-Schmidt step an instant, and only where
the new vector is not in the span already: $\phi(h_i) = \sum_k C_{ik} \psi_k$ with $C C^T = H$, and $g_i = \sum_k
C'_{ik} \chi_k$. The next layer's field is $u_i = \sum_k C_{ik} e_k$ with independent normals $e_k$, and in these
coordinates a response is a correlation, by Stein's lemma: $\sum_j RB_{ij} \phi(h_j) = \sum_k \langle g_i e_k \rangle
\psi_k$, equal times included, and $\sum_j RA_{ij} g_j = \sum_k \langle \phi(h_i) e'_k \rangle \chi_k$. This needs no
derivative, so that it serves ReLU. With `tangents` the derivatives themselves are averaged instead, $\langle g_i e_k
\rangle = \langle \partial g_i / \partial e_k \rangle$, which is less noisy and dearer.

Every quantity depends on earlier instants and on layers already done, so that one sweep solves the equations of the
sample. The same equations with all order parameters given make a map whose fixed point they are (`given`): its residual
at the sweep's result is what the solution is certified with (`single_site_solution`).

Operations: 8 L S R an instant, with R the rank of the kernels, at most the number of instants; bytes: see `bytes_of`.
With tangents R times as many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from theorylab.derivations.learning_dynamics.single_site_points import Points

# phi, phi' and phi'' at an array.
Jet = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
# Squared part outside the span of the past, relative to the vector, that is left out. Of first order in it, results
# change by less: at 1e-4 by 2e-4, at 1e-5 by 1e-5.
OUTSIDE = 1e-6


@dataclass(frozen=True)
class Terms:
    r"""Which terms are kept: all, unless it is to be seen what one of them is worth.

    Parameters
    ----------
    equal_time
        RB at equal times: "all" of it, only its "first" piece $\langle \phi'' z \rangle$, without the second,
        $RB^{l+1}_{ii} \langle \phi'^2 \rangle$; or "none".
    slope
        Whether RA is the response of $\phi(h)$, or that of h.
    above
        Whether z of layer l has $G^{l+1}$, or the $G^l$ of the step before.
    responses
        Whether RA and RB are there at all (but for the readout's RA, which f is made of).
    """

    equal_time: str = "all"
    slope: bool = True
    above: bool = True
    responses: bool = True


ALL = Terms()


@dataclass
class Basis:
    """Orthonormal vectors, under the mean over samples, in which a history is expressed.

    Parameters
    ----------
    vectors : float64[instants, samples]
        The first `rank` rows count.
    coefficients : float64[instants, instants]
        Row i holds the coordinates of the i-th vector of the history.
    tangents
        Of each vector, derivatives with respect to the normals of u and r so far: float64[2, normals, samples].
    """

    vectors: np.ndarray
    coefficients: np.ndarray
    rank: int = 0
    tangents: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def empty(cls, instants: int, samples: int) -> Basis:
        """Nothing yet."""
        return cls(np.empty((instants, samples)), np.zeros((instants, instants)))

    def append(self, i: int, x: np.ndarray, tangent: np.ndarray | None) -> None:
        """Take x as the i-th vector of the history."""
        known, size = self.vectors[: self.rank], x.size
        c = known @ x / size
        rest = x - c @ known
        # Once more: after one pass the rest is orthogonal only up to the rounding of x.
        again = known @ rest / size
        rest -= again @ known
        c += again
        self.coefficients[i, : self.rank] = c
        outside = rest @ rest / size
        if outside > OUTSIDE * (x @ x / size):
            pivot = np.sqrt(outside)
            self.coefficients[i, self.rank] = pivot
            self.vectors[self.rank] = rest / pivot
            if tangent is not None:
                self.tangents.append((tangent - combined(c, self.tangents, tangent.shape)) / pivot)
            self.rank += 1

    def along(self, weights: np.ndarray) -> np.ndarray:
        """The combination of basis vectors with these weights."""
        combination: np.ndarray = weights[: self.rank] @ self.vectors[: self.rank]
        return combination


def combined(weights: np.ndarray, tangents: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The combination of tangents with these weights; those of normals that came later are 0."""
    out = np.zeros(shape)
    for weight, tangent in zip(weights, tangents):
        out[:, : tangent.shape[1]] += weight * tangent
    return out


@dataclass
class Order:
    """Order parameters, layers 0 (inputs) to L + 1 (readout) first, so that indices are those of the equations.

    Parameters
    ----------
    C, Cr : float64[L + 2, n, n]
        Lower-triangular roots of H and of G.
    A, B : float64[L + 2, n, n]
        Responses RA and RB in the coordinates of the roots: mean of phi(h) e'_k, and of g e_k.
    f : float64[n]
    """

    C: np.ndarray
    Cr: np.ndarray
    A: np.ndarray
    B: np.ndarray
    f: np.ndarray

    @classmethod
    def start(cls, depth: int, steps: int, gram: np.ndarray) -> Order:
        """What inputs and readout give."""
        patterns = len(gram)
        n = steps * patterns
        C, Cr, A, B = (np.zeros((depth + 2, n, n)) for _ in range(4))
        C[0, :, :patterns] = np.tile(_root(gram), (steps, 1))
        Cr[depth + 1, :, 0] = 1.0
        return cls(C, Cr, A, B, np.zeros(n))

    def flat(self) -> np.ndarray:
        """All of them in one row."""
        return np.concatenate([x.ravel() for x in (self.C, self.Cr, self.A, self.B, self.f)])

    def towards(self, other: Order, part: float) -> Order:
        """That part of the way to others."""
        pairs = zip((self.C, self.Cr, self.A, self.B, self.f), (other.C, other.Cr, other.A, other.B, other.f))
        return Order(*(a + part * (b - a) for a, b in pairs))


class Sweep:
    """One batch of samples on its way through time.

    Parameters
    ----------
    points
        Normals.
    jet
        The activation.
    gram, targets : float64[P, P], float64[P]
    depth, gamma, rate, steps
        L, the laziness, the learning rate, and the number of updates.
    terms
        What is kept.
    tangents
        Responses from derivatives, not from correlations.
    given
        Order parameters that drive the fields; by default those of the sweep itself.
    """

    def __init__(
        self,
        points: Points,
        jet: Jet,
        gram: np.ndarray,
        targets: np.ndarray,
        *,
        depth: int,
        gamma: float,
        rate: float,
        steps: int,
        terms: Terms = ALL,
        tangents: bool = False,
        given: Order | None = None,
    ) -> None:
        self.points, self.jet, self.targets, self.depth = points, jet, np.asarray(targets, dtype=float), depth
        self.gamma, self.rate, self.steps = gamma, rate, steps
        self.terms, self.tangents = terms, tangents
        n = (steps + 1) * len(targets)
        self.order = Order.start(depth, steps + 1, np.asarray(gram, dtype=float))
        self.driving = given or self.order
        self.forward = [Basis.empty(n, points.size) for _ in range(depth + 1)]
        self.backward = [Basis.empty(n, points.size) for _ in range(depth + 2)]
        for l in range(1, depth + 1):
            self.forward[l].coefficients, self.backward[l].coefficients = self.order.C[l], self.order.Cr[l]
        # Normals of u and r of each layer, as many as the fields have had need of.
        self.normals = [(np.empty((n, points.size)), np.empty((n, points.size))) for _ in range(depth + 1)]
        self.drawn = [[0, 0] for _ in range(depth + 1)]
        # Coefficient of RB at equal times that is kept, of layers 1 to L + 1.
        self.equal = np.zeros((depth + 2, n))
        self.fields: list[list[tuple[np.ndarray, ...]]] = [[] for _ in range(depth + 1)]
        self.moved: list[list[np.ndarray]] = [[] for _ in range(depth + 1)]

    def run(self) -> Order:
        """All steps."""
        patterns = len(self.targets)
        for t in range(self.steps + 1):
            rows = range(t * patterns, (t + 1) * patterns)
            error = (np.tile(self.targets, self.steps + 1) - self.driving.f)[: rows[0]]
            for l in range(1, self.depth + 1):
                self._upwards(l, rows, error)
            for i in rows:
                # Stein's lemma on r^L: the mean of z^L phi(h^L), without its noise.
                learnt = self.rate * self._kernel(self.driving.C[self.depth], i, rows[0]) @ error
                self.order.f[i] = self.driving.A[self.depth, i, 0] / self.gamma + learnt
            for l in range(self.depth, 0, -1):
                self._downwards(l, rows, error)
        return self.order

    def _kernel(self, root: np.ndarray, i: int, past: int) -> np.ndarray:
        """Row i of a kernel at instants of the past."""
        row: np.ndarray = root[:past] @ root[i]
        return row

    def _upwards(self, l: int, rows: range, error: np.ndarray) -> None:
        below, sent, basis, past = self.driving.C[l - 1], self.backward[l], self.forward[l], rows[0]
        e, e_r = self.normals[l]
        self.fields[l], self.moved[l] = [], []
        for i in rows:
            count = self._draw(l, 0, below[i])
            force = self.rate * self.gamma * self._kernel(below, i, past) * error
            coupling = force @ self.driving.Cr[l, :past] + self.driving.A[l - 1, i]
            h = below[i, :count] @ e[:count] + sent.along(coupling)
            self.fields[l].append((*self.jet(h), h))
            self.moved[l].append(self._tangent(l, 0, below[i], sent, coupling))
        known = self.drawn[l][1]
        for i, (phi, slope, _, h), dh in zip(rows, self.fields[l], self.moved[l]):
            dphi = slope * dh
            if self.terms.responses or l == self.depth:
                if self.tangents:
                    self.order.A[l, i, :known] = (dphi if self.terms.slope else dh)[1, :known].mean(axis=-1)
                else:
                    self.order.A[l, i, :known] = e_r[:known] @ (phi if self.terms.slope else h) / h.size
            basis.append(i, phi, dphi if self.tangents else None)

    def _downwards(self, l: int, rows: range, error: np.ndarray) -> None:
        above, sent, basis, past = self.driving.Cr[l + 1], self.forward[l], self.backward[l], rows[0]
        e, e_r = self.normals[l]
        forces = []
        for i, (_, slope, curvature, _), dh in zip(rows, self.fields[l], self.moved[l]):
            count = self._draw(l, 1, above[i])
            if self.terms.above:
                kernel = self._kernel(above, i, past)
            else:
                kernel = self._kernel(self.driving.Cr[l], max(i - len(rows), 0), past)
            force = self.rate * self.gamma * kernel * error
            coupling = force @ self.driving.C[l, :past] + self.driving.B[l + 1, i]
            z = above[i, :count] @ e_r[:count] + sent.along(coupling)
            tangent = slope * self._tangent(l, 1, above[i], sent, coupling)
            tangent[:, : dh.shape[1]] += (curvature * z) * dh
            left_out = self._left_out(l, i, slope, curvature, z)
            forces.append((slope * z, tangent, left_out))
        known = self.drawn[l][0]
        for i, (g, tangent, left_out) in zip(rows, forces):
            if self.terms.responses:
                if self.tangents:
                    self.order.B[l, i, :known] = tangent[0, :known].mean(axis=-1)
                else:
                    self.order.B[l, i, :known] = e[:known] @ g / g.size
                self.order.B[l, i] -= left_out * self.driving.C[l - 1, i]
            basis.append(i, g, tangent if self.tangents else None)

    def _left_out(self, l: int, i: int, slope: np.ndarray, curvature: np.ndarray, z: np.ndarray) -> float:
        """What the terms leave out of RB at equal times."""
        if self.terms.equal_time == "all":
            return 0.0
        first, second = float(np.mean(curvature * z)), float(self.equal[l + 1, i] * np.mean(slope * slope))
        if self.terms.equal_time == "none":
            return first + second
        self.equal[l, i] = first
        return second

    def _tangent(self, l: int, kind: int, own: np.ndarray, sent: Basis, coupling: np.ndarray) -> np.ndarray:
        """Derivatives of a field with respect to the normals of u and r; empty without tangents."""
        count = max(self.drawn[l]) if self.tangents else 0
        out = combined(coupling, sent.tangents, (2, count, self.points.size))
        out[kind] += own[:count, None]
        return out

    def _draw(self, l: int, kind: int, row: np.ndarray) -> int:
        """Make the normals that a row of coefficients needs; their number."""
        needed = np.flatnonzero(row)
        count = int(needed[-1]) + 1 if needed.size else 0
        for k in range(self.drawn[l][kind], count):
            self.normals[l][kind][k] = self.points.normals(l, kind, k)
        self.drawn[l][kind] = max(count, self.drawn[l][kind])
        return count


def kernels_of(roots: np.ndarray) -> np.ndarray:
    """H of the layers 1..L from their roots C[0..L+1], or G from Cr."""
    inner = roots[1:-1]
    return np.asarray(inner @ inner.transpose(0, 2, 1))


def _root(gram: np.ndarray) -> np.ndarray:
    """A lower-triangular root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(gram)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return np.asarray(np.linalg.qr(root)[1].T)


def bytes_of(depth: int, instants: int, samples: int, tangents: bool = False) -> float:
    """Most bytes that a sweep holds: n instants, R <= n vectors of each kind and layer, and their tangents."""
    vectors = 4.0 * depth * instants * samples
    return 8.0 * (vectors * (1.0 + (0.5 * instants if tangents else 0.0)) + 8.0 * (depth + 2.0) * instants**2)
