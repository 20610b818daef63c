"""BatchNorm and LayerNorm of flax's shapes and state, fast on a CPU; their sums are in float32."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from ssl_jax.nn.sums import spread, sum_positions


class BatchNorm(nnx.BatchNorm):
    """``flax.nnx.BatchNorm`` in training and evaluation; its sums are in float32.

    Of the arguments it takes ``momentum``, ``epsilon``, ``dtype`` and ``rngs``. Features are last.

    References:
      Ioffe & Szegedy, Batch Normalization, 2015, algorithm 1, https://arxiv.org/abs/1502.03167
    """

    def __call__(  # type: ignore[override]
        self, x: Float[Array, "*n c"], *, use_running_average: bool
    ) -> Float[Array, "*n c"]:
        """Normalise, by the running statistics or by the batch's, which then move the running ones.

        Args:
          x: ``[..., c]``.
          use_running_average: True in evaluation.

        Returns:
          ``[..., c]`` in ``dtype``.
        """
        if use_running_average:
            return super().__call__(x, use_running_average=True)
        assert self.scale is not None
        assert self.bias is not None
        x = x.astype(jnp.float32)
        count = x.size // x.shape[-1]
        mean = sum_positions(x) / count
        var = jnp.maximum(sum_positions(x * x) / count - mean * mean, 0.0)
        for running, batch in ((self.mean, mean), (self.var, var)):
            running[...] = self.momentum * running[...] + (1 - self.momentum) * batch
        slope = spread(self.scale[...] * lax.rsqrt(var + self.epsilon), x.shape)
        normalised = (x - spread(mean, x.shape)) * slope + spread(self.bias[...], x.shape)
        return normalised.astype(self.dtype)


class LayerNorm(nnx.LayerNorm):
    """``flax.nnx.LayerNorm`` whose gradient keeps its input and two numbers a position.

    Of the arguments it takes ``epsilon``, ``dtype`` and ``rngs``. Features are last; the variance
    is the mean square of what the mean leaves.

    References:
      Ba et al., Layer Normalization, 2016, equation 4, https://arxiv.org/abs/1607.06450
    """

    def __call__(  # type: ignore[override]
        self, x: Float[Array, "*n c"]
    ) -> Float[Array, "*n c"]:
        """``[..., c]`` in ``dtype``."""
        assert self.scale is not None
        assert self.bias is not None
        return _layer_norm(x.astype(self.dtype), self.scale[...], self.bias[...], self.epsilon)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _layer_norm(
    x: Float[Array, "*n c"], scale: Float[Array, " c"], bias: Float[Array, " c"], epsilon: float
) -> Float[Array, "*n c"]:
    return _forward(x, scale, bias, epsilon)[0]


def _forward(x: Array, scale: Array, bias: Array, epsilon: float) -> tuple[Array, Any]:
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    inverse = lax.rsqrt(jnp.square(wide - mean).mean(-1, keepdims=True) + epsilon)
    return ((wide - mean) * inverse * scale + bias).astype(x.dtype), (x, scale, mean, inverse)


def _backward(epsilon: float, saved: Any, dy: Array) -> tuple[Array, Array, Array]:
    del epsilon
    x, scale, mean, inverse = saved
    normalised = (x.astype(jnp.float32) - mean) * inverse
    dy = dy.astype(jnp.float32)
    dn = dy * scale
    along = (dn * normalised).mean(-1, keepdims=True)
    dx = inverse * (dn - dn.mean(-1, keepdims=True) - normalised * along)
    return dx.astype(x.dtype), sum_positions(dy * normalised), sum_positions(dy)


_layer_norm.defvjp(_forward, _backward)
