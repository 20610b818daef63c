"""Draws three frames of a clip, in order or out of order.

Misra, Zitnick, Hebert, Shuffle and Learn: Unsupervised Learning using Temporal Order Verification,
2016, https://arxiv.org/abs/1603.08561, section 3.1. Of five frames a < b < c < d < e

    in order: (b, c, d);  out of order: (b, a, d), (b, e, d);  each also reversed
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from ssl_jax.errors import InputError


class FrameTuples(NamedTuple):
    """Draws tuples from clips of one length; b and d have the same distribution for both answers.

    Attributes:
      frames: number of frames in a clip.
      reach: largest distance from b to d, in frames; at least 2.
      gap: smallest distance from a to b and from d to e, in frames; at least 1.
    """

    frames: int
    reach: int
    gap: int

    def times(self, key: PRNGKeyArray, ordered: Bool[Array, ""] | bool) -> Int[Array, "3"]:
        """Draws the frame indices of a tuple that is in order, or out of order."""
        draw_key, side_key, reverse_key = jax.random.split(key, 3)
        a, b, c, d, e = self._five_frames(draw_key)
        outside = jnp.where(jax.random.bernoulli(side_key), a, e)
        times = jnp.stack([b, jnp.where(ordered, c, outside), d])
        return jnp.where(jax.random.bernoulli(reverse_key), times[::-1], times)

    def _five_frames(self, key: PRNGKeyArray) -> tuple[Int[Array, ""], ...]:
        keys = jax.random.split(key, 5)
        end = self.frames - self.gap
        span = jax.random.randint(keys[0], (), 2, min(self.reach, end - self.gap - 1) + 1)
        b = jax.random.randint(keys[1], (), self.gap, end - span)
        c = jax.random.randint(keys[2], (), b + 1, b + span)
        a = jax.random.randint(keys[3], (), 0, b - self.gap + 1)
        e = jax.random.randint(keys[4], (), b + span + self.gap, self.frames)
        return a, b, c, b + span, e


def frame_tuples(frames: int | None, *, reach: int, gap: int) -> FrameTuples:
    """Builds the tuples of clips with the given number of frames.

    Raises:
      InputError: the data has no clips, or clips have too few frames.
    """
    if frames is None or frames < 2 * gap + 3:
        raise InputError(
            f"data.frames: {frames}; expected clips of at least {2 * gap + 3} frames, "
            f"for method.gap {gap}"
        )
    return FrameTuples(frames, reach, gap)
