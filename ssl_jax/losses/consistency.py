"""Consistency: an unlabeled example gets the same prediction before and after augmentation."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ssl_jax.losses._shared import check_same_shape, in_float32


def uda(
    clean_logits: Float[Array, "n k"],
    augmented_logits: Float[Array, "n k"],
    *,
    temperature: float | Float[Array, ""] = 0.4,
    threshold: float = 0.8,
) -> Float[Array, " n"]:
    """Computes UDA's loss: match the augmented prediction to the confident, sharpened clean one.

    ``l = [max softmax(clean) > threshold] KL(softmax(clean / temperature) || softmax(augmented))``.

    Args:
      clean_logits: ``[n, k]``. No gradient reaches them.
      augmented_logits: ``[n, k]``.
      temperature: softmax temperature of the target, above 0; below 1 sharpens.
      threshold: probability that the unsharpened clean prediction must exceed.

    Returns:
      ``[n]`` in float32 or wider; 0 where the prediction is not confident enough. The mean still
      runs over all n.

    Raises:
      ValueError: if the shapes differ.

    References:
      Xie et al., Unsupervised Data Augmentation for Consistency Training, 2020, eq. 1 and section
      2.2, https://arxiv.org/abs/1904.12848
    """
    check_same_shape(clean_logits=clean_logits, augmented_logits=augmented_logits)
    clean, augmented = in_float32(jax.lax.stop_gradient(clean_logits), augmented_logits)
    confident = jax.nn.softmax(clean, axis=-1).max(axis=-1) > threshold
    log_target = jax.nn.log_softmax(clean / temperature, axis=-1)
    log_p = jax.nn.log_softmax(augmented, axis=-1)
    divergence = jnp.sum(jnp.exp(log_target) * (log_target - log_p), axis=-1)
    return jnp.where(confident, divergence, 0.0)


def pseudo_label(
    weak_logits: Float[Array, "n k"],
    strong_logits: Float[Array, "n k"],
    *,
    threshold: float = 0.95,
) -> Float[Array, " n"]:
    """Computes FixMatch's loss: a confident prediction on the weak view labels the strong view.

    ``l = [max softmax(weak) >= threshold] -log softmax(strong)[argmax weak]``.

    Args:
      weak_logits: ``[n, k]``, of weakly augmented examples. No gradient reaches them.
      strong_logits: ``[n, k]``, of strongly augmented examples.
      threshold: probability that the weak prediction must reach.

    Returns:
      ``[n]`` in float32 or wider; 0 where the prediction is not confident enough. The mean still
      runs over all n.

    Raises:
      ValueError: if the shapes differ.

    References:
      Sohn et al., FixMatch, 2020, eq. 4, https://arxiv.org/abs/2001.07685
    """
    check_same_shape(weak_logits=weak_logits, strong_logits=strong_logits)
    weak, strong = in_float32(jax.lax.stop_gradient(weak_logits), strong_logits)
    confident = jax.nn.softmax(weak, axis=-1).max(axis=-1) >= threshold
    label = jnp.argmax(weak, axis=-1)
    loss = optax.losses.softmax_cross_entropy_with_integer_labels(strong, label)
    return jnp.where(confident, loss, 0.0)
