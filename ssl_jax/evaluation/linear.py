"""A linear classifier on frozen features, fitted to all labels or to a few."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ssl_jax.evaluation.checks import check_features, check_labels
from ssl_jax.evaluation.held_out import FOLDS, for_choices, rank_in_class
from ssl_jax.evaluation.transforms import standardized

MANY = 2000  # above this many drawn examples, few_labels saves time
PENALTIES = (1e1, 1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
_TOLERANCE = 1e-4
_TOLERANCE_OF_CHOICES = 1e-3  # moves the cross-entropy on held-out examples by 0.1 %
_MAX_ITERATIONS = 500


def linear_probe(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    test_z: Float[Array | np.ndarray, "m d"],
    test_y: Int[Array | np.ndarray, " m"],
    *,
    penalties: Sequence[float] = PENALTIES,
) -> float:
    """Returns the accuracy of logistic regression: ``mean_i [argmax_c score_ic = y_i]``.

    It measures how well linear functions of the features separate the classes.

    Args:
      train_z: features; standardized inside.
      train_y: labels 0..k-1, each class present.
      test_z: features; standardized inside, with the training statistics.
      test_y: labels, 0 or more; a class that is not in `train_y` counts as an error.
      penalties: candidates for the l2 penalty; see `linear_probe_predict`.

    Returns:
      The accuracy on the test examples, in [0, 1].

    Raises:
      ValueError: As `linear_probe_predict`, or `test_y` does not fit `test_z`.

    References:
      See `linear_probe_predict`.
    """
    test_y = check_labels("test_y", test_y, "test_z", test_z)
    scores = linear_probe_predict(train_z, train_y, test_z, penalties=penalties)
    return float(np.mean(scores.argmax(axis=1) == test_y))


def linear_probe_predict(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    test_z: Float[Array | np.ndarray, "m d"],
    *,
    penalties: Sequence[float] = PENALTIES,
) -> Float[np.ndarray, "m k"]:
    """Returns the logits of multinomial logistic regression fitted to all training labels.

    ``min_{W,b} mean_i -log softmax(W x_i + b)[y_i] + penalty / 2 |W|^2`` with
    ``x = (z - mean) / std``, by L-BFGS.

    The mean and the standard deviation are those of the training features. A feature that is
    constant there is ignored. The penalty is chosen on at most 10,000 training examples, the same
    ones for any features, of which one in five of each class is held out. Candidates are tried from
    the strongest down, until the cross-entropy on the held-out examples rises. The best one is then
    fitted to all examples.

    Args:
      train_z: features; standardized inside.
      train_y: labels 0..k-1, each class present.
      test_z: features; standardized inside, with the training statistics.
      penalties: candidates, above 0, in any order. Scikit-learn's ``C`` is ``1 / (n penalty)``.

    Returns:
      Logits. Each row depends only on the training data and its own test example.

    Raises:
      ValueError: Shapes do not match, features are not finite, labels are not the integers 0..k-1,
        no class has two examples, or a penalty is not positive.

    References:
      Chen et al. 2020 (SimCLR), appendix B.8: L-BFGS, and an l2 penalty chosen from a logarithmic
      range on held-out data. https://arxiv.org/abs/2002.05709
    """
    _, test_z = check_features(train_z, test_z)
    return linear_probe_fit(train_z, train_y, penalties=penalties)(test_z)


def linear_probe_fit(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    *,
    penalties: Sequence[float] = PENALTIES,
) -> Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, "m k"]]:
    """Fits the classifier of `linear_probe_predict` once, for several test sets.

    Args:
      train_z: features; standardized inside.
      train_y: labels 0..k-1, each class present.
      penalties: candidates; a single one is used as it is.

    Returns:
      The function from features to logits.

    Raises:
      ValueError: As `linear_probe_predict`.
    """
    train_z, _ = check_features(train_z, train_z)
    y = _check_classes(check_labels("train_y", train_y, "train_z", train_z))
    rows, held_out = for_choices(y)
    transformed = standardized(train_z)
    weights, bias = _fit(transformed(train_z), y, rows, [held_out], penalties)
    return lambda z: transformed(z) @ weights.T + bias


def few_labels(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    test_z: Float[Array | np.ndarray, "m d"],
    *,
    per_class: int = 10,
    draws: int = 10,
    seed: int = 0,
    penalties: Sequence[float] = PENALTIES,
) -> Float[np.ndarray, "draws m k"]:
    """Returns the logits of logistic regressions, each fitted to a few labels per class.

    It measures how much the features help when labels are scarce.

    The objective is that of `linear_probe_predict`. The mean and the standard deviation need no
    labels and come from all training features. The penalty and the fit see the drawn examples only.
    The penalty is chosen by stratified five-fold cross-validation; of more than 2,000 drawn
    examples, a single fold is held out. Draws depend only on the labels and
    the seed, so two sets of features are compared on the same examples.

    Args:
      train_z: features; standardized inside.
      train_y: labels 0..k-1, each class present.
      test_z: features; standardized inside, with the training statistics.
      per_class: labeled examples per class, all of a class that has fewer; 2 or more, or 1 with a
        single penalty.
      draws: number of independent draws of the labeled examples.
      seed: draw i uses the random seed (seed, i).
      penalties: candidates for the l2 penalty, above 0, in any order.

    Returns:
      Logits of each draw; average accuracies over draws, not logits.

    Raises:
      ValueError: As `linear_probe_predict`, or `per_class` is too small, or `draws` below 1.

    References:
      Chen et al. 2020 (SimCLR), section 6, report the accuracy with 1 % and 10 % of the labels
      (there by fine-tuning). https://arxiv.org/abs/2002.05709
    """
    train_z, test_z = check_features(train_z, test_z)
    transformed = standardized(train_z)
    train, test = transformed(train_z), transformed(test_z)
    y = _check_classes(check_labels("train_y", train_y, "train_z", train_z))
    fewest = 2 if len(penalties) > 1 else 1
    if per_class < fewest or draws < 1:
        raise ValueError(
            f"per_class={per_class} must be at least {fewest}, draws={draws} at least 1"
        )
    scores = []
    for draw in range(draws):
        rank = rank_in_class(y, np.random.default_rng((seed, draw)))
        chosen = np.flatnonzero(rank < per_class)
        count = FOLDS if len(chosen) <= MANY else 1
        folds = [rank[chosen] % FOLDS == fold for fold in range(count)]
        weights, bias = _fit(train[chosen], y[chosen], np.arange(len(chosen)), folds, penalties)
        scores.append(test @ weights.T + bias)
    return np.stack(scores)


def _fit(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    rows: Int[np.ndarray, " s"],
    held_out: Sequence[Bool[np.ndarray, " s"]],
    penalties: Sequence[float],
) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, " k"]]:
    """Returns weights and bias at the penalty with the lowest cross-entropy on held-out examples.

    The penalty is chosen on the examples ``rows``; each mask in ``held_out`` selects some of them.
    A single penalty is used as it is.
    The problem is solved in the coordinates of the principal axes: the penalty keeps its form
    there, and the curvature becomes nearly diagonal.
    """
    if not penalties or not all(penalty > 0 for penalty in penalties):
        raise ValueError(f"penalties must be above 0, got {tuple(penalties)}")
    held_out = [mask for mask in held_out if mask.any() and not mask.all()]
    if not held_out and len(penalties) > 1:
        raise ValueError(f"labels of shape {y.shape} leave nothing to hold out: no class has two")
    mean = x.mean(axis=0)
    axes = _principal_axes(x - mean)
    ones = np.ones((len(x), 1), np.float32)
    coordinates = jnp.asarray(np.hstack([(x - mean) @ axes.T, ones]))
    some, some_y = (coordinates, y) if len(rows) == len(x) else (coordinates[rows], y[rows])

    best, chosen = np.inf, max(penalties)
    start = jnp.zeros((y.max() + 1, coordinates.shape[1]))
    path = [start] * len(held_out)
    for penalty in sorted(penalties, reverse=True) if len(penalties) > 1 else ():
        solved = [
            _solve(some, some_y, mask, penalty, start, _TOLERANCE_OF_CHOICES)
            for mask, start in zip(held_out, path, strict=True)
        ]
        path = [weights for weights, _ in solved]
        loss = sum(float(loss) for _, loss in solved)
        if loss >= best:
            break
        best, chosen, start = loss, penalty, path[0]
    solution, _ = _solve(coordinates, y, np.zeros(len(x), bool), chosen, start, _TOLERANCE)
    weights = np.asarray(solution)[:, :-1] @ axes
    return weights, np.asarray(solution)[:, -1] - weights @ mean


def _solve(*arguments: Any) -> tuple[Float[Array, "k p"], Float[Array, ""]]:
    """Runs ``_minimise`` in full float32; by default accelerators round the inputs of products."""
    with jax.default_matmul_precision("highest"):
        return _minimise(*arguments)


@jax.jit
def _minimise(
    x: Float[Array, "n p"],
    y: Int[Array, " n"],
    held_out: Bool[Array, " n"],
    penalty: Float[Array, ""],
    start: Float[Array, "k p"],
    tolerance: Float[Array, ""],
) -> tuple[Float[Array, "k p"], Float[Array, ""]]:
    """Fits weights to the rows that are not held out.

    The last column of x is 1; its weight is the bias and is not penalized. L-BFGS works on the
    weights divided by `scale`, which bounds the curvature by 1: half the second moment bounds the
    curvature of the cross-entropy (Böhning 1992, Multinomial logistic regression algorithm).

    Returns:
      The weights, and the sum of the cross-entropy over the held-out rows.
    """
    share = ~held_out / jnp.sum(~held_out)
    penalties = jnp.full(x.shape[1], penalty).at[-1].set(0)
    scale = lax.rsqrt(share @ x**2 / 2 + penalties)

    def cross_entropy(weights: Float[Array, "k p"]) -> Float[Array, " n"]:
        return optax.softmax_cross_entropy_with_integer_labels(x @ weights.T, y)

    def objective(scaled: Float[Array, "k p"]) -> Float[Array, ""]:
        weights = scaled * scale
        return share @ cross_entropy(weights) + jnp.sum(penalties * weights**2) / 2

    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(objective)

    def step(
        carry: tuple[Float[Array, "k p"], optax.OptState],
    ) -> tuple[Float[Array, "k p"], optax.OptState]:
        scaled, state = carry
        value, grad = value_and_grad(scaled, state=state)
        updates, state = solver.update(
            grad, state, scaled, value=value, grad=grad, value_fn=objective
        )
        return optax.apply_updates(scaled, updates), state

    def unfinished(carry: tuple[Float[Array, "k p"], optax.OptState]) -> Bool[Array, ""]:
        iteration = optax.tree.get(carry[1], "count")
        slope = jnp.linalg.norm(optax.tree.get(carry[1], "grad"))
        return (iteration == 0) | ((iteration < _MAX_ITERATIONS) & (slope > tolerance))

    scaled = start / scale
    scaled, _ = lax.while_loop(unfinished, step, (scaled, solver.init(scaled)))
    weights = scaled * scale
    return weights, held_out @ cross_entropy(weights)


def _principal_axes(centered: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "r d"]:
    """Returns r = min(n, d) orthonormal rows that span the examples.

    A penalized classifier has no weight outside their span. With fewer examples than features, they
    come from the Gram matrix of the examples, in float64; an axis with less than 1e-10 of the
    largest variance is replaced by zeros.
    """
    n, d = centered.shape
    if n >= d:
        # NumPy's threads slow each other down on a busy machine
        return np.asarray(jnp.linalg.eigh(centered.T @ centered)[1]).T
    x = centered.astype(np.float64)
    variance, vectors = np.linalg.eigh(x @ x.T)
    kept = variance > 1e-10 * variance[-1]
    lengths = np.sqrt(np.where(kept, variance, 1))
    return ((vectors * kept / lengths).T @ x).astype(np.float32)


def _check_classes(y: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Returns the labels, or raises ValueError if a class from 0 to the largest is absent."""
    if len(np.unique(y)) <= y.max():
        raise ValueError(
            f"train_y of shape {y.shape} has {len(np.unique(y))} classes and reaches {y.max()}: "
            "expected 0..k-1, each present"
        )
    return y
