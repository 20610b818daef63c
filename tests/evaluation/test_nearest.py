import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.evaluation import knn, nearest
from ssl_jax.evaluation.nearest import knn_predict, neighbors
from tests.references import evaluation as reference


def problem(n=40, m=15, d=5, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    train_y, test_y = rng.integers(classes, size=n), rng.integers(classes, size=m)
    centers = rng.normal(size=(classes, d))
    train_z = centers[train_y] + rng.normal(size=(n, d))
    test_z = centers[test_y] + rng.normal(size=(m, d))
    return train_z.astype(np.float32), train_y, test_z.astype(np.float32), test_y


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (7, 0.1), (40, 0.5), (7, 0.005)])
def test_equals_the_reference(k, temperature):
    train_z, train_y, test_z, test_y = problem()
    expected = reference.knn_scores(train_z, train_y, test_z, 5, k, temperature)
    scores = knn_predict(train_z, train_y, test_z, classes=5, k=k, temperature=temperature)
    np.testing.assert_allclose(scores, expected, rtol=2e-4, atol=1e-6)
    assert knn(train_z, train_y, test_z, test_y, k=k, temperature=temperature) == np.mean(
        expected.argmax(axis=1) == test_y
    )


def test_an_example_is_its_own_nearest_neighbor():
    z, y, _, _ = problem()
    assert knn(z, y, z, y, k=1) == 1


@pytest.mark.parametrize("m", [3, 8, 13])
def test_computing_in_blocks_changes_nothing(m, monkeypatch):
    train_z, _, test_z, _ = problem(m=m, seed=m)
    whole = neighbors(train_z, test_z, 4)
    monkeypatch.setattr(nearest, "_SIMILARITIES", 4 * len(train_z))
    nearest._nearest.clear_cache()
    blocked = neighbors(train_z, test_z, 4)
    nearest._nearest.clear_cache()
    np.testing.assert_array_equal(blocked[0], whole[0])
    np.testing.assert_allclose(blocked[1], whole[1], rtol=1e-5)


def test_neighbors_are_ordered_and_have_their_cosines():
    train_z = np.array([[1, 0], [0, 2], [-3, 0], [1, 1]], np.float32)
    indices, similarities = neighbors(train_z, np.array([[5, 0]], np.float32), 4)
    np.testing.assert_array_equal(indices, [[0, 3, 1, 2]])
    np.testing.assert_allclose(similarities, [[1, np.sqrt(0.5), 0, -1]], atol=1e-6)


def test_ties_go_to_the_lower_index_and_the_lower_class():
    train_z = np.tile(np.array([[2, 0]], np.float32), (6, 1))
    indices, _ = neighbors(train_z, train_z[:1], 4)
    np.testing.assert_array_equal(indices, [[0, 1, 2, 3]])
    scores = knn_predict(train_z, np.array([2, 1, 1, 2, 0, 0]), train_z[:1], classes=3, k=4)
    np.testing.assert_array_equal(scores, [[0, 0.5, 0.5]])
    assert scores.argmax() == 1


def test_the_scale_of_the_features_does_not_matter():
    train_z, train_y, test_z, _ = problem()
    scores = knn_predict(train_z, train_y, test_z, classes=4)
    scaled = knn_predict(
        train_z * 2.0 ** np.arange(-20, 20)[:, None], train_y, test_z / 1024, classes=4
    )
    np.testing.assert_allclose(scaled, scores, rtol=1e-5)


def test_the_order_of_training_examples_does_not_matter():
    train_z, train_y, test_z, _ = problem()
    order = np.random.default_rng(1).permutation(len(train_y))
    np.testing.assert_allclose(
        knn_predict(train_z[order], train_y[order], test_z, classes=4),
        knn_predict(train_z, train_y, test_z, classes=4),
        rtol=1e-5,
    )


def test_zero_features_and_small_temperatures_stay_finite():
    train_z, train_y, test_z, _ = problem()
    train_z[3], test_z[0] = 0, 0
    scores = knn_predict(train_z, train_y, test_z, classes=4, temperature=1e-4)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)


def test_an_unknown_class_counts_as_an_error():
    z, y, _, _ = problem()
    assert knn(z, y, z, np.where(y == 0, 9, y), k=1) == np.mean(y != 0)


def test_a_class_may_be_absent_from_the_test_labels():
    z, y, _, _ = problem()
    assert knn(z, y, z[y < 2], y[y < 2], k=1) == 1


def test_accepts_jax_arrays_and_half_precision():
    train_z, train_y, test_z, test_y = map(jnp.asarray, problem())
    half = train_z.astype(jnp.bfloat16), train_y, test_z.astype(jnp.bfloat16)
    rounded = np.asarray(half[0].astype(float)), train_y, np.asarray(half[2].astype(float))
    assert knn(*half, test_y) == knn(*rounded, test_y)


Z, Y = np.eye(4, 3, dtype=np.float32), np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Z, Y, Z[:, :2], Y), {}, r"\(4, 3\).*\(4, 2\)"),
        ((Z, Y[:3], Z, Y), {}, r"train_y.*\(3,\).*\(4, 3\)"),
        ((Z, Y, Z, Y[:, None]), {}, r"test_y.*\(4, 1\).*\(4, 3\)"),
        ((Z[:0], Y[:0], Z, Y), {}, r"train_y.*\(0,\).*\(0, 3\)"),
        ((Z, Y, Z[:0], Y[:0]), {}, r"test_y.*\(0,\).*\(0, 3\)"),
        ((Z, Y - 1, Z, Y), {}, "train_y must hold integers from 0, got int64 -1"),
        ((Z, Y, Z, Y + 0.5), {}, "test_y must hold integers from 0, got float64"),
        ((Z * np.nan, Y, Z, Y), {}, r"train_z of shape \(4, 3\) holds NaN"),
        ((Z, Y, Z, Y), {"k": 5}, r"k=5 .*\(4, 3\)"),
        ((Z, Y, Z, Y), {"k": 0}, "k=0"),
        ((Z, Y, Z, Y), {"k": 1, "temperature": 0}, "temperature.*got 0"),
    ],
)
def test_refuses(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        knn(*arguments, **options)


def test_refuses_labels_beyond_the_classes():
    with pytest.raises(ValueError, match="reaches 2, but classes=2"):
        knn_predict(Z, Y, Z, classes=2, k=1)


def test_neighbors_refuses_an_empty_test_set():
    with pytest.raises(ValueError, match=r"\(0, 3\)"):
        neighbors(Z, Z[:0], 1)
