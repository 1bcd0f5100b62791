r"""Logarithms of sums of exponentials over very many random terms, in constant memory.

For inverse temperatures $t_1, ..., t_k$ and terms with random energies $E_1, ..., E_n$, independent from trial to
trial, the sums are $L_k = \log \sum_i e^{-t_k E_i}$: partition functions of random energy models, kernel density
estimates in large dimension ($n = e^{\alpha d}$ data points), with all bandwidths from the same data. The
participation ratio of the weights is $e^{L(2t) - 2 L(t)}$.

- `gaussian`: $E \sim N(0, 1)$.
- `isotropic`: $E = |x - y|^2 / 2$ with $y \sim N(0, I_d)$, given $|x|$: $((|x| - g)^2 + \chi^2_{d-1})/2$. Below
  `ROTATED` dimensions $\chi^2_m$ is $-2 \log$ of a product of $m/2$ uniforms (plus $g'^2$ if m is odd); from there on
  it is made from one normal and one uniform by G. Marsaglia and W. W. Tsang (ACM Trans. Math. Softw. 26 (2000) 363),
  whatever the dimension. A rejected term tries again on counters of its own (fourth word), so that no other moves.
- `quadratic`: $E = \sum_j (x_j - s_j g_j)^2 / 2$.

The compiled twin works in lanes, each with its own smallest energy m and sum S: a term with $\delta = E - m$ costs
one exponential $w = e^{-t |\delta|}$ and no branch, $S \leftarrow S + w$ or, if $\delta < 0$, $S w + 1$. The lanes
are added in halves at the end. So the bits depend on no vector width, and a GPU's threads do the same. Equally spaced
temperatures share the exponential of their step: `ROW` of them take one exponential each time and products.

Speed on one core of a Xeon with AVX-512, in ns a term: Gaussian 3.5, isotropic 10.4 in 10 dimensions or any more,
quadratic in 20 dimensions 47; a further temperature 0.25 if equally spaced, else 0.64. Floor: normals at 2.2, uniforms
at 1.4 and exponentials at 0.45 make 2.7, 6.3 (and 1.0 for two logarithms) and 44, of which 75, 70 and 95 % is reached.
NumPy with its own generator takes 4 to 7 times as long where it must draw as many numbers, 15 to 60 times for
distances, and memory for all terms.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint32

from theorylab.kernels.elementary import exponential
from theorylab.kernels.philox import philox4x32, philox4x32_numba
from theorylab.kernels.random import Stream, fill, log_unit, normal_numpy, normal_pair, to_uniform, uniform_numpy
from theorylab.kernels.vectors import aligned, wide

# Terms drawn under one ordinal of the stream for each number that a term takes.
TERMS = 2048
LANES = 128
# Uniforms whose product is still a normal number: 16 * 53 < 1022.
FACTORS = 16
# Equally spaced temperatures whose weights come from one exponential, by products.
ROW = 8
# Dimension from which one chi-square by rejection costs less than its uniforms.
ROTATED = 10
GAUSSIAN, ISOTROPIC, QUADRATIC, RADIAL = 0, 1, 2, 3
# Energies that no term reaches: an empty lane, and the padding of the last terms, which must lie above it.
EMPTY, PADDING = 1e150, 1e151


def gaussian(trials: int, rng: Stream, terms: int, t: np.ndarray) -> np.ndarray:
    """Log-sums of e^(-t E) over standard normal energies.

    Parameters
    ----------
    trials, rng
        Independent samples and their random numbers.
    terms
        Number of terms n.
    t : float64[k]
        Inverse temperatures, positive.

    Returns
    -------
    float64[trials, k]

    Raises
    ------
    ValueError
        If there are no terms, or an inverse temperature is not positive.
    """
    return _sums(trials, rng, terms, t, GAUSSIAN, np.zeros((1, 1)), np.zeros(1))


def isotropic(trials: int, rng: Stream, terms: int, t: np.ndarray, norm: float | np.ndarray, d: int) -> np.ndarray:
    """Log-sums of e^(-t |x - y|^2 / 2) over standard normal points y in d dimensions.

    Parameters
    ----------
    trials, rng, terms, t
        As in `gaussian`; t is 1/h^2 for a bandwidth h.
    norm : float or float64[trials]
        |x|.
    d
        Dimension.

    Returns
    -------
    float64[trials, k]

    Raises
    ------
    ValueError
        As `gaussian`, and if d is not positive.
    """
    if d < 1:
        raise ValueError(f"dimension d = {d} must be 1 or more")
    centre = np.broadcast_to(np.asarray(norm, dtype=float), trials).reshape(trials, 1)
    kind = ISOTROPIC if d < ROTATED else RADIAL
    return _sums(trials, rng, terms, t, kind, np.ascontiguousarray(centre), np.ones(d))


def quadratic(
    trials: int, rng: Stream, terms: int, t: np.ndarray, centre: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """Log-sums of e^(-t E), E = sum_j (x_j - s_j g_j)^2 / 2 with standard normal g.

    Parameters
    ----------
    trials, rng, terms, t
        As in `gaussian`.
    centre : float64[d] or float64[trials, d]
        x, shared or one for each trial.
    scales : float64[d]
        s.

    Returns
    -------
    float64[trials, k]

    Raises
    ------
    ValueError
        As `gaussian`, and if the shapes do not fit.
    """
    s = np.ascontiguousarray(scales, dtype=float)
    x = np.ascontiguousarray(np.atleast_2d(np.asarray(centre, dtype=float)))
    if s.ndim != 1 or x.ndim != 2 or x.shape[1] != s.size or len(x) not in (1, trials):
        raise ValueError(f"centre of shape {np.shape(centre)} and scales of shape {s.shape} do not fit {trials} trials")
    return _sums(trials, rng, terms, t, QUADRATIC, x, s)


def _sums(
    trials: int, rng: Stream, terms: int, t: np.ndarray, kind: int, centre: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    rates = np.ascontiguousarray(t, dtype=float)
    if terms < 1:
        raise ValueError(f"{terms} terms: want 1 or more")
    if rates.ndim != 1 or not np.all(rates > 0):
        raise ValueError("inverse temperatures t must be positive, in one axis")
    if rng.backend == "cupy":
        from theorylab.kernels import cuda

        return cuda.exponential_sums(trials, rng, terms, rates, kind, centre, scales)
    if rng.backend == "numpy":
        return _numpy(trials, rng, terms, rates, kind, centre, scales)
    first = rng.next_draw(sum(numbers(kind, scales.size)) * math.ceil(terms / TERMS))
    out = np.empty((trials, rates.size))
    _numba(rng.key, first, rng.first_trial, terms, rates, spacing(rates), kind, centre, scales, out)
    return out


def numbers(kind: int, d: int) -> tuple[int, int]:
    """Normals and uniforms that a term takes."""
    if kind == RADIAL:
        return 2, 1
    return (1 + (d - 1) % 2, (d - 1) // 2) if kind == ISOTROPIC else (d, 0)


def spacing(t: np.ndarray) -> float:
    """The step of ascending, equally spaced temperatures; 0.0 if they are others, or fewer than three."""
    if len(t) < 3:
        return 0.0
    step = float(t[-1] - t[0]) / (len(t) - 1)
    even = np.abs(t[0] + step * np.arange(len(t)) - t).max() <= 4 * np.spacing(t[-1])
    return step if even and step > 0 else 0.0


def _energies(trials: int, rng: Stream, count: int, kind: int, centre: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Reference: the energies of the next terms, float64[trials, count]."""
    normals, uniforms = numbers(kind, scales.size)
    if kind == GAUSSIAN:
        return rng.normal(trials, count)
    if kind == RADIAL:
        gap = centre - rng.normal(trials, count)
        return np.asarray(0.5 * np.square(gap) + _gamma(trials, rng, count, 0.5 * (scales.size - 1)))
    energy = np.zeros((trials, count))
    for j in range(normals):
        x, s = (0.0, 1.0) if kind == ISOTROPIC and j else (centre[:, j : j + 1], scales[j])
        energy += 0.5 * np.square(x - s * rng.normal(trials, count))
    for _ in range(uniforms):
        energy -= np.log(rng.uniform(trials, count))
    return energy


