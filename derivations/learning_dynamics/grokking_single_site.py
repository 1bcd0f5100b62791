r"""One step of the single-sample process of a trained quadratic network, over many samples.

Of a sample the process keeps, for every step $s$ so far, the slopes $\phi'(h_i(s)) = 1 + \epsilon h_i(s)$, the error
$\Delta(s)$ and the forces $g_i(s) = \Delta \phi'(h_i)$. A step makes $h(t)$ from them and from the Gaussian fields, and
then averages over the samples what the other process needs: moments of the forces, and their responses to the fields.
Responses are taken backwards: a probe vector $v$ on the forces of step $t$ is pulled back through the memory,

    $\bar h(s) = J(s) \bar g(s)$,  $\bar g(s) = c \sum_{s < s' \le t} R(s', s) \bar h(s')$,
    $J_{ij} = -\frac\alpha N \phi'_i \phi'_j + \epsilon \Delta \delta_{ij}$,

so that $\bar h_i(s) = \sum_j v_j\, \partial g_j(t) / \partial u_i(s)$. That takes as many operations as pushing every
$\partial / \partial u_i(s)$ forwards and needs no memory of its own: nothing is kept that has two times.

Matrices over neurons are $K = K_b 1 + \frac1N \sum_m (K_m - K_b) e_m e_m^T$: the last mode is the base, the others have
a vector $e_m$ of squared length N each (`grokking_modes`).

Operations per sample: $M (N + M - 1) t^2$ at step $t$ with M modes, $\frac13 M (N + M - 1) T^3$ in all, most of them in
`combine`. Samples lie `LANES` abreast in the last axis, which the compiler vectorises.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Samples side by side: a few vectors, so that the fields of all steps of one block stay in the first-level cache.
LANES = 32


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def combine(out, rows, coefficient, first, last):  # type: ignore[no-untyped-def]
    """Write the sum of coefficient[k] rows[k] over first <= k < last to `out`, four rows at a time."""
    n = out.size
    for l in range(n):
        out[l] = 0.0
    start = first + (last - first) % 4
    for k in range(first, start):
        x, row = coefficient[k], rows[k]
        for l in range(n):
            out[l] += x * row[l]
    for k in range(start, last, 4):
        x0, x1, x2, x3 = coefficient[k], coefficient[k + 1], coefficient[k + 2], coefficient[k + 3]
        r0, r1, r2, r3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for l in range(n):
            out[l] += x0 * r0[l] + x1 * r1[l] + x2 * r2[l] + x3 * r3[l]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def advance(  # type: ignore[no-untyped-def]
    t,
    eps,
    coupling,
    memory,
    centred,
    special,
    probe,
    signs,
    loaded,
    start,
    load,
    drive,
    response,
    teacher,
    initial,
    noise,
    weight,
    force,
    slope,
    delta,
    origin,
    moments,
    responses,
):
    r"""Append step `t` to `force`, `slope` and `delta`, and average over the samples.

    Parameters
    ----------
    t
        Steps before this one.
    eps, coupling, memory
        $\epsilon$, $\alpha/N$, and $\eta/(\alpha \nu)$.
    centred
        Whether the output at the start is subtracted; it is kept in `origin` at t = 0.
    special : float64[M - 1, N]
        Vectors of the modes but the base.
    probe : float64[M, N]
        A vector in every mode.
    signs : float64[N]
        Signs with which the neurons see the teacher.
    loaded
        Number of the mode that `signs` lies in, -1 where the teacher is not seen at all.
    start, load, drive : float64[M], float, float64[M, t]
        The field $u(t)$ on the initial weights of a mode, on the teacher, and on the noise of the steps before.
    response : float64[M, T + 1, T + 1]
        $R(s', s)$, strictly lower triangular.
    teacher, initial, noise : float64[blocks, LANES], float64[blocks, N, LANES], float64[blocks, T, N, LANES]
        Independent normal numbers.
    weight : float64[blocks, LANES]
        Weights of the samples, of sum 1.
    force, slope, delta, origin : float64[blocks, T + 1, N, LANES] twice, [blocks, T + 1, LANES], [blocks, LANES]
    moments, responses : float64[M, t + 1]
        Added to: $\langle P_m g(t) \cdot P_m g(s) \rangle$ and $\langle v_m \cdot \bar h(s) \rangle$.

    Returns
    -------
    float, float, float
        $\langle \Delta^2 \rangle$ on the samples that train; on fresh ones, $h$ replaced by $u$; and
        $\langle \sum_i s_i\, \partial g_i(t) / \partial h_* \rangle$ at fixed fields.
    """
    blocks, neurons, lanes = initial.shape
    modes = probe.shape[0]
    base, width, past = modes - 1, neurons * lanes, noise.shape[1]
    back, pulled = np.empty((t + 1, width)), np.empty(width)
    along, sums = np.empty((modes, t + 1, lanes)), np.empty((modes, width))
    a, c, u = np.empty(lanes), np.empty(lanes), np.empty((neurons, lanes))
    # Coefficients of a step on those before it and, for the way back, on those after it: of the base mode, and of the
    # others in excess of it.
    before, driven, after = np.empty((modes, t + 1)), drive.copy(), np.empty((modes, t + 1, t + 1))
    for m in range(modes):
        for s in range(t + 1):
            before[m, s] = memory * (response[m, t, s] - (response[base, t, s] if m < base else 0.0))
            for k in range(t + 1):
                after[m, s, k] = memory * (response[m, k, s] - (response[base, k, s] if m < base else 0.0))
        for s in range(t):
            driven[m, s] -= drive[base, s] if m < base else 0.0
    train = fresh = taught = 0.0
    for b in range(blocks):
        z = teacher[b]
        noises, forces = noise[b].reshape(past, width), force[b].reshape(force.shape[1], width)
        # Fields.
        for m in range(modes):
            combine(sums[m], noises, driven[m], 0, t)
        for i in range(neurons):
            for l in range(lanes):
                u[i, l] = start[base] * initial[b, i, l] + load * signs[i] * z[l] + sums[base, i * lanes + l]
        for m in range(base):
            for l in range(lanes):
                a[l] = 0.0
            for i in range(neurons):
                for l in range(lanes):
                    excess = (start[m] - start[base]) * initial[b, i, l] + sums[m, i * lanes + l]
                    a[l] += special[m, i] / neurons * excess
            for i in range(neurons):
                for l in range(lanes):
                    u[i, l] += special[m, i] * a[l]
        for l in range(lanes):
            a[l] = 0.5 * z[l] * z[l]
        for i in range(neurons):
            for l in range(lanes):
                a[l] -= coupling * u[i, l] * (1.0 + 0.5 * eps * u[i, l])
        if t == 0:
            for l in range(lanes):
                origin[b, l] = 0.5 * z[l] * z[l] - a[l] if centred else 0.0
        for l in range(lanes):
            a[l] += origin[b, l]
            fresh += weight[b, l] * a[l] * a[l]
        # Memory of the sample's own pull on the weights.
        for m in range(modes):
            combine(sums[m], forces, before[m], 0, t)
        for i in range(neurons):
            for l in range(lanes):
                u[i, l] += sums[base, i * lanes + l]
        for m in range(base):
            for l in range(lanes):
                a[l] = 0.0
            for i in range(neurons):
                for l in range(lanes):
                    a[l] += special[m, i] / neurons * sums[m, i * lanes + l]
            for i in range(neurons):
                for l in range(lanes):
                    u[i, l] += special[m, i] * a[l]
        # Error and forces.
        for l in range(lanes):
            a[l] = 0.5 * z[l] * z[l] + origin[b, l]
        for i in range(neurons):
            for l in range(lanes):
                a[l] -= coupling * u[i, l] * (1.0 + 0.5 * eps * u[i, l])
                slope[b, t, i, l] = 1.0 + eps * u[i, l]
        for l in range(lanes):
            delta[b, t, l] = a[l]
            train += weight[b, l] * a[l] * a[l]
        for i in range(neurons):
            for l in range(lanes):
                force[b, t, i, l] = a[l] * slope[b, t, i, l]
        # Moments of the forces: of each special mode, and of the base what is left of the sum over neurons.
        for s in range(t + 1):
            whole = 0.0
            for i in range(neurons):
                for l in range(lanes):
                    whole += weight[b, l] * force[b, t, i, l] * force[b, s, i, l]
            for m in range(base):
                for l in range(lanes):
                    a[l] = 0.0
                    c[l] = 0.0
                for i in range(neurons):
                    for l in range(lanes):
                        a[l] += special[m, i] * force[b, t, i, l]
                        c[l] += special[m, i] * force[b, s, i, l]
                part = 0.0
                for l in range(lanes):
                    part += weight[b, l] * a[l] * c[l]
                moments[m, s] += part / neurons
                whole -= part / neurons
            moments[base, s] += whole
        # Responses, backwards from a probe in every mode.
        for p in range(modes):
            for l in range(lanes):
                c[l] = 0.0
            for s in range(t, -1, -1):
                if s == t:
                    for i in range(neurons):
                        for l in range(lanes):
                            pulled[i * lanes + l] = probe[p, i]
                else:
                    combine(pulled, back, after[base, s], s + 1, t + 1)
                    for m in range(base):
                        combine(a, along[m], after[m, s], s + 1, t + 1)
                        for i in range(neurons):
                            for l in range(lanes):
                                pulled[i * lanes + l] += special[m, i] / neurons * a[l]
                slopes, errors, row = slope[b, s], delta[b, s], back[s]
                for l in range(lanes):
                    a[l] = 0.0
                for i in range(neurons):
                    for l in range(lanes):
                        a[l] += slopes[i, l] * pulled[i * lanes + l]
                for l in range(lanes):
                    c[l] += a[l]
                found = 0.0
                for i in range(neurons):
                    for l in range(lanes):
                        x = eps * errors[l] * pulled[i * lanes + l] - coupling * slopes[i, l] * a[l]
                        if centred and s == 0:
                            # The output at the start is that of u(0): every later error feels it.
                            x += coupling * slopes[i, l] * c[l]
                        row[i * lanes + l] = x
                        found += weight[b, l] * probe[p, i] * x
                responses[p, s] += found
                for m in range(base):
                    for l in range(lanes):
                        along[m, s, l] = 0.0
                    for i in range(neurons):
                        for l in range(lanes):
                            along[m, s, l] += special[m, i] * row[i * lanes + l]
            if p == loaded:
                for l in range(lanes):
                    taught += weight[b, l] * c[l] * z[l]
    return train, fresh, taught
