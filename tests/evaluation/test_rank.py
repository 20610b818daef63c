import numpy as np
import pytest

from ssl_jax.evaluation import rankme
from tests.references import evaluation as reference


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (12, 12), (1, 5), (5, 1)])
def test_equals_the_reference(shape):
    z = np.random.default_rng(0).normal(size=shape) * np.exp(-np.arange(shape[1]))
    assert rankme(z) == pytest.approx(reference.rankme(z), rel=1e-6)


def test_orthonormal_rows_use_all_directions():
    rows = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 8)))[0].T
    assert rankme(rows) == pytest.approx(8, rel=1e-5)


def test_features_on_a_line_have_rank_one_without_centering():
    z = np.outer(np.random.default_rng(0).normal(size=50), np.arange(1, 7))
    assert rankme(z) == pytest.approx(1, abs=1e-4)
    assert rankme(np.ones((50, 6))) == pytest.approx(1, abs=1e-4)


def test_zeros_have_rank_zero():
    assert rankme(np.zeros((5, 3))) == 0


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
def test_scale_and_rotation_do_not_matter(scale):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(30, 6)) * np.arange(1, 7)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert rankme(scale * z @ rotation) == pytest.approx(rankme(z), rel=1e-9)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.ones(4), r"got shape \(4,\)"),
        (np.ones((0, 4)), r"got shape \(0, 4\)"),
        (np.full((3, 2), np.nan), r"\(3, 2\) holds NaN"),
    ],
)
def test_refuses(z, message):
    with pytest.raises(ValueError, match=message):
        rankme(z)
