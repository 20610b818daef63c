"""Learning from few labels: unlabelled examples are to be judged alike before and after noise."""

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
    """UDA: the augmented example's prediction is to be the clean one's, sharpened, where sure.

    ``l = [max softmax(clean) > threshold] KL(softmax(clean / temperature) || softmax(augmented))``.

    Args:
      clean_logits: ``[n, k]``; no gradient reaches them.
      augmented_logits: ``[n, k]``.
      temperature: that sharpens the target, above 0.
      threshold: probability of the unsharpened clean prediction, to be exceeded.

    Returns:
      ``[n]`` in float32 or wider; unsure rows give 0, and the mean runs over all n.

    Raises:
      ValueError: the shapes differ.

    References:
      Xie et al., Unsupervised Data Augmentation for Consistency Training, 2020, eq. 1 and section
      2.2, https://arxiv.org/abs/1904.12848
    """
    check_same_shape(clean_logits=clean_logits, augmented_logits=augmented_logits)
    clean, augmented = in_float32(jax.lax.stop_gradient(clean_logits), augmented_logits)
    sure = jax.nn.softmax(clean, axis=-1).max(axis=-1) > threshold
    log_target = jax.nn.log_softmax(clean / temperature, axis=-1)
    log_p = jax.nn.log_softmax(augmented, axis=-1)
    divergence = jnp.sum(jnp.exp(log_target) * (log_target - log_p), axis=-1)
    return jnp.where(sure, divergence, 0.0)


def pseudo_label(
    weak_logits: Float[Array, "n k"],
    strong_logits: Float[Array, "n k"],
    *,
    threshold: float = 0.95,
) -> Float[Array, " n"]:
    """FixMatch: where the weakly augmented prediction is sure, it is the label of the strong one.

    ``l = [max softmax(weak) >= threshold] -log softmax(strong)[argmax weak]``.

    Args:
      weak_logits: ``[n, k]``; no gradient reaches them.
      strong_logits: ``[n, k]``.
      threshold: probability of the weak prediction, to be reached.

    Returns:
      ``[n]`` in float32 or wider; unsure rows give 0, and the mean runs over all n.

    Raises:
      ValueError: the shapes differ.

    References:
      Sohn et al., FixMatch, 2020, eq. 4, https://arxiv.org/abs/2001.07685
    """
    check_same_shape(weak_logits=weak_logits, strong_logits=strong_logits)
    weak, strong = in_float32(jax.lax.stop_gradient(weak_logits), strong_logits)
    sure = jax.nn.softmax(weak, axis=-1).max(axis=-1) >= threshold
    label = jnp.argmax(weak, axis=-1)
    loss = optax.losses.softmax_cross_entropy_with_integer_labels(strong, label)
    return jnp.where(sure, loss, 0.0)
