"""Against collapse: embeddings, or the use of prototypes, are to spread out.

All but ``koleo`` return a scalar, of the whole batch. With ``axis_name`` (inside ``shard_map`` or
``pmap``) the batch is that of all devices, and every device returns the same value; take the
``pmean`` of the loss in ``shard_map``, of the gradients in ``pmap``, as the contrastive losses do.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ssl_jax.losses._pairs import Side, dot_products, examples, log_sum_exp
from ssl_jax.losses._shared import (
    Number,
    check_shapes,
    distance,
    gather,
    in_float32,
    log_sum_exp_of_columns,
    mean_over,
    rows_of_all,
    unit,
)


def koleo(z: Float[Array, "n d"], *, axis_name: str | None = None) -> Float[Array, " n"]:
    """KoLeo: spread the embeddings by pushing each away from its nearest neighbour.

    ``l_i = -log(min_{j != i} |z_i - z_j| + 1e-8)`` on the unit sphere.

    Args:
      z: ``[n, d]``, ``n >= 2`` over all devices, any scale: normalised inside.
      axis_name: the mapped axis over whose devices the neighbours are sought.

    Returns:
      ``[n]`` in float32 or wider; no gradient goes through the choice of the neighbour. Two
      antipodal points give ``-log 2``.

    Raises:
      ValueError: there is a single embedding.

    References:
      Sablayrolles et al., Spreading Vectors for Similarity Search, 2019, eq. 2,
      https://arxiv.org/abs/1806.03198; Oquab et al., DINOv2, 2023, section 4,
      https://arxiv.org/abs/2304.07193
    """
    _at_least_two(z, axis_name)
    (z,) = in_float32(z)
    q = unit(z)
    keys = gather(q, axis_name)
    own = examples(len(q), axis_name)[:, None] == jnp.arange(len(keys))
    products = jax.lax.stop_gradient(dot_products(q, keys))
    nearest = jnp.argmax(jnp.where(own, -jnp.inf, products), axis=-1)
    return -jnp.log(distance(q, keys[nearest]) + 1e-8)


def uniformity(
    z: Float[Array, "n d"],
    *,
    t: Number = 2.0,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Uniformity, a scalar: embeddings repel each other over the whole sphere. With ``alignment``.

    ``l = log(mean over i != j of exp(-t |u_i - u_j|^2))``, ``u`` the embeddings on the unit sphere.

    Args:
      z: ``[n, d]``, ``n >= 2`` over all devices, any scale: normalised inside.
      t: above 0; larger looks at nearer neighbours.
      axis_name: the mapped axis over whose devices the pairs are taken.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      A scalar in float32 or wider, from ``-4 t`` to 0, which equal embeddings give.

    Raises:
      ValueError: there is a single embedding, or ``block_size`` is below 1.

    References:
      Wang, Isola, Understanding Contrastive Representation Learning through Alignment and
      Uniformity on the Hypersphere, 2020, section 4.1.2, https://arxiv.org/abs/2005.10242
    """
    n = _at_least_two(z, axis_name)
    (z,) = in_float32(z)
    u = unit(z)
    square = jnp.sum(u * u, axis=-1, keepdims=True)  # 0 of a zero vector
    # -t |u_i - u_j|^2 = 2 t u_i . u_j - t |u_i|^2 - t |u_j|^2, one product of longer vectors.
    one, example = jnp.ones_like(square), examples(len(z), axis_name)
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
    """LeJEPA's SIGReg, a scalar: along random directions the embeddings are to be standard normal.

    ``l = n * mean over directions a of the integral of |phi_a(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2)``
    (the Epps-Pulley statistic), ``phi_a(t) = mean_i exp(i t z_i . a)`` the characteristic function
    of the projections; by the trapezoidal rule at 17 points from -5 to 5. Not normalised.

    Args:
      key: that draws the directions: another one each step, the same on all devices.
      z: ``[n, d]``.
      slices: how many directions.
      axis_name: the mapped axis over whose devices the characteristic functions are taken.

    Returns:
      A scalar in float32 or wider, at least 0; unless ``z`` is normal it grows with ``n``.

    Raises:
      ValueError: ``z`` is no matrix.

    References:
      Balestriero, LeCun, LeJEPA: Provable and Scalable Self-Supervised Learning Without the
      Heuristics, 2025, section 4 and Algorithm 1, https://arxiv.org/abs/2511.08544
    """
    check_shapes(z.ndim == 2, "z [n, d]", z=z)
    (z,) = in_float32(z)
    directions = jax.random.normal(key, (z.shape[1], slices), jnp.float32)
    directions = directions / jnp.linalg.norm(directions, axis=0)
    x = jnp.matmul(z, directions, precision=jax.lax.Precision.HIGHEST)
    # The integrand is even: nine points from 0 on, all but the first and the last counted twice.
    step = 10 / 16
    t = step * jnp.arange(9, dtype=x.dtype)
    weight = step * jnp.array([1] + 7 * [2] + [1], x.dtype)
    normal = jnp.exp(-(t**2) / 2)

    @jax.checkpoint
    def characteristic(t: Array) -> tuple[Array, Array]:
        return jnp.cos(t * x).mean(axis=0), jnp.sin(t * x).mean(axis=0)

    cos, sin = (mean_over(part, axis_name) for part in jax.lax.map(characteristic, t))
    error = (cos - normal[:, None]) ** 2 + sin**2
    return rows_of_all(z, axis_name) * jnp.mean((weight * normal) @ error)


