"""Masked reconstruction: predict what was hidden."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from ssl_jax.losses._shared import check_same_shape, check_shapes, in_float32


def masked_mse(
    predictions: Float[Array, "n t p"],
    targets: Float[Array, "n t p"],
    mask: Bool[Array, "n t"],
    *,
    normalize_targets: bool = False,
) -> Float[Array, " n"]:
    """Computes MAE's loss: the mean squared error at the hidden patches.

    ``l = mean over hidden t of mean_p (prediction_tp - target_tp)^2``.

    Args:
      predictions: ``[n, t, p]``, ``p`` values per patch.
      targets: ``[n, t, p]``.
      mask: ``[n, t]``, True where a patch is hidden and scored.
      normalize_targets: whether to scale each target patch to mean 0 and variance 1 first (unbiased
        variance plus 1e-6).

    Returns:
      ``[n]`` in float32 or wider; 0 where nothing is hidden.

    Raises:
      ValueError: if the shapes do not match.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> predictions, targets = jnp.zeros((2, 4, 3)), 2 * jnp.ones((2, 4, 3))
      >>> mask = jnp.array([[True, True, False, False], [False, False, False, False]])
      >>> print(losses.masked_mse(predictions, targets, mask))
      [4. 0.]

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, section 3,
      https://arxiv.org/abs/2111.06377
    """
    check_same_shape(predictions=predictions, targets=targets)
    check_shapes(
        mask.shape == predictions.shape[:2], "mask [n, t]", mask=mask, predictions=predictions
    )
    p, t = in_float32(predictions, targets)
    if normalize_targets:
        t = (t - t.mean(axis=-1, keepdims=True)) / jnp.sqrt(
            t.var(axis=-1, ddof=1, keepdims=True) + 1e-6
        )
    return masked_mean(jnp.mean((p - t) ** 2, axis=-1), mask)


def masked_smooth_l1(
    predictions: Float[Array, "n t p"],
    targets: Float[Array, "n t p"],
    mask: Bool[Array, "n t"],
    *,
    beta: float = 1.0,
) -> Float[Array, " n"]:
    """Computes the loss of data2vec and I-JEPA: smooth L1 error of features at hidden positions.

    ``l = mean over hidden t of mean_p h(prediction_tp - target_tp)`` with ``h(e) = e^2 / (2 beta)``
    up to ``|e| = beta`` and ``|e| - beta / 2`` beyond. Large errors count less than in a squared
    error.

    Args:
      predictions: ``[n, t, p]``.
      targets: ``[n, t, p]``, features of a teacher. No gradient reaches them.
      mask: ``[n, t]``, True where a position is hidden and scored.
      beta: error at which the loss turns from quadratic to linear, above 0.

    Returns:
      ``[n]`` in float32 or wider; 0 where nothing is hidden.

    Raises:
      ValueError: if the shapes do not match.

    References:
      Baevski et al., data2vec, 2022, section 3.4, https://arxiv.org/abs/2202.03555
      Assran et al., Self-Supervised Learning from Images with a Joint-Embedding Predictive
      Architecture, 2023 (the authors' code; the paper squares the error),
      https://arxiv.org/abs/2301.08243
    """
    check_same_shape(predictions=predictions, targets=targets)
    check_shapes(
        mask.shape == predictions.shape[:2], "mask [n, t]", mask=mask, predictions=predictions
    )
    p, t = in_float32(predictions, jax.lax.stop_gradient(targets))
    smooth = optax.losses.huber_loss(p, t, delta=beta) / beta
    return masked_mean(smooth.mean(axis=-1), mask)


def masked_mean(x: Float[Array, "n t"], mask: Bool[Array, "n t"]) -> Float[Array, " n"]:
    """Returns the mean of each row where the mask is True; 0 where it never is."""
    count = jnp.maximum(mask.sum(axis=-1), 1).astype(x.dtype)
    return jnp.where(mask, x, 0).sum(axis=-1) / count
