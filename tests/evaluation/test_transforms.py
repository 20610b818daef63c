"""Transforms use the statistics of the training set only."""

import numpy as np

from ssl_jax.evaluation.transforms import TRANSFORMS, centered, raw, standardized

TRAIN = np.random.default_rng(0).normal(3, 2, (300, 6)).astype(np.float32)
TEST = np.random.default_rng(1).normal(5, 1, (10, 6)).astype(np.float32)


def test_each_is_what_its_name_says():
    mean, std = TRAIN.mean(0), TRAIN.std(0)
    for transform, expected in (
        (raw, lambda z: z),
        (centered, lambda z: z - mean),
        (standardized, lambda z: (z - mean) / std),
    ):
        transformed = transform(TRAIN)
        for z in (TRAIN, TEST):
            found = transformed(z)
            np.testing.assert_allclose(found, expected(z), rtol=1e-5, atol=1e-5)
            assert found.dtype == np.float32


def test_a_constant_feature_becomes_zero():
    train, test = (np.hstack([z, np.full((len(z), 1), 0.1, np.float32)]) for z in (TRAIN, TEST))
    transformed = standardized(train)
    for z in (train, test):
        assert (transformed(z)[:, -1] == 0).all()


def test_the_index_goes_from_the_least_to_the_most_change():
    """``vote.read`` and ``vote.write`` count the steps."""
    assert list(TRANSFORMS) == ["raw", "centered", "standardized"]
