r"""Two-time kernels of neurons that are alike, mode by mode: the linear process of the weights, and its noise.

At the start the neurons have independent weights with overlaps $\pm m_0$ with the teacher, so that every kernel keeps
the form $K = \sum_m K_m P_m$ over at most three modes: common to all neurons, along the signs $s_i$ of the overlaps,
and the rest. A coordinate of the weights of mode $m$ is

    $w(t + 1) = w(t) + \frac\eta\alpha [\sum_{s \le t} R^g_m(t, s) w(s) + R^*(t) b] + \zeta(t)$,

with $b$ only in the mode of the signs: a linear map of $(w(0), b, \zeta)$, kept as its coefficients. The noise has the
covariance $\frac{\eta^2}{\alpha^2 \nu} \langle P_m g(t) \cdot P_m g(s) \rangle / \mathrm{tr} P_m$ for a neuron.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# A pivot below this part of its diagonal is rounding: the noise of that step is a combination of those before.
SINGULAR = 1e-9


@dataclass
class Modes:
    """The modes of N neurons, and the linear process in each of them.

    Parameters
    ----------
    neurons, overlap
        N, and m_0: the overlaps at the start are its products with `signs`.
    steps
        Number of steps T for which there is room.
    """

    neurons: int
    overlap: float
    steps: int

    def __post_init__(self) -> None:
        n, T = self.neurons, self.steps
        alternating = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
        odd = n % 2 == 1 and n > 1
        self.signs = np.ones(1) if n == 1 else alternating
        if odd:
            alternating[-1] = 0.0
        fours = np.array([1.0, 1.0, -1.0, -1.0])[np.arange(n) % 4] * (np.arange(n) < n - n % 4)
        three = self.overlap != 0.0 and n > 2
        vectors = [np.ones(n), alternating, fours][: min(n, 3 if three else 2)]
        self.probe = np.array(vectors)
        self.special = self.probe[:-1]
        # The teacher acts along the signs: the first mode of one neuron, else the second.
        self.loaded = -1 if self.overlap == 0.0 else min(1, n - 1)
        count = len(vectors)
        self.dimensions = np.array([1.0] * (count - 1) + [n - count + 1.0])
        self.start = np.full((count, T + 1), math.sqrt(1.0 - self.overlap**2))
        self.load = np.full(T + 1, self.overlap)
        self.response = np.zeros((count, T + 1, T + 1))
        self.covariance = np.zeros((count, T, T))
        self.factor = np.zeros((count, T, T))

    def drive(self, t: int) -> np.ndarray:
        """Coefficients of w(t) in independent normal numbers, one for the noise of each step, float64[M, t]."""
        return np.asarray(np.einsum("ms,msr->mr", self.response[:, t, :t], self.factor[:, :t, :t]))

    def overlaps(self, t: int, s: int) -> np.ndarray:
        r"""$\langle w_i(t) w_j(s) \rangle$, float64[N, N]."""
        last = max(t, s)
        noise = np.einsum(
            "ma,mab,mb->m",
            self.response[:, t, :last],
            self.covariance[:, :last, :last],
            self.response[:, s, :last],
        )
        found = self.start[:, t] * self.start[:, s] + noise
        matrix = found[-1] * np.eye(self.neurons)
        for vector, value in zip(self.special, found):
            matrix += (value - found[-1]) / self.neurons * np.outer(vector, vector)
        return np.asarray(matrix + self.load[t] * self.load[s] * np.outer(self.signs, self.signs))

    def advance(
        self, t: int, rate: float, moments: np.ndarray, responses: np.ndarray, taught: float, noise: float
    ) -> None:
        r"""Take step t + 1 from the averages over the samples at step t.

        Parameters
        ----------
        rate, noise
            $\eta/\alpha$ and $\eta^2/(\alpha^2 \nu)$.
        moments, responses : float64[M, t + 1]
            As `grokking_single_site.advance` adds them up.
        taught
            $\langle \sum_i s_i\, \partial g_i / \partial h_* \rangle$.
        """
        found = noise * moments / self.dimensions[:, None]
        self.covariance[:, t, : t + 1] = self.covariance[:, : t + 1, t] = found
        for L, row in zip(self.factor, found):
            for s in range(t):
                L[t, s] = (row[s] - L[t, :s] @ L[s, :s]) / L[s, s] if L[s, s] > 0.0 else 0.0
            left = row[t] - L[t, :t] @ L[t, :t]
            L[t, t] = math.sqrt(left) if left > SINGULAR * row[t] else 0.0
        pull = rate * responses / np.sum(np.square(self.probe), axis=1)[:, None]
        self.response[:, t + 1] = self.response[:, t] + np.einsum("ms,msr->mr", pull, self.response[:, : t + 1])
        self.response[:, t + 1, t] += 1.0
        self.start[:, t + 1] = self.start[:, t] + np.einsum("ms,ms->m", pull, self.start[:, : t + 1])
        if self.loaded >= 0:
            self.load[t + 1] = self.load[t] + pull[self.loaded] @ self.load[: t + 1] + rate * taught / self.neurons
