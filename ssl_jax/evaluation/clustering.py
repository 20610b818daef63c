"""Clusters of the features, and how well they match the classes."""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from ssl_jax.evaluation.checks import check_features, check_labels

STARTS = 10
_EPSILON = 1e-12


class Clustering(NamedTuple):
    """How well clusters match classes.

    Attributes:
      accuracy: share of examples in the cluster of their class, in [0, 1]; see `matched_accuracy`.
      nmi: normalized mutual information of clusters and classes, in [0, 1].
      ari: adjusted Rand index; 0 on average for random clusters, 1 for a perfect match.
    """

    accuracy: float
    nmi: float
    ari: float


def kmeans_scores(
    z: Float[Array | np.ndarray, "n d"],
    y: Int[Array | np.ndarray, " n"],
    *,
    clusters: int | None = None,
    starts: int = STARTS,
    seed: int = 0,
) -> Clustering:
    """Clusters features by k-means, and compares the clusters with the classes.

    It measures whether the classes can be found without any label. Labels only score the result.

    The features are divided by their length, as is usual for learned features. They are not
    centered first: k-means itself ignores an offset that all examples share.

    Args:
      z: features; normalized inside.
      y: labels, 0 or more.
      clusters: number of clusters, 1..n; by default the number of classes in `y`.
      starts: number of k-means++ initializations, of which the one with the lowest sum of squared
        distances counts.
      seed: of the initializations.

    Returns:
      Accuracy, NMI (divided by the arithmetic mean of both entropies) and ARI.

    Raises:
      ValueError: Shapes do not match, features are not finite, labels are negative or not integers,
        or `clusters` is not in 1..n.

    References:
      Xie et al. 2016, Unsupervised Deep Embedding for Clustering Analysis, equation 10, for the
      accuracy. https://arxiv.org/abs/1511.06335
      Caron et al. 2018 (DeepCluster), section 3, normalize features before k-means and report NMI.
      https://arxiv.org/abs/1807.05520
      Hubert and Arabie 1985, Comparing partitions, for the ARI.
    """
    z, _ = check_features(z, z)
    y = check_labels("y", y, "z", z)
    count = len(np.unique(y)) if clusters is None else clusters
    if not 1 <= count <= len(z):
        raise ValueError(f"clusters={count} of z of shape {z.shape}: expected 1..n")
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), _EPSILON)
    kmeans = KMeans(count, n_init=starts, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct examples than clusters
        assigned = kmeans.fit_predict(z)
    return Clustering(
        matched_accuracy(assigned, y),
        float(normalized_mutual_info_score(y, assigned)),
        float(adjusted_rand_score(y, assigned)),
    )


def matched_accuracy(
    clusters: Int[Array | np.ndarray, " n"], y: Int[Array | np.ndarray, " n"]
) -> float:
    """Returns the accuracy of clusters under their best one-to-one match with the classes.

    ``max_m mean_i [m(cluster_i) = y_i]`` over all one-to-one matches m, found by the Hungarian
    algorithm. If there are more clusters than classes, the examples of unmatched clusters count as
    errors, and the other way round.

    Args:
      clusters: any integers.
      y: any integers.
    """
    rows, row_of = np.unique(np.asarray(clusters), return_inverse=True)
    columns, column_of = np.unique(np.asarray(y), return_inverse=True)
    counts = np.zeros((len(rows), len(columns)), int)
    np.add.at(counts, (row_of, column_of), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(row_of))
