from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ssl_jax.evaluation import linear, linear_probe
from ssl_jax.evaluation.linear import few_labels, linear_probe_fit, linear_probe_predict

N, M, D, K = 60, 20, 6, 3


def problem(d=D, seed=0):
    rng = np.random.default_rng(seed)
    train_y, test_y = np.arange(N) % K, rng.integers(K, size=M)
    centers = rng.normal(size=(K, d))
    mixing = rng.normal(size=(d, d))
    train_z = (centers[train_y] + rng.normal(size=(N, d))) @ mixing + 3
    test_z = (centers[test_y] + rng.normal(size=(M, d))) @ mixing + 3
    return train_z.astype(np.float32), train_y, test_z.astype(np.float32), test_y


def softmax(logits):
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def sklearn_probabilities(x, y, test, penalty):
    model = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-8, max_iter=5000)
    return model.fit(x.astype(np.float64), y).predict_proba(test.astype(np.float64))


def standardized(train_z, test_z):
    mean, std = train_z.mean(axis=0), train_z.std(axis=0)
    return (train_z - mean) / std, (test_z - mean) / std


@pytest.mark.parametrize("penalty", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("d", [D, 2 * N])
def test_equals_scikit_learn(d, penalty):
    train_z, train_y, test_z, _ = problem(d)
    x, test = standardized(train_z, test_z)
    expected = sklearn_probabilities(x, train_y, test, penalty)
    logits = linear_probe_predict(train_z, train_y, test_z, penalties=[penalty])
    np.testing.assert_allclose(softmax(logits), expected, atol=2e-3)


def first_of_each_class(y, rng, count):
    """Returns the indices of the first examples of each class in a random order."""
    order = list(rng.permutation(len(y)))
    return np.sort([j for j in order if [i for i in order if y[i] == y[j]].index(j) < count])


def test_few_labels_equals_scikit_learn_on_the_same_draws():
    train_z, train_y, test_z, _ = problem()
    x, test = standardized(train_z, test_z)
    logits = few_labels(train_z, train_y, test_z, per_class=4, draws=2, seed=3, penalties=[0.1])
    for draw in range(2):
        rows = first_of_each_class(train_y, np.random.default_rng((3, draw)), 4)
        expected = sklearn_probabilities(x[rows], train_y[rows], test, 0.1)
        np.testing.assert_allclose(softmax(logits[draw]), expected, atol=1e-3)


def cross_validated(x, y, held_out_sets, penalties):
    """Returns the penalty with the lowest held-out cross-entropy, computed with scikit-learn."""
    losses = {}
    for penalty in penalties:
        losses[penalty] = 0.0
        for held_out in held_out_sets:
            p = sklearn_probabilities(x[~held_out], y[~held_out], x[held_out], penalty)
            losses[penalty] -= sum(np.log(p[np.arange(held_out.sum()), y[held_out]]))
    return min(losses, key=losses.get)


def test_the_penalty_is_the_best_on_held_out_training_examples():
    penalties = [10.0, 1.0, 0.1, 0.01, 0.001]
    train_z, train_y, test_z, _ = problem()
    train_y = np.where(np.arange(N) % 5 < 2, np.roll(train_y, 1), train_y)
    rng = np.random.default_rng(0)
    order = rng.permutation(N)
    held_out = np.zeros(N, bool)
    for c in range(K):
        held_out[[j for j in order if train_y[j] == c][1::5]] = True
    x, _ = standardized(train_z, test_z)
    best = cross_validated(x, train_y, [held_out], penalties)
    assert best not in (penalties[0], penalties[-1])
    np.testing.assert_allclose(
        linear_probe_predict(train_z, train_y, test_z, penalties=penalties),
        linear_probe_predict(train_z, train_y, test_z, penalties=[best]),
        atol=0.02,
    )


def test_few_labels_depends_on_the_drawn_examples_only():
    """Draws depend on labels only; swapping features of other examples leaves the scores."""
    train_z, train_y, test_z, _ = problem()
    scores = few_labels(train_z, train_y, test_z, per_class=4, draws=1)
    drawn = 0
    for i in range(0, N, 2 * K):
        swapped = train_z.copy()
        swapped[[i, i + K]] = swapped[[i + K, i]]
        again = few_labels(swapped, train_y, test_z, per_class=4, draws=1)
        drawn += not np.allclose(again, scores, atol=1e-3)
    assert 0 < drawn <= 4


def test_draws_differ_and_are_reproducible():
    train_z, train_y, test_z, _ = problem()
    scores = few_labels(train_z, train_y, test_z, per_class=4, draws=3)
    assert scores.shape == (3, M, K)
    assert not np.allclose(scores[0], scores[1])
    np.testing.assert_array_equal(
        few_labels(train_z, train_y, test_z, per_class=4, draws=2), scores[:2]
    )
    assert not np.allclose(few_labels(train_z, train_y, test_z, per_class=4, seed=1)[0], scores[0])


SCORES = [linear_probe_predict, partial(few_labels, per_class=4, draws=2)]


@pytest.mark.parametrize("score", SCORES)
def test_a_test_example_is_scored_independently_of_the_others(score):
    """Neither the fit nor the choice of the penalty uses test examples."""
    train_z, train_y, test_z, _ = problem()
    changed = test_z.copy()
    changed[1:] = 100 * changed[1:] + 7
    np.testing.assert_allclose(
        score(train_z, train_y, changed)[..., :1, :],
        score(train_z, train_y, test_z)[..., :1, :],
        rtol=1e-5,
    )


@pytest.mark.parametrize("score", SCORES)
def test_scale_and_shift_of_the_features_do_not_matter(score):
    train_z, train_y, test_z, _ = problem()
    rng = np.random.default_rng(1)
    scale, shift = np.exp(3 * rng.normal(size=D)), rng.normal(size=D)
    np.testing.assert_allclose(
        score(train_z * scale + shift, train_y, test_z * scale + shift, penalties=[0.1]),
        score(train_z, train_y, test_z, penalties=[0.1]),
        atol=1e-3,
    )


@pytest.mark.parametrize("score", SCORES)
def test_features_that_vary_only_by_rounding_are_ignored(score):
    train_z, train_y, test_z, _ = problem()
    train_z[:, 0], test_z[:, 0] = 0, 0
    expected = score(train_z, train_y, test_z)
    train_z[:, 0], test_z[:, 0] = 1 + 2.0**-23 * (train_y == 0), 5
    np.testing.assert_allclose(score(train_z, train_y, test_z), expected, rtol=1e-6)


def test_collapsed_features_give_the_class_frequencies():
    y = np.array([0] * 30 + [1] * 20 + [2] * 10)
    logits = linear_probe_predict(np.ones((60, D)), y, np.ones((2, D)))
    np.testing.assert_allclose(softmax(logits), [[1 / 2, 1 / 3, 1 / 6]] * 2, atol=1e-3)


def test_separable_data_is_learned():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    z = np.eye(3, D)[y] + 0.1 * rng.normal(size=(60, D))
    assert linear_probe(z, y, z, y) == 1
    assert np.mean(few_labels(z, y, z, per_class=4, draws=2).argmax(axis=-1) == y) == 1


def test_accuracy_is_computed_from_the_logits():
    train_z, train_y, test_z, test_y = problem()
    right = linear_probe_predict(train_z, train_y, test_z).argmax(axis=1) == test_y
    assert linear_probe(train_z, train_y, test_z, test_y) == right.mean()
    assert linear_probe(train_z, train_y, test_z, np.full(M, 9)) == 0


def test_a_class_of_one_example_is_kept():
    train_z, train_y, test_z, _ = problem()
    y = np.where(np.arange(N) == 0, 3, train_y)
    for scores in (
        linear_probe_predict(train_z, y, test_z),
        few_labels(train_z, y, test_z, per_class=2, draws=2),
    ):
        assert scores.shape[-1] == 4
        assert np.isfinite(scores).all()


Z, Y = np.eye(6, 3, dtype=np.float32), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Z, Y, Z[:, :2], Y), r"\(6, 3\).*\(6, 2\)"),
        ((Z, Y[:3], Z, Y), r"train_y.*\(3,\).*\(6, 3\)"),
        ((Z, Y, Z, Y[:3]), r"test_y.*\(3,\).*\(6, 3\)"),
        ((Z, Y * 2, Z, Y), "3 classes and reaches 4"),
        ((Z, Y - 1, Z, Y), "integers from 0"),
        ((Z, np.arange(6), Z, Y), r"\(6,\).*no class has two"),
        ((Z, Y, np.full_like(Z, np.inf), Y), r"test_z of shape \(6, 3\) holds NaN"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        linear_probe(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_class": 1}, "per_class=1"),
        ({"draws": 0}, "draws=0"),
        ({"penalties": []}, "penalties"),
        ({"penalties": [0.0]}, "penalties"),
    ],
)
def test_few_labels_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        few_labels(Z, Y, Z, **options)


