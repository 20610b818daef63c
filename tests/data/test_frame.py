"""Pictures that are stored whole: what training and evaluation see of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ssl_jax import augment, data
from ssl_jax.augment.geometry import center_crop
from ssl_jax.data import listing
from ssl_jax.data.arrays import fit_images
from ssl_jax.data.dataset import gather
from ssl_jax.data.frame import Frame
from ssl_jax.data.streams import labeled, training_source
from ssl_jax.errors import InputError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def flags(width=400, height=100):
    """A picture with a red left quarter, a blue right quarter, and green between them."""
    image = Image.new("RGB", (width, height), GREEN)
    image.paste(RED, (0, 0, width // 4, height))
    image.paste(BLUE, (width - width // 4, 0, width, height))
    return image


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 6), ("test", 3)):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(count):
                flags().save(tmp_path / split / label / f"{i}.png")
    return tmp_path


def load(folder, **options):
    options = {"image_size": 8, "stored_size": 32} | options
    return data.load({"name": f"folder:{folder}", **options})


@pytest.mark.parametrize("cache_mib", [0, 100])
def test_training_has_whole_pictures_and_evaluation_their_centers(folder, cache_mib):
    loaded = load(folder, cache_mib=cache_mib)
    assert loaded.facts["image_size"] == 8
    example = loaded.pretrain[0]
    assert example["image"].shape == (32, 32, 3)
    assert example["aspect"].shape == ()
    assert example["aspect"] == 4
    assert tuple(example["image"][5, 3]) == RED
    assert tuple(example["image"][5, -3]) == BLUE
    for source in (loaded.train, loaded.test):
        assert "aspect" not in source[0]
        assert (source[0]["image"] == np.broadcast_to(GREEN, (8, 8, 3))).all()
        assert gather(source, np.arange(3))["label"].tolist() == [0, 0, 0]


def test_random_views_show_both_ends_of_a_wide_picture(folder):
    loaded = load(folder)
    batch = gather(training_source(loaded, None), np.arange(12))
    assert batch.keys() == {"image", "aspect"}
    view = augment.recipes.crop_and_flip(size=8, area=(0.08, 1.0))
    keys = jax.random.split(jax.random.key(0), 12)

    def seen(function):
        images = jax.vmap(lambda k, x, a: function(k, x / 255, picture_aspect=a))(
            keys, jnp.float32(batch["image"]), batch["aspect"]
        )
        pixels = np.asarray(images).reshape(-1, 3)
        return {tuple(c) for c in (RED, BLUE) if (np.abs(pixels * 255 - c) < 1).all(-1).any()}

    assert seen(view) == {RED, BLUE}
    assert seen(
        lambda k, x, picture_aspect: augment.random_square(
            k, x, size=8, picture_aspect=picture_aspect
        )
    ) == {RED, BLUE}


@pytest.mark.parametrize("size", [(400, 100), (90, 300), (123, 77), (64, 64)])
@pytest.mark.parametrize("share", [1.0, 0.875])
def test_the_center_has_its_true_shape(size, share):
    """It is what cropping the picture itself gives, but for the resolution of the store."""
    x, y = np.meshgrid(np.linspace(0, 8, size[0]), np.linspace(0, 8, size[1]))
    picture = Image.fromarray(np.uint8(127 + 120 * np.sin(x) * np.cos(y)))
    frame = Frame(32, 1, 128, share)
    stored = frame.fit(picture)
    np.testing.assert_allclose(stored["aspect"], size[0] / size[1])
    center = frame.center(stored)["image"]
    side = share * min(size)
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    box = (left, top, left + side, top + side)
    exact = picture.resize((32, 32), Image.Resampling.BILINEAR, box=box)
    np.testing.assert_allclose(center[..., 0], np.float32(exact), atol=6)
    on_device = center_crop(
        jnp.float32(stored["image"]) / 255,
        size=32,
        share=share,
        picture_aspect=float(stored["aspect"]),
    )
    np.testing.assert_allclose(255 * on_device, center, atol=1)


def test_a_square_picture_of_the_stored_size_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    frame = Frame(16, 3, 16)
    np.testing.assert_array_equal(frame.center(frame.fit(Image.fromarray(pixels)))["image"], pixels)


def test_the_user_s_images_are_seen_as_those_of_the_run(folder):
    """``Run.embed`` and listing by name give what evaluation sees."""
    config = {"image_size": 8, "channels": 3, "stored_size": 32, "center_crop": 0.5}
    evaluated = load(folder, center_crop=0.5).train[0]["image"]
    picture = np.asarray(flags())
    np.testing.assert_array_equal(fit_images(picture[None], config)[0], evaluated)
    listed = listing.open_named(f"folder:{folder}", Config(config), {})
    np.testing.assert_array_equal(listed.source[0]["image"], evaluated)


class Config(dict):
    """A config block: keys are attributes too."""

    modality = "image"
    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("options", [{}, {"labels": 2}, {"holdout": 4}, {"cache_mib": 0}])
def test_fine_tuning_crops_from_the_whole_picture(folder, options):
    loaded = labeled(load(folder, **options))
    batch = gather(training_source(loaded, ("image", "label")), np.arange(3))
    assert batch["image"].shape == (3, 32, 32, 3)
    assert batch["aspect"].tolist() == [4, 4, 4]
    assert "aspect" not in loaded.train[0]
    assert "aspect" not in loaded.test[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stored_size": 7}, r"^data.stored_size: 7 is less than data.image_size 8; expected at"),
        ({"stored_size": None, "center_crop": 0.9}, r"^data.center_crop: 0.9 without data.stored"),
        ({"center_crop": 1.5}, r"^data.center_crop: 1.5"),
    ],
)
def test_frames_that_make_no_sense_are_refused(folder, options, message):
    with pytest.raises(InputError, match=message):
        load(folder, **options)
