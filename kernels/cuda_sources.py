"""Device code: CUDA C++ twins of the compiled kernels, as text that CuPy compiles on first use.

The random numbers, the exponential and the logarithm take the same IEEE operations in the same order as their Numba
twins: `mul`, `add` and `sub` keep the compiler from fusing what they do not fuse. So draws, energies and searches are
the same to the bit. Sums over a block run over a fixed tree, without atomics: two runs give the same bits. No warp
intrinsics and no libraries, so that a host compiler can build the same text for a test where there is no GPU.
"""

from __future__ import annotations

import math

from theorylab.kernels.comp_sum_search import LEAST_BETA, SHARE
from theorylab.kernels.cuda_search_source import COMP_SUM_PAIRS, MOST_CLASSES
from theorylab.kernels.exponential_sums import FACTORS, GAUSSIAN, ISOTROPIC, LANES, RADIAL, ROW, TERMS
from theorylab.kernels.lower_hull import CELLS, NOTHING

COMMON = r"""
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

__device__ static inline double mul(double a, double b) { return __dmul_rn(a, b); }
__device__ static inline double add(double a, double b) { return __dadd_rn(a, b); }
__device__ static inline double sub(double a, double b) { return __dadd_rn(a, -b); }
__device__ static inline double of_bits(i64 bits) { return __longlong_as_double(bits); }
__device__ static inline i64 bits_of(double x) { return __double_as_longlong(x); }

// Philox4x32-10; the counter becomes the four words.
__device__ static inline void philox(u32 *c, u32 k0, u32 k1) {
    for (int round = 0; round < 10; round++) {
        u64 p0 = (u64)0xD2511F53u * c[0], p1 = (u64)0xCD9E8D57u * c[2];
        u32 c0 = (u32)(p1 >> 32) ^ c[1] ^ k0, c2 = (u32)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = c0;
        c[1] = (u32)p1;
        c[2] = c2;
        c[3] = (u32)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

__device__ static inline double to_uniform(u32 high, u32 low) {
    u64 k = ((u64)high << 20) | ((u64)low >> 12);
    return add(sub(of_bits((i64)(k | 0x3FF0000000000000ull)), 1.0), 1.1102230246251565e-16);
}

__device__ static inline double log_unit(double u) {
    i64 bits = bits_of(u);
    i64 exponent = (bits - 0x3FE6A09E667F3BCDll) >> 52;
    double t = sub(of_bits(bits - exponent * (1ll << 52)), 1.0);
    double k = (double)(int)exponent;
    double s = t / add(2.0, t);
    double z = mul(s, s);
    double r = add(0.18182889125261723, mul(z, add(0.15331721600556042, mul(z, 0.14616449685043406))));
    r = add(0.2222221113479508, mul(z, r));
    r = add(0.39999999999899505, mul(z, add(0.28571428625975487, mul(z, r))));
    r = mul(z, add(0.666666666666667, mul(z, r)));
    double half = mul(mul(0.5, t), t);
    double low = add(mul(s, add(half, r)), mul(k, 2.8235290563031577e-13));
    return sub(mul(k, 0.693147180559663), sub(sub(half, low), t));
}

__device__ static inline void cos_sin_turns(double v, double *x, double *y) {
    double shifted = add(mul(4.0, v), 6755399441055744.0);
    double w = sub(mul(4.0, v), sub(shifted, 6755399441055744.0));
    i64 quarter = bits_of(shifted);
    double z = mul(w, w);
    double s = add(0.00016044116661409423, mul(z, add(-3.5987029509735105e-06, mul(z, 5.642225369163528e-08))));
    s = add(-0.004681754134254207, mul(z, s));
    s = add(-0.6459640975062462, mul(z, add(0.07969262624614423, mul(z, s))));
    s = add(mul(w, 1.5707963267948966), mul(w, add(6.123233995736766e-17, mul(z, s))));
    double c = add(-2.5202039028029178e-05, mul(z, add(4.710678405505227e-07, mul(z, -6.329396344967424e-09))));
    c = add(-0.020863480763340773, mul(z, add(0.0009192602745468447, mul(z, c))));
    c = add(1.0, mul(z, add(-1.2337005501361697, mul(z, add(0.2536695079010478, mul(z, c))))));
    int odd = (quarter & 1) != 0;
    u64 x_sign = (u64)((quarter + 1) & 2) << 62, y_sign = (u64)(quarter & 2) << 62;
    *x = of_bits((i64)((u64)bits_of(odd ? s : c) ^ x_sign));
    *y = of_bits((i64)((u64)bits_of(odd ? c : s) ^ y_sign));
}

// The two uniforms, or the two standard normals, of the quadruple with the given counter.
__device__ static inline void pair_of(
    u32 quad, u32 draw, u32 trial, u32 word, u32 k0, u32 k1, int normal, double *x, double *y
) {
    u32 c[4] = {quad, draw, trial, word};
    philox(c, k0, k1);
    *x = to_uniform(c[0], c[1]);
    *y = to_uniform(c[2], c[3]);
    if (normal) {
        double radius = sqrt(mul(-2.0, log_unit(*x)));
        cos_sin_turns(*y, x, y);
        *x = mul(radius, *x);
        *y = mul(radius, *y);
    }
}

__device__ static inline void pair(u32 quad, u32 draw, u32 trial, u32 k0, u32 k1, int normal, double *x, double *y) {
    pair_of(quad, draw, trial, 0u, k0, k1, normal, x, y);
}

// e^x for x <= 709; 0 below -708.
__device__ static inline double exponential(double x) {
    if (x < -708.0) return 0.0;
    double shifted = fma(x, 1.4426950408889634, 6755399441055744.0);
    double k = sub(shifted, 6755399441055744.0);
    double r = fma(-k, 0.6931471805599453, x);
    r = fma(-k, 2.3190468138462996e-17, r);
    double q = fma(r, 2.510038549551032e-08, 2.7620088445409746e-07);
    q = fma(r, q, 2.7557268459997064e-06);
    q = fma(r, q, 2.4801521295954376e-05);
    q = fma(r, q, 0.00019841269863053618);
    q = fma(r, q, 0.0013888888917213717);
    q = fma(r, q, 0.008333333333330062);
    q = fma(r, q, 0.04166666666662413);
    q = fma(r, q, 0.16666666666666669);
    q = fma(r, q, 0.5000000000000001);
    double power = of_bits((i64)((u64)(bits_of(shifted) + 1023) << 52));
    return fma(power, fma(mul(r, r), q, r), power);
}

// The sum of one number a thread, for all threads; blockDim.x is a power of two, at most 256.
__device__ static inline double block_sum(double x) {
    __shared__ double part[256];
    part[threadIdx.x] = x;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) part[threadIdx.x] = add(part[threadIdx.x], part[threadIdx.x + half]);
        __syncthreads();
    }
    double sum = part[0];
    __syncthreads();
    return sum;
}
"""

