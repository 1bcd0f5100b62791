"""`theorylab apply random_matrix/batch-spectrum`: closed cases, batches of matrices with that spectrum, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import theorylab as tl
from theorylab.application import Result
from theorylab.cli import run as main
from theorylab.derivations.random_matrix import granziol_additive as additive
from theorylab.derivations.random_matrix import granziol_ggn as multiplicative
from theorylab.derivations.random_matrix import granziol_ggn_conditional as conditional
from theorylab.derivations.random_matrix import granziol_learning_rate_stability as stability
from theorylab.derivations.random_matrix import rmt_marchenko_pastur as law
from theorylab.errors import TheorylabError

HESSIAN = np.array([3.0, -2.5, *np.zeros(198)])
GAUSS_NEWTON = np.array([8.0, 4.0, *np.linspace(0.5, 1.5, 58)])


def study(values: object = GAUSS_NEWTON, **parameters: object) -> Result:
    return tl.apply("random_matrix/batch-spectrum", values, **{"N": 400, "B": 100, **parameters})


def white(p: int, samples: int, theta: float) -> np.ndarray:
    """Spectrum of white data with one spike: quantiles of the Marchenko-Pastur law and the outlier."""
    ratio = p / samples
    x = np.linspace(float(law.LOWER_EDGE(c=ratio)), float(law.UPPER_EDGE(c=ratio)), 20_001)
    bulk = np.interp((np.arange(p - 1) + 0.5) / (p - 1), law.CDF(x=x, c=ratio), x)
    return np.append(bulk, float(multiplicative.OUTLIER_AT_RATIO(r=ratio, theta=theta)))


def test_additive_noise_over_a_bulk_at_zero_follows_the_closed_forms() -> None:
    result = study(HESSIAN, N=1_000, B=100, noise="additive", sigma_eps=1.0)
    at = {"r": 2.0, "t": 0.1, "sigma_eps": 1.0}
    # The rest is a bulk of 198 of 200: 1/P of relative error, and the other outlier's push.
    assert result["lambda_1'"].value == pytest.approx(3.0 + float(additive.SHIFT(lam1=3.0, **at)), rel=0.01)
    assert result["lambda_P'"].value == pytest.approx(-2.5 + float(additive.BOTTOM_SHIFT(depth=2.5, **at)), rel=0.01)
    assert result["overlap_1"].value == pytest.approx(float(additive.OVERLAP(lam1=3.0, **at)), rel=0.01)
    assert result["bulk high"].value == pytest.approx(float(additive.EDGE(**at)), rel=0.01)
    assert result["bulk low"].value == pytest.approx(-result["bulk high"].value, rel=1e-3)
    exact = additive.CRITICAL_BATCH(P=200, N=1_000, lam1=3.0, sigma_eps=1.0)
    assert result["critical batch"].value == pytest.approx(float(exact), rel=0.02)
    assert result["s"].value == pytest.approx(float(np.sqrt(1.8)))
    low, high = result["lambda_1'"].interval or (0.0, 0.0)
    assert low < result["lambda_1'"].value < high
    spread = study(HESSIAN, N=1_000, B=100, noise="additive", spread=200 * 201)
    assert spread["lambda_1'"].value == pytest.approx(result["lambda_1'"].value, rel=1e-12)


def test_multiplicative_noise_on_white_data_follows_marchenko_pastur() -> None:
    result = study(white(200, 800, 6.0), N=800, B=200)
    assert result["lambda_1'"].value == pytest.approx(multiplicative.OUTLIER_AT_RATIO(r=1.0, theta=6.0), rel=3e-3)
    assert result["overlap_1"].value == pytest.approx(multiplicative.TURNED(r=1.0, t=0.25, theta=6.0), rel=3e-3)
    assert result["bulk high"].value == pytest.approx(4.0, rel=0.02)
    assert result["zeros"].value == 0
    half = study(white(200, 800, 6.0), N=800, B=400)
    x, density = half.data["density"]
    assert np.trapezoid(density, x) == pytest.approx(199 / 200, rel=0.01)
    halved = study(white(200, 800, 6.0), N=800, B=100)
    assert halved["zeros"].value == 100
    assert halved["bulk low"].value == pytest.approx((1.0 - 2.0**0.5) ** 2, rel=0.02)
    x, density = halved.data["density"]
    assert np.trapezoid(density, x) == pytest.approx(99 / 200, rel=0.01)


def test_one_outlier_is_that_of_the_conditional_form() -> None:
    spectrum = np.append(np.linspace(0.5, 1.5, 60), 6.0)
    result = study(spectrum, outliers=1)
    shift = conditional.CONDITIONAL_SHIFT(spectrum=spectrum, N=400, t=0.25)
    overlap = conditional.CONDITIONAL_OVERLAP(spectrum=spectrum, N=400, t=0.25)
    assert result["lambda_1'"].value == pytest.approx(6.0 + float(shift), rel=1e-12)
    assert result["overlap_1"].value == pytest.approx(float(overlap), rel=1e-12)


@pytest.mark.parametrize("B", [200, 30])
def test_batches_of_data_with_this_spectrum(B: int) -> None:
    """Mean over 60 batches of one data set: 4 standard errors, 1 % and, for the edge, 4 % of finite size."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((60, 400)) * np.sqrt(np.append([9.0, 5.0], rng.gamma(3.0, 1.0 / 3.0, size=58)))[:, None]
    values, vectors = np.linalg.eigh(x @ x.T / 400)
    result = study(values, B=B, outliers=2)
    found, kept, zeros = [], [], []
    for _ in range(60):
        part = x[:, rng.permutation(400)[:B]]
        batch, turned = np.linalg.eigh(part @ part.T / B)
        # Less the part of the noise along the two eigenvectors, whose mean is zero.
        own = [vectors[:, -1 - k] @ part @ part.T @ vectors[:, -1 - k] / B - values[-1 - k] for k in (0, 1)]
        found.append(batch[[-1, -2]] - own)
        kept.append((vectors[:, -1] @ turned[:, -1]) ** 2)
        zeros.append(np.sum(batch < 1e-12))
    assert set(zeros) == {int(result["zeros"].value)}
    for k, name in enumerate(("lambda_1'", "lambda_2'")[: 2 if B == 200 else 1]):
        column = np.array(found)[:, k]
        error = column.std() / np.sqrt(60)
        assert result[name].value == pytest.approx(column.mean(), abs=4.0 * error + 0.02 * column.mean())
    assert result["overlap_1"].value == pytest.approx(np.mean(kept), abs=0.05)


