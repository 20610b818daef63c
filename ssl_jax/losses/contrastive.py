"""Contrastive losses: tell the other view of the same example from all other examples.

All of them compare cosine similarities; they differ in what stands against the positive.

With ``axis_name`` (inside ``shard_map`` or ``pmap``) the keys of all devices are negatives and the
result holds this device's rows. Without it each device would see its own negatives only, and the
gradient would be another one. In ``shard_map``, differentiate the mean over devices::

    def loss(z1, z2):  # each device's rows, in shard_map with in_specs=P("data"), out_specs=P()
        return jax.lax.pmean(nt_xent(z1, z2, axis_name="data").mean(), "data")
    gradient = jax.grad(shard_map_of(loss))

In ``pmap``, differentiate first and take the ``pmean`` of the gradients. Under plain ``jit`` with a
batch sharded over a mesh none of this is needed: negatives are global by construction.

With ``block_size`` the similarities are computed in tiles of so many rows and columns, forward and
backward, and an online log-sum-exp joins the tiles, so that no n x n matrix is ever held. With
``axis_name`` too the keys are not gathered but travel round the ring of devices.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ssl_jax.losses._pairs import (
    Side,
    dot_products,
    examples,
    log_sum_exp,
    log_sum_exp_of_others,
)
from ssl_jax.losses._shared import (
    Number,
    check_same_shape,
    check_shapes,
    gather,
    in_float32,
    sum_over,
    unit,
)


def info_nce(
    queries: Float[Array, "n d"],
    keys: Float[Array, "n d"],
    *,
    temperature: Number = 0.1,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """InfoNCE: each query finds its own key among the keys of the whole batch.

    ``l_i = -log(exp(s_ii) / sum_j exp(s_ij))`` with ``s_ij = cos(query_i, key_j) / temperature``.

    Args:
      queries: ``[n, d]``, any scale: normalised inside.
      keys: ``[n, d]``, any scale: normalised inside; row ``i`` is the positive of query ``i``.
      temperature: above 0; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the keys are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[n]`` in float32 or wider. ``n = 1`` without other devices gives 0.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018, eq. 4,
      https://arxiv.org/abs/1807.03748
    """
    check_same_shape(queries=queries, keys=keys)
    q, k = map(unit, in_float32(queries, keys))
    q = q / temperature
    example = examples(len(q), axis_name)
    negatives = log_sum_exp(Side(q, example), Side(k, example), axis_name, block_size)
    positives = jnp.sum(q * k, axis=-1)
    return jnp.logaddexp(negatives, positives) - positives


def nt_xent(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    temperature: Number = 0.5,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " 2*n"]:
    """NT-Xent, SimCLR's loss: each of the 2n views finds its other view among the 2n - 1 others.

    ``l_i = -log(exp(s_ij) / sum_{k != i} exp(s_ik))`` with ``j`` the other view of ``i``'s example,
    ``k`` over both views of all examples, and ``s`` the cosine similarity over the temperature.
    The own view is left out of the denominator and the positive stays in it.

    Args:
      z1: ``[n, d]``, any scale: normalised inside.
      z2: ``[n, d]``, any scale: normalised inside; row ``i`` is another view of ``z1``'s row ``i``.
      temperature: above 0; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the views are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[2n]`` in float32 or wider, z1's rows first (with ``axis_name`` this device's rows). Equal
      embeddings everywhere give ``log(2n - 1)``.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
      eq. 1 and Algorithm 1, https://arxiv.org/abs/2002.05709
    """
    check_same_shape(z1=z1, z2=z2)
    positives, negatives = _two_views(z1, z2, temperature, axis_name, block_size)
    return (jnp.logaddexp(negatives, positives) - positives).reshape(-1)


def decoupled_nt_xent(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    temperature: Number = 0.1,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " 2*n"]:
    """Decoupled contrastive learning: NT-Xent with the positive out of the denominator.

    ``l_i = -s_ij + log(sum over k, neither i nor j, of exp(s_ik))``. Without the positive there the
    gradient does not fade as soon as the positive is found, and small batches do.

    Args:
      z1: ``[n, d]``, ``n >= 2`` over all devices, any scale: normalised inside.
      z2: ``[n, d]``, any scale: normalised inside; row ``i`` is another view of ``z1``'s row ``i``.
      temperature: above 0; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the views are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[2n]`` in float32 or wider, z1's rows first; may be negative. Without a negative (``n = 1``)
      it is minus infinity.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      Yeh et al., Decoupled Contrastive Learning, 2022, eq. 6, https://arxiv.org/abs/2110.06848
    """
    check_same_shape(z1=z1, z2=z2)
    positives, negatives = _two_views(z1, z2, temperature, axis_name, block_size)
    return (negatives - positives).reshape(-1)


def queue_info_nce(
    queries: Float[Array, "n d"],
    keys: Float[Array, "n d"],
    queue: Float[Array, "k d"],
    *,
    temperature: Number = 0.2,
) -> Float[Array, " n"]:
    """MoCo's InfoNCE: each query finds its own key among itself and a queue of earlier keys.

    ``l_i = -log(exp(s_ii) / (exp(s_ii) + sum_k exp(cos(query_i, queue_k) / temperature)))``. Keys
    and queue come from a momentum encoder: no gradient reaches them.

    Args:
      queries: ``[n, d]``, any scale: normalised inside.
      keys: ``[n, d]``, any scale: normalised inside; row ``i`` is the positive of query ``i``.
      queue: ``[k, d]``, any scale: normalised inside; the negatives.
      temperature: above 0; may be traced, and gradients reach it.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: the shapes do not fit.

    References:
      He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020, eq. 1 and
      Algorithm 1, https://arxiv.org/abs/1911.05722
    """
    check_same_shape(queries=queries, keys=keys)
    check_shapes(queue.shape[1:] == keys.shape[1:], "queue [k, d]", keys=keys, queue=queue)
    q, k, old = in_float32(queries, keys, queue)
    q, k, old = unit(q), unit(jax.lax.stop_gradient(k)), unit(jax.lax.stop_gradient(old))
    positives = jnp.sum(q * k, axis=-1) / temperature
    negatives = jax.nn.logsumexp(dot_products(q, old) / temperature, axis=-1)
    return jnp.logaddexp(positives, negatives) - positives


def moco_v3(
    queries1: Float[Array, "n d"],
    queries2: Float[Array, "n d"],
    keys1: Float[Array, "n d"],
    keys2: Float[Array, "n d"],
    *,
    temperature: Number = 0.2,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """MoCo v3's symmetric InfoNCE: each view's query finds the other view's key.

    ``l_i = 2 T (info_nce(queries1, keys2)_i + info_nce(queries2, keys1)_i)``, ``T`` the
    temperature. The keys come from a momentum encoder: no gradient reaches them.

    Args:
      queries1: ``[n, d]``, of the first views, any scale: normalised inside.
      queries2: ``[n, d]``, of the second views.
      keys1: ``[n, d]``, the momentum encoder's of the first views.
      keys2: ``[n, d]``, the same of the second views.
      temperature: above 0; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the keys are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      Chen et al., An Empirical Study of Training Self-Supervised Vision Transformers, 2021,
      Algorithm 1, https://arxiv.org/abs/2104.02057
    """
    check_same_shape(queries1=queries1, queries2=queries2, keys1=keys1, keys2=keys2)
    find = partial(info_nce, temperature=temperature, axis_name=axis_name, block_size=block_size)
    keys1, keys2 = jax.lax.stop_gradient((keys1, keys2))
    return 2 * temperature * (find(queries1, keys2) + find(queries2, keys1))


def mil_nce(
    queries: Float[Array, "n d"],
    keys: Float[Array, "n p d"],
    *,
    temperature: Number = 0.1,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """MIL-NCE, InfoNCE with several positives of which any may be right: their sum is to win.

    ``l_i = -log(sum_p exp(s_iip) / sum_j sum_p exp(s_ijp))`` with ``s_ijp = cos(query_i, key_jp) /
    temperature``. For positives that are all to be right see ``supcon``.

    Args:
      queries: ``[n, d]``, any scale: normalised inside.
      keys: ``[n, p, d]``, any scale: normalised inside; ``keys[i]`` are the positives of query
        ``i`` and negatives of all others.
      temperature: above 0; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the keys are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[n]`` in float32 or wider; with one positive it is ``info_nce``.

    Raises:
      ValueError: the shapes do not fit, or ``block_size`` is below 1.

    References:
      Miech et al., End-to-End Learning of Visual Representations from Uncurated Instructional
      Videos, 2020, eq. 1 (there with the other queries as negatives of the keys too),
      https://arxiv.org/abs/1912.06430
    """
    check_shapes(
        keys.ndim == 3 and (len(keys), keys.shape[2]) == queries.shape,
        "queries [n, d] and keys [n, p, d]",
        queries=queries,
        keys=keys,
    )
    q, k = map(unit, in_float32(queries, keys))
    q = q / temperature
    example, p = examples(len(q), axis_name), keys.shape[1]
    columns = Side(k.reshape(-1, k.shape[-1]), jnp.repeat(example, p))
    negatives = log_sum_exp(Side(q, example), columns, axis_name, block_size)
    scores = jnp.einsum("nd,npd->np", q, k, precision=jax.lax.Precision.HIGHEST)
    positives = jax.nn.logsumexp(scores, axis=-1)
    return jnp.logaddexp(negatives, positives) - positives


def supcon(
    z: Float[Array, "n d"],
    labels: Int[Array, " n"],
    *,
    temperature: Number = 0.1,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """Supervised contrastive loss: examples of one class attract, all others repel.

    ``l_i = mean over p in P(i) of -log(exp(s_ip) / sum_{a != i} exp(s_ia))``, with ``P(i)`` the
    other examples of ``i``'s label.

    Args:
      z: ``[n, d]``, any scale: normalised inside; each view of an example is a row.
      labels: ``[n]``.
      temperature: above 0; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the examples are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[n]`` in float32 or wider; 0 where no other example has the label.

    Raises:
      ValueError: the shapes do not fit, or ``block_size`` is below 1.

    References:
      Khosla et al., Supervised Contrastive Learning, 2020, eq. 2, https://arxiv.org/abs/2004.11362
    """
    check_shapes(labels.shape == z.shape[:1], "z [n, d] and labels [n]", z=z, labels=labels)
    (z,) = in_float32(z)
    z = unit(z) * temperature**-0.5
    others = log_sum_exp_of_others(Side(z, examples(len(z), axis_name)), axis_name, block_size)
    positive, has_positive = _mean_of_others_of_the_class(z, labels, axis_name)
    attraction = jnp.sum(z * positive, axis=-1)
    return jnp.where(has_positive, jnp.where(has_positive, others, 0) - attraction, 0)


def _two_views(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    temperature: Number,
    axis_name: str | None,
    block_size: int | None,
) -> tuple[Float[Array, "1 n"], Float[Array, "2 n"]]:
    """Each view's logit with its other view, and the log-sum-exp with all views of all others."""
    n, d = z1.shape
    # The views of an example side by side: one symmetric matrix, and nothing moves between devices.
    z = jnp.stack(in_float32(z1, z2), axis=1).reshape(2 * n, d)
    z = unit(z) * temperature**-0.5
    example = jnp.repeat(examples(n, axis_name), 2)
    negatives = log_sum_exp_of_others(Side(z, example), axis_name, block_size)
    a, b = jnp.moveaxis(z.reshape(n, 2, d), 1, 0)
    positives = jnp.sum(a * b, axis=-1)
    return positives[None], negatives.reshape(n, 2).T


def _mean_of_others_of_the_class(
    z: Float[Array, "n d"], labels: Int[Array, " n"], axis_name: str | None
) -> tuple[Float[Array, "n d"], Bool[Array, " n"]]:
    """For each row the mean of all other rows of its label, and whether there is one."""
    labels_of_all = gather(labels, axis_name)
    classes = len(labels_of_all)  # at most
    of_all = jnp.unique(labels_of_all, return_inverse=True, size=classes)[1]
    of_mine = of_all[examples(len(z), axis_name)]
    sums = sum_over(jax.ops.segment_sum(z, of_mine, classes), axis_name)
    others = jnp.bincount(of_all, length=classes)[of_mine] - 1
    return (sums[of_mine] - z) / jnp.maximum(others, 1)[:, None], others > 0
