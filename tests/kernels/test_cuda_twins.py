"""GPU twins: their device code compiled for the host gives the bits of the compiled CPU twins; nvcc accepts it.

Where CuPy and a device are present the same comparisons run there too.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess

import numpy as np
import pytest

from theorylab.kernels import comp_sum_search, ntk, sgd
from theorylab.kernels import exponential_sums as sums
from theorylab.kernels.activations import ACTIVATIONS
from theorylab.kernels.cuda_sources import KERNELS, SOURCE
from theorylab.kernels.gradient_descent import train
from theorylab.kernels.random import Stream, normal_numba, uniform_numba

KEY = np.array([123, 0xFFFFFFFF], dtype=np.uint32)


def stream(backend, first_trial=3):
    return Stream(KEY, backend, first_trial=first_trial, _draws=5)


@pytest.fixture(params=["host", "device"])
def cuda(request):
    """The module of GPU twins, on the host and, if there is one, on a device."""
    if request.param == "host":
        return request.getfixturevalue("host_cuda")
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: pip install 'theorylab[cuda12]' (or [cuda13])")
    if not cupy.cuda.is_available():
        pytest.skip("CuPy finds no device")
    from theorylab.kernels import cuda

    return cuda


@pytest.mark.parametrize(("trials", "count"), [(1, 1), (3, 7), (2, 512), (40, 6), (0, 3)])
def test_uniforms_and_normals_are_those_of_the_compiled_twins_to_the_bit(cuda, trials, count):
    for mine, theirs in ((cuda.uniform, uniform_numba), (cuda.normal, normal_numba)):
        got = cuda.library().asnumpy(mine(KEY, 2, 9, trials, count))
        np.testing.assert_array_equal(got, theirs(KEY, 2, 9, trials, count))


def test_far_tails_agree_to_the_bit(cuda):
    """A million normals reach 4.9 standard deviations, both ends of the logarithm's range."""
    got = cuda.library().asnumpy(cuda.normal(KEY, 0, 0, 100, 10_000))
    np.testing.assert_array_equal(got, normal_numba(KEY, 0, 0, 100, 10_000))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("v", "d", "batch", "times"), [(7, 3, 1, [0, 2, 5]), (5, 4, 3, [4]), (20, 9, 2, [1, 30])])
def test_sgd_on_random_features(cuda, monkeypatch, v, d, batch, times, own):
    monkeypatch.setattr(cuda, "AHEAD", 4000)  # several launches between two instants
    source = np.random.default_rng(0)
    features = source.standard_normal((4, v, d) if own else (v, d))
    target = source.standard_normal((4, v) if own else v)
    options = {"rate": np.linspace(0.02, 0.01, 30), "batch": batch, "times": np.array(times), "form": "direct"}
    one, other = stream("numba"), stream("cupy")
    expected = sgd.random_features(4, one, features, target, **options)
    got = sgd.random_features(4, other, features, target, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert one.next_draw() == other.next_draw()
    for form in sgd.FORMS:
        options["form"] = form
        got = sgd.random_features(4, stream("cupy"), features, target, dtype=np.float32, **options)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, sgd.random_features(4, stream("numba"), features, target, **options), rtol=1e-4)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("v", "batch", "times"), [(7, 1, [0, 2, 5]), (5, 3, [4]), (20, 2, [1, 30]), (3, 1, [0])])
def test_sgd_on_linear_models(cuda, v, batch, times, own):
    source = np.random.default_rng(1)
    spectrum, gap = source.random((2, 4, v) if own else (2, v))
    options = {"rate": 0.1, "batch": batch, "times": np.array(times)}
    one, other = stream("numba"), stream("cupy")
    expected = sgd.linear(4, one, spectrum, gap, **options)
    np.testing.assert_allclose(sgd.linear(4, other, spectrum, gap, **options), expected, rtol=1e-12)
    assert one.next_draw() == other.next_draw()


@pytest.mark.parametrize("terms", [1, 127, 2049, 5000])
@pytest.mark.parametrize("t", [np.ones(1), np.geomspace(0.1, 50, 9), np.linspace(0.5, 9, 18)], ids=len)
def test_exponential_sums(cuda, terms, t):
    """The sums are equal to the bit; their logarithms are the libraries', within 1 unit in the last place each."""
    scales = np.array([1.0, 0.5, 2.0])
    for name, arguments in (
        ("gaussian", ()),
        *(("isotropic", (3.0, d)) for d in (1, 2, 3, 10, 40)),
        ("quadratic", (np.array([1.0, 0.0, -2.0]), scales)),
        ("quadratic", (np.arange(6.0).reshape(2, 3), scales)),
    ):
        one, other = stream("numba"), stream("cupy")
        expected = getattr(sums, name)(2, one, terms, t, *arguments)
        got = getattr(sums, name)(2, other, terms, t, *arguments)
        np.testing.assert_allclose(got, expected, rtol=1e-15, atol=1e-15)
        assert one.next_draw() == other.next_draw()


@pytest.mark.parametrize("tau", [0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize(("n", "first", "cases"), [(2, 0, 400), (3, 7, 300), (10, 100, 600), (33, 0, 64)])
def test_the_violation_search_is_the_same_to_the_bit(cuda, tau, n, first, cases):
    for hull in (False, True):
        expected = comp_sum_search.pairs_numba(KEY, 5, first, cases, tau, n, hull)
        for one, other in zip(cuda.pairs(KEY, 5, first, cases, tau, n, hull), expected):
            np.testing.assert_array_equal(one, other)


def test_the_hull_filters_between_batches_of_the_search(cuda, monkeypatch):
    monkeypatch.setattr(cuda, "CASES", 320)
    expected = comp_sum_search.pairs_numba(KEY, 5, 3, 1000, 0.5, 4)
    for one, other in zip(cuda.pairs(KEY, 5, 3, 1000, 0.5, 4), expected):
        np.testing.assert_array_equal(one, other)


def test_too_many_classes_are_refused(cuda):
    with pytest.raises(ValueError, match="513 classes: the search on a GPU takes up to 512"):
        cuda.pairs(KEY, 0, 0, 10, 0.5, 513)


def test_tangent_kernels_draw_on_the_device(cuda):
    inputs = np.random.default_rng(2).standard_normal((6, 4))
    expected = ntk.draws(3, stream("numba"), inputs, 20)
    np.testing.assert_allclose(ntk.draws(3, stream("cupy"), inputs, 20), expected, rtol=1e-12)


def test_networks_train_on_the_device(cuda):
    source = np.random.default_rng(3)
    x, y, more = source.standard_normal((5, 3)), source.standard_normal((5, 1)), source.standard_normal((2, 3))
    options = {"widths": [3, 8, 1], "scales": [0.5, 0.3], "rates": [0.1, 0.1], "times": np.array([0, 6]), "test": more}
    for activation in ACTIVATIONS:
        expected = train(4, stream("numba"), x, y, activation=activation, **options)
        got = train(4, stream("cupy"), x, y, activation=activation, **options)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_without_cupy_the_error_says_what_to_install():
    with pytest.raises(ImportError, match=r"pip install 'theorylab\[cuda12\]'"):
        sgd.linear(1, stream("cupy"), np.ones(2), np.ones(2), rate=0.1, batch=1, times=np.array([1]))


def test_nvcc_accepts_the_device_code(tmp_path):
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("nvcc is not on the path")
    source = tmp_path / "kernels.cu"
    source.write_text(SOURCE)
    command = [compiler, "-ptx", "-Werror", "all-warnings", str(source), "-o", str(tmp_path / "kernels.ptx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kernels.ptx").read_text().count(".visible .entry") == len(KERNELS)
