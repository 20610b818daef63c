"""More contrastive losses, and two margins, re-derived with plain loops in float64."""

import math

import numpy as np

from tests.references.contrastive import cosines, negative_log_softmax


def softplus(x):
    """log(1 + exp(x)), which is also -log sigmoid(-x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def log_sum_exp(logits):
    largest = max(logits)
    return largest + math.log(sum(math.exp(logit - largest) for logit in logits))


def decoupled_nt_xent(z1, z2, *, temperature=0.1):
    """Yeh et al. (2022): NT-Xent without the positive in the denominator; rows z1 then z2."""
    n = len(z1)
    z = np.concatenate([z1, z2])
    similarities = cosines(z, z) / temperature
    out = []
    for i in range(2 * n):
        positive = (i + n) % (2 * n)
        negatives = [similarities[i, k] for k in range(2 * n) if k not in (i, positive)]
        out.append(log_sum_exp(negatives) - similarities[i, positive])
    return np.array(out)


def queue_info_nce(queries, keys, queue, *, temperature=0.2):
    """He et al. (2020), equation 1: a query's own key against the queue."""
    own, others = cosines(queries, keys) / temperature, cosines(queries, queue) / temperature
    return np.array([negative_log_softmax([own[i, i], *others[i]], 0) for i in range(len(queries))])


def nce(data_scores, noise_scores, data_log_q, noise_log_q):
    """Gutmann and Hyvärinen (2010): data or one of m noise samples? Both are classified."""
    data_scores, noise_scores, data_log_q, noise_log_q = (
        np.asarray(x, np.float64) for x in (data_scores, noise_scores, data_log_q, noise_log_q)
    )
    n, m = noise_scores.shape
    out = []
    for i in range(n):
        loss = softplus(-(data_scores[i] - data_log_q[i] - math.log(m)))
        for j in range(m):
            loss += softplus(noise_scores[i, j] - noise_log_q[i, j] - math.log(m))
        out.append(loss)
    return np.array(out)


def supcon(z, labels, *, temperature=0.1):
    """Khosla et al. (2020), equation 2 (L_out); 0 for an anchor without a positive."""
    similarities = cosines(z, z) / temperature
    n = len(similarities)
    out = []
    for i in range(n):
        others = [k for k in range(n) if k != i]
        logits = [similarities[i, k] for k in others]
        losses = [
            negative_log_softmax(logits, position)
            for position, k in enumerate(others)
            if labels[k] == labels[i]
        ]
        out.append(sum(losses) / len(losses) if losses else 0.0)
    return np.array(out)


def triplet(anchors, positives, negatives, *, margin=1.0):
    """Schroff et al. (2015), with distances that are not squared and inputs as they come."""
    out = []
    for a, p, n in zip(anchors, positives, negatives, strict=True):
        to_positive = math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, p, strict=True)))
        to_negative = math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, n, strict=True)))
        out.append(max(to_positive - to_negative + margin, 0.0))
    return np.array(out)


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
    """Zhai et al. (2023), algorithm 1: every pair classified by itself; a row's sum."""
    logits = cosines(image_z, text_z) * logit_scale + logit_bias
    out = []
    for i in range(len(logits)):
        out.append(sum(softplus(-x if i == j else x) for j, x in enumerate(logits[i])))
    return np.array(out)