def coding_rate(
    z: Float[Array, "n d"], *, distortion: Number = 0.5, axis_name: str | None = None
) -> Float[Array, ""]:
    """Coding rate, a scalar: minus the nats that it takes to code an embedding up to a distortion.

    ``l = -log det(I + d / (n distortion) sum_i u_i u_i^T) / 2``, ``u`` the embeddings on the unit
    sphere.

    Args:
      z: ``[n, d]``, any scale: normalised inside.
      distortion: the paper's epsilon squared, above 0.
      axis_name: the mapped axis over whose devices the sum is taken.

    Returns:
      A scalar in float32 or wider, below 0. Equal embeddings give ``-log(1 + d / distortion) / 2``,
      orthogonal ones (``n = d``) ``-d log(1 + 1 / distortion) / 2``.

    Raises:
      ValueError: ``z`` is no matrix.

    References:
      Yu et al., Learning Diverse and Discriminative Representations via the Principle of Maximal
      Coding Rate Reduction, 2020, section 2.1, https://arxiv.org/abs/2006.08558
    """
    check_shapes(z.ndim == 2, "z [n, d]", z=z)
    (z,) = in_float32(z)
    u, d = unit(z), z.shape[1]
    moment = mean_over(dot_products(u.T, u.T) / len(u), axis_name)
    factor = jnp.linalg.cholesky(jnp.eye(d, dtype=u.dtype) + d / distortion * moment)
    return -jnp.sum(jnp.log(jnp.diagonal(factor)))


def mmcr(z: Float[Array, "v n d"], *, axis_name: str | None = None) -> Float[Array, ""]:
    """Maximum manifold capacity, a scalar: the examples' means over views span much, and are long.

    ``l = -sum of the singular values of C``, whose row ``i`` is the mean over the views of example
    ``i``'s embeddings on the unit sphere. Views that agree make rows long, examples that differ
    make them point everywhere.

    Args:
      z: ``[v, n, d]``, any scale: normalised inside.
      axis_name: the mapped axis over whose devices the examples are gathered.

    Returns:
      A scalar in float32 or wider. Equal embeddings give ``-sqrt(n)``, orthogonal ones with views
      that agree ``-n``.

    Raises:
      ValueError: ``z`` has not three axes.

    References:
      Yerxa et al., Learning Efficient Coding of Natural Images with Maximum Manifold Capacity
      Representations, 2023, section 2, https://arxiv.org/abs/2303.03307
    """
    check_shapes(z.ndim == 3, "z [v, n, d]", z=z)
    (z,) = in_float32(z)
    centroids = gather(unit(z).mean(axis=0), axis_name)
    return -jnp.sum(jnp.linalg.svd(centroids, compute_uv=False))


def me_max(
    logits: Float[Array, "n k"], *, temperature: Number = 0.1, axis_name: str | None = None
) -> Float[Array, ""]:
    """MSN's mean-entropy maximisation, a scalar: on average all prototypes are used equally.

    ``l = log k - H(mean_i softmax(logits_i / temperature))``, the divergence of the mean prediction
    from the uniform one.

    Args:
      logits: ``[n, k]``, similarities of examples and prototypes.
      temperature: above 0; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the mean is taken.

    Returns:
      A scalar in float32 or wider, from 0 to ``log k``, which a single prototype gives.

    Raises:
      ValueError: ``logits`` is no matrix.

    References:
      Assran et al., Masked Siamese Networks for Label-Efficient Learning, 2022, eq. 1,
      https://arxiv.org/abs/2204.07141
    """
    check_shapes(logits.ndim == 2, "logits [n, k]", logits=logits)
    (logits,) = in_float32(logits)
    log_p = jax.nn.log_softmax(logits / temperature, axis=-1)
    log_mean = log_sum_exp_of_columns(log_p, axis_name) - math.log(rows_of_all(logits, axis_name))
    return math.log(logits.shape[1]) + jnp.sum(jnp.exp(log_mean) * log_mean)


def _at_least_two(z: Float[Array, "..."], axis_name: str | None) -> int:
    n = rows_of_all(z, axis_name)
    check_shapes(z.ndim == 2 and n > 1, "at least two embeddings [n, d]", z=z)
    return n
