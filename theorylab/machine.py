"""The speed of one core of this machine, measured once and kept: what turns operations into seconds.

Rates of products and factorisations depend on the order of the matrices, so that they are measured at several and
interpolated between. All are of one thread, in processor time, the best of several runs: what a core can do when it is
left alone. Several processes share the memory's bandwidth, and often a core's units, and may each be slower.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from theorylab.simulation import Cost

# Orders of the matrices whose products and eigenvalues are timed.
ORDERS = (2, 4, 8, 16, 32, 64, 128, 256, 512)
# Processor seconds spent on each figure.
_EACH = 0.08


@dataclass(frozen=True)
class Speed:
    """What a backend does in a second.

    Parameters
    ----------
    loops
        Operations of a vectorised loop (arrays, on NumPy), in 1/s.
    draw
        A normal random number, in seconds.
    step
        A step of a recursion with a division, in seconds.
    """

    loops: float
    draw: float
    step: float


@dataclass(frozen=True)
class Machine:
    """A machine profile.

    Parameters
    ----------
    products, factorisations
        Operations per second in the product of a square matrix and its transpose (2 n^3 operations) and in the
        eigenvalues of a symmetric one (4/3 n^3), by order.
    copy
        Bytes per second of a copy in memory, those read and those written.
    block
        Seconds that a block takes in addition to its trials.
    backends
        Speeds by backend.
    """

    products: Mapping[int, float]
    factorisations: Mapping[int, float]
    copy: float
    block: float
    backends: Mapping[str, Speed]

    def seconds(self, cost: Cost, backend: str) -> float | None:
        """Processor seconds of one trial; None when the backend was not measured."""
        speed = self.backends.get(backend)
        if speed is None:
            return None
        return (
            (cost.flops - cost.products - cost.factorisations) / speed.loops
            + cost.draws * speed.draw
            + cost.moved / self.copy
            + cost.steps * speed.step
            + cost.products / _at(self.products, cost.order)
            + cost.factorisations / _at(self.factorisations, cost.order)
        )

    def __str__(self) -> str:
        lines = [f"{'order':>14}" + "".join(f"{n:>8}" for n in self.products)]
        for name in ("products", "factorisations"):
            rates = getattr(self, name).values()
            lines.append(f"{name:>14}" + "".join(f"{rate / 1e9:8.2g}" for rate in rates) + "  1e9 operations/s")
        for name, speed in self.backends.items():
            lines.append(
                f"{name:>14}  {speed.loops / 1e9:.2g}e9 operations/s in loops, {speed.draw * 1e9:.2g} ns a normal, "
                f"{speed.step * 1e9:.2g} ns a step"
            )
        lines.append(f"{'copy':>14}  {self.copy / 1e9:.3g} GB/s")
        lines.append(f"{'block':>14}  {self.block * 1e3:.2g} ms")
        return "\n".join(lines)


def _at(rates: Mapping[int, float], order: float) -> float:
    """The rate at an order, a straight line between neighbours in logarithms; constant beyond the ends."""
    known = sorted(rates)
    n = min(max(order, known[0]), known[-1])
    right = max(1, next(i for i, k in enumerate(known) if k >= n))
    low, high = known[right - 1], known[right]
    share = math.log(n / low) / math.log(high / low)
    return rates[low] * math.exp(share * math.log(rates[high] / rates[low]))


def path() -> Path:
    """`$THEORYLAB_MACHINE`, or a file beside the store."""
    from theorylab.store import default_path

    named = os.environ.get("THEORYLAB_MACHINE")
    return Path(named) if named else default_path().with_name("machine.json")


def name() -> str:
    """What a profile is valid for: processor, cores, and the libraries that compute."""
    from importlib.metadata import version

    model = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        lines = (line.partition(":") for line in described.read_text().splitlines())
        model = next((value.strip() for key, _, value in lines if key.strip() == "model name"), model)
    libraries = ", ".join(f"{library} {version(library)}" for library in ("numpy", "scipy", "numba"))
    return f"{model}, {os.cpu_count()} cores, {libraries}"


def known() -> Machine | None:
    """The profile of this machine when it has been measured; None when not, or when it cannot be read."""
    return _profiles().get(name())


def machine(again: bool = False) -> Machine:
    """The profile of this machine: the one that is kept, or measured now (a few seconds) and kept."""
    kept = None if again else known()
    if kept is not None:
        return kept
    print("theorylab: measuring this machine, once, for a few seconds", file=sys.stderr, flush=True)
    measured = measure()
    _keep(measured)
    return measured


def _profiles() -> dict[str, Machine]:
    """Every profile in the file that can be read; a damaged file holds none."""
    try:
        content = json.loads(path().read_text())
        return {str(key): _decoded(value) for key, value in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        print(f"theorylab: the machine profile {path()} cannot be read and is not used", file=sys.stderr)
        return {}


def _decoded(content: Mapping[str, Any]) -> Machine:
    def positive(x: Any) -> float:
        if not (isinstance(x, int | float) and 0.0 < x < math.inf):
            raise ValueError
        return float(x)

    def rates(x: Mapping[str, Any]) -> dict[int, float]:
        found = {int(order): positive(rate) for order, rate in x.items()}
        if len(found) < 2 or min(found) < 1:
            raise ValueError
        return found

    return Machine(
        products=rates(content["products"]),
        factorisations=rates(content["factorisations"]),
        copy=positive(content["copy"]),
        block=positive(content["block"]),
        backends={
            backend: Speed(positive(s["loops"]), positive(s["draw"]), positive(s["step"]))
            for backend, s in content["backends"].items()
        },
    )


def _keep(measured: Machine) -> None:
    from theorylab.errors import UsageError
    from theorylab.files import write_atomically

    profiles = {key: asdict(value) for key, value in {**_profiles(), name(): measured}.items()}
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path(), lambda temporary: Path(temporary).write_text(json.dumps(profiles, indent=1) + "\n"))
    except (OSError, UsageError) as error:
        # It is as good for this run.
        print(f"theorylab: the machine profile is not kept: {error}", file=sys.stderr)


def measure() -> Machine:
    """Measure this machine, with one BLAS thread."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    source = np.random.default_rng(0)
    products, factorisations = {}, {}
    with threadpool_limits(limits=1):
        for n in ORDERS:
            count = max(1, 2**17 // n**2)
            stack = source.normal(size=(count, n, n))
            turned = np.swapaxes(stack, 1, 2)
            few = (stack + turned)[: max(1, count // 16)]
            products[n] = 2.0 * count * n**3 / _least(partial(np.matmul, stack, turned))
            factorisations[n] = 4.0 / 3.0 * len(few) * n**3 / _least(partial(np.linalg.eigvalsh, few))
        array = np.zeros(2**20)
        other = np.zeros_like(array)
        copy = 2.0 * array.nbytes / _least(lambda: np.copyto(other, array))
        backends = {"numpy": _numpy_speed(), "numba": _numba_speed()}
    return Machine(products, factorisations, copy, _block_seconds(), backends)


def _least(run: Callable[[], Any]) -> float:
    """Least processor seconds of a run, after one that does not count."""
    run()
    start = time.thread_time()
    best = math.inf
    while time.thread_time() - start < _EACH or best == math.inf:
        before = time.thread_time()
        run()
        best = min(best, time.thread_time() - before)
    # The clock may be coarser than a short run.
    return max(best, 1e-9)


def _numpy_speed() -> Speed:
    import numpy as np

    from theorylab.kernels.eigen import leading_weight_numpy
    from theorylab.kernels.random import Stream

    x = np.linspace(0.5, 1.5, 2**20)
    rng = Stream.from_seed(0, "numpy")
    trials, rows = 1024, 64
    diagonal, off, top = np.zeros((trials, rows)), np.full((trials, rows - 1), 0.5), np.full(trials, 2.0)
    return Speed(
        loops=4.0 * x.size / _least(lambda: (x + 1.5) * x - x * 0.5),
        draw=_least(lambda: rng.normal(64, 256)) / (64 * 256),
        step=_least(lambda: leading_weight_numpy(diagonal, off, top)) / (trials * rows),
    )


def _numba_speed() -> Speed:
    import numba
    import numpy as np

    from theorylab.kernels.eigen import leading_weight_numba
    from theorylab.kernels.random import Stream

    @numba.njit(error_model="numpy")
    def polynomial(x, out):  # type: ignore[no-untyped-def]
        for i in range(x.size):
            z = x[i]
            y = 0.25 + z * (0.5 + z * (0.125 + z * (0.75 + z * 0.375)))
            out[i] = y / (1.0 + z * z)

    x = np.linspace(0.5, 1.5, 2**12)
    out = np.empty_like(x)
    rng = Stream.from_seed(0, "numba")
    trials, rows = 256, 64
    diagonal, off, top = np.zeros((trials, rows)), np.full((trials, rows - 1), 0.5), np.full(trials, 2.0)
    return Speed(
        loops=11.0 * x.size / _least(lambda: polynomial(x, out)),
        draw=_least(lambda: rng.normal(256, 256)) / (256 * 256),
        step=_least(lambda: leading_weight_numba(diagonal, off, top)) / (trials * rows),
    )


def _block_seconds() -> float:
    from theorylab.sampling import Block, compute
    from theorylab.simulation import Simulation

    def nothing(trials: int, rng: Any) -> Any:
        import numpy as np

        return np.zeros(trials)

    simulation, block = Simulation(nothing), Block("none", {}, 0, 0, 1, "numpy")
    return _least(lambda: compute(block, simulation))