def _gamma(trials: int, rng: Stream, count: int, shape: float) -> np.ndarray:
    """Reference: gamma variables of a shape of 1 or more, float64[trials, count], from two ordinals."""
    draw = rng.next_draw()
    z = normal_numpy(rng.key, draw, rng.first_trial, trials, count)
    u = uniform_numpy(rng.key, rng.next_draw(), rng.first_trial, trials, count)
    d = shape - 1.0 / 3.0
    out, left, word = np.empty((trials, count)), np.ones((trials, count), dtype=bool), 1
    while left.any():
        v = 1.0 + z / np.sqrt(9.0 * d)
        with np.errstate(invalid="ignore"):
            accepted = left & (v > 0) & (np.log(u) < 0.5 * z * z + d - d * v**3 + 3.0 * d * np.log(np.abs(v)))
        out[accepted] = d * v[accepted] ** 3
        left &= ~accepted
        rows, places = np.nonzero(left)
        counter = np.stack([places, np.full_like(rows, draw), rng.first_trial + rows, np.full_like(rows, word)], axis=1)
        for array, extra in ((z, 0), (u, 1)):
            counter[:, 3] = word + extra
            words = philox4x32(counter.astype(np.uint32), rng.key).astype(np.uint64)
            k = (words[:, 0::2] << np.uint64(20)) | (words[:, 1::2] >> np.uint64(12))
            first, second = ((k.astype(float) + 0.5) * 2.0**-52).T
            array[left] = first if extra else np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
        word += 2
    return out