def test_matrices_with_this_spectrum_and_additive_noise() -> None:
    """Mean over 30 batches of a Hessian with two outliers and a bulk; 4 standard errors and 1 %."""
    rng = np.random.default_rng(5)
    levels = np.array([3.0, -2.0, *rng.uniform(-0.5, 1.0, 148)])
    result = study(levels, N=900, B=60, noise="additive", sigma_eps=0.5)
    scale = 0.5 * np.sqrt(1.0 / 60 - 1.0 / 900)
    w = rng.standard_normal((30, 150, 150))
    noise = scale * (w + np.swapaxes(w, 1, 2)) / np.sqrt(2.0)
    values = np.linalg.eigvalsh(noise + np.diag(levels))
    own = noise[:, [0, 1], [0, 1]]
    for name, column in (("lambda_1'", values[:, -1] - own[:, 0]), ("lambda_P'", values[:, 0] - own[:, 1])):
        wanted = 4.0 * column.std() / np.sqrt(30) + 0.01 * abs(column.mean())
        assert result[name].value == pytest.approx(column.mean(), abs=wanted)
    # Tracy-Widom: the last of the bulk is inside its edge, by a few per cent.
    assert 0.9 * result["bulk high"].value < values[:, -2].mean() < 1.01 * result["bulk high"].value
    x, density = result.data["density"]
    inside = (values > -1.0) & (values < 1.0)
    part = np.trapezoid(np.where(np.abs(x) < 1.0, density, 0.0), x)
    assert part == pytest.approx(inside.mean(), abs=0.01)


def test_learning_rates_are_those_of_the_largest_eigenvalue() -> None:
    result = study()
    top = result["lambda_1'"].value
    assert result["rate, SGD"].value == pytest.approx(2.0 / top)
    assert result["rate, SGD, full"].value == 0.25
    assert result["rate, adaptive"].value == pytest.approx(2.0 / np.sqrt(top))
    assert result["rate, adaptive, full"].value == pytest.approx(2.0 / np.sqrt(8.0))
    # White data but for a spike: the known threshold of fresh batches.
    spiked = study(np.array([5.0, *np.ones(49)]), B=20)
    exact = stability.spiked_threshold(P=50, B=20, theta=5.0, sigma=1.0)
    assert spiked["rate, fresh"].value == pytest.approx(float(exact), rel=1e-9)
    assert [study(B=B)["rate, SGD"].value for B in (50, 100, 200, 399)] == sorted(
        study(B=B)["rate, SGD"].value for B in (50, 100, 200, 399)
    )


