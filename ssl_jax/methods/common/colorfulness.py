"""How colorful pictures look, one number per picture."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def colorfulness(pictures: Float[Array, "n h w 3"]) -> Float[Array, " n"]:
    """Measures how strong and how varied the colors of each picture are.

    With the opponent colors ``rg = R - G`` and ``yb = (R + G) / 2 - B``, and channels up to 255::

        |(std(rg), std(yb))| + .3 |(mean(rg), mean(yb))|

    People call 0 "not colorful", 33 "moderately" and 82 "highly".

    Args:
      pictures: ``[n, h, w, 3]`` in [0, 1].

    References:
      Hasler and Süsstrunk, Measuring Colorfulness in Natural Images, 2003,
      https://doi.org/10.1117/12.477378
    """
    red, green, blue = 255 * jnp.moveaxis(pictures, -1, 0)
    opponents = jnp.stack([red - green, (red + green) / 2 - blue])
    spread = jnp.linalg.norm(opponents.std(axis=(2, 3)), axis=0)
    return spread + 0.3 * jnp.linalg.norm(opponents.mean(axis=(2, 3)), axis=0)
