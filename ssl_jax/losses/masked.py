"""Reconstructing what was hidden."""

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
    """MAE's loss: the mean squared error at the hidden patches.

    ``l = mean over hidden t of mean_p (prediction_tp - target_tp)^2``.

    Args:
      predictions: ``[n, t, p]``, ``p`` numbers a patch.
      targets: ``[n, t, p]``.
      mask: ``[n, t]``, True is hidden and scored.
      normalize_targets: bring each patch to mean 0 and variance 1 (unbiased, plus 1e-6) first.

    Returns:
      ``[n]`` in float32 or wider; 0 where nothing is hidden.

    Raises:
      ValueError: the shapes do not fit.

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
    """data2vec's and I-JEPA's loss: smooth L1 distance to a teacher's features at hidden places.

    ``l = mean over hidden t of mean_p h(prediction_tp - target_tp)``, ``h(e) = e^2 / (2 beta)`` up
    to ``|e| = beta`` and ``|e| - beta / 2`` beyond.

    Args:
      predictions: ``[n, t, p]``.
      targets: ``[n, t, p]``; no gradient reaches them.
      mask: ``[n, t]``, True is hidden and scored.
      beta: where the square ends, above 0.

    Returns:
      ``[n]`` in float32 or wider; 0 where nothing is hidden.

    Raises:
      ValueError: the shapes do not fit.

    References:
      Baevski et al., data2vec, 2022, section 3.4, https://arxiv.org/abs/2202.03555
      Assran et al., Self-Supervised Learning from Images with a Joint-Embedding Predictive
      Architecture, 2023 (the authors' code; the paper has the square),
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
    """The mean of each row over where the mask is True; 0 where it never is."""
    return jnp.where(mask, x, 0).sum(axis=-1) / jnp.maximum(mask.sum(axis=-1), 1)
