"""Contrastive losses: tell the other view of an example apart from all other examples.

All of them compare cosine similarities. They differ in what the positive competes with.

With ``axis_name`` (inside ``shard_map`` or ``pmap``) the keys of all devices are negatives, and the
result holds the rows of this device. Without it each device sees only its own negatives, and
gradients differ. In ``shard_map``, differentiate the mean over devices::

    def loss(z1, z2):  # each device's rows, in shard_map with in_specs=P("data"), out_specs=P()
        return jax.lax.pmean(nt_xent(z1, z2, axis_name="data").mean(), "data")
    gradient = jax.grad(shard_map_of(loss))

In ``pmap``, differentiate first and take the ``pmean`` of the gradients. Plain ``jit`` with a batch
sharded over a mesh needs none of this: negatives are global by construction.

With ``block_size`` the forward and the backward pass compute the similarities in tiles of at most
``block_size`` rows and columns, joined by an online log-sum-exp, so no n x n matrix is ever held.
Together with ``axis_name`` the keys are not gathered but travel around the ring of devices.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ssl_jax.losses._pairs import (
    Side,
    dot_products,
    example_indices,
    log_sum_exp,
    log_sum_exp_of_others,
)
from ssl_jax.losses._shared import (
    Number,
    check_same_shape,
    check_shapes,
    gather,
    in_float32,
    normalize,
    sum_over,
)


def info_nce(
    queries: Float[Array, "n d"],
    keys: Float[Array, "n d"],
    *,
    temperature: Number = 0.1,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """Computes InfoNCE: each query must find its own key among the keys of the whole batch.

    ``l_i = -log(exp(s_ii) / sum_j exp(s_ij))`` with ``s_ij = cos(query_i, key_j) / temperature``,
    the cross-entropy of a classification with one class per key.

    Args:
      queries: ``[n, d]``, of any length; normalized inside.
      keys: ``[n, d]``, of any length; normalized inside. Row ``i`` is the positive of query ``i``.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the keys are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[n]`` in float32 or wider. A single example on a single device gives 0.

    Raises:
      ValueError: if the shapes differ or ``block_size`` is below 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> z = jnp.ones((3, 8))  # equal embeddings give log(n)
      >>> print(losses.info_nce(z, z).round(2))
      [1.1 1.1 1.1]

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018, eq. 4,
      https://arxiv.org/abs/1807.03748
    """
    check_same_shape(queries=queries, keys=keys)
    q, k = map(normalize, in_float32(queries, keys))
    q = q / temperature
    example = example_indices(len(q), axis_name)
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
    """Computes NT-Xent, SimCLR's loss: each view must find its partner among the 2n - 1 others.

    ``l_i = -log(exp(s_ij) / sum_{k != i} exp(s_ik))``, where ``j`` is the other view of the same
    example, ``k`` runs over both views of all examples, and ``s`` is the cosine similarity divided
    by the temperature. The denominator leaves out the view itself and includes the positive.

    Args:
      z1: first views, ``[n, d]``, of any length; normalized inside.
      z2: second views of the same examples, ``[n, d]``, of any length; normalized inside.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the views are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[2n]`` in float32 or wider, ``z1``'s rows first; with ``axis_name``, the rows of this
      device. If all embeddings are equal, the loss is ``log(2n - 1)``.

    Raises:
      ValueError: if the shapes differ or ``block_size`` is below 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> z = jnp.ones((2, 8))  # equal embeddings give log(2n - 1)
      >>> print(losses.nt_xent(z, z).round(2))
      [1.1 1.1 1.1 1.1]

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
    """Computes the decoupled contrastive loss: NT-Xent without the positive in the denominator.

    ``l_i = -s_ij + log(sum over k, neither i nor j, of exp(s_ik))``. In NT-Xent the gradient fades
    as soon as the positive is found. Without the positive in the denominator it does not, so small
    batches suffice.

    Args:
      z1: first views, ``[n, d]``, of any length; normalized inside. ``n >= 2`` over all devices.
      z2: second views of the same examples, ``[n, d]``, of any length; normalized inside.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the views are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[2n]`` in float32 or wider, ``z1``'s rows first; may be negative. Without a negative
      (``n = 1``) it is minus infinity.

    Raises:
      ValueError: if the shapes differ or ``block_size`` is below 1.

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
    """Computes MoCo's InfoNCE: each query must find its own key among a queue of earlier keys.

    ``l_i = -log(exp(s_ii) / (exp(s_ii) + sum_k exp(cos(query_i, queue_k) / temperature)))`` with
    ``s_ii = cos(query_i, key_i) / temperature``. The queue allows more negatives than a batch
    holds. Keys and queue come from a momentum encoder: no gradient reaches them.

    Args:
      queries: ``[n, d]``, of any length; normalized inside.
      keys: ``[n, d]``, of any length; normalized inside. Row ``i`` is the positive of query ``i``.
      queue: ``[k, d]``, the negatives, of any length; normalized inside.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes do not match.

    References:
      He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020, eq. 1 and
      Algorithm 1, https://arxiv.org/abs/1911.05722
    """
    check_same_shape(queries=queries, keys=keys)
    check_shapes(queue.shape[1:] == keys.shape[1:], "queue [k, d]", keys=keys, queue=queue)
    q, k, old = in_float32(queries, keys, queue)
    q, k, old = (
        normalize(q),
        normalize(jax.lax.stop_gradient(k)),
        normalize(jax.lax.stop_gradient(old)),
    )
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
    """Computes MoCo v3's symmetric InfoNCE: each view's query must find the other view's key.

    ``l_i = 2 T (info_nce(queries1, keys2)_i + info_nce(queries2, keys1)_i)``, where ``T`` is the
    temperature. The keys come from a momentum encoder: no gradient reaches them.

    Args:
      queries1: ``[n, d]``, of the first views, of any length; normalized inside.
      queries2: ``[n, d]``, of the second views.
      keys1: ``[n, d]``, the momentum encoder's keys of the first views.
      keys2: ``[n, d]``, the momentum encoder's keys of the second views.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the keys are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes differ or ``block_size`` is below 1.

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
    """Computes MIL-NCE: InfoNCE with several positives per query, any of which may be right.

    ``l_i = -log(sum_p exp(s_iip) / sum_j sum_p exp(s_ijp))`` with
    ``s_ijp = cos(query_i, key_jp) / temperature``. One good positive is enough for a small loss, so
    the others may be wrong. If all positives are right, use ``supcon``.

    Args:
      queries: ``[n, d]``, of any length; normalized inside.
      keys: ``[n, p, d]``, of any length; normalized inside. ``keys[i]`` are the positives of query
        ``i`` and negatives of all other queries.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the keys are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[n]`` in float32 or wider. With one positive per query it equals ``info_nce``.

    Raises:
      ValueError: if the shapes do not match or ``block_size`` is below 1.

    References:
      Miech et al., End-to-End Learning of Visual Representations from Uncurated Instructional
      Videos, 2020, eq. 1 (the paper also has the other queries as negatives of the keys),
      https://arxiv.org/abs/1912.06430
    """
    check_shapes(
        keys.ndim == 3 and (len(keys), keys.shape[2]) == queries.shape,
        "queries [n, d] and keys [n, p, d]",
        queries=queries,
        keys=keys,
    )
    q, k = map(normalize, in_float32(queries, keys))
    q = q / temperature
    example, p = example_indices(len(q), axis_name), keys.shape[1]
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
    """Computes the supervised contrastive loss: examples of one class attract, all others repel.

    ``l_i = mean over p in P(i) of -log(exp(s_ip) / sum_{a != i} exp(s_ia))``, where ``P(i)`` holds
    the other examples with the label of ``i``, and ``s`` is the cosine similarity divided by the
    temperature.

    Args:
      z: ``[n, d]``, of any length; normalized inside. Each view of an example is one row.
      labels: ``[n]``.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the examples are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[n]`` in float32 or wider; 0 where no other example has the label.

    Raises:
      ValueError: if the shapes do not match or ``block_size`` is below 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> z, labels = jnp.ones((4, 8)), jnp.array([0, 0, 0, 1])  # the last example is alone
      >>> print(losses.supcon(z, labels).round(2))
      [1.1 1.1 1.1 0. ]

    References:
      Khosla et al., Supervised Contrastive Learning, 2020, eq. 2, https://arxiv.org/abs/2004.11362
    """
    check_shapes(labels.shape == z.shape[:1], "z [n, d] and labels [n]", z=z, labels=labels)
    (z,) = in_float32(z)
    z = normalize(z) * temperature**-0.5
    others = log_sum_exp_of_others(
        Side(z, example_indices(len(z), axis_name)), axis_name, block_size
    )
    positive, has_positive = _mean_of_same_label(z, labels, axis_name)
    attraction = jnp.sum(z * positive, axis=-1)
    return jnp.where(has_positive, jnp.where(has_positive, others, 0) - attraction, 0)


