"""Language: next words, masked words, and word vectors."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from ssl_jax.losses._shared import check_same_shape, check_shapes, in_float32
from ssl_jax.losses.masked import masked_mean


def causal_lm(
    logits: Float[Array, "n t k"],
    tokens: Int[Array, "n t"],
    *,
    mask: Bool[Array, "n t"] | None = None,
) -> Float[Array, " n"]:
    """Computes next-token prediction: position ``i`` predicts token ``i + 1``.

    ``l = mean over scored i of -log softmax(logits_i)[token_{i+1}]``. The shift happens inside.

    Args:
      logits: ``[n, t, k]`` over ``k`` tokens.
      tokens: ``[n, t]``, the text that the logits were computed from.
      mask: ``[n, t]``, True where a token is a target; None scores all. The first token is never a
        target.

    Returns:
      ``[n]`` in float32 or wider; 0 where no token is scored. The perplexity of a corpus is the
      exponential of the mean weighted by scored tokens, not of the mean of these rows.

    Raises:
      ValueError: if the shapes do not match.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> tokens = jnp.array([[1, 2, 3], [3, 2, 1]])
      >>> logits = jnp.zeros((2, 3, 4))  # uniform over 4 tokens: log(4)
      >>> print(losses.causal_lm(logits, tokens).round(2))
      [1.39 1.39]

    References:
      Radford et al., Improving Language Understanding by Generative Pre-Training, 2018, eq. 1.
    """
    check_shapes(tokens.shape == logits.shape[:2], "tokens [n, t]", tokens=tokens, logits=logits)
    if mask is None:
        mask = jnp.ones(tokens.shape, bool)
    check_same_shape(mask=mask, tokens=tokens)
    return masked_lm(logits[:, :-1], tokens[:, 1:], mask[:, 1:])


def masked_lm(
    logits: Float[Array, "n t k"], tokens: Int[Array, "n t"], mask: Bool[Array, "n t"]
) -> Float[Array, " n"]:
    """Computes BERT's masked language modeling: predict the tokens at the hidden positions.

    ``l = mean over hidden i of -log softmax(logits_i)[token_i]``.

    Args:
      logits: ``[n, t, k]`` over ``k`` tokens, computed from the text with some tokens hidden.
      tokens: ``[n, t]``, the original text.
      mask: ``[n, t]``, True where a token is hidden and scored.

    Returns:
      ``[n]`` in float32 or wider; 0 where nothing is hidden.

    Raises:
      ValueError: if the shapes do not match.

    References:
      Devlin et al., BERT, 2019, section 3.1, https://arxiv.org/abs/1810.04805
    """
    check_shapes(tokens.shape == logits.shape[:2], "tokens [n, t]", tokens=tokens, logits=logits)
    check_same_shape(mask=mask, tokens=tokens)
    (logits,) = in_float32(logits)
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, tokens)
    return masked_mean(losses, mask)


def skip_gram(
    centers: Float[Array, "n d"], contexts: Float[Array, "n d"], negatives: Float[Array, "n m d"]
) -> Float[Array, " n"]:
    """Computes word2vec's skip-gram loss with negative sampling.

    ``l = -log sigmoid(center . context) - sum_m log sigmoid(-center . negative_m)``. A word must
    tell its neighbors from random words.

    Args:
      centers: ``[n, d]``, vectors of the words in the middle.
      contexts: ``[n, d]``, output vectors of words near them.
      negatives: ``[n, m, d]``, output vectors of random words.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes do not match.

    References:
      Mikolov et al., Distributed Representations of Words and Phrases, 2013, eq. 4,
      https://arxiv.org/abs/1310.4546
    """
    check_same_shape(centers=centers, contexts=contexts)
    check_shapes(
        negatives.ndim == 3
        and (negatives.shape[0], negatives.shape[2]) == (centers.shape[0], centers.shape[1]),
        "negatives [n, m, d]",
        centers=centers,
        negatives=negatives,
    )
    center, context, negative = in_float32(centers, contexts, negatives)
    attracted = jnp.sum(center * context, axis=-1)
    repelled = jnp.einsum("nd,nmd->nm", center, negative, precision=jax.lax.Precision.HIGHEST)
    return jax.nn.softplus(-attracted) + jax.nn.softplus(repelled).sum(axis=-1)


def glove(
    dots: Float[Array, " n"],
    bias_i: Float[Array, " n"],
    bias_j: Float[Array, " n"],
    counts: Float[Array, " n"],
    *,
    x_max: float = 100.0,
    alpha: float = 0.75,
) -> Float[Array, " n"]:
    """Computes GloVe's loss: dot products of word vectors fit log co-occurrence counts.

    ``l = min(1, (count / x_max)^alpha) (dot + bias_i + bias_j - log count)^2``, without a factor
    1/2.

    Args:
      dots: ``[n]``, dot products of word and context vectors.
      bias_i: ``[n]``, biases of the words.
      bias_j: ``[n]``, biases of the contexts.
      counts: ``[n]``, at least 0. A count of 0 gives a loss of 0.
      x_max: count from which on the weight is 1.
      alpha: exponent of the weight below ``x_max``.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes differ.

    References:
      Pennington et al., GloVe: Global Vectors for Word Representation, EMNLP 2014, eq. 8 and 9.
    """
    check_same_shape(dots=dots, bias_i=bias_i, bias_j=bias_j, counts=counts)
    dots, bias_i, bias_j, counts = in_float32(dots, bias_i, bias_j, counts)
    positive = counts > 0
    x = jnp.where(positive, counts, 1.0)
    weight = jnp.minimum(1.0, (x / x_max) ** alpha)
    return jnp.where(positive, weight * (dots + bias_i + bias_j - jnp.log(x)) ** 2, 0.0)
