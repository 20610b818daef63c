"""Pairwise losses: no softmax over the batch.

``axis_name`` works as in the contrastive losses.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.losses._shared import (
    check_same_shape,
    check_shapes,
    count_rows,
    distance,
    in_float32,
    normalize,
    sum_over,
)


def nce(
    data_scores: Float[Array, " n"],
    noise_scores: Float[Array, "n m"],
    data_log_q: Float[Array, " n"],
    noise_log_q: Float[Array, "n m"],
) -> Float[Array, " n"]:
    """Computes noise-contrastive estimation: learn a density by telling data from noise.

    ``l = -log sigmoid(s(x) - log(m q(x))) - sum_j log sigmoid(log(m q(y_j)) - s(y_j))``, where
    ``s`` is the model's log-density, ``q`` the known density of the noise, and each data sample
    ``x`` comes with ``m`` noise samples ``y_j``.

    Args:
      data_scores: ``[n]``, unnormalized log-density of the data under the model.
      noise_scores: ``[n, m]``, unnormalized log-density of the noise samples under the model.
      data_log_q: ``[n]``, log-density of the data under the noise distribution.
      noise_log_q: ``[n, m]``, log-density of the noise samples under the noise distribution.

    Returns:
      ``[n]`` in float32 or wider, at least 0.

    Raises:
      ValueError: if the shapes do not match.

    References:
      Gutmann, Hyvarinen, Noise-contrastive estimation, AISTATS 2010, eq. 3.
    """
    check_same_shape(data_scores=data_scores, data_log_q=data_log_q)
    check_same_shape(noise_scores=noise_scores, noise_log_q=noise_log_q)
    check_shapes(
        noise_scores.ndim == 2 and len(noise_scores) == len(data_scores),
        "[n] and [n, m]",
        data_scores=data_scores,
        noise_scores=noise_scores,
    )
    data, noise, data_q, noise_q = in_float32(data_scores, noise_scores, data_log_q, noise_log_q)
    samples = jnp.log(jnp.asarray(noise.shape[1], data.dtype))
    real = jax.nn.softplus(-(data - data_q - samples))
    return real + jax.nn.softplus(noise - noise_q - samples).sum(axis=-1)


def triplet(
    anchors: Float[Array, "n d"],
    positives: Float[Array, "n d"],
    negatives: Float[Array, "n d"],
    *,
    margin: float = 1.0,
) -> Float[Array, " n"]:
    """Computes the triplet loss: the positive must be closer than the negative, by a margin.

    ``l = max(|a - p| - |a - n| + margin, 0)``, with Euclidean distances and nothing normalized.

    Args:
      anchors: ``[n, d]``.
      positives: ``[n, d]``.
      negatives: ``[n, d]``.
      margin: at least 0.

    Returns:
      ``[n]`` in float32 or wider, at least 0. The gradient of a distance of 0 is 0.

    Raises:
      ValueError: if the shapes differ.

    References:
      Schroff et al., FaceNet, 2015, eq. 3 (the paper squares the distances),
      https://arxiv.org/abs/1503.03832
    """
    check_same_shape(anchors=anchors, positives=positives, negatives=negatives)
    a, p, n = in_float32(anchors, positives, negatives)
    return jax.nn.relu(distance(a, p) - distance(a, n) + margin)


def alignment(
    z1: Float[Array, "n d"], z2: Float[Array, "n d"], *, alpha: float = 2.0
) -> Float[Array, " n"]:
    """Computes the alignment loss: the two views of an example lie close together.

    ``l = |u1 - u2|^alpha``, where ``u`` are the embeddings on the unit sphere. Alone it collapses;
    use it together with ``uniformity``.

    Args:
      z1: first views, ``[n, d]``, of any length; normalized inside.
      z2: second views of the same examples, ``[n, d]``, of any length; normalized inside.
      alpha: exponent of the distance, at least 1.

    Returns:
      ``[n]`` in float32 or wider, from 0 to ``2^alpha``. The gradient of a distance of 0 is 0.

    Raises:
      ValueError: if the shapes differ.

    References:
      Wang, Isola, Understanding Contrastive Representation Learning through Alignment and
      Uniformity on the Hypersphere, 2020, section 4.1.1, https://arxiv.org/abs/2005.10242
    """
    check_same_shape(z1=z1, z2=z2)
    a, b = map(normalize, in_float32(z1, z2))
    return distance(a, b) ** alpha


def spectral_contrastive(
    z1: Float[Array, "n d"], z2: Float[Array, "n d"], *, axis_name: str | None = None
) -> Float[Array, " n"]:
    """Computes the spectral contrastive loss: large products within pairs, 0 between pairs.

    ``l_i = -2 z1_i . z2_i + mean over j != i of (z1_i . z2_j)^2``, with nothing normalized. The sum
    of squares is a quadratic form, ``z1_i^T (sum_j z2_j z2_j^T) z1_i``, so no n x n matrix is
    needed.

    Args:
      z1: first views, ``[n, d]``, ``n >= 2`` over all devices.
      z2: second views of the same examples, ``[n, d]``.
      axis_name: mapped axis over whose devices the pairs are taken.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes differ or there is a single example.

    References:
      HaoChen et al., Provable Guarantees for Self-Supervised Deep Learning with Spectral
      Contrastive Loss, 2021, section 3.2, https://arxiv.org/abs/2106.04156
    """
    check_same_shape(z1=z1, z2=z2)
    a, b = in_float32(z1, z2)
    n = count_rows(a, axis_name)
    if n < 2:
        raise ValueError(f"spectral_contrastive needs at least two examples: z1 {z1.shape}")
    highest = jax.lax.Precision.HIGHEST
    squares = sum_over(jnp.matmul(b.T, b, precision=highest), axis_name)
    own = jnp.sum(a * b, axis=-1)
    of_all = jnp.sum(jnp.matmul(a, squares, precision=highest) * a, axis=-1)
    return -2 * own + (of_all - own**2) / (n - 1)
