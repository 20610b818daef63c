"""Predictions of a fine-tuned run for a folder of images."""

import csv

import jax
import numpy as np
import pytest
from PIL import Image

from ssl_jax.errors import InputError
from ssl_jax.export.predictions import write_predictions
from ssl_jax.methods import make
from ssl_jax.runs.run import Run
from tests import tiny


@pytest.fixture(scope="module", autouse=True)
def _small_networks():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield


def run_of(name: str, **settings) -> Run:
    data = tiny.data()._replace(label_names=("left", "middle", "right"))
    config = tiny.resolved(tiny.config(**{"name": name} | settings), data, 8)
    method = make(config)
    params, extra = method.init(jax.random.key(0), {})
    return Run(config, method, params, extra, 4)


@pytest.fixture(scope="module")
def run():
    return run_of("finetune")


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "new" / "b"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(11):
        pixels = rng.integers(0, 255, (tiny.SIDE, tiny.SIDE), np.uint8)
        Image.fromarray(pixels).save(images / f"{number:02}.png")
    (images.parent / "a.png").write_bytes(b"not an image")
    return images.parent


def test_each_readable_image_gets_its_most_likely_class(run, folder, tmp_path):
    output = tmp_path / "p.csv"
    write_predictions(run, f"folder:{folder}", output)
    rows = list(csv.reader(output.read_text().splitlines()))
    assert rows[0] == ["name", "class", "probability"]
    names = [f"b/{number:02}.png" for number in range(11)]
    assert [row[0] for row in rows[1:]] == names
    images = np.stack([np.asarray(Image.open(folder / name)) for name in names])
    probabilities = run.predict(images)
    np.testing.assert_allclose(probabilities.sum(-1), np.ones(11), rtol=1e-5)
    classes = np.array(run.config.method.classes)[probabilities.argmax(-1)]
    assert [row[1] for row in rows[1:]] == classes.tolist()
    written = np.array([float(row[2]) for row in rows[1:]])
    np.testing.assert_allclose(written, probabilities.max(-1), atol=1e-4)
    assert "a.png" in (tmp_path / "p.csv.unreadable.json").read_text()


def test_a_run_that_does_not_classify_is_refused(folder, tmp_path):
    pretrained = run_of("rotation", area=(0.5, 1.0))
    with pytest.raises(InputError, match="rotation does not classify; expected a fine-tuned run"):
        write_predictions(pretrained, f"folder:{folder}", tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


def test_a_folder_without_readable_images_is_refused(run, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.png").write_bytes(b"not an image")
    with pytest.raises(InputError, match="holds no readable example"):
        write_predictions(run, f"folder:{tmp_path}/new", tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()
