"""BatchNorm and LayerNorm, with flax's shapes and state. Sums are in float32."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn import platform
from ssl_jax.nn.cpu import norm as cpu


class BatchNorm(nnx.BatchNorm):
    """``flax.nnx.BatchNorm``; takes ``momentum``, ``epsilon``, ``dtype`` and ``rngs``.

    Features are the last axis.

    References:
      Ioffe & Szegedy, Batch Normalization, 2015, algorithm 1, https://arxiv.org/abs/1502.03167
    """

    def __call__(  # type: ignore[override]
        self, x: Float[Array, "*n c"], *, use_running_average: bool
    ) -> Float[Array, "*n c"]:
        """Normalizes by the running statistics, or by the batch's and updates the running ones.

        Args:
          x: ``[..., c]``.
          use_running_average: whether to use the running statistics; True in evaluation.

        Returns:
          ``[..., c]`` in ``dtype``.
        """
        if use_running_average or platform.form() != "cpu":
            return super().__call__(x, use_running_average=use_running_average)
        assert self.scale is not None
        bias = jnp.zeros_like(self.scale[...]) if self.bias is None else self.bias[...]
        y, mean, var = cpu.batch_norm(x, self.scale[...], bias, self.epsilon)
        for running, batch in ((self.mean, mean), (self.var, var)):
            running[...] = self.momentum * running[...] + (1 - self.momentum) * batch
        return y.astype(self.dtype)


class LayerNorm(nnx.LayerNorm):
    """``flax.nnx.LayerNorm``; its variance is the mean squared difference from the mean.

    Args:
      features: size of the last axis.
      epsilon: added to the variance.
      dtype: of the result.
      rngs: ``params`` initializes.

    References:
      Ba et al., Layer Normalization, 2016, equation 4, https://arxiv.org/abs/1607.06450
    """

    def __init__(
        self, features: int, *, epsilon: float, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs
    ):
        super().__init__(features, epsilon=epsilon, dtype=dtype, use_fast_variance=False, rngs=rngs)

    def __call__(  # type: ignore[override]
        self, x: Float[Array, "*n c"]
    ) -> Float[Array, "*n c"]:
        """Normalizes each position of ``[..., c]``; the result is in ``dtype``."""
        if platform.form() != "cpu":
            return super().__call__(x)
        assert self.scale is not None
        assert self.bias is not None
        return cpu.layer_norm(x.astype(self.dtype), self.scale[...], self.bias[...], self.epsilon)


def batch_norm(
    features: int,
    *,
    zero_scale: bool = False,
    center: bool = True,
    dtype: DTypeLike,
    rngs: nnx.Rngs,
) -> BatchNorm:
    """Builds BatchNorm with the settings of most papers' code: momentum .9, epsilon 1e-5.

    Args:
      features: size of the last axis.
      zero_scale: whether scales start at 0 and not at 1.
      center: whether there are learned offsets.
      dtype: of the result.
      rngs: ``params`` initializes.
    """
    scale_init = jax.nn.initializers.zeros if zero_scale else jax.nn.initializers.ones
    return BatchNorm(
        features,
        momentum=0.9,
        epsilon=1e-5,
        scale_init=scale_init,
        use_bias=center,
        dtype=dtype,
        rngs=rngs,
    )


def layer_norm(features: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> LayerNorm:
    """Builds LayerNorm with the epsilon of most transformers' code, 1e-6."""
    return LayerNorm(features, epsilon=1e-6, dtype=dtype, rngs=rngs)
