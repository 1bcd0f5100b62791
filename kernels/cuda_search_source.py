"""Device code of the violation search: a twin of `kernels.comp_sum_search`, in terms of `kernels.cuda_sources`."""

from __future__ import annotations

# Classes whose label distribution fits into the shared memory of a block with room to spare.
MOST_CLASSES = 512

# The violation search; a block of SHARE threads for the cases that share a label distribution. Points that are not
# below the tabulated hull get the height NOTHING.
COMP_SUM_PAIRS = r"""
__device__ static inline double clipped(double x) { return exponential(x < 700.0 ? x : 700.0); }

// The score of a class before ties, from a word of its case.
__device__ static inline double score_of(u32 word, double centre, double width, double log_p) {
    double halves = (double)(int)((word & 0xFFFFu) + (word >> 16));
    return add(mul(centre, log_p), mul(width, sub(halves, 65535.0)));
}

extern "C" __global__ void comp_sum_pairs(
    double *x, double *y, const double *table, i64 first_case, i64 cases, double tau, double steep, int n,
    u32 k0, u32 k1, u32 draw
) {
    __shared__ double p[MOST_CLASSES], log_p[MOST_CLASSES];
    i64 group = first_case / SHARE + blockIdx.x, number = group * SHARE + threadIdx.x;
    u32 share = (u32)group, own_case = (u32)number;
    double first, second;
    pair(0u, draw, share, k0, k1, 0, &first, &second);
    double power = exponential(mul(sub(mul(2.0, first), 1.0), LOG_TEN));
    for (int c = threadIdx.x; c < n; c += SHARE) {
        pair((u32)((c + 1) / 2), draw, share, k0, k1, 0, &first, &second);
        log_p[c] = mul(log_unit(-log_unit((c + 1) % 2 ? second : first)), power);
    }
    __syncthreads();
    double largest = -NOTHING, total = 0.0, least = 0.0, rate = tau < 2.0 ? 1.0 / sub(2.0, tau) : 1.0;
    for (int c = 0; c < n; c++) largest = max(largest, log_p[c]);
    for (int c = 0; c < n; c++) total = add(total, exponential(sub(log_p[c], largest)));
    double top = 1.0 / total, shift = log_unit(total);
    if (tau < 2.0 && tau != 1.0) {
        for (int c = 0; c < n; c++) least = add(least, exponential(mul(rate, sub(log_p[c], largest))));
        least = sub(mul(top, exponential(mul(log_unit(least), sub(2.0, tau)))), 1.0) / sub(1.0, tau);
    }
    __syncthreads();
    for (int c = threadIdx.x; c < n; c += SHARE) {
        double relative = sub(log_p[c], largest);
        p[c] = mul(exponential(relative), top);
        log_p[c] = sub(relative, shift);
    }
    __syncthreads();
    if (tau == 1.0)
        for (int c = 0; c < n; c++) least = add(least, mul(-p[c], log_p[c]));
    if (tau >= 2.0) least = sub(1.0, top) / sub(tau, 1.0);

    double width = 0.0, centre = 0.0, best = -NOTHING, own = 0.0, q = sub(tau, 1.0), risk = 0.0, sum = 0.0, kept[2];
    int raised = -1;
    // The words are made twice: they would not fit into the registers.
    for (int pass = 0; pass < 2; pass++) {
        u32 word[4];
        for (int c = -2; c < n; c++) {
            if ((c + 2) % 4 == 0) {
                word[0] = (u32)((c + 2) / 4);
                word[1] = draw + 1;
                word[2] = own_case;
                word[3] = 0u;
                philox(word, k0, k1);
            }
            if (c == -2 && pass == 0) {
                int centred = word[1] >= 0x80000000u;
                double exponent = sub(mul(mul(3.0, add((double)word[0], 0.5)), 2.3283064365386963e-10), 2.0);
                width = mul(exponential(mul(exponent, LOG_TEN)), sqrt(6.0) / (centred ? 655360.0 : 65536.0));
                centre = centred ? steep : 0.0;
                if (word[1] & 0x40000000u) raised = (int)(((word[1] & 0xFFFFu) * (u32)n) >> 16);
            }
            if (c < 0) continue;
            double score = score_of(word[(c + 2) % 4], centre, width, log_p[c]);
            if (pass == 0) {
                // The largest index among equal scores.
                if (score >= best) own = p[c];
                best = max(best, score);
                continue;
            }
            double gap = c == raised ? 0.0 : sub(score, best), weight = exponential(gap);
            double term = mul(p[c], tau == 1.0 ? gap : clipped(mul(q, gap)));
            // Two classes at a time, as on the processor.
            if (c % 2 == 0 && c + 1 < n) {
                kept[0] = weight;
                kept[1] = term;
            } else {
                sum = add(sum, c % 2 ? add(kept[0], weight) : weight);
                risk = add(risk, c % 2 ? add(kept[1], term) : term);
            }
        }
        if (pass == 0 && raised >= 0) own = p[raised];
    }
    risk = tau == 1.0 ? sub(log_unit(sum), risk) : sub(1.0, mul(risk, clipped(mul(-q, log_unit(sum))))) / q;
    double beta = sub(top, own), height = sub(risk, least), at = mul(beta, (double)CELLS);
    i64 place = number - first_case;
    if (place < 0 || place >= cases) return;
    int cell = (int)at < CELLS - 1 ? (int)at : CELLS - 1;
    cell = cell > 0 ? cell : 0;
    double hull = add(table[cell], mul(sub(at, (double)cell), sub(table[cell + 1], table[cell])));
    x[place] = beta;
    y[place] = beta >= LEAST_BETA && height < hull ? height : NOTHING;
}
"""
