"""BatchNorm whose sums are fast on a CPU.

Without YNNPACK (``ssl_jax/cpu.py``) XLA's CPU sums an array over several axes at once much more
slowly than over one of them first. Other platforms keep their one reduction.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float


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


@jax.custom_vjp
def sum_positions(x: Float[Array, "*n c"]) -> Float[Array, " c"]:
    """The sum over all axes but the last."""
    return lax.platform_dependent(x, cpu=_second_axis_first, default=_at_once)


def _at_once(x: Array) -> Array:
    return x.sum(range(x.ndim - 1))


def _second_axis_first(x: Array) -> Array:
    return _at_once(lax.optimization_barrier(x.sum(1)) if x.ndim > 2 else x)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def spread(x: Float[Array, " c"], shape: tuple[int, ...]) -> Float[Array, "*n c"]:
    """``x`` at every position; its gradient is ``sum_positions``, and the other way round."""
    return jnp.broadcast_to(x, shape)


def _spread_backward(shape: tuple[int, ...], _: None, dy: Array) -> tuple[Array]:
    del shape
    return (sum_positions(dy),)


sum_positions.defvjp(lambda x: (sum_positions(x), x.shape), lambda shape, dy: (spread(dy, shape),))
spread.defvjp(lambda x, shape: (spread(x, shape), None), _spread_backward)
