"""Nearest neighbors in feature space, and the classifier that lets them vote."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ssl_jax.evaluation.checks import check_features, check_labels

_EPSILON = 1e-12
_SIMILARITIES = 2**26  # that are in memory at once: 256 MiB; larger products are faster


def knn(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    test_z: Float[Array | np.ndarray, "m d"],
    test_y: Int[Array | np.ndarray, " m"],
    *,
    k: int = 20,
    temperature: float = 0.1,
) -> float:
    """Returns the accuracy of the weighted nearest-neighbor vote.

    ``mean_i [argmax_c score_ic = y_i]``. It measures whether examples of a class lie close together
    in feature space.

    Args:
      train_z: features; normalized inside.
      train_y: labels, 0 or more.
      test_z: features; normalized inside.
      test_y: labels, 0 or more; a class that is not in `train_y` counts as an error.
      k: number of neighbors that vote, 1..n.
      temperature: above 0; a small one gives the nearest neighbors more weight.

    Returns:
      The accuracy on the test examples, in [0, 1].

    Raises:
      ValueError: Shapes do not match, features are not finite, labels are negative or not integers,
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
    """Returns each class's share of the vote of the k nearest training examples.

    ``score_ic = sum_{j in N_k(i)} [y_j = c] exp(cos(z_i, z_j) / temperature)``, divided by the sum
    over classes.

    Among equally near neighbors, those with lower training indices vote. The argmax of equal scores
    is the lowest class.

    Args:
      train_z: features; normalized inside.
      train_y: labels in 0..classes-1.
      test_z: features; normalized inside.
      classes: number of classes.
      k: number of neighbors that vote, 1..n.
      temperature: above 0; a small one gives the nearest neighbors more weight.

    Returns:
      Scores; each row sums to 1.

    Raises:
      ValueError: Shapes do not match, features are not finite, labels are not integers in
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
    indices, similarities = neighbors(train_z, test_z, k)
    votes = np.exp((similarities - similarities[:, :1]) / temperature)
    scores = np.zeros((len(votes), classes), np.float32)
    np.add.at(scores, (np.arange(len(votes))[:, None], train_y[indices]), votes)
    return scores / scores.sum(axis=1, keepdims=True)


def neighbors(
    train_z: Float[Array | np.ndarray, "n d"],
    test_z: Float[Array | np.ndarray, "m d"],
    k: int,
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Returns the k nearest training examples of each test example, by cosine similarity.

    ``N_k(i) = top_k_j cos(z_i, z_j)`` with ``cos(a, b) = a.b / (max(|a|, eps) max(|b|, eps))`` and
    ``eps = 1e-12``.

    Args:
      train_z: features; normalized inside.
      test_z: features; normalized inside.
      k: number of neighbors, 1..n.

    Returns:
      Indices into `train_z` and cosine similarities, nearest first; among equally near ones the
      lower index first.

    Raises:
      ValueError: Shapes do not match, features are not finite, or k is not in 1..n.

    References:
      Wu et al. 2018, section 3.4. https://arxiv.org/abs/1805.01978
    """
    train, test = check_features(train_z, test_z)
    if not 1 <= k <= len(train):
        raise ValueError(f"k={k} neighbors from train_z of shape {train.shape}")
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

    rows = min(len(test), max(1, _SIMILARITIES // len(train)))
    return lax.map(nearest, test, batch_size=rows)


def _unit(z: Float[Array, "n d"]) -> Float[Array, "n d"]:
    return z / jnp.maximum(jnp.linalg.norm(z, axis=1, keepdims=True), _EPSILON)
