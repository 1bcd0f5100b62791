"""Random numbers for predictions that are computed by Monte Carlo.

Derivations and simulations share no code, with this one exception: the bits of both come from the same counter-based
generator, so that a prediction, too, is the same on every machine. Its seeds are its own.
"""

from theorylab.kernels.random import Stream

__all__ = ["Stream"]
