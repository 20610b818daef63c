"""N-gram language models from the papers' formulas, with dictionaries and loops."""

import math
from collections import Counter
from itertools import pairwise


def nats(probability, windows):
    """Returns the mean of -log p(token | previous token) over tokens 1 to t - 1 of the windows."""
    losses = [-math.log(probability(v, w)) for row in windows for v, w in pairwise(row)]
    return sum(losses) / len(losses)


def unigram(train, vocabulary):
    """Laplace: adds one to each count."""
    counts = Counter(token for row in train for token in row)
    return lambda _, w: (counts[w] + 1) / (sum(counts.values()) + vocabulary)


def kneser_ney(train, vocabulary):
    """Chen & Goodman (1999): interpolated; the discount of Ney et al. (1994) in both orders."""
    c = Counter((v, w) for row in train for v, w in pairwise(row))
    n1 = sum(1 for count in c.values() if count == 1)
    n2 = sum(1 for count in c.values() if count == 2)
    d = n1 / (n1 + 2 * n2)

    def continuation(w):
        contexts = len([1 for _, b in c if b == w])
        words = len({b for _, b in c})
        return max(contexts - d, 0) / len(c) + d * words / len(c) / vocabulary

    def probability(v, w):
        followed = sum(count for (a, _), count in c.items() if a == v)
        if followed == 0:
            return continuation(w)
        followers = len([1 for a, _ in c if a == v])
        discounted = max(c[v, w] - d, 0) / followed
        return discounted + d * followers / followed * continuation(w)

    return probability