# Consecutive draws of `size` numbers (even) for every trial: out[trials, draws, size].
FILL = r"""
extern "C" __global__ void fill(
    double *out, i64 trials, i64 draws, i64 size, u32 k0, u32 k1, u32 first_draw, u32 first_trial, int normal
) {
    i64 width = size / 2, total = trials * draws * width;
    for (i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x; i < total; i += (i64)gridDim.x * blockDim.x) {
        i64 quad = i % width, row = i / width;
        u32 draw = first_draw + (u32)(row % draws), trial = first_trial + (u32)(row / draws);
        pair((u32)quad, draw, trial, k0, k1, normal, out + 2 * i, out + 2 * i + 1);
    }
}
"""

# A kernel that is wanted in single precision too writes `real`.
# Steps of SGD on given features phi[trials, steps, batch, d] and labels[trials, steps, batch]; a block a trial.
SGD_STEPS = r"""
extern "C" __global__ void sgd_steps(
    real *theta, real *error, const real *phi, const real *label, const real *rates,
    i64 steps, i64 batch, i64 d
) {
    i64 trial = blockIdx.x;
    theta += trial * d;
    error += trial * batch;
    phi += trial * steps * batch * d;
    label += trial * steps * batch;
    for (i64 s = 0; s < steps; s++, phi += batch * d, label += batch) {
        for (i64 i = 0; i < batch; i++) {
            real inner = 0;
            for (i64 k = threadIdx.x; k < d; k += blockDim.x) inner += phi[i * d + k] * theta[k];
            inner = (real)block_sum(inner);
            if (threadIdx.x == 0) error[i] = rates[s] * (inner - label[i]);
        }
        __syncthreads();
        for (i64 k = threadIdx.x; k < d; k += blockDim.x) {
            real change = 0;
            for (i64 i = 0; i < batch; i++) change += error[i] * phi[i * d + k];
            theta[k] -= change;
        }
        __syncthreads();
    }
}
"""

