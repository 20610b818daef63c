"""BatchNorm and LayerNorm, of flax's shapes and state; their sums are in float32."""

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn import platform
from ssl_jax.nn.cpu import norm as cpu


class BatchNorm(nnx.BatchNorm):
    """``flax.nnx.BatchNorm``, of which it takes ``momentum``, ``epsilon``, ``dtype`` and ``rngs``.

    Features are last.

    References:
      Ioffe & Szegedy, Batch Normalization, 2015, algorithm 1, https://arxiv.org/abs/1502.03167
    """

    def __call__(  # type: ignore[override]
        self, x: Float[Array, "*n c"], *, use_running_average: bool
    ) -> Float[Array, "*n c"]:
        """Normalises by the running statistics, or by the batch's, which update the running ones.

        Args:
          x: ``[..., c]``.
          use_running_average: True in evaluation.

        Returns:
          ``[..., c]`` in ``dtype``.
        """
        if use_running_average or platform.form() != "cpu":
            return super().__call__(x, use_running_average=use_running_average)
        assert self.scale is not None
        assert self.bias is not None
        y, mean, var = cpu.batch_norm(x, self.scale[...], self.bias[...], self.epsilon)
        for running, batch in ((self.mean, mean), (self.var, var)):
            running[...] = self.momentum * running[...] + (1 - self.momentum) * batch
        return y.astype(self.dtype)


class LayerNorm(nnx.LayerNorm):
    """``flax.nnx.LayerNorm``; the variance is the mean square of the differences from the mean.

    Args:
      features: how many; they are last.
      epsilon: added to the variance.
      dtype: of the result.
      rngs: ``params`` initialises.

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
        """``[..., c]`` in ``dtype``."""
        if platform.form() != "cpu":
            return super().__call__(x)
        assert self.scale is not None
        assert self.bias is not None
        return cpu.layer_norm(x.astype(self.dtype), self.scale[...], self.bias[...], self.epsilon)


def batch_norm(features: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> BatchNorm:
    """BatchNorm as in most papers' code: momentum .9, epsilon 1e-5."""
    return BatchNorm(features, momentum=0.9, epsilon=1e-5, dtype=dtype, rngs=rngs)


def layer_norm(features: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> LayerNorm:
    """LayerNorm as in most transformers' code: epsilon 1e-6."""
    return LayerNorm(features, epsilon=1e-6, dtype=dtype, rngs=rngs)
