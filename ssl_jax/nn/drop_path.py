"""Drop path, also called stochastic depth: residual branches that are left out at random."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


def drop_path(
    key: PRNGKeyArray, count: int, branches: int, rate: float
) -> Float[Array, "count branches"]:
    """Draws which residual branches each example keeps.

    Branch j is dropped with probability ``rate j / (branches - 1)``: later branches more often. A
    kept branch is divided by its probability to be kept, so that its mean stays what it is at test
    time. A network trained so is an ensemble of shallower ones.

    Args:
      key: of the draw.
      count: number of examples.
      branches: number of residual branches, in the order in which they are added.
      rate: probability to drop the last branch, below 1.

    Returns:
      The factor of each branch: 0, or 1 divided by its probability to be kept.

    References:
      Huang et al., Deep Networks with Stochastic Depth, 2016, section 3, with its linear rule,
      https://arxiv.org/abs/1603.09382. The first branch is always kept, and the scale is applied
      in training, as in timm; timm gives both branches of a transformer block the same rate.
    """
    kept = 1 - rate * np.linspace(0, 1, branches, dtype=np.float32)
    return jax.random.bernoulli(key, kept, (count, branches)) / kept


def scaled(
    branch: Float[Array, "n ..."], factors: Float[Array, " n"] | None
) -> Float[Array, "n ..."]:
    """Multiplies each example's branch by its factor; None leaves the branch as it is."""
    if factors is None:
        return branch
    return branch * jnp.reshape(factors, (-1,) + (1,) * (branch.ndim - 1)).astype(branch.dtype)
