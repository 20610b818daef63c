"""Nearest neighbours in feature space, and the classifier that lets them vote."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

_EPSILON = 1e-12
_ROWS = 256  # test rows whose similarities to the whole training set are in memory at once


def knn(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    test_z: Float[Array | np.ndarray, "m d"],
    test_y: Int[Array | np.ndarray, " m"],
    *,
    k: int = 20,
    temperature: float = 0.1,
) -> float:
    """Accuracy of the weighted nearest-neighbour vote: ``mean_i [argmax_c score_ic = y_i]``.

    Args:
      train_z: features; normalised inside.
      train_y: labels, 0 or more.
      test_z: features; normalised inside.
      test_y: labels, 0 or more; one that training never saw counts as an error.
      k: neighbours that vote, 1..n.
      temperature: above 0; the smaller, the more the nearest neighbours count.

    Returns:
      The share of test examples that are right, in [0, 1].

    Raises:
      ValueError: Shapes do not fit, features are not finite, labels are negative or not integers,
        k is not in 1..n, or the temperature is not positive.

    References:
      See `knn_predict`.
    """
    train_y = check_labels("train_y", train_y, "train_z", train_z)
    test_y = check_labels("test_y", test_y, "test_z", test_z)
    classes = int(train_y.max()) + 1
    scores = knn_predict(train_z, train_y, test_z, classes=classes, k=k, temperature=temperature)
    return float(np.mean(scores.argmax(axis=1) == test_y))


def knn_predict(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    test_z: Float[Array | np.ndarray, "m d"],
    *,
    classes: int,
    k: int = 20,
    temperature: float = 0.1,
) -> Float[np.ndarray, "m classes"]:
    """Each class's share of the vote of the k nearest training examples.

    ``score_ic = sum_{j in N_k(i)} [y_j = c] exp(cos(z_i, z_j) / temperature)``, divided by the sum
    over classes.

    Equally near neighbours go by the lower training index; the argmax of equal scores is the lower
    class.

    Args:
      train_z: features; normalised inside.
      train_y: labels in 0..classes-1.
      test_z: features; normalised inside.
      classes: number of classes.
      k: neighbours that vote, 1..n.
      temperature: above 0; the smaller, the more the nearest neighbours count.

    Returns:
      Scores; each row sums to 1.

    Raises:
      ValueError: Shapes do not fit, features are not finite, labels are not integers in
        0..classes-1, k is not in 1..n, or the temperature is not positive.

    References:
      Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination,
      section 3.4. https://arxiv.org/abs/1805.01978
      Caron et al. 2021 (DINO) evaluate with the same vote. https://arxiv.org/abs/2104.14294
    """
    train_y = check_labels("train_y", train_y, "train_z", train_z)
    if train_y.max() >= classes:
        raise ValueError(f"train_y reaches {train_y.max()}, but classes={classes}")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    indices, similarities = neighbours(train_z, test_z, k)
    votes = np.exp((similarities - similarities[:, :1]) / temperature)
    scores = np.zeros((len(votes), classes), np.float32)
    np.add.at(scores, (np.arange(len(votes))[:, None], train_y[indices]), votes)
    return scores / scores.sum(axis=1, keepdims=True)


def neighbours(
    train_z: Float[Array | np.ndarray, "n d"],
    test_z: Float[Array | np.ndarray, "m d"],
    k: int,
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """The k nearest training examples of each test example.

    ``N_k(i) = top_k_j cos(z_i, z_j)`` with ``cos(a, b) = a.b / (max(|a|, eps) max(|b|, eps))`` and
    ``eps = 1e-12``.

    Args:
      train_z: features; normalised inside.
      test_z: features; normalised inside.
      k: neighbours, 1..n.

    Returns:
      Indices into `train_z` and cosine similarities, nearest first; equally near ones by the lower
      index.

    Raises:
      ValueError: Shapes do not fit, features are not finite, or k is not in 1..n.

    References:
      Wu et al. 2018, section 3.4. https://arxiv.org/abs/1805.01978
    """
    train, test = check_features(train_z, test_z)
    if not 1 <= k <= len(train):
        raise ValueError(f"k={k} neighbours from train_z of shape {train.shape}")
    indices, similarities = _nearest(train, test, k)
    return np.asarray(indices), np.asarray(similarities)


@partial(jax.jit, static_argnames="k")
def _nearest(
    train: Float[Array, "n d"], test: Float[Array, "m d"], k: int
) -> tuple[Int[Array, "m k"], Float[Array, "m k"]]:
    train, test = _unit(train), _unit(test)

    def nearest(row: Float[Array, " d"]) -> tuple[Int[Array, " k"], Float[Array, " k"]]:
        similarities, indices = lax.top_k(jnp.dot(train, row, precision="highest"), k)
        return indices, similarities

    return lax.map(nearest, test, batch_size=_ROWS)


def _unit(z: Float[Array, "n d"]) -> Float[Array, "n d"]:
    return z / jnp.maximum(jnp.linalg.norm(z, axis=1, keepdims=True), _EPSILON)


def check_features(
    train_z: Float[Array | np.ndarray, "n d"], test_z: Float[Array | np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    """Both feature sets in float32, or a ValueError unless both are finite and equally wide."""
    train, test = (np.asarray(z).astype(np.float32) for z in (train_z, test_z))
    shapes = f"train_z has shape {train.shape}, test_z has shape {test.shape}"
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
        raise ValueError(f"{shapes}: expected [n, d] and [m, d]")
    if train.size == 0 or test.size == 0:
        raise ValueError(f"{shapes}: both must hold examples")
    for name, z in (("train_z", train), ("test_z", test)):
        if not np.isfinite(z).all():
            raise ValueError(f"{name} of shape {z.shape} holds NaN or infinity")
    return train, test


def check_labels(
    name: str, y: Int[Array | np.ndarray, " n"], z_name: str, z: Float[Array | np.ndarray, "n d"]
) -> Int[np.ndarray, " n"]:
    """The labels, or a ValueError unless there is one whole number for each row of z."""
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.shape != np.shape(z)[:1] or labels.size == 0:
        raise ValueError(f"{name} has shape {labels.shape}, {z_name} has shape {np.shape(z)}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(f"{name} must hold integers from 0, got {labels.dtype} {labels.min()}")
    return labels.astype(int)
