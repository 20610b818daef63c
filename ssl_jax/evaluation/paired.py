"""The standard error of the difference between two classifiers on the same examples."""

import numpy as np
from jaxtyping import Array, Bool, Float

Correctness = (
    Bool[Array | np.ndarray, " m"]
    | Float[Array | np.ndarray, " m"]
    | Bool[Array | np.ndarray, "draws m"]
    | Float[Array | np.ndarray, "draws m"]
)


def paired_standard_error(correct_a: Correctness, correct_b: Correctness) -> float:
    """Returns the standard error of the difference between two accuracies on the same examples.

    Two classifiers agree on most examples, and only those on which they differ add uncertainty.

    ``sqrt(var_i(mean_r delta_ri) / m + var_r(mean_i delta_ri) / draws)``, where ``delta_ri`` is the
    difference on example i in draw r and variances are unbiased. Without draws, the second term is
    absent.

    There are two sources of chance, the choice of test examples and the choice of labeled examples,
    and their variances are added. Each variance also contains a remainder of the other source,
    which is counted twice, so the result is rather too large than too small.

    Args:
      correct_a: whether (or with what probability, in [0, 1]) each example is classified
        correctly: [m], or [draws, m] with at least two draws.
      correct_b: the same of the other classifier, on the same examples and draws.

    Returns:
      The standard error, on the scale of accuracy: 0.01 is one percentage point.

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
