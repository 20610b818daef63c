"""Contrastive losses: tell the other view of the same example from all other examples.

All of them are a log-softmax over cosine similarities; they differ in what the denominator holds.

With ``axis_name`` (inside ``shard_map`` or ``pmap``) the keys of all devices are negatives and the
result holds this device's rows. Without it each device would see its own negatives only, and the
gradient would be another one. In ``shard_map``, differentiate the mean over devices::

    def loss(z1, z2):  # each device's rows, in shard_map with in_specs=P("data"), out_specs=P()
        return jax.lax.pmean(nt_xent(z1, z2, axis_name="data").mean(), "data")
    gradient = jax.grad(shard_map_of(loss))

In ``pmap``, differentiate first and take the ``pmean`` of the gradients. Under plain ``jit`` with a
batch sharded over a mesh none of this is needed: negatives are global by construction.

With ``block_size`` the similarities are computed a block of keys at a time, forward and backward,
and an online log-sum-exp joins the blocks, so that no n x n matrix is ever held.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_EPSILON = 1e-12


def info_nce(
    queries: Float[Array, "n d"],
    keys: Float[Array, "n d"],
    *,
    temperature: float | Float[Array, ""] = 0.1,
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
      block_size: how many keys to compare at a time; None compares all at once.

    Returns:
      ``[n]`` in float32 or wider. ``n = 1`` without other devices gives 0.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018, eq. 4,
      https://arxiv.org/abs/1807.03748
    """
    q, k = _normalized_pair(queries, keys, ("queries", "keys"))
    n = q.shape[0]
    positives = jnp.sum(q * k, axis=-1) / temperature
    rows = jnp.arange(n) + _first_row(n, axis_name)
    (k,) = _gathered(axis_name, k)
    return _log_sum_exp_without(q, k, rows[:, None], positives, temperature, block_size) - positives


def nt_xent(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    temperature: float | Float[Array, ""] = 0.5,
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
      block_size: how many views to compare at a time; None compares all at once.

    Returns:
      ``[2n]`` in float32 or wider, z1's rows first (with ``axis_name`` this device's rows). Equal
      embeddings everywhere give ``log(2n - 1)``.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
      eq. 1 and Algorithm 1, https://arxiv.org/abs/2002.05709
    """
    a, b = _normalized_pair(z1, z2, ("z1", "z2"))
    n = a.shape[0]
    positives = jnp.sum(a * b, axis=-1) / temperature
    rows = jnp.arange(n) + _first_row(n, axis_name)
    all_a, all_b = _gathered(axis_name, a, b)
    total = all_a.shape[0]
    keys = jnp.stack([all_a, all_b]).reshape(2 * total, -1)
    left_out = jnp.stack([rows, rows + total], axis=-1)  # oneself and one's positive
    per_view = [
        _log_sum_exp_without(z, keys, left_out, positives, temperature, block_size) - positives
        for z in (a, b)
    ]
    return jnp.concatenate(per_view)


def _normalized_pair(
    x: Array, y: Array, names: tuple[str, str]
) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
    """Both on the unit sphere, in float32 or wider; zero vectors stay zero."""
    if x.shape != y.shape:
        raise ValueError(f"{names[0]} and {names[1]} must have one shape, not {x.shape}, {y.shape}")
    dtype = jnp.promote_types(jnp.promote_types(x.dtype, y.dtype), jnp.float32)
    return _unit(x.astype(dtype)), _unit(y.astype(dtype))


def _unit(x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    # Scaling by the largest entry first keeps squares within range; it has no gradient of its own.
    x = x / jnp.maximum(jax.lax.stop_gradient(jnp.abs(x).max(-1, keepdims=True)), _EPSILON)
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, _EPSILON))


def _first_row(n: int, axis_name: str | None) -> int | Int[Array, ""]:
    """Where this device's rows begin in the gathered batch."""
    return 0 if axis_name is None else jax.lax.axis_index(axis_name) * n


def _gathered(axis_name: str | None, *arrays: Array) -> tuple[Array, ...]:
    if axis_name is None:
        return arrays
    return tuple(jax.lax.all_gather(x, axis_name, tiled=True) for x in arrays)


def _log_sum_exp_without(
    q: Float[Array, "n d"],
    keys: Float[Array, "m d"],
    left_out: Int[Array, "n l"],
    positives: Float[Array, " n"],
    temperature: float | Float[Array, ""],
    block_size: int | None,
) -> Float[Array, " n"]:
    """``log(exp(positive) + sum of exp(q . key / temperature))`` over all keys but the left out."""
    m, d = keys.shape
    if block_size is not None and block_size < 1:
        raise ValueError(f"block_size must be at least 1, not {block_size}")
    if block_size is None or block_size >= m:
        scores = _scores(q, keys, jnp.arange(m), left_out, m, temperature)
        return jnp.logaddexp(jax.nn.logsumexp(scores, axis=-1), positives)

    blocks = -(-m // block_size)
    padded = jnp.pad(keys, ((0, blocks * block_size - m), (0, 0)))
    columns = jnp.arange(blocks * block_size).reshape(blocks, block_size)

    @jax.checkpoint
    def add_block(total: Array, block: tuple[Array, Array]) -> tuple[Array, None]:
        scores = _scores(q, *block, left_out, m, temperature)
        return jnp.logaddexp(total, jax.nn.logsumexp(scores, axis=-1)), None

    total, _ = jax.lax.scan(add_block, positives, (padded.reshape(blocks, block_size, d), columns))
    return total


def _scores(
    q: Float[Array, "n d"],
    keys: Float[Array, "b d"],
    columns: Int[Array, " b"],
    left_out: Int[Array, "n l"],
    m: int,
    temperature: float | Float[Array, ""],
) -> Float[Array, "n b"]:
    """Similarities, with minus infinity where a column is padding or left out."""
    hidden = (columns[None, :] == left_out[:, :, None]).any(axis=1) | (columns >= m)
    logits = jnp.matmul(q, keys.T, precision=jax.lax.Precision.HIGHEST) / temperature
    return jnp.where(hidden, -jnp.inf, logits)
