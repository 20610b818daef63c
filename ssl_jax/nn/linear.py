"""Linear layers."""

from flax import nnx
from jaxtyping import Array, Float

from ssl_jax.nn import platform
from ssl_jax.nn.cpu import linear as cpu


class Linear(nnx.Linear):
    """``flax.nnx.Linear``; takes ``use_bias``, ``kernel_init``, ``dtype`` and ``rngs``."""

    def __call__(  # type: ignore[override]
        self, x: Float[Array, "*n i"]
    ) -> Float[Array, "*n o"]:
        """Returns ``x @ kernel + bias`` in ``dtype``."""
        if platform.form() == "cpu":
            bias = None if self.bias is None else self.bias[...]
            return cpu.linear(x.astype(self.dtype), self.kernel[...], bias)
        return super().__call__(x)
