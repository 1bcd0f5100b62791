"""A program: what scikit-rmt, freealg and TracyWidom give for the laws of `law_accuracy`, in an environment of theirs.

It reads {case: places} as JSON and writes {case: {package: {quantity: values}}}. They need an older NumPy, hence the
environment of their own: `pip install scikit-rmt freealg TracyWidom`.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np


def main() -> None:
    """From standard input to standard output."""
    import freealg.distributions as free
    import skrmt.ensemble.spectral_law as rmt
    from TracyWidom import TracyWidom

    warnings.simplefilter("ignore")
    out: dict[str, Any] = {}
    for case, quantities in json.load(sys.stdin).items():
        x = {quantity: np.array(places) for quantity, places in quantities.items()}
        kind, _, parameter = case.partition(" ")
        if kind == "semicircle":
            ours, theirs = rmt.WignerSemicircleDistribution(beta=1, center=0.0, sigma=1.0), free.Wigner(2.0)
        elif kind == "marchenko-pastur":
            ours = rmt.MarchenkoPasturDistribution(ratio=float(parameter), beta=1, sigma=1.0)
            theirs = free.MarchenkoPastur(float(parameter))
        elif kind == "generalized":
            atoms = {"t": np.array([1.0, 5.0]), "w": np.array([0.5, 0.5]), "c": float(parameter)}
            out[case] = {"freealg": {"density": free.DeformedMarchenkoPastur(**atoms).density(x["density"]).tolist()}}
            continue
        else:
            beta = int(parameter)
            # Their unit of quaternion matrices is 2^(1/2) for our 2^(2/3).
            unit = 2.0 ** (1.0 / 6.0) if beta == 4 else 1.0
            table, own = rmt.TracyWidomDistribution(beta=beta), TracyWidom(beta)
            out[case] = {
                name: {
                    "P(X <= x)": law.cdf(x["P(X <= x)"] * unit).tolist(),
                    "P(X > x)": (1.0 - law.cdf(x["P(X > x)"] * unit)).tolist(),
                }
                for name, law in (("scikit-rmt", table), ("TracyWidom", own))
            }
            continue
        out[case] = {
            "scikit-rmt": {
                "density": ours.pdf(x["density"]).tolist(),
                "P(X <= x)": ours.cdf(x["P(X <= x)"]).tolist(),
                "P(X > x)": (1.0 - ours.cdf(x["P(X > x)"])).tolist(),
            },
            "freealg": {"density": theirs.density(x["density"]).tolist()},
        }
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
