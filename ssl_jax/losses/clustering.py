"""Online clustering: all views of an example are assigned to the same prototypes."""

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
    """Runs Sinkhorn-Knopp: returns soft assignments that use all prototypes equally.

    ``exp(scores / epsilon)`` is scaled in turn so that columns (prototypes) and rows (examples)
    have equal sums. The computation is in log space and ends with the rows.

    Args:
      scores: ``[n, k]``, similarities of examples and prototypes.
      epsilon: above 0; a smaller value gives harder assignments.
      iterations: at least 1; more bring the column sums closer to ``n / k``.
      axis_name: mapped axis over whose devices the columns are summed.

    Returns:
      ``[n, k]`` in float32 or wider; each row sums to 1.

    Raises:
      ValueError: if ``scores`` is not a matrix.

    References:
      Cuturi, Sinkhorn Distances, 2013, Algorithm 1, https://arxiv.org/abs/1306.0895; Caron et al.,
      SwAV, 2020, eq. 3-5, https://arxiv.org/abs/2006.09882
    """
    check_shapes(scores.ndim == 2, "scores [n, k]", scores=scores)
    (scores,) = in_float32(scores)

    def balance(_: Any, log_q: Array) -> Array:
        log_q = log_q - log_sum_exp_of_columns(log_q, axis_name)[None]
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
    """Computes SwAV's loss: from one view predict how the other view is assigned to prototypes.

    ``l = (ce(sinkhorn(scores2), scores1) + ce(sinkhorn(scores1), scores2)) / 2`` with
    ``ce(q, s) = -sum_k q_k log softmax(s / temperature)_k``. The balanced assignments prevent the
    collapse to a single prototype.

    Args:
      scores1: ``[n, k]``, cosine similarities of the first views and the prototypes.
      scores2: ``[n, k]``, cosine similarities of the second views and the prototypes.
      temperature: softmax temperature, above 0. It may be traced, and gradients reach it.
      epsilon: see ``sinkhorn``.
      iterations: see ``sinkhorn``.
      axis_name: see ``sinkhorn``.

    Returns:
      ``[n]`` in float32 or wider. No gradient goes through the assignments.

    Raises:
      ValueError: if the shapes differ.

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
