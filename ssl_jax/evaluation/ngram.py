"""Unigram and bigram models: the baselines of a language model.

Both predict tokens 1 to t - 1 of every window of t tokens, as `losses.causal_lm` does.
"""

import numpy as np
from jaxtyping import Array, Int

_DISCOUNT_IF_NONE_OCCURS_ONCE = 0.5


def unigram(
    train_tokens: Int[Array | np.ndarray, "n t"],
    test_tokens: Int[Array | np.ndarray, "m u"],
    vocabulary: int,
) -> float:
    """Returns the cross-entropy of a unigram model with additive smoothing.

    It is what token frequencies alone predict: each count is increased by one.

    ``p(w) = (c(w) + 1) / (sum_w' c(w') + vocabulary)``.

    Args:
      train_tokens: windows [n, t]; all tokens are counted.
      test_tokens: windows [m, u]; all tokens but the first of each window are predicted.
      vocabulary: number of different tokens.

    Returns:
      Nats per predicted token.

    Raises:
      ValueError: tokens are out of range, or are not windows of two or more.

    References:
      Chen & Goodman 1999, An Empirical Study of Smoothing Techniques for Language Modeling,
      Computer Speech & Language 13, section on additive smoothing (Laplace).
    """
    train, test = _checked(train_tokens, vocabulary), _checked(test_tokens, vocabulary)
    counts = np.bincount(train.ravel(), minlength=vocabulary) + 1
    return float(-np.log(counts[test[:, 1:]] / counts.sum()).mean())


def kneser_ney_bigram(
    train_tokens: Int[Array | np.ndarray, "n t"],
    test_tokens: Int[Array | np.ndarray, "m u"],
    vocabulary: int,
) -> float:
    """Returns the cross-entropy of a bigram model with interpolated Kneser-Ney smoothing.

    The previous token predicts the next one. A fixed discount is taken from the count of each
    observed pair and shared among all tokens, in proportion to how many different tokens precede
    them.

    ``p(w | v) = max(c(v, w) - D, 0) / c(v) + D N(v, .) / c(v) q(w)`` with the continuations
    ``q(w) = max(N(., w) - D, 0) / N(., .) + D |{w: N(., w) > 0}| / N(., .) / vocabulary``. Here
    c(v, w) counts pairs inside the windows, c(v) is its sum over w, and N counts different pairs.
    ``D = n1 / (n1 + 2 n2)``, where n1 pairs occur once and n2 twice; D is 1/2 if no pair occurs
    once. If no pair begins with v, p is q.

    Args:
      train_tokens: windows [n, t]; the pairs in each are counted.
      test_tokens: windows [m, u]; all tokens but the first of each window are predicted.
      vocabulary: number of different tokens.

    Returns:
      Nats per predicted token, always finite.

    Raises:
      ValueError: tokens are out of range, or are not windows of two or more.

    References:
      Ney, Essen & Kneser 1994, On Structuring Probabilistic Dependences in Stochastic Language
      Modelling, Computer Speech & Language 8: the discount.
      Chen & Goodman 1999, An Empirical Study of Smoothing Techniques for Language Modeling,
      Computer Speech & Language 13, section on Kneser-Ney smoothing.
    """
    train, test = _checked(train_tokens, vocabulary), _checked(test_tokens, vocabulary)
    pairs, counts = np.unique(_pairs(train, vocabulary), return_counts=True)
    once, twice = np.sum(counts == 1), np.sum(counts == 2)
    discount = once / (once + 2 * twice) if once else _DISCOUNT_IF_NONE_OCCURS_ONCE
    firsts, seconds = np.divmod(pairs, vocabulary)
    total = np.bincount(firsts, weights=counts, minlength=vocabulary)
    different = np.bincount(firsts, minlength=vocabulary)
    before = np.bincount(seconds, minlength=vocabulary)
    uniform = discount * np.count_nonzero(before) / vocabulary
    continuation = (np.maximum(before - discount, 0) + uniform) / len(pairs)

    test_pairs = _pairs(test, vocabulary)
    index = np.minimum(np.searchsorted(pairs, test_pairs), len(pairs) - 1)
    discounted = np.where(pairs[index] == test_pairs, counts[index] - discount, 0)
    v, w = np.divmod(test_pairs, vocabulary)
    backoff = discount * different[v] * continuation[w]
    p = np.where(total[v] > 0, (discounted + backoff) / np.maximum(total[v], 1), continuation[w])
    return float(-np.log(p).mean())


def _checked(tokens: Array | np.ndarray, vocabulary: int) -> np.ndarray:
    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or len(tokens) == 0 or tokens.shape[1] < 2:
        raise ValueError(f"tokens must be [n, t] with n >= 1 and t >= 2, got shape {tokens.shape}")
    if tokens.min() < 0 or tokens.max() >= vocabulary:
        raise ValueError(
            f"tokens from {tokens.min()} to {tokens.max()} must be from 0 to {vocabulary - 1}"
        )
    return tokens.astype(np.int64)


def _pairs(tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """Encodes each token and its successor in the window as one number."""
    return (tokens[:, :-1] * vocabulary + tokens[:, 1:]).ravel()
