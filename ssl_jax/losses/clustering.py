"""Online clustering: views of an example are to be assigned to the same prototypes."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.losses._shared import (
    Number,
    check_same_shape,
    check_shapes,
    in_float32,
    log_sum_exp_of_columns,
)


def sinkhorn(
    scores: Float[Array, "n k"],
    *,
    epsilon: Number = 0.05,
    iterations: int = 3,
    axis_name: str | None = None,
) -> Float[Array, "n k"]:
    """Sinkhorn-Knopp: soft assignments that use all prototypes equally.

    ``exp(scores / epsilon)``, scaled in turn so that columns (prototypes) and rows (examples) have
    equal sums; in log space, ending with the rows.

    Args:
      scores: ``[n, k]``, similarities of examples and prototypes.
      epsilon: above 0; smaller is closer to a hard assignment.
      iterations: at least 1; with more the columns' sums come closer to ``n / k``.
      axis_name: the mapped axis over whose devices the columns are summed.

    Returns:
      ``[n, k]`` in float32 or wider; each row sums to 1.

    Raises:
      ValueError: ``scores`` is no matrix.

    References:
      Cuturi, Sinkhorn Distances, 2013, Algorithm 1, https://arxiv.org/abs/1306.0895; Caron et al.,
      SwAV, 2020, eq. 3-5, https://arxiv.org/abs/2006.09882
    """
    check_shapes(scores.ndim == 2, "scores [n, k]", scores=scores)
    (scores,) = in_float32(scores)

    def balance(_: Any, log_q: Array) -> Array:
        log_q = log_q - log_sum_exp_of_columns(log_q, axis_name)
        return jax.nn.log_softmax(log_q, axis=-1)

    return jnp.exp(jax.lax.fori_loop(0, iterations, balance, scores / epsilon))


def swav(
    scores1: Float[Array, "n k"],
    scores2: Float[Array, "n k"],
    *,
    temperature: Number = 0.1,
    epsilon: Number = 0.05,
    iterations: int = 3,
    axis_name: str | None = None,
) -> Float[Array, " n"]:
    """SwAV: from one view predict the other view's assignment to prototypes.

    ``l = (ce(sinkhorn(scores2), scores1) + ce(sinkhorn(scores1), scores2)) / 2`` with
    ``ce(q, s) = -sum_k q_k log softmax(s / temperature)_k``.

    Args:
      scores1: ``[n, k]``, cosine similarities of the first views and the prototypes.
      scores2: ``[n, k]``, the same of the second views.
      temperature: above 0; may be traced, and gradients reach it.
      epsilon: of ``sinkhorn``.
      iterations: of ``sinkhorn``.
      axis_name: of ``sinkhorn``.

    Returns:
      ``[n]`` in float32 or wider; no gradient goes through the assignments.

    Raises:
      ValueError: the shapes differ.

    References:
      Caron et al., Unsupervised Learning of Visual Features by Contrasting Cluster Assignments,
      2020, eq. 1 and 2, https://arxiv.org/abs/2006.09882
    """
    check_same_shape(scores1=scores1, scores2=scores2)
    pair = in_float32(scores1, scores2)
    log_p1, log_p2 = (jax.nn.log_softmax(s / temperature, axis=-1) for s in pair)
    q1, q2 = (
        sinkhorn(
            jax.lax.stop_gradient(s), epsilon=epsilon, iterations=iterations, axis_name=axis_name
        )
        for s in pair
    )
    return -(jnp.sum(q2 * log_p1, axis=-1) + jnp.sum(q1 * log_p2, axis=-1)) / 2
