"""Accuracy on corrupted test pictures, by a classifier that has seen clean ones only."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from ssl_jax.augment.corruptions import CORRUPTIONS
from ssl_jax.augment.pixels import to_float
from ssl_jax.data import Source
from ssl_jax.data.dataset import Example, gather

STRENGTHS = (1, 2, 3, 4, 5)
Pixels = UInt8[Array | np.ndarray, "n h w c"]


class Condition(NamedTuple):
    """A kind of corruption and its strength, from 1 to 5; 0 leaves pictures as they are."""

    kind: str
    strength: int


CLEAN = Condition("none", 0)
CONDITIONS = tuple(Condition(name, strength) for name in CORRUPTIONS for strength in STRENGTHS)


def corrupt(
    pixels: Pixels,
    numbers: Int[Array | np.ndarray, " n"],
    condition: Condition,
    *,
    seed: int = 0,
) -> UInt8[np.ndarray, "n h w c"]:
    """Corrupts pictures, and rounds the result to bytes, as networks read bytes.

    Args:
      pixels: the pictures.
      numbers: of the pictures, such as their positions in the test set; with the seed, they alone
        determine the noise, so different networks see the same corrupted pictures.
      condition: what to do; strength 0 returns the pictures unchanged.
      seed: of the noise.

    Returns:
      The corrupted pictures.

    Raises:
      KeyError: there is no such corruption.
      ValueError: the strength is not from 0 to 5.

    References:
      Hendrycks and Dietterich, 2019, https://arxiv.org/abs/1903.12261
    """
    pixels = np.asarray(pixels)
    if condition.strength == 0:
        return pixels
    changed = _compiled(condition)(jax.random.key(seed), jnp.asarray(numbers), pixels)
    return np.asarray(changed)


class Corrupted:
    """The examples of another source, with corrupted pictures.

    Args:
      source: the examples.
      name: of the entry that holds the picture, uint8 ``[h, w, c]``.
      condition: what to do to it.
      seed: of the noise.
    """

    def __init__(self, source: Source, name: str, condition: Condition, *, seed: int = 0):
        self.source = source
        self.name = name
        self.condition = condition
        self.seed = seed

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        return {name: column[0] for name, column in self.take(np.array([index])).items()}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        batch = gather(self.source, indices)
        pixels = corrupt(batch[self.name], indices, self.condition, seed=self.seed)
        return batch | {self.name: pixels}


def mean_accuracy(accuracies: Mapping[Condition, float]) -> float:
    """Returns the mean over all corruptions and strengths, each with the same weight.

    Args:
      accuracies: one per condition; `CLEAN` does not count.
    """
    return float(np.mean([value for each, value in accuracies.items() if each.strength > 0]))


@cache
def _compiled(condition: Condition) -> Callable[..., Array]:
    corrupt = partial(CORRUPTIONS[condition.kind], strength=condition.strength)

    def corrupted(key: Array, numbers: Array, pixels: Array) -> Array:
        keys = jax.vmap(partial(jax.random.fold_in, key))(numbers)
        changed = jax.vmap(corrupt)(keys, to_float(pixels))
        return jnp.round(255 * changed).astype(jnp.uint8)

    return jax.jit(corrupted)
