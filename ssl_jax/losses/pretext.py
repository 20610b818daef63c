"""Classical pretext tasks that need more than a cross-entropy."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ssl_jax.losses._shared import check_shapes, in_float32


def colorization(
    logits: Float[Array, "n h w q"],
    targets: Int[Array, "n h w"] | Float[Array, "n h w q"],
    *,
    bin_weights: Float[Array, " q"] | None = None,
) -> Float[Array, " n"]:
    """Computes the loss of colorful image colorization: classify the color bin of each pixel.

    ``l = mean over pixels of weight(bin) * -sum_q target_q log softmax(logits)_q``. The weight is
    that of the target's bin; for soft targets, of the most likely bin. With larger weights for rare
    bins, rare colors count more.

    Args:
      logits: ``[n, h, w, q]`` over ``q`` color bins.
      targets: integer bins ``[n, h, w]``, or distributions ``[n, h, w, q]``.
      bin_weights: ``[q]``, used as given; None weights all bins by 1.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes do not match.

    References:
      Zhang et al., Colorful Image Colorization, 2016, eq. 2 and 3,
      https://arxiv.org/abs/1603.08511
    """
    soft = jnp.issubdtype(targets.dtype, jnp.floating)
    expected = logits.shape if soft else logits.shape[:-1]
    check_shapes(
        targets.shape == expected,
        "targets [n, h, w] or [n, h, w, q]",
        logits=logits,
        targets=targets,
    )
    (logits,) = in_float32(logits)
    log_p = jax.nn.log_softmax(logits, axis=-1)
    if soft:
        p, log_p = in_float32(targets, log_p)
        per_pixel = -jnp.sum(p * log_p, axis=-1)
        bins = jnp.argmax(targets, axis=-1)
    else:
        per_pixel = -jnp.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]
        bins = targets
    if bin_weights is not None:
        check_shapes(
            bin_weights.shape == logits.shape[-1:],
            "bin_weights [q]",
            bin_weights=bin_weights,
            logits=logits,
        )
        per_pixel, weights = in_float32(per_pixel, bin_weights[bins])
        per_pixel = per_pixel * weights
    return per_pixel.mean(axis=(1, 2))