# SGD on linear models, all steps; a block a trial. `spectrum_row` and `gap_row` are 0 where one row serves all trials.
SGD_LINEAR = r"""
extern "C" __global__ void sgd_linear(
    real *out, real *g, real *z, real *error,
    const real *spectrum, i64 spectrum_row, const real *gap, i64 gap_row, const real *rates,
    i64 steps, const i64 *times, i64 instants, i64 batch, i64 v,
    u32 k0, u32 k1, u32 first_draw, u32 first_trial
) {
    i64 trial = blockIdx.x, quads = (batch * v + 1) / 2, j = 0;
    out += trial * instants;
    g += trial * v;
    z += trial * 2 * quads;
    error += trial * batch;
    spectrum += trial * spectrum_row;
    gap += trial * gap_row;
    for (i64 k = threadIdx.x; k < v; k += blockDim.x) g[k] = gap[k];
    __syncthreads();
    for (i64 s = 0; s <= steps; s++) {
        if (j < instants && times[j] == s) {
            real risk = 0;
            for (i64 k = threadIdx.x; k < v; k += blockDim.x) risk += g[k] * g[k];
            risk = (real)block_sum(risk);
            if (threadIdx.x == 0) out[j] = risk;
            j++;
        }
        if (s == steps) break;
        for (i64 q = threadIdx.x; q < quads; q += blockDim.x) {
            double x, y;
            pair((u32)q, first_draw + (u32)s, first_trial + (u32)trial, k0, k1, 1, &x, &y);
            z[2 * q] = (real)x;
            z[2 * q + 1] = (real)y;
        }
        __syncthreads();
        for (i64 i = 0; i < batch; i++) {
            real inner = 0;
            for (i64 k = threadIdx.x; k < v; k += blockDim.x) inner += z[i * v + k] * g[k];
            inner = (real)block_sum(inner);
            if (threadIdx.x == 0) error[i] = rates[s] * inner;
        }
        __syncthreads();
        for (i64 k = threadIdx.x; k < v; k += blockDim.x) {
            real change = 0;
            for (i64 i = 0; i < batch; i++) change += error[i] * z[i * v + k];
            g[k] -= spectrum[k] * change;
        }
        __syncthreads();
    }
}
"""