def _two_views(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    temperature: Number,
    axis_name: str | None,
    block_size: int | None,
) -> tuple[Float[Array, "1 n"], Float[Array, "2 n"]]:
    """Returns each view's logit with its partner and log-sum-exp over views of other examples."""
    n, d = z1.shape
    # With the views of an example side by side the matrix is symmetric and no row changes device.
    z = jnp.stack(in_float32(z1, z2), axis=1).reshape(2 * n, d)
    z = normalize(z) * temperature**-0.5
    example = jnp.repeat(example_indices(n, axis_name), 2)
    negatives = log_sum_exp_of_others(Side(z, example), axis_name, block_size)
    a, b = jnp.moveaxis(z.reshape(n, 2, d), 1, 0)
    positives = jnp.sum(a * b, axis=-1)
    return positives[None], negatives.reshape(n, 2).T


def _mean_of_same_label(
    z: Float[Array, "n d"], labels: Int[Array, " n"], axis_name: str | None
) -> tuple[Float[Array, "n d"], Bool[Array, " n"]]:
    """Returns the mean of all other rows with the label of each row, and whether there are any."""
    labels_of_all = gather(labels, axis_name)
    bound = len(labels_of_all)  # of the number of classes
    classes_of_all = jnp.unique(labels_of_all, return_inverse=True, size=bound)[1]
    classes = classes_of_all[example_indices(len(z), axis_name)]
    sums = sum_over(jax.ops.segment_sum(z, classes, bound), axis_name)
    others = jnp.bincount(classes_of_all, length=bound)[classes] - 1
    count = jnp.maximum(others, 1).astype(z.dtype)
    return (sums[classes] - z) / count[:, None], others > 0