def test_a_lost_outlier_is_said_and_the_edge_given() -> None:
    result = study(outliers=4)
    assert result["lambda_4'"].value == result["bulk high"].value
    assert "lost: the edge" in result["lambda_4'"].meaning
    assert "eigenvalues 3 to 4 are below the threshold" in str(result)
    small = study(HESSIAN, N=1_000, B=10, noise="additive", sigma_eps=1.0, outliers=1)
    assert small["lambda_1'"].value == small["bulk high"].value
    assert small["rate, SGD"].value == pytest.approx(2.0 / small["bulk high"].value)
    assert "eigenvalue 1 is below the threshold" in str(small)


def test_the_largest_eigenvalue_is_continuous_where_it_is_lost() -> None:
    critical = study(HESSIAN, N=10**6, B=100, noise="additive", sigma_eps=10.0)["critical batch"].value
    below, above = (
        study(HESSIAN, N=10**6, B=round(critical * f), noise="additive", sigma_eps=10.0)["lambda_1'"].value
        for f in (0.995, 1.005)
    )
    assert below == pytest.approx(above, rel=0.01)


def test_eigenvalues_that_are_not_given_are_zero() -> None:
    padded = study(np.append(GAUSS_NEWTON, np.zeros(40)))
    assert study(P=100).as_dict()["quantities"] == padded.as_dict()["quantities"]
    assert study(P=100)["zeros"].value == 40


def test_nearly_equal_outliers_stand_out_together() -> None:
    values = np.array([5.0, 4.999, *np.linspace(0.5, 1.5, 58)])
    result = study(values, outliers=2)
    alone = study(np.array([5.0, *np.linspace(0.5, 1.5, 58)]), outliers=1)
    assert result["lambda_1'"].value == pytest.approx(alone["lambda_1'"].value, rel=0.01)
    assert result["lambda_2'"].value == pytest.approx(result["lambda_1'"].value, rel=0.01)


def test_the_result_is_written(tmp_path: Path) -> None:
    np.save(tmp_path / "eigs.npy", GAUSS_NEWTON)
    out = tmp_path / "out"
    assert main(["apply", "random_matrix/batch-spectrum", str(tmp_path / "eigs.npy"), "-p", "N=400", "-p", "B=100",
                 "-o", str(out)]) == 0  # fmt: skip
    assert {f.name for f in out.iterdir()} == {"result.json", "result.txt", "spectrum.png", "rates.png"}


ADDITIVE = {"noise": "additive", "sigma_eps": 1.0}


@pytest.mark.parametrize(
    ("values", "change", "message"),
    [
        (GAUSS_NEWTON, {"B": 401}, "B = 401 exceeds N = 400: a batch without replacement is part of the data set"),
        (GAUSS_NEWTON, {"B": 400}, "the batch is the whole data set"),
        (GAUSS_NEWTON, {"B": 0}, "B = 0 is outside its domain"),
        (HESSIAN, {}, r"eigenvalue -2.5 is negative: a Gauss-Newton matrix has none"),
        (np.append(GAUSS_NEWTON, np.nan), {}, r"entry \[60\] is nan; finite numbers are expected"),
        (-GAUSS_NEWTON, ADDITIVE, "no learning rate is limited by it"),
        (np.zeros(5), {}, "no learning rate is limited by it"),
        (np.ones(5), {}, "all eigenvalues are 1"),
        (np.arange(1.0, 500.0), {}, "499 eigenvalues are positive: a Gauss-Newton matrix of N = 400 samples"),
        (GAUSS_NEWTON, {"P": 10}, "60 eigenvalues for P = 10 parameters"),
        (GAUSS_NEWTON, {"sigma_eps": 1.0}, "add -p noise=additive"),
        (HESSIAN, {"noise": "additive"}, "needs sigma_eps or spread"),
        (HESSIAN, {**ADDITIVE, "spread": 2.0}, "one of them"),
        (HESSIAN, {"noise": "Gaussian"}, "noise = 'Gaussian' is not one of"),
        (np.ones((3, 3)), {}, "one dimension is expected"),
        ([1.0], {}, "at least 2 are needed"),
    ],
)
def test_mistakes_get_one_line(values: object, change: dict[str, object], message: str) -> None:
    with pytest.raises(TheorylabError, match=message) as caught:
        study(values, **change)
    assert "\n" not in str(caught.value)


def test_sizes_must_be_given() -> None:
    with pytest.raises(TheorylabError, match="missing parameters N, B"):
        tl.apply("random_matrix/batch-spectrum", GAUSS_NEWTON)
