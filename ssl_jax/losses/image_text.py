"""Images and their texts, or any two kinds of input: what belongs together is to be found.

``axis_name`` and ``block_size`` are those of the contrastive losses.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.losses._pairs import Side, examples, log_sum_exp_both_ways, softplus_sum
from ssl_jax.losses._shared import Number, check_same_shape, in_float32, unit


def clip(
    image_z: Float[Array, "n d"],
    text_z: Float[Array, "n d"],
    *,
    logit_scale: Number,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> Float[Array, " n"]:
    """CLIP: each image finds its text among all texts, and each text its image among all images.

    The mean of InfoNCE in both directions, with ``s_ij = logit_scale * cos(image_i, text_j)``.

    Args:
      image_z: ``[n, d]``, any scale: normalised inside.
      text_z: ``[n, d]``, any scale: normalised inside; row ``i`` belongs to image ``i``.
      logit_scale: as given, no exponential inside; may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices both are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021,
      figure 3, https://arxiv.org/abs/2103.00020
    """
    check_same_shape(image_z=image_z, text_z=text_z)
    image, text = map(unit, in_float32(image_z, text_z))
    image = logit_scale * image
    example = examples(len(image), axis_name)
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
    """SigLIP: every pair of image and text is a yes-no question of its own.

    ``l_i = -sum_j log sigmoid(y_ij (logit_scale cos(image_i, text_j) + logit_bias))``, ``y_ij`` 1
    for ``i = j`` and -1 otherwise; the caller's mean is the paper's sum over n.

    Args:
      image_z: ``[n, d]``, any scale: normalised inside.
      text_z: ``[n, d]``, any scale: normalised inside; row ``i`` belongs to image ``i``.
      logit_scale: as given, no exponential inside; may be traced, and gradients reach it.
      logit_bias: may be traced, and gradients reach it.
      axis_name: the mapped axis over whose devices the texts are gathered.
      block_size: rows and columns of a tile; None compares all at once.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: the shapes differ, or ``block_size`` is below 1.

    References:
      Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023, eq. 1 and Algorithm 1,
      https://arxiv.org/abs/2303.15343
    """
    check_same_shape(image_z=image_z, text_z=text_z)
    image, text = map(unit, in_float32(image_z, text_z))
    one = jnp.ones_like(image[:, :1])  # the bias is one more feature
    images = jnp.concatenate([logit_scale * image, logit_bias * one], axis=-1)
    texts = jnp.concatenate([text, one], axis=-1)
    example = examples(len(image), axis_name)
    return softplus_sum(Side(images, example), Side(texts, example), axis_name, block_size)
