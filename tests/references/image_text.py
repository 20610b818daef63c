"""Losses between images and texts re-derived with plain loops in float64."""

import numpy as np

from tests.references.arrays import cosines, negative_log_softmax, softplus


def clip(image_z, text_z, *, logit_scale):
    """Radford et al. (2021), figure 3: the mean of both directions."""
    logits = cosines(image_z, text_z) * logit_scale
    out = []
    for i in range(len(logits)):
        text_of_image = negative_log_softmax(list(logits[i]), i)
        image_of_text = negative_log_softmax(list(logits[:, i]), i)
        out.append((text_of_image + image_of_text) / 2)
    return np.array(out)


def sigmoid_pairwise(image_z, text_z, *, logit_scale, logit_bias):
    """Zhai et al. (2023), algorithm 1: each pair is classified on its own; returns row sums."""
    logits = cosines(image_z, text_z) * logit_scale + logit_bias
    out = []
    for i in range(len(logits)):
        out.append(sum(softplus(-x if i == j else x) for j, x in enumerate(logits[i])))
    return np.array(out)
