"""The adversarial pair: tell what is real, and pass for it."""

import jax
from jaxtyping import Array, Float

from ssl_jax.losses._shared import check_same_shape, in_float32


def discriminator(
    real_logits: Float[Array, " n"], fake_logits: Float[Array, " n"]
) -> Float[Array, " n"]:
    """The discriminator's loss: real ones positive, generated ones negative.

    ``l = softplus(-real) + softplus(fake)``, not halved.

    Args:
      real_logits: ``[n]``, of real examples.
      fake_logits: ``[n]``, of generated ones.

    Returns:
      ``[n]`` in float32 or wider; logits of 0 give ``2 log 2``.

    Raises:
      ValueError: the shapes differ.

    References:
      Goodfellow et al., Generative Adversarial Networks, 2014, eq. 1,
      https://arxiv.org/abs/1406.2661
    """
    check_same_shape(real_logits=real_logits, fake_logits=fake_logits)
    real, fake = in_float32(real_logits, fake_logits)
    return jax.nn.softplus(-real) + jax.nn.softplus(fake)


def generator(fake_logits: Float[Array, " n"]) -> Float[Array, " n"]:
    """The generator's loss, in the form whose gradient does not fade: be taken for real.

    ``l = softplus(-fake)``.

    Args:
      fake_logits: ``[n]``, the discriminator's, of generated examples.

    Returns:
      ``[n]`` in float32 or wider; a logit of 0 gives ``log 2``.

    References:
      Goodfellow et al., Generative Adversarial Networks, 2014, section 3,
      https://arxiv.org/abs/1406.2661
    """
    (fake,) = in_float32(fake_logits)
    return jax.nn.softplus(-fake)
