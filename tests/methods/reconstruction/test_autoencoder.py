"""The autoencoder: both losses, the variational code, and what is evaluated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.errors import InputError
from ssl_jax.methods.reconstruction import autoencoder
from tests import tiny
from tests.methods.case import Case

CASE = Case({"code": 4, "variational": True, "decoder": (8,)}, draws_views=False)
MLP = {"name": "mlp", "widths": (8, 6), "activation": "tanh"}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "variational"])
def made(request):
    dataset = tiny.data(channels=3)
    config = tiny.config(name="autoencoder", code=5, variational=request.param)
    config.network.update(MLP)
    config = tiny.resolved(config, dataset)
    method, batch = autoencoder.make(config), tiny.batch(dataset)
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    return method, config, batch, jax.tree.map(lambda x: x + 0.05, params), extra


def linear(layer, x):
    return x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)


def codes(params, config, batch):
    """Returns the mean and the log-variance of the code by NumPy."""
    x = (batch["image"] / 255 - np.array(config.data.mean)) / np.array(config.data.std)
    x = x.reshape(len(x), -1)
    for layer in params["encoder"]["layers"].values():
        x = np.tanh(linear(layer, x))
    spread = linear(params["log_variance"], x) if "log_variance" in params else None
    return linear(params["code"], x), spread


def painted(params, code, shape):
    """Decodes by NumPy."""
    first, second, last = params["decoder"]["layers"].values()
    x = linear(last, np.tanh(linear(second, np.tanh(linear(first, code)))))
    return 1 / (1 + np.exp(-x.reshape(shape)))


def test_loss_is_the_squared_error_or_the_variational_bound(made):
    method, config, batch, params, extra = made
    key = jax.random.key(3)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, (_, metrics) = jax.jit(method.loss)(params, extra, views, key, jnp.int32(0))
    images = batch["image"] / 255
    mean, log_variance = codes(params, config, batch)
    if not config.method.variational:
        error = np.square(painted(params, mean, images.shape) - images)
        np.testing.assert_allclose(value, error.mean(), rtol=1e-5)
        return
    noise = np.asarray(jax.random.normal(key, mean.shape), np.float64)
    z = painted(params, mean + np.exp(log_variance / 2) * noise, images.shape)
    reconstruction = kl = 0.0
    for i in np.ndindex(images.shape):
        reconstruction -= images[i] * np.log(z[i]) + (1 - images[i]) * np.log(1 - z[i])
    for i in np.ndindex(mean.shape):
        variance = np.exp(log_variance[i])
        kl -= (1 + np.log(variance) - mean[i] ** 2 - variance) / 2
    for name, total in (("reconstruction", reconstruction), ("kl", kl)):
        np.testing.assert_allclose(metrics[name], total / tiny.BATCH, rtol=1e-5)
    np.testing.assert_allclose(value, (reconstruction + kl) / tiny.BATCH, rtol=1e-5)


def test_the_divergence_is_the_mean_of_log_q_minus_log_p():
    rng = np.random.default_rng(0)
    mean, log_variance = np.array([[0.7, -1.2]]), np.array([[-0.8, 0.5]])
    deviation = np.exp(log_variance / 2)
    z = mean + deviation * rng.normal(size=(400_000, 2))

    def log_density(z, mean, deviation):
        return (-(((z - mean) / deviation) ** 2) / 2 - np.log(deviation)).sum(-1)

    sampled = log_density(z, mean, deviation) - log_density(z, 0.0, np.ones(2))
    blank = jnp.zeros((1, 2, 2, 1))
    layers = {"logits": blank, "code": jnp.asarray(mean), "log_variance": jnp.asarray(log_variance)}
    error, found = autoencoder.bound(layers, blank)
    np.testing.assert_allclose(found, sampled.mean(), atol=4 * sampled.std() / len(z) ** 0.5)
    np.testing.assert_allclose(error, 4 * np.log(2), rtol=1e-6)
    nothing = {"logits": blank, "code": jnp.zeros((1, 2)), "log_variance": jnp.zeros((1, 2))}
    assert autoencoder.bound(nothing, blank)[1] == 0


def test_the_code_that_is_evaluated_and_painted_is_the_mean(made):
    method, config, batch, params, extra = made
    mean, _ = codes(params, config, batch)
    layers = jax.jit(method.embed)(params, extra, batch)
    assert layers.keys() == {"layer1", "layer2", "features", "code"}
    np.testing.assert_allclose(layers["code"], mean, rtol=1e-4, atol=1e-6)
    original, painting = method.show(params, extra, batch, jax.random.key(0)).values()
    np.testing.assert_allclose(original, batch["image"] / 255, atol=1e-6)
    np.testing.assert_allclose(painting, painted(params, mean, original.shape), rtol=1e-4)
    scores = jax.jit(method.score)(params, extra, batch, jax.random.key(0))
    error = np.square(painting - original).mean((1, 2, 3))
    np.testing.assert_allclose(scores["mse"], error, rtol=1e-4)
    assert scores.keys() - {"nats"} == {"mse", "psnr", "ssim"}


def test_only_the_variational_loss_is_random(made):
    method, config, batch, params, extra = made
    views = method.views(jax.random.key(1), batch)
    loss, score = jax.jit(method.loss), jax.jit(method.score)
    values = [
        float(loss(params, extra, views, jax.random.key(i), jnp.int32(0))[0]) for i in range(2)
    ]
    assert (values[0] != values[1]) == config.method.variational
    scores = [score(params, extra, batch, jax.random.key(i)) for i in range(2)]
    if config.method.variational:
        np.testing.assert_allclose(scores[0]["nats"].mean(), values[0], rtol=1e-5)
        assert np.any(scores[0]["nats"] != scores[1]["nats"])
    else:
        assert "nats" not in scores[0]


def test_a_decoder_that_is_too_short_is_rejected(made):
    config = made[1].copy_and_resolve_references()
    config.network.name = "resnet_small"
    config.method.decoder = ()
    expected = r"^method.decoder: \(\) makes 4 pixels; expected enough widths to double 4 to 8$"
    with pytest.raises(InputError, match=expected):
        autoencoder.make(config)