def test_of_many_drawn_examples_a_single_fold_chooses_the_penalty(monkeypatch):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 4
    z = (np.eye(4)[y] + 0.8 * rng.normal(size=(200, 4))).astype(np.float32)
    folds = []
    original = linear._fit

    def fit(x, y, rows, held_out, penalties):
        folds.append(len(held_out))
        return original(x, y, rows, held_out, penalties)

    monkeypatch.setattr(linear, "_fit", fit)
    few_labels(z, y, z, per_class=10, draws=1)
    monkeypatch.setattr(linear, "MANY", 39)
    few_labels(z, y, z, per_class=10, draws=1)
    assert folds == [5, 1]


def test_a_fitted_probe_predicts_each_test_set_as_it_would_alone():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    train, test = (rng.normal(size=(90, 5)) + y[:, None] * np.arange(5) for _ in range(2))
    train[:, 4] = test[:, 4] = 7  # says nothing
    fitted = linear_probe_fit(train, y)
    np.testing.assert_allclose(fitted(test), linear_probe_predict(train, y, test), rtol=1e-4)
    np.testing.assert_allclose(fitted(test[:7]), fitted(test)[:7], rtol=1e-4, atol=1e-4)
    shifted = test.copy()
    shifted[:, 4] = 1000  # constant in training, so it is ignored
    np.testing.assert_array_equal(fitted(shifted), fitted(test))


def test_a_single_penalty_needs_no_held_out_examples():
    """One label per class: the gradient of the objective vanishes at scikit-learn's solution."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    z = (np.eye(3)[y] @ rng.normal(size=(3, 5)) + rng.normal(size=(60, 5))).astype(np.float32)
    (logits,) = few_labels(z, y, z, per_class=1, draws=1, penalties=(0.01,))
    rows = np.flatnonzero(linear.rank_in_class(y, np.random.default_rng((0, 0))) < 1)
    x = (z - z.mean(0)) / z.std(0)
    model = LogisticRegression(C=1 / (3 * 0.01), tol=1e-8, max_iter=1000).fit(x[rows], y[rows])
    p = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(p / p.sum(1, keepdims=True), model.predict_proba(x), atol=2e-3)
    with pytest.raises(ValueError, match="per_class=1 must be at least 2"):
        few_labels(z, y, z, per_class=1)
