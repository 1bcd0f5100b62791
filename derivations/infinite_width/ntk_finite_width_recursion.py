r"""First and second moments of the finite-width tangent kernel at one input, layer by layer, for any widths.

Gates are replaced by independent ones: $d = 1$ or $\alpha$ with probability 1/2 each, independent of all weights. With
$p = E d^2$, $m = E d^4/p^2$, $c = 3m - 1$ and $w = C_W p$, the product $N = D_{l'-1} W_{l'-1} \cdots W_{l+1} D_l$
enters by

$$A_1 = \frac{C_W}{n} E |N|_F^2 = w^{l'-l}, \qquad A_2 = \frac{C_W^2}{n^2} E |N|_F^4, \qquad
  A_T = \frac{C_W^2}{n^2} E\, \mathrm{tr}\, (N N^T)^2, \qquad n = n_{l'-1},$$

which a layer of width n takes to $w^2 [(m/n)(A_2 + 2 A_T) + (1 - 1/n) A_2]$ and the same with $A_T$ in the last place.
A ReLU layer that is dead (probability $2^{-n}$) switches off the gates of all layers behind it: the bias gradients of
layer l < L vanish then, so that terms in $\lambda_b^2$ carry the probability that the layers before l are alive. All
other terms contain a factor $|s^{l-1}|$, and need no correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Wrong:
    """Mistakes of which each makes a mutant.

    Parameters
    ----------
    dead
        Dead layers counted as alive.
    growth
        Another value for c.
    trace
        Factor of A_T in the update of A_2.
    further
        Whether propagators go a layer too far.
    """

    dead: bool = False
    growth: float | None = None
    trace: float = 2.0
    further: bool = False


RIGHT = Wrong()


def constants(alpha: float) -> tuple[float, float]:
    """p and m of the activation with slopes 1 and alpha."""
    p = (1.0 + alpha**2) / 2.0
    return p, (1.0 + alpha**4) / (2.0 * p * p)


def moments(
    widths: Sequence[float],
    alpha: float,
    C_W: float,
    q0: float,
    lambda_b: float,
    lambda_W: float,
    wrong: Wrong = RIGHT,
) -> tuple[float, float]:
    """E Theta and E Theta^2.

    Parameters
    ----------
    widths
        Hidden widths n_1 .. n_(L-1).
    alpha, C_W, q0, lambda_b, lambda_W
        Slope at and below 0, weight variance, |x|^2/n_0, and the factors of bias and weight gradients.
    wrong
        Mistakes, for mutants.
    """
    n = np.asarray(widths, dtype=float)
    depth = n.size + 1
    p, m = constants(alpha)
    w = C_W * p
    c = 3.0 * m - 1.0 if wrong.growth is None else wrong.growth
    growth = np.concatenate([[1.0], np.cumprod(1.0 + c / n)])
    layers = np.arange(depth)
    # First and second moments of the inputs of layers 1 .. L and of the derivatives with respect to their outputs.
    first, second = q0 * w**layers, q0**2 * w ** (2.0 * layers) * growth
    back = w ** (2.0 * layers[::-1]) * growth[-1] / growth
    survival = 1.0 - 0.5**n if alpha == 0.0 and not wrong.dead else np.ones_like(n)
    alive = np.concatenate([[1.0], np.cumprod(survival)])
    # The derivative with respect to the output itself needs nobody.
    own = np.append(alive[:-1], 1.0)
    mean = float(np.sum((lambda_b * own + lambda_W * first) * w ** layers[::-1]))
    total = float(np.sum((lambda_b**2 * own + 2.0 * lambda_b * lambda_W * first + lambda_W**2 * second) * back))
    a1, a2, trace = np.empty(0), np.empty(0), np.empty(0)
    for j in range(depth - 1):
        # Propagators from layers 1 .. j + 1 (by rows) through layer j + 1; the last starts there.
        a1, a2, trace = _through(a1, a2, trace, n[j], w, m, wrong)
        a1 = np.append(a1, w)
        a2 = np.append(a2, w * w * (m / n[j] + 1.0 - 1.0 / n[j]))
        trace = np.append(trace, w * w * m / n[j])
        b1, b2 = a1, a2
        if wrong.further and j + 1 < depth - 1:
            b1, b2, _ = _through(a1, a2, trace, n[j + 1], w, m, wrong)
            b1, b2 = b1 / w, b2 / (w * w)
        pairs = (
            lambda_b**2 * alive[: j + 1] * b1
            + lambda_b * lambda_W * first[: j + 1] * (b1 + b2)
            + lambda_W**2 * second[: j + 1] * b2
        )
        total += 2.0 * float(back[j + 1] * np.sum(pairs))
    return mean, total


def _through(
    a1: np.ndarray, a2: np.ndarray, trace: np.ndarray, n: float, w: float, m: float, wrong: Wrong
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propagators a layer on."""
    shared, rest = m / n, 1.0 - 1.0 / n
    return (
        w * a1,
        w * w * (shared * (a2 + wrong.trace * trace) + rest * a2),
        w * w * (shared * (a2 + 2.0 * trace) + rest * trace),
    )
