"""Images with other than one or three channels, such as those of satellites and microscopes."""

import jax
import numpy as np
import pytest

import ssl_jax
from ssl_jax import data, methods
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.errors import InputError
from ssl_jax.methods import METHODS
from tests import tiny
from tests.methods.case import case_of, config_of

CHANNELS = 5
IMAGE_METHODS = sorted(
    name for name in METHODS if case_of(name).data().facts["modality"] == "image"
)
NEED_COLORS = {"colorization"}


def made(name, channels=CHANNELS):
    dataset = tiny.data(channels=channels)
    config = config_of(name, dataset)
    return METHODS[name](config), config, tiny.batch(dataset)


@pytest.mark.parametrize("name", IMAGE_METHODS)
@pytest.mark.parametrize("channels", [2, CHANNELS])
def test_a_method_trains_on_any_channels_or_says_that_it_needs_colors(name, channels):
    if name in NEED_COLORS:
        with pytest.raises(InputError, match=r"data\.channels"):
            made(name, channels)
        return
    method, _, batch = made(name, channels)
    batch = {key: x for key, x in batch.items() if method.inputs is None or key in method.inputs}
    shapes = batch_like({key: x[0] for key, x in batch.items()}, tiny.BATCH)
    key = jax.random.key(0)
    init = jax.eval_shape(method.init, key, shapes)
    views = jax.eval_shape(method.views, key, shapes)
    loss, _ = jax.eval_shape(lambda *args: method.loss(*args)[:2], *init, views, key, 0)
    assert loss.shape == (tiny.BATCH,) or loss.shape == ()


@pytest.mark.parametrize("name", ["simclr", "byol", "dino", "moco"])
def test_views_keep_the_values_of_each_channel(name):
    """Crops and blur of an even image change nothing; color jitter and solarize would."""
    method, _, batch = made(name)
    levels = np.array([10, 60, 110, 160, 210], np.uint8)
    batch = {"image": np.broadcast_to(levels, batch["image"].shape)}
    views = jax.jit(method.views)(jax.random.key(0), batch)
    for view in jax.tree.leaves(views):
        if view.ndim == 5:
            expected = np.broadcast_to(levels / 255, view.shape)
            np.testing.assert_allclose(view, expected, atol=1e-5)


@pytest.mark.parametrize("name", [pytest.param("mae", marks=pytest.mark.slow), "autoencoder"])
def test_training_steps_are_made(name):
    method, config, batch = made(name)
    losses = [row["loss"] for row in tiny.rows(method, config, batch)]
    assert np.all(np.isfinite(losses))


def test_a_run_on_arrays_with_five_channels_ends_with_a_page(tmp_path, monkeypatch):
    tiny.small_networks(monkeypatch)
    dataset = tiny.data(channels=CHANNELS)
    columns = {"images": dataset.train.columns, "test_images": dataset.test.columns}
    arrays = {name: np.uint16(3) * column["image"] for name, column in columns.items()}
    labels = {"labels": dataset.train.labels, "test_labels": dataset.test.labels}
    np.savez(tmp_path / "bands.npz", **arrays, **labels)
    loaded = data.load({"name": f"npz:{tmp_path}/bands.npz"})
    config = tiny.config(name="simclr", projector=(8,))
    config.evaluation.train_examples = 30
    run = ssl_jax.fit(methods.make, loaded, config, workdir=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "the report shows the first three of 5 channels" in page
    assert "What the method sees" in page
    assert "First filters" in page

    images = arrays["test_images"]
    again = ssl_jax.load(tmp_path / "run").embed
    np.testing.assert_allclose(again(images), run.embed(images), atol=1e-5)
    with pytest.raises(InputError, match=r"expected images \[n, h, w, 5\]"):
        run.embed(images[..., :3])


def test_randaugment_needs_colors():
    dataset = tiny.data(channels=CHANNELS)
    config = config_of("finetune", dataset)
    with config.unlocked():
        config.method.augment.name = "randaugment"
    with pytest.raises(InputError, match=r"method\.augment\.name: randaugment changes colors"):
        METHODS["finetune"](config)
