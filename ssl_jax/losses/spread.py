"""Losses against collapse: they spread out the embeddings, or the use of the prototypes.

All but ``koleo`` return a scalar for the whole batch. With ``axis_name`` (inside ``shard_map`` or
``pmap``) the batch is that of all devices, and every device returns the same value. As for the
contrastive losses, take the ``pmean`` of the loss in ``shard_map`` and of the gradients in
``pmap``.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ssl_jax.losses._pairs import Side, dot_products, example_indices, log_sum_exp
from ssl_jax.losses._shared import (
    Number,
    check_shapes,
    count_rows,
    distance,
    gather,
    in_float32,
    log_sum_exp_of_columns,
    mean_over,
    normalize,
)


def koleo(z: Float[Array, "n d"], *, axis_name: str | None = None) -> Float[Array, " n"]:
    """Computes KoLeo: push each embedding away from its nearest neighbor.

    ``l_i = -log(min_{j != i} |z_i - z_j| + 1e-8)`` on the unit sphere.

    Args:
      z: ``[n, d]``, of any length; normalized inside. ``n >= 2`` over all devices.
      axis_name: mapped axis over whose devices the neighbors are searched.

    Returns:
      ``[n]`` in float32 or wider. No gradient goes through the choice of the neighbor. Two
      antipodal points give ``-log 2``.

    Raises:
      ValueError: if there is a single embedding.

    References:
      Sablayrolles et al., Spreading Vectors for Similarity Search, 2019, eq. 2,
      https://arxiv.org/abs/1806.03198; Oquab et al., DINOv2, 2023, section 4,
      https://arxiv.org/abs/2304.07193
    """
    _check_two_rows(z, axis_name)
    (z,) = in_float32(z)
    q = normalize(z)
    keys = gather(q, axis_name)
    is_self = example_indices(len(q), axis_name)[:, None] == jnp.arange(len(keys))[None]
    products = jax.lax.stop_gradient(dot_products(q, keys))
    nearest = jnp.argmax(jnp.where(is_self, -jnp.inf, products), axis=-1)
    return -jnp.log(distance(q, keys[nearest]) + 1e-8)


def uniformity(
    z: Float[Array, "n d"],
    *,
    t: Number = 2.0,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Computes uniformity, a scalar: embeddings repel each other over the whole sphere.

    ``l = log(mean over i != j of exp(-t |u_i - u_j|^2))``, where ``u`` are the embeddings on the
    unit sphere. Use it together with ``alignment``.

    Args:
      z: ``[n, d]``, of any length; normalized inside. ``n >= 2`` over all devices.
      t: above 0; with larger values closer neighbors dominate.
      axis_name: mapped axis over whose devices the pairs are taken.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      A scalar in float32 or wider, from ``-4 t`` to 0. Equal embeddings give 0.

    Raises:
      ValueError: if there is a single embedding or ``block_size`` is below 1.

    References:
      Wang, Isola, Understanding Contrastive Representation Learning through Alignment and
      Uniformity on the Hypersphere, 2020, section 4.1.2, https://arxiv.org/abs/2005.10242
    """
    n = _check_two_rows(z, axis_name)
    (z,) = in_float32(z)
    u = normalize(z)
    square = jnp.sum(u * u, axis=-1, keepdims=True)  # 0 for a zero vector
    # -t |u_i - u_j|^2 = 2 t u_i . u_j - t |u_i|^2 - t |u_j|^2, one product of longer vectors.
    one, example = jnp.ones_like(square), example_indices(len(z), axis_name)
    rows = jnp.concatenate([2 * t * u, -t * square, -t * one], axis=-1)
    columns = jnp.concatenate([u, one, square], axis=-1)
    per_row = log_sum_exp(Side(rows, example), Side(columns, example), axis_name, block_size)
    of_all = log_sum_exp_of_columns(per_row[:, None], axis_name)[0]
    return of_all - math.log(n * (n - 1))


def sigreg(
    key: PRNGKeyArray,
    z: Float[Array, "n d"],
    *,
    slices: int = 256,
    axis_name: str | None = None,
) -> Float[Array, ""]:
    """Computes LeJEPA's SIGReg, a scalar: embeddings are standard normal along random directions.

    The Epps-Pulley statistic, ``l = n * mean over directions a of the integral of |phi_a(t) -
    exp(-t^2 / 2)|^2 exp(-t^2 / 2)``, where ``phi_a(t) = mean_i exp(i t z_i . a)`` is the
    characteristic function of the projections. The integral is computed by the trapezoidal rule at
    17 points from -5 to 5. Nothing is normalized.

    Args:
      key: draws the directions. Use a new one at each step, the same on all devices.
      z: ``[n, d]``.
      slices: number of directions.
      axis_name: mapped axis over whose devices the characteristic functions are taken.

    Returns:
      A scalar in float32 or wider, at least 0. Unless ``z`` is normal it grows with ``n``.

    Raises:
      ValueError: if ``z`` is not a matrix.

    References:
      Balestriero, LeCun, LeJEPA: Provable and Scalable Self-Supervised Learning Without the
      Heuristics, 2025, section 4 and Algorithm 1, https://arxiv.org/abs/2511.08544
    """
    check_shapes(z.ndim == 2, "z [n, d]", z=z)
    (z,) = in_float32(z)
    directions = jax.random.normal(key, (z.shape[1], slices), jnp.float32)
    directions = directions / jnp.linalg.norm(directions, axis=0, keepdims=True)
    x = jnp.matmul(z, directions.astype(z.dtype), precision=jax.lax.Precision.HIGHEST)
    # The integrand is even: of nine points from 0 on, all but the first and the last count twice.
    step = 10 / 16
    t = step * jnp.arange(9, dtype=x.dtype)
    weight = step * jnp.array([1] + 7 * [2] + [1], x.dtype)
    normal = jnp.exp(-(t**2) / 2)

    @jax.checkpoint
    def characteristic(t: Array) -> tuple[Array, Array]:
        return jnp.cos(t * x).mean(axis=0), jnp.sin(t * x).mean(axis=0)

    cos, sin = (mean_over(part, axis_name) for part in jax.lax.map(characteristic, t))
    error = (cos - normal[:, None]) ** 2 + sin**2
    return count_rows(z, axis_name) * jnp.mean((weight * normal) @ error)


