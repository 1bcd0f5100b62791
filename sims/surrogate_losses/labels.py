"""Random label distributions, from uniform to concentrated on few classes."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv

from theorylab.kernels.random import Stream

# Operations of the quantile function of a gamma variable, found by iteration.
QUANTILE = 600.0


def dirichlet(trials: int, rng: Stream, *shape: int) -> np.ndarray:
    """Symmetric Dirichlet distributions, float[trials, *shape], over the last axis; concentrations 10^U(-1, 1).

    The uniforms are turned into gamma variables by their quantile function.
    """
    concentration = 10.0 ** (2.0 * rng.uniform(trials, *shape[:-1], 1) - 1.0)
    weights = gammaincinv(concentration, rng.uniform(trials, *shape))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