# Exponential sums; a block of LANES / 2 threads for a trial and ROW inverse temperatures, two lanes a thread.
EXPONENTIAL_SUMS = r"""
// A gamma variable from z and u; if they are refused, from counters of the term's own.
__device__ static inline double gamma_variable(
    double shape, double z, double u, u32 place, u32 draw, u32 trial, u32 k0, u32 k1
) {
    double d = sub(shape, 1.0 / 3.0), c = 1.0 / sqrt(mul(9.0, d)), other;
    for (u32 word = 1;; word += 2) {
        double v = add(1.0, mul(c, z));
        if (v > 0.0) {
            double cube = mul(mul(v, v), v);
            double bound = add(mul(mul(0.5, z), z), sub(d, mul(d, cube)));
            if (log_unit(u) < add(bound, mul(mul(3.0, d), log_unit(v)))) return mul(d, cube);
        }
        pair_of(place, draw, trial, word, k0, k1, 1, &z, &other);
        pair_of(place, draw, trial, word + 1, k0, k1, 0, &u, &other);
    }
}

extern "C" __global__ void exponential_sums(
    double *out, const double *t, int temperatures, double step, i64 terms,
    int kind, int normals, int uniforms, int ordinals,
    const double *centre, i64 centre_row, const double *scales, double shape,
    u32 k0, u32 k1, u32 first_draw, u32 first_trial
) {
    __shared__ double lowest[LANES], total[LANES];
    int m = threadIdx.x, first = blockIdx.y * ROW, count = min(ROW, temperatures - first);
    u32 trial = first_trial + blockIdx.x, draw = first_draw;
    double low[2] = {1e150, 1e150}, sum[ROW][2];
    for (int k = 0; k < ROW; k++) sum[k][0] = sum[k][1] = 0.0;
    centre += blockIdx.x * centre_row;
    for (i64 start = 0; start < terms; start += TERMS, draw += ordinals) {
        i64 stop = min((i64)TERMS, terms - start);
        for (i64 i = 2 * m; i < stop; i += LANES) {
            u32 quad = (u32)(i / 2);
            double energy[2] = {0.0, 0.0}, product[2] = {1.0, 1.0}, x[2];
            for (int j = 0; j < normals; j++) {
                pair(quad, draw + j, trial, k0, k1, 1, x, x + 1);
                int plain = kind == ISOTROPIC && j > 0;
                double from = plain ? 0.0 : centre[j], scale = plain ? 1.0 : scales[j];
                for (int h = 0; h < 2; h++) {
                    double gap = sub(from, mul(scale, x[h]));
                    energy[h] = kind == GAUSSIAN ? x[h] : add(energy[h], mul(0.5, mul(gap, gap)));
                }
            }
            if (kind == RADIAL) {
                double z[2], u[2];
                pair(quad, draw + 1, trial, k0, k1, 1, z, z + 1);
                pair(quad, draw + 2, trial, k0, k1, 0, u, u + 1);
                for (int h = 0; h < 2; h++)
                    energy[h] = add(energy[h], gamma_variable(shape, z[h], u[h], i + h, draw + 1, trial, k0, k1));
            }
            for (int j = 0; j < uniforms; j++) {
                pair(quad, draw + normals + j, trial, k0, k1, 0, x, x + 1);
                for (int h = 0; h < 2; h++) {
                    product[h] = mul(product[h], x[h]);
                    if (j % FACTORS == FACTORS - 1 || j == uniforms - 1) {
                        energy[h] = sub(energy[h], log_unit(product[h]));
                        product[h] = 1.0;
                    }
                }
            }
            for (int h = 0; h < 2 && i + h < stop; h++) {
                double delta = sub(energy[h], low[h]);
                double weight = 0.0, ratio = step > 0.0 ? exponential(mul(-step, fabs(delta))) : 0.0;
                for (int k = 0; k < count; k++) {
                    if (step > 0.0 && k > 0) weight = mul(weight, ratio);
                    else weight = exponential(mul(-t[first + k], fabs(delta)));
                    sum[k][h] = delta < 0.0 ? add(mul(sum[k][h], weight), 1.0) : add(sum[k][h], weight);
                }
                low[h] = min(low[h], energy[h]);
            }
        }
    }
    lowest[2 * m] = low[0];
    lowest[2 * m + 1] = low[1];
    __syncthreads();
    for (int half = LANES / 2; half > 0; half /= 2) {
        if (m < half) lowest[m] = min(lowest[m], lowest[m + half]);
        __syncthreads();
    }
    for (int k = 0; k < count; k++) {
        double rate = t[first + k];
        for (int h = 0; h < 2; h++)
            total[2 * m + h] = mul(sum[k][h], exponential(mul(rate, sub(lowest[0], low[h]))));
        __syncthreads();
        for (int half = LANES / 2; half > 0; half /= 2) {
            if (m < half) total[m] = add(total[m], total[m + half]);
            __syncthreads();
        }
        if (m == 0) out[blockIdx.x * (i64)temperatures + first + k] = log(total[0]) - rate * lowest[0];
        __syncthreads();
    }
}
"""

CONSTANTS = "".join(
    f"#define {name} {value}\n"
    for name, value in {
        "CELLS": CELLS,
        "FACTORS": FACTORS,
        "GAUSSIAN": GAUSSIAN,
        "ISOTROPIC": ISOTROPIC,
        "LANES": LANES,
        "LEAST_BETA": LEAST_BETA,
        "LOG_TEN": math.log(10.0),
        "MOST_CLASSES": MOST_CLASSES,
        "NOTHING": NOTHING,
        "RADIAL": RADIAL,
        "ROW": ROW,
        "SHARE": SHARE,
        "TERMS": TERMS,
    }.items()
)


def _both(source: str, name: str) -> str:
    """A kernel in double precision, and under another name in single precision."""
    return source.replace("real", "double") + source.replace("real", "float").replace(f"{name}(", f"{name}_single(")


# One text for the compiler, and the names of the kernels in it.
SGD = _both(SGD_STEPS, "sgd_steps") + _both(SGD_LINEAR, "sgd_linear")
SOURCE = CONSTANTS + COMMON + FILL + SGD + EXPONENTIAL_SUMS + COMP_SUM_PAIRS
KERNELS = (
    "fill",
    "sgd_steps",
    "sgd_steps_single",
    "sgd_linear",
    "sgd_linear_single",
    "exponential_sums",
    "comp_sum_pairs",
)
