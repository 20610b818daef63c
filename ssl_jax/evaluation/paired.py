"""How sure a difference between two classifiers on the same examples is."""

import numpy as np
from jaxtyping import Array, Bool, Float

Correctness = (
    Bool[Array | np.ndarray, " m"]
    | Float[Array | np.ndarray, " m"]
    | Bool[Array | np.ndarray, "draws m"]
    | Float[Array | np.ndarray, "draws m"]
)


def paired_standard_error(correct_a: Correctness, correct_b: Correctness) -> float:
    """Standard error of the difference between two accuracies measured on the same examples.

    ``sqrt(var_i(mean_r delta_ri) / m + var_r(mean_i delta_ri) / draws)`` with ``delta_ri`` the
    difference on example i in draw r and unbiased variances; without draws, the first term alone.

    The two sources of chance, which test examples and which labelled examples, add in quadrature.
    What is left of the one in the other's variance is counted twice: the result errs on the large
    side.

    Args:
      correct_a: whether (or with what probability, in [0, 1]) each example is right, [m] or
        [draws, m] with at least two draws.
      correct_b: the same examples, and the same draws, under the other classifier.

    Returns:
      The standard error, in the unit of accuracy: 0.01 is one point.

    Raises:
      ValueError: The shapes differ or are neither [m] nor [draws, m], there are fewer than two
        examples or draws, or a value lies outside [0, 1].

    References:
      Miller 2024, Adding Error Bars to Evals (paired differences). The term for the draws is ours.
      https://arxiv.org/abs/2411.00640
    """
    a, b = (np.asarray(correct).astype(np.float64) for correct in (correct_a, correct_b))
    if a.shape != b.shape:
        raise ValueError(f"correct_a has shape {a.shape}, correct_b has shape {b.shape}")
    if a.ndim not in (1, 2) or min(a.shape) < 2:
        raise ValueError(f"expected [m] or [draws, m], each at least 2, got shape {a.shape}")
    for name, values in (("correct_a", a), ("correct_b", b)):
        if not np.all((values >= 0) & (values <= 1)):
            raise ValueError(f"{name} of shape {values.shape} has values outside [0, 1]")
    difference = np.atleast_2d(a - b)
    draws, m = difference.shape
    variance = difference.mean(axis=0).var(ddof=1) / m
    if draws > 1:
        variance += difference.mean(axis=1).var(ddof=1) / draws
    return float(np.sqrt(variance))