def coding_rate(
    z: Float[Array, "n d"], *, distortion: Number = 0.5, axis_name: str | None = None
) -> Float[Array, ""]:
    """Computes the coding rate, a scalar: minus the nats to code an embedding up to a distortion.

    ``l = -log det(I + d / (n distortion) sum_i u_i u_i^T) / 2``, where ``u`` are the embeddings on
    the unit sphere. Embeddings that fill a large volume cost more nats and give a lower loss.

    Args:
      z: ``[n, d]``, of any length; normalized inside.
      distortion: the paper's epsilon squared, above 0.
      axis_name: mapped axis over whose devices the sum is taken.

    Returns:
      A scalar in float32 or wider, below 0. Equal embeddings give ``-log(1 + d / distortion) / 2``,
      orthogonal ones (``n = d``) ``-d log(1 + 1 / distortion) / 2``.

    Raises:
      ValueError: if ``z`` is not a matrix.

    References:
      Yu et al., Learning Diverse and Discriminative Representations via the Principle of Maximal
      Coding Rate Reduction, 2020, section 2.1, https://arxiv.org/abs/2006.08558
    """
    check_shapes(z.ndim == 2, "z [n, d]", z=z)
    (z,) = in_float32(z)
    u, d = normalize(z), z.shape[1]
    moment = mean_over(dot_products(u.T, u.T) / len(u), axis_name)
    factor = jnp.linalg.cholesky(jnp.eye(d, dtype=u.dtype) + d / distortion * moment)
    return -jnp.sum(jnp.log(jnp.diagonal(factor)))


def mmcr(z: Float[Array, "v n d"], *, axis_name: str | None = None) -> Float[Array, ""]:
    """Computes maximum manifold capacity, a scalar: views agree and examples spread out.

    ``l = -sum of the singular values of C``. Row ``i`` of ``C`` is the mean over the views of
    example ``i``'s embeddings on the unit sphere. Views that agree make its rows long; examples
    that differ make them point in all directions.

    Args:
      z: ``[v, n, d]``, of any length; normalized inside.
      axis_name: mapped axis over whose devices the examples are gathered.

    Returns:
      A scalar in float32 or wider. Equal embeddings give ``-sqrt(n)``, orthogonal ones with views
      that agree ``-n``.

    Raises:
      ValueError: if ``z`` does not have three axes.

    References:
      Yerxa et al., Learning Efficient Coding of Natural Images with Maximum Manifold Capacity
      Representations, 2023, section 2, https://arxiv.org/abs/2303.03307
    """
    check_shapes(z.ndim == 3, "z [v, n, d]", z=z)
    (z,) = in_float32(z)
    centroids = gather(normalize(z).mean(axis=0), axis_name)
    return -jnp.sum(jnp.linalg.svd(centroids, compute_uv=False))


def me_max(
    logits: Float[Array, "n k"], *, temperature: Number = 0.1, axis_name: str | None = None
) -> Float[Array, ""]:
    """Computes MSN's mean-entropy maximization, a scalar: all prototypes are used equally.

    ``l = log k - H(mean_i softmax(logits_i / temperature))``, the divergence of the mean prediction
    from the uniform distribution. Each prediction may be confident; only their mean must be
    uniform.

    Args:
      logits: ``[n, k]``, similarities of examples and prototypes.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the mean is taken.

    Returns:
      A scalar in float32 or wider, from 0 to ``log k``. A single prototype in use gives ``log k``.

    Raises:
      ValueError: if ``logits`` is not a matrix.

    References:
      Assran et al., Masked Siamese Networks for Label-Efficient Learning, 2022, eq. 1,
      https://arxiv.org/abs/2204.07141
    """
    check_shapes(logits.ndim == 2, "logits [n, k]", logits=logits)
    (logits,) = in_float32(logits)
    log_p = jax.nn.log_softmax(logits / temperature, axis=-1)
    log_mean = log_sum_exp_of_columns(log_p, axis_name) - math.log(count_rows(logits, axis_name))
    return math.log(logits.shape[1]) + jnp.sum(jnp.exp(log_mean) * log_mean)


def _check_two_rows(z: Float[Array, "..."], axis_name: str | None) -> int:
    n = count_rows(z, axis_name)
    check_shapes(z.ndim == 2 and n > 1, "at least two embeddings [n, d]", z=z)
    return n
