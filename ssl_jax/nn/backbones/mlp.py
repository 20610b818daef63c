"""A multilayer perceptron on all pixels at once, as in the first autoencoders."""

import itertools
from collections.abc import Collection, Sequence

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax import settings
from ssl_jax.nn.linear import Linear

ACTIVATIONS = {"sigmoid": nnx.sigmoid, "tanh": nnx.tanh, "relu": nnx.relu}
SETTINGS = {
    "widths": settings.widths((500,), "widths of an MLP's layers"),
    "activation": settings.choice("sigmoid", "activation of an MLP", tuple(ACTIVATIONS)),
}


class MLP(nnx.Module):
    """Linear layers on the pixels of an image, each followed by the activation.

    Args:
      channels: of the images.
      image_size: side of the images; no other size is read.
      widths: of each layer.
      activation: one of ``ACTIVATIONS``.
      dtype: of the computation; parameters are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        *,
        channels: int,
        image_size: int,
        widths: Sequence[int],
        activation: str = "sigmoid",
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.activation = activation
        pairs = itertools.pairwise([image_size**2 * channels, *widths])
        self.layers = nnx.List([Linear(i, o, dtype=dtype, rngs=rngs) for i, o in pairs])
        self.features = widths[-1]

    def __call__(
        self,
        images: Float[Array, "n h w c"],
        keep: Float[Array, "n r"] | None = None,
        *,
        train: bool,
        frozen: Collection[str] = (),
    ) -> dict[str, Float[Array, "n ..."]]:
        """Computes features of normalized images.

        Args:
          images: ``[n, image_size, image_size, c]``.
          keep: has no effect: there are no residual branches.
          train: has no effect.
          frozen: has no effect.

        Returns:
          ``layer1``, ``layer2``, ...: each layer's output, float32; ``features``: the last of them.
        """
        del keep, train, frozen
        x, outputs = images.reshape(len(images), -1), {}
        for number, layer in enumerate(self.layers, start=1):
            x = ACTIVATIONS[self.activation](layer(x))
            outputs[f"layer{number}"] = x.astype(jnp.float32)
        return outputs | {"features": outputs[f"layer{len(self.layers)}"]}
