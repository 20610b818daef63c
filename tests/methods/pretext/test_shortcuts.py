"""Whether tasks about positions can be solved from anything but the content of the pictures.

Each network trains on fresh pictures for a few hundred steps, and is asked about others.
"""

import jax
import numpy as np
import pytest
from PIL import Image

from ssl_jax.methods import METHODS
from ssl_jax.methods.pretext import relative_position
from ssl_jax.train import optim
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step
from tests import tiny

SIDE, BATCH = 20, 64
GRID = {"tile": 4, "gap": 2, "jitter": 1, "code": 32, "hidden": (32,)}
METHODS_AND_CHANCE = {
    "relative_position": (GRID, 1 / 8),
    "jigsaw": (GRID | {"channel_jitter": 0, "permutations": 10, "puzzles": 4}, 1 / 10),
}
FACTS = {"modality": "image", "image_size": SIDE, "channels": 3, "mean": (0.5,) * 3}


def noise(rng, count):
    return rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def gray_noise(rng, count):
    return np.repeat(noise(rng, count)[..., :1], 3, axis=-1)


def enlarged_noise(rng, count):
    """Noise whose pixels are interpolated, at places that depend on the position."""
    small = [Image.fromarray(image[:14, :14]) for image in noise(rng, count)]
    return np.stack([x.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for x in small])


def aberrated(rng, count):
    """Noise, the same in all colors, but with green displaced outwards by one pixel."""
    images = gray_noise(rng, count)
    inwards = np.arange(SIDE) - np.sign(np.arange(SIDE) // (SIDE / 3) - 1).astype(int)
    images[..., 1] = images[..., 1][:, inwards[:, None], inwards]
    return images


def discs(rng, count):
    """A bright disc in the middle, blurred and a little displaced, in noise."""
    center = SIDE / 2 + rng.uniform(-1, 1, (2, count, 1, 1))
    y, x = np.indices((SIDE, SIDE))
    distance = np.hypot(y - center[0], x - center[1])
    disc = 200 / (1 + np.exp(distance - SIDE / 4))
    return (disc[..., None] + rng.uniform(0, 50, (count, SIDE, SIDE, 3))).astype(np.uint8)


def above_chance(name, pictures, *, steps=300, held_out=1024, **changes):
    """Trains; returns by how many standard errors the accuracy on other pictures beats chance."""
    block, chance = METHODS_AND_CHANCE[name]
    config = tiny.config(name=name, **block | changes)
    config.data.batch_size, config.train.steps = BATCH, steps
    config.network.stem, config.optimizer.learning_rate = "small", 2e-2
    config = tiny.settings.resolve(config, FACTS | {"std": (0.25,) * 3}, BATCH, 1)
    method, optimizer, one = METHODS[name](config), optim.make(config), tiny.placement(1)
    rng = np.random.default_rng(0)
    batch = {"image": pictures(rng, BATCH)}
    state = one.put_state(create(method, optimizer, jax.random.key(0), batch))
    step, key = make_step(method, optimizer, one, state), one.put_state(jax.random.key(1))
    for _ in range(steps):
        state, _ = step(key, state, one.put_batch({"image": pictures(rng, BATCH)}))
    batch = {"image": pictures(rng, held_out)}
    (scores,) = jax.jit(method.score)(state.params, state.extra, batch, jax.random.key(2)).values()
    return float((scores.mean() - chance) / (scores.std(ddof=1) / held_out**0.5))


@pytest.mark.slow
@pytest.mark.parametrize("pictures", [noise, gray_noise])
@pytest.mark.parametrize("name", METHODS_AND_CHANCE)
def test_noise_has_no_positions(name, pictures):
    assert abs(above_chance(name, pictures)) < 3


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS_AND_CHANCE)
def test_structured_pictures_have(name):
    assert above_chance(name, discs) > 10


@pytest.mark.slow
def test_interpolation_would_give_positions_away():
    """The network and its training find such traces; tiles of one distance make it easy."""
    changes = {"tile": 3, "gap": 5, "jitter": 0}
    assert above_chance("relative_position", enlarged_noise, **changes) > 10
    assert abs(above_chance("relative_position", noise, **changes)) < 3


@pytest.mark.slow
def test_chromatic_aberration_is_a_cue_unless_colors_are_dropped(monkeypatch):
    """Projection hides less: the sum of a picture and a displaced one shows the displacement."""
    assert abs(above_chance("relative_position", aberrated)) < 3
    assert above_chance("relative_position", aberrated, colors="project") > 10
    monkeypatch.setitem(relative_position.COLORS, "drop", lambda key, patch: patch)
    assert above_chance("relative_position", aberrated) > 10
