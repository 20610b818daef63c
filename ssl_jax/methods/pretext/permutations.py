"""Permutations of tiles that are easy to tell apart.

Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles, 2016,
https://arxiv.org/abs/1603.09246, algorithm 1: repeatedly add the permutation whose mean Hamming
distance to those already chosen, the number of places with another tile, is largest.
"""

import itertools
from functools import lru_cache

import numpy as np
from jaxtyping import Int8


@lru_cache(maxsize=8)
def far_apart(count: int, tiles: int = 9) -> Int8[np.ndarray, "count tiles"]:
    """Chooses permutations greedily by their mean Hamming distance.

    The first one is the identity; the paper draws it. Among permutations with the same mean, one
    whose nearest neighbor is farthest is chosen, the first of them in lexicographic order. The set
    thus depends only on the arguments.

    Args:
      count: number of permutations, from 1 to ``tiles!``.
      tiles: number of tiles.

    Returns:
      ``[count, tiles]``, read-only: row ``p`` puts tile ``p[i]`` in place ``i``.
    """
    every = np.ascontiguousarray(np.array(list(itertools.permutations(range(tiles))), np.int8).T)
    total = np.zeros(every.shape[1], np.int32)
    nearest = np.full(every.shape[1], tiles, np.int8)
    chosen = [0]
    while len(chosen) < count:
        distance = (every != every[:, chosen[-1], None]).sum(axis=0, dtype=np.int8)
        total += distance
        nearest = np.minimum(nearest, distance)
        rank = np.where(nearest > 0, (tiles + 1) * total + nearest, -1)  # 0: already chosen
        chosen.append(int(rank.argmax()))
    result = np.ascontiguousarray(every[:, chosen].T)
    result.flags.writeable = False
    return result
