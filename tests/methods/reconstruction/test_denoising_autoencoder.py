"""The denoising autoencoder: its noise, its losses, tied weights, and what it paints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.errors import InputError
from ssl_jax.methods.reconstruction import denoising_autoencoder
from ssl_jax.methods.reconstruction.noise import NOISE
from tests import tiny
from tests.methods.case import MLP, Case

CASE = Case({"tied": True}, network=MLP)


def make(network=MLP, channels=3, **changes):
    dataset = tiny.data(channels=channels)
    config = tiny.config(name="denoising_autoencoder", **changes)
    config.network.update(network)
    config = tiny.resolved(config, dataset)
    return denoising_autoencoder.make(config), config, tiny.batch(dataset)


def started(**changes):
    method, config, batch = make(**changes)
    params, extra = method.init(jax.random.key(0), batch)
    return method, config, batch, jax.tree.map(lambda x: x + 0.1, params), extra


def noisy(kind, image, level, count=300):
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(lambda key: NOISE[kind](key, image, level))(keys))


GRAY = jnp.full((6, 5, 3), 0.5)


@pytest.mark.parametrize("kind", ["masking", "salt_and_pepper"])
@pytest.mark.parametrize(("level", "count"), [(0.0, 0), (0.1, 9), (0.25, 22), (1.0, 90)])
def test_exactly_a_share_of_the_components_is_destroyed_anywhere(kind, level, count):
    found = noisy(kind, GRAY, level)
    destroyed = found != 0.5
    np.testing.assert_array_equal(destroyed.sum((1, 2, 3)), count)
    deviation = np.sqrt(level * (1 - level) / len(found))
    np.testing.assert_allclose(destroyed.mean(0), count / 90, atol=5 * deviation)
    values = found[destroyed]
    if kind == "masking":
        assert (values == 0).all()
    elif count:
        assert set(values) == {0, 1}
        np.testing.assert_allclose(values.mean(), 0.5, atol=3 * 0.5 / np.sqrt(values.size))


def test_gaussian_noise_has_its_deviation_and_is_not_clipped():
    added = noisy("gaussian", GRAY, 0.4) - 0.5
    assert added.min() < -0.5
    assert added.max() > 0.5
    np.testing.assert_allclose(added.std(), 0.4, rtol=0.02)
    np.testing.assert_allclose(added.mean(), 0, atol=0.01)
    correlations = np.corrcoef(added.reshape(len(added), -1).T)[np.triu_indices(90, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(len(added))
    np.testing.assert_array_equal(noisy("gaussian", GRAY, 0.0), 0.5)


def test_views_are_the_images_with_and_without_noise():
    method, _, batch = make(level=0.5)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    np.testing.assert_allclose(views["target"][0], batch["image"] / 255, atol=1e-6)
    destroyed = np.asarray(views["image"][0] != views["target"][0])
    assert 0.4 < destroyed.mean() <= 0.5
    assert (np.asarray(views["image"][0])[destroyed] == 0).all()
    assert len(np.unique(destroyed, axis=0)) == tiny.BATCH


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def painted(params, config, images):
    """Encodes and decodes images in [0, 1] by NumPy, with tied weights."""
    layers = params["encoder"]["layers"]
    x = (images - np.array(config.data.mean)) / np.array(config.data.std)
    x = x.reshape(len(images), -1)
    for i in "012":
        x = sigmoid(x @ np.asarray(layers[i]["kernel"], np.float64) + layers[i]["bias"])
    for i in "210":
        kernel = np.asarray(layers[i]["kernel"], np.float64)
        x = sigmoid(x @ kernel.T + params["decoder"]["biases"][i])
    return x.reshape(images.shape)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_loss_compares_the_painting_of_the_noisy_image_with_the_clean_one(loss):
    method, config, batch, params, extra = started(tied=True, loss=loss)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, _ = jax.jit(method.loss)(params, extra, views, jax.random.key(2), jnp.int32(0))
    clean, z = (
        np.asarray(views["target"][0]),
        painted(params, config, np.asarray(views["image"][0])),
    )
    total = 0.0
    for i in np.ndindex(clean.shape):
        if loss == "cross_entropy":
            total -= clean[i] * np.log(z[i]) + (1 - clean[i]) * np.log(1 - z[i])
        else:
            total += (clean[i] - z[i]) ** 2
    np.testing.assert_allclose(value, total / clean.size, rtol=1e-5)


def test_scores_and_pictures_are_those_of_the_painting_and_of_the_noisy_image():
    method, config, batch, params, extra = started(tied=True, noise="gaussian", level=0.3)
    shown = method.show(params, extra, batch, jax.random.key(5))
    clean, noisy_images, painting = map(np.asarray, shown.values())
    np.testing.assert_allclose(clean, batch["image"] / 255, atol=1e-6)
    np.testing.assert_allclose((noisy_images - clean).std(), 0.3, rtol=0.1)
    np.testing.assert_allclose(painting, painted(params, config, noisy_images), atol=1e-4)
    scores = method.score(params, extra, batch, jax.random.key(5))
    expected = ((painting - clean) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(scores["mse"], expected, rtol=1e-4)
    expected = ((np.clip(noisy_images, 0, 1) - clean) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(scores["mse_noisy"], expected, rtol=1e-4)
    assert {"psnr", "psnr_noisy", "ssim", "ssim_noisy"} < scores.keys()


def test_features_are_those_of_the_clean_image():
    method, config, batch, params, extra = started(tied=True, level=1.0)
    layers = method.embed(params, extra, batch)
    assert layers.keys() == {"layer1", "layer2", "layer3", "features"}
    assert np.std(layers["features"], axis=0).max() > 1e-4
    x = (batch["image"] / 255 - np.array(config.data.mean)) / np.array(config.data.std)
    first = params["encoder"]["layers"]["0"]
    expected = sigmoid(x.reshape(len(x), -1) @ np.asarray(first["kernel"]) + first["bias"])
    np.testing.assert_allclose(layers["layer1"], expected, rtol=1e-4)


@pytest.mark.parametrize("network", [MLP, {"name": "resnet_small"}, {"name": "vit_nano"}])
def test_without_tied_weights_any_network_has_a_decoder_of_its_own(network):
    method, _, batch, params, extra = started(
        network=network | {"patch_size": 2}, decoder=(8,), channels=1
    )
    shown = method.show(params, extra, batch, jax.random.key(0))
    assert {x.shape for x in shown.values()} == {batch["image"].shape}
    if network is MLP:
        kernels = [layer["kernel"].shape for layer in params["decoder"]["layers"].values()]
        assert kernels == [(4, 6), (6, 8), (8, 64)]


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        ("resnet_small", {"tied": True}, r"^method.tied: True, but resnet_small is not an MLP; "),
        ("resnet_small", {"decoder": (8,)}, r"^method.decoder: \(8,\) makes 8 pixels; .* 4 to 12$"),
    ],
)
def test_configs_that_cannot_be_decoded_are_rejected(network, changes, message):
    config = make()[1].copy_and_resolve_references()
    config.network.name = network
    config.data.image_size = 12
    config.method.update(changes)
    with pytest.raises(InputError, match=message):
        denoising_autoencoder.make(config)
