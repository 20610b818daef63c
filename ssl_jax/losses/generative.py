"""The two losses of adversarial training: tell real from generated, and pass for real."""

import jax
from jaxtyping import Array, Float

from ssl_jax.losses._shared import check_same_shape, in_float32


def discriminator(
    real_logits: Float[Array, " n"], fake_logits: Float[Array, " n"]
) -> Float[Array, " n"]:
    """Computes the discriminator's loss: real examples are positive, generated ones negative.

    ``l = softplus(-real) + softplus(fake)``, not halved.

    Args:
      real_logits: ``[n]``, of real examples.
      fake_logits: ``[n]``, of generated examples.

    Returns:
      ``[n]`` in float32 or wider. Logits of 0 give ``2 log 2``.

    Raises:
      ValueError: if the shapes differ.

    References:
      Goodfellow et al., Generative Adversarial Networks, 2014, eq. 1,
      https://arxiv.org/abs/1406.2661
    """
    check_same_shape(real_logits=real_logits, fake_logits=fake_logits)
    real, fake = in_float32(real_logits, fake_logits)
    return jax.nn.softplus(-real) + jax.nn.softplus(fake)


def generator(fake_logits: Float[Array, " n"]) -> Float[Array, " n"]:
    """Computes the generator's loss: the discriminator must take generated examples for real.

    ``l = softplus(-fake)``, the form whose gradient does not fade when the discriminator is right.

    Args:
      fake_logits: ``[n]``, the discriminator's logits of generated examples.

    Returns:
      ``[n]`` in float32 or wider. A logit of 0 gives ``log 2``.

    References:
      Goodfellow et al., Generative Adversarial Networks, 2014, section 3,
      https://arxiv.org/abs/1406.2661
    """
    (fake,) = in_float32(fake_logits)
    return jax.nn.softplus(-fake)
