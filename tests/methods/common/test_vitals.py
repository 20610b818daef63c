"""Vital signs compared with NumPy and with known values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.methods.common import vitals


def test_embeddings_spread_over_the_sphere_or_at_one_point():
    z = jax.random.normal(jax.random.key(0), (4000, 32))
    signs = vitals.of_embeddings(z)
    np.testing.assert_allclose(signs["embedding_std"], 1 / np.sqrt(32), rtol=0.02)
    assert signs["embedding_rank"] > 30
    assert signs["embedding_size"] == 32
    point = vitals.of_embeddings(jnp.tile(z[:1], (100, 1)) * jnp.arange(1.0, 101)[:, None])
    assert point["embedding_std"] < 1e-6


@pytest.mark.parametrize("shape", [(64, 8), (8, 64), (400, 16)])
def test_rank_is_the_participation_ratio_of_the_covariance_eigenvalues(shape):
    z = np.random.default_rng(0).normal(size=shape) @ np.diag(np.geomspace(1, 0.05, shape[1]))
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvalsh(np.cov(unit.T))
    signs = vitals.of_embeddings(jnp.asarray(z, jnp.float32))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    np.testing.assert_allclose(signs["embedding_rank"], expected, rtol=1e-4)
    np.testing.assert_allclose(signs["embedding_std"], unit.std(axis=0).mean(), rtol=1e-5)


def test_embeddings_on_a_line_have_rank_1():
    z = jnp.ones((50, 8)) + jnp.linspace(-0.1, 0.1, 50)[:, None] * jnp.eye(8)[0]
    np.testing.assert_allclose(vitals.of_embeddings(z)["embedding_rank"], 1, rtol=0.01)


def test_vitals_have_no_gradient():
    z = jax.random.normal(jax.random.key(0), (6, 4))
    assert not np.any(jax.grad(lambda z: sum(vitals.of_embeddings(z).values()))(z))
    p = jax.nn.softmax(z)
    assert not np.any(jax.grad(lambda p: sum(vitals.of_prototypes(p).values()))(p))


def test_vitals_of_zero_embeddings_are_finite():
    signs = vitals.of_embeddings(jnp.zeros((6, 4)))
    assert np.isfinite(list(map(float, signs.values()))).all()


def test_prototypes_chosen_uniformly_or_one_each():
    uniform = vitals.of_prototypes(jnp.full((10, 16), 1 / 16))
    np.testing.assert_allclose(uniform["target_entropy"], np.log(16), rtol=1e-6)
    np.testing.assert_allclose(uniform["prototypes_used"], 16, rtol=1e-5)
    one_each = vitals.of_prototypes(jnp.eye(16)[:4])
    assert one_each["target_entropy"] == 0
    np.testing.assert_allclose(one_each["prototypes_used"], 4, rtol=1e-5)
    assert vitals.of_choice(4)["chance_loss"] == np.float32(np.log(4))


def test_chance_loss_of_an_event_is_its_entropy():
    assert vitals.of_event(0.5)["chance_loss"] == np.float32(np.log(2))
    answers = np.array([1, 0, 0, 0])
    loss = -np.log(np.where(answers, 0.25, 0.75)).mean()
    np.testing.assert_allclose(vitals.of_event(0.25)["chance_loss"], loss, rtol=1e-6)
