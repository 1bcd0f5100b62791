r"""Quadratic networks trained on infinitely many samples: their overlaps close, step by step and in the flow.

With $f - y = \sum_a (c_a h_a + \frac{e_a}{2} h_a^2)$ (`grokking_losses`) the population gradient is linear in the
vectors,

    $E[(f - y) \phi'(h_i) x] \sqrt D = \sum_a (c_a + \epsilon e_a G_{ai}) w_a + \frac\epsilon2 (\sum_a e_a G_{aa}) w_i$,

so that a step maps $G \mapsto L G L^T$ with $L = 1 - \frac\eta\alpha M(G)$, exactly and at any D. Rows of M belong to
neurons; the teacher, and neurons at the start where the output is centred, stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theorylab.derivations.learning_dynamics import grokking_losses as losses
from theorylab.errors import DomainError
from theorylab.prediction import PredictionError

# Halvings of the step of the flow, each of which divides its error by 16.
HALVINGS = 12


@dataclass(frozen=True)
class Population:
    r"""Training on infinitely many samples.

    Parameters
    ----------
    alpha, eps, neurons, centred
        $\alpha$, $\epsilon$, N, and whether the output at the start is subtracted.
    trace
        Factor on the term of the trace; 1.
    """

    alpha: float
    eps: float
    neurons: int
    centred: bool = False
    trace: float = 1.0

    def coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """c and e, of the neurons, the teacher and, if the output is centred, the neurons at the start."""
        n = self.neurons
        sign = np.concatenate([np.ones(n), [0.0], -np.ones(n) if self.centred else []])
        linear = self.alpha / n * sign
        return linear, self.eps * linear - (np.arange(sign.size) == n)

    def gram(self, overlaps: np.ndarray, teacher: np.ndarray) -> np.ndarray:
        """Inner products over D of all vectors at the start, float64[..., n, n], from Q and m (|beta|^2 = D)."""
        n = self.neurons
        order = np.concatenate([np.arange(n + 1), np.arange(n if self.centred else 0)])
        whole = np.ones((*teacher.shape[:-1], n + 1, n + 1))
        whole[..., :n, :n] = overlaps
        whole[..., n, :n] = whole[..., :n, n] = teacher
        return np.asarray(whole[..., order[:, None], order])

    def drift(self, gram: np.ndarray) -> np.ndarray:
        """-M / alpha: dw/dt = drift @ w for all vectors."""
        c, e = self.coefficients()
        n = self.neurons
        out = np.zeros_like(gram)
        out[..., :n, :] = c + self.eps * e * gram[..., :n, :]
        half_trace = 0.5 * self.eps * self.trace * np.einsum("a,...aa->...", e, gram)
        out[..., np.arange(n), np.arange(n)] += half_trace[..., None]
        return -out / self.alpha

    def step(self, gram: np.ndarray, eta: float) -> np.ndarray:
        """One step of gradient descent."""
        move = np.eye(gram.shape[-1]) + eta * self.drift(gram)
        return np.asarray(move @ gram @ np.swapaxes(move, -1, -2))

    def loss(self, gram: np.ndarray) -> np.ndarray:
        """The three parts of the test loss, float64[..., 3]."""
        return 0.5 * losses.parts(*self.coefficients(), gram)

    def descent(self, gram: np.ndarray, eta: float, times: np.ndarray) -> np.ndarray:
        """Inner products after so many steps of rate eta, float64[times, ..., n, n].

        Raises
        ------
        DomainError
            When training diverges; the rate at which the start is stable is named.
        """
        wanted = np.asarray(times, dtype=int)
        kept, now = {}, gram
        for t in range(int(wanted.max()) + 1):
            if t in wanted:
                kept[t] = now
            now = self.step(now, eta)
            if not np.all(np.abs(now) < 1e12):
                stable = 2.0 / float(np.max(np.abs(np.linalg.eigvals(self.drift(gram)))))
                raise DomainError(
                    f"eta = {eta:g} diverges after {t + 1} steps at alpha = {self.alpha:g}, eps = {self.eps:g}: take "
                    f"eta < {stable:.3g}, below which the start is stable, or less"
                )
        return np.stack([kept[int(t)] for t in wanted])

    def flow(self, gram: np.ndarray, times: np.ndarray, accuracy: float = 1e-8) -> tuple[np.ndarray, np.ndarray]:
        """Gradient flow by the classical Runge-Kutta rule, its step halved until the losses stand still.

        Returns
        -------
        float64[times, ..., 3], float64[times, ..., 3]
            Parts of the test loss, and their change at the last halving.

        Raises
        ------
        PredictionError
            When they do not stand still.
        """
        longest = float(np.max(times))
        before = None
        count = 4 * max(1, int(np.ceil(longest)))
        for _ in range(HALVINGS):
            found = self._marched(gram, np.asarray(times), longest, count)
            if before is not None:
                error = np.abs(found - before)
                if np.all(error < accuracy * np.max(np.abs(found))):
                    return found, error + 1e-14
            before, count = found, 2 * count
        raise PredictionError(
            f"the flow is not resolved to {accuracy:g} by {count // 2} steps up to t = {longest:g}: take a shorter time"
        )

    def _marched(self, gram: np.ndarray, times: np.ndarray, longest: float, count: int) -> np.ndarray:
        def slope(g: np.ndarray) -> np.ndarray:
            a = self.drift(g) @ g
            return np.asarray(a + np.swapaxes(a, -1, -2))

        def advance(g: np.ndarray, h: float) -> np.ndarray:
            one = slope(g)
            two = slope(g + 0.5 * h * one)
            three = slope(g + 0.5 * h * two)
            return np.asarray(g + h / 6.0 * (one + 2.0 * two + 2.0 * three + slope(g + h * three)))

        h = longest / count if longest > 0.0 else 0.0
        reached = {0: gram}
        whole = np.floor(times / h + 1e-9).astype(int) if h else np.zeros(times.shape, dtype=int)
        now = gram
        for k in range(int(whole.max())):
            now = advance(now, h)
            if k + 1 in whole:
                reached[k + 1] = now
        return np.stack([self.loss(advance(reached[int(k)], t - k * h)) for k, t in zip(whole, times)])


def alike(neurons: int, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Q and m of independent neurons at the start as D grows, which see the teacher with alternating signs."""
    signs = np.where(np.arange(neurons) % 2 == 0, 1.0, -1.0)
    return (1.0 - overlap**2) * np.eye(neurons) + overlap**2 * np.outer(signs, signs), overlap * signs
