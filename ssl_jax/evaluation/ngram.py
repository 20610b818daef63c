"""What counting words and pairs of words predicts: the bar for a language model.

Both predict tokens 1 to t - 1 of every window from those before in it, as `losses.causal_lm` does.
"""

import numpy as np
from jaxtyping import Array, Int

_DISCOUNT_IF_NONE_OCCURS_ONCE = 0.5


def unigram(
    train_tokens: Int[Array | np.ndarray, "n t"],
    test_tokens: Int[Array | np.ndarray, "m u"],
    vocabulary: int,
) -> float:
    """Cross-entropy of the frequencies of tokens, one added to every count.

    ``p(w) = (c(w) + 1) / (sum_w' c(w') + vocabulary)``.

    Args:
      train_tokens: [n, t], all of which are counted.
      test_tokens: [m, u], of which all but each first are predicted.
      vocabulary: how many tokens there are.

    Returns:
      Nats per predicted token.

    Raises:
      ValueError: the tokens are no windows of two or more, or out of range.

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
    """Cross-entropy of pairs of tokens, by interpolated Kneser-Ney smoothing.

    ``p(w | v) = max(c(v, w) - D, 0) / c(v) + D N(v, .) / c(v) q(w)`` with the continuations
    ``q(w) = max(N(., w) - D, 0) / N(., .) + D |{w: N(., w) > 0}| / N(., .) / vocabulary``. Here
    c(v, w) counts pairs inside the windows, c(v) is their sum over w, and N counts the different
    pairs. ``D = n1 / (n1 + 2 n2)``, where n1 and n2 pairs occur once and twice; 1/2 if none occurs
    once. After a v that begins no pair, p is q.

    Args:
      train_tokens: [n, t], whose pairs are counted.
      test_tokens: [m, u], of which all but each first are predicted.
      vocabulary: how many tokens there are.

    Returns:
      Nats per predicted token; finite, whatever the tokens.

    Raises:
      ValueError: the tokens are no windows of two or more, or out of range.

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

    asked = _pairs(test, vocabulary)
    place = np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)
    seen = np.where(pairs[place] == asked, counts[place] - discount, 0)
    v, w = np.divmod(asked, vocabulary)
    rest = discount * different[v] * continuation[w]
    p = np.where(total[v] > 0, (seen + rest) / np.maximum(total[v], 1), continuation[w])
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
    """Each token and the next in its window as one number."""
    return (tokens[:, :-1] * vocabulary + tokens[:, 1:]).ravel()
