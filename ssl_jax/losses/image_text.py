"""Losses between images and texts, or any two kinds of input: find the partner.

``axis_name`` and ``block_size`` work as in the contrastive losses.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.losses._pairs import Side, example_indices, log_sum_exp_both_ways, softplus_sum
from ssl_jax.losses._shared import Number, check_same_shape, in_float32, normalize


def clip(
    image_z: Float[Array, "n d"],
    text_z: Float[Array, "n d"],
    *,
    logit_scale: Number,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """Computes CLIP's loss: find each image's text, and each text's image, in the whole batch.

    The mean of InfoNCE in both directions, with scores ``logit_scale * cos(image_i, text_j)``.

    Args:
      image_z: ``[n, d]``, of any length; normalized inside.
      text_z: ``[n, d]``, of any length; normalized inside. Row ``i`` belongs to image ``i``.
      logit_scale: factor of the cosine, used as given (no exponential inside). It may be traced,
        and gradients reach it.
      axis_name: mapped axis over whose devices images and texts are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes differ or ``block_size`` is below 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> z = jnp.eye(3)  # three orthogonal pairs: log(1 + 2 exp(-logit_scale))
      >>> print(losses.clip(z, z, logit_scale=1.0).round(2))
      [0.55 0.55 0.55]

    References:
      Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021,
      figure 3, https://arxiv.org/abs/2103.00020
    """
    check_same_shape(image_z=image_z, text_z=text_z)
    image, text = map(normalize, in_float32(image_z, text_z))
    image = logit_scale * image
    example = example_indices(len(image), axis_name)
    negatives = log_sum_exp_both_ways(
        Side(image, example), Side(text, example), axis_name, block_size
    )
    positives = jnp.sum(image * text, axis=-1)
    to_text, to_image = (jnp.logaddexp(x, positives) - positives for x in negatives)
    return (to_text + to_image) / 2


def sigmoid_pairwise(
    image_z: Float[Array, "n d"],
    text_z: Float[Array, "n d"],
    *,
    logit_scale: Number,
    logit_bias: Number,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """Computes SigLIP's loss: each pair of image and text is a yes-or-no question of its own.

    ``l_i = -sum_j log sigmoid(y_ij (logit_scale cos(image_i, text_j) + logit_bias))`` with ``y_ij``
    1 for ``i = j`` and -1 otherwise. The mean over ``i`` is the paper's sum divided by n. Without a
    softmax no pair depends on the others.

    Args:
      image_z: ``[n, d]``, of any length; normalized inside.
      text_z: ``[n, d]``, of any length; normalized inside. Row ``i`` belongs to image ``i``.
      logit_scale: factor of the cosine, used as given (no exponential inside). It may be traced,
        and gradients reach it.
      logit_bias: added to all logits. It may be traced, and gradients reach it.
      axis_name: mapped axis over whose devices the texts are gathered.
      block_size: rows and columns per tile; None computes all scores at once. With it there is
        neither a second derivative nor forward mode.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes differ or ``block_size`` is below 1.

    References:
      Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023, eq. 1 and Algorithm 1,
      https://arxiv.org/abs/2303.15343
    """
    check_same_shape(image_z=image_z, text_z=text_z)
    image, text = map(normalize, in_float32(image_z, text_z))
    one = jnp.ones_like(image[:, :1])  # the bias is one more feature
    images = jnp.concatenate([logit_scale * image, logit_bias * one], axis=-1)
    texts = jnp.concatenate([text, one], axis=-1)
    example = example_indices(len(image), axis_name)
    return softplus_sum(Side(images, example), Side(texts, example), axis_name, block_size)