def _numpy(
    trials: int, rng: Stream, terms: int, t: np.ndarray, kind: int, centre: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """Reference."""
    low = np.full(trials, np.inf)
    total = np.zeros((trials, len(t)))
    for start in range(0, terms, TERMS):
        energy = _energies(trials, rng, min(TERMS, terms - start), kind, centre, scales)
        lower = np.minimum(low, energy.min(axis=1))
        total *= np.exp(np.multiply.outer(np.where(low < np.inf, lower - low, 0.0), t))
        total += np.exp(-t[:, None] * (energy - lower[:, None])[:, None]).sum(axis=2)
        low = lower
    log_sums: np.ndarray = np.log(total) - np.multiply.outer(low, t)
    return log_sums


@njit(cache=True, nogil=True, error_model="numpy")
def _numba(key, first_draw, first_trial, terms, t, step, kind, centre, scales, out):  # type: ignore[no-untyped-def]
    """Twin."""
    normals, uniforms = (1 + (scales.size - 1) % 2, (scales.size - 1) // 2) if kind == ISOTROPIC else (scales.size, 0)
    if kind == RADIAL:
        normals, uniforms = 2, 1
    size = min(TERMS, terms + terms % 2)
    drawn, energy = aligned(size * (normals + uniforms), np.float64), aligned(size + LANES, np.float64)
    low, total = aligned(LANES, np.float64), aligned(t.size * LANES, np.float64).reshape(t.size, LANES)
    work = aligned(3 * LANES, np.float64).reshape(3, LANES)
    for trial in range(len(out)):
        x = centre[trial if len(centre) > 1 else 0]
        for lane in range(LANES):
            low[lane] = EMPTY
            for k in range(t.size):
                total[k, lane] = 0.0
        draw = first_draw
        for start in range(0, terms, TERMS):
            count = min(TERMS, terms - start)
            even = count + count % 2
            g, u = drawn[: even * normals], drawn[even * normals : even * (normals + uniforms)]
            for part in range(2):
                fill(u if part else g, even, key, draw + part * normals, first_trial + trial, True, part == 0)
            some = energy[:count]
            for i in range(count):
                some[i] = g[i] if kind == GAUSSIAN else 0.0
            if kind == RADIAL:
                _add_square(some, x[0], 1.0, g)
                _add_gamma(some, 0.5 * (scales.size - 1), g[even:], u, key, draw + 1, first_trial + trial)
            elif kind != GAUSSIAN:
                for j in range(normals):
                    other = kind == ISOTROPIC and j > 0
                    _add_square(some, 0.0 if other else x[j], 1.0 if other else scales[j], g[j * even :])
                for j in range(0, uniforms, FACTORS):
                    _add_log(some, u[j * even : min(uniforms, j + FACTORS) * even], even)
            draw += normals + uniforms
            for i in range(count, count + LANES):
                energy[i] = PADDING
            for i in range(0, count, LANES):
                _accumulate(energy[i : i + LANES], low, total, t, step, work)
        _finish(low, total, t, out[trial])


@njit(cache=True, nogil=True, error_model="numpy")
def _add_square(energy, centre, scale, g):  # type: ignore[no-untyped-def]
    """Add (centre - scale g)^2 / 2."""
    wide()
    for i in range(energy.size):
        gap = centre - scale * g[i]
        energy[i] += 0.5 * (gap * gap)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_log(energy, u, row):  # type: ignore[no-untyped-def]
    """Take off the logarithm of the product of the rows of u, which is overwritten."""
    wide()
    for start in range(row, u.size, row):
        for i in range(energy.size):
            u[i] *= u[start + i]
    for i in range(energy.size):
        energy[i] -= log_unit(u[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _add_gamma(energy, shape, z, u, key, draw, trial):  # type: ignore[no-untyped-def]
    """Add a gamma variable made from z and u, which are overwritten; those refused go on one by one."""
    wide()
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    for i in range(energy.size):
        v = 1.0 + c * z[i]
        cube = v * v * v
        bound = (0.5 * z[i] * z[i] + (d - d * cube)) + 3.0 * d * log_unit(v if v > 0.0 else 1.0)
        z[i] = d * cube if v > 0.0 and log_unit(u[i]) < bound else -1.0
    k0, k1 = uint32(key[0]), uint32(key[1])
    for i in range(energy.size):
        word = uint32(1)
        while z[i] < 0.0:
            place, ordinal, lane, next_word = uint32(i), uint32(draw), uint32(trial), uint32(word + uint32(1))
            first = philox4x32_numba(place, ordinal, lane, word, k0, k1)
            second = philox4x32_numba(place, ordinal, lane, next_word, k0, k1)
            g, _ = normal_pair(first[0], first[1], first[2], first[3])
            v = 1.0 + c * g
            if v > 0.0:
                cube = v * v * v
                bound = (0.5 * g * g + (d - d * cube)) + 3.0 * d * log_unit(v)
                if log_unit(to_uniform(second[0], second[1])) < bound:
                    z[i] = d * cube
            word = uint32(word + uint32(2))
    for i in range(energy.size):
        energy[i] += z[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _accumulate(energy, low, total, t, step, work):  # type: ignore[no-untyped-def]
    """Add one term to every lane; `work` is float64[3, LANES]."""
    wide()
    delta, weight, ratio = work[0], work[1], work[2]
    for lane in range(LANES):
        delta[lane] = energy[lane] - low[lane]
    if step > 0.0:
        for lane in range(LANES):
            ratio[lane] = exponential(-step * abs(delta[lane]))
    for k in range(t.size):
        rate, lane_total = t[k], total[k]
        if step > 0.0 and k % ROW:
            for lane in range(LANES):
                weight[lane] *= ratio[lane]
                old = lane_total[lane]
                lane_total[lane] = old * weight[lane] + 1.0 if delta[lane] < 0.0 else old + weight[lane]
        else:
            for lane in range(LANES):
                weight[lane] = exponential(-rate * abs(delta[lane]))
                old = lane_total[lane]
                lane_total[lane] = old * weight[lane] + 1.0 if delta[lane] < 0.0 else old + weight[lane]
    for lane in range(LANES):
        low[lane] = min(low[lane], energy[lane])


@njit(cache=True, nogil=True, error_model="numpy")
def _finish(low, total, t, out):  # type: ignore[no-untyped-def]
    """Bring the lanes to the lowest energy of all and add them in halves."""
    lowest = low[0]
    for lane in range(LANES):
        lowest = min(lowest, low[lane])
    for k in range(t.size):
        rate, lane_total = t[k], total[k]
        for lane in range(LANES):
            lane_total[lane] *= exponential(rate * (lowest - low[lane]))
        half = LANES // 2
        while half:
            for lane in range(half):
                lane_total[lane] += lane_total[lane + half]
            half //= 2
        out[k] = math.log(lane_total[0]) - rate * lowest
