"""Jigsaw: the tiles, the puzzles, the loss, the score and pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats as statistics

from configs import jigsaw as preset
from ssl_jax import config as settings
from ssl_jax.methods.pretext import jigsaw
from ssl_jax.methods.pretext.permutations import far_apart
from ssl_jax.train.state import parameter_count
from tests import tiny
from tests.data.test_load import one_line
from tests.methods.case import Case

CASE = Case(
    {
        "tile": 2,
        "gap": 0,
        "jitter": 0,
        "channel_jitter": 0,
        "permutations": 5,
        "puzzles": 2,
        "code": 8,
        "hidden": (8,),
    }
)

BLOCK = {"name": "jigsaw", **CASE.settings}


def make(*, channels=1, **changes):
    dataset = tiny.data(channels=channels)
    config = tiny.resolved(tiny.config(**BLOCK | changes), dataset)
    return jigsaw.make(config), config, tiny.batch(dataset)


@pytest.fixture(scope="module")
def started(small_networks):
    method, config, batch = make()
    params, stats = jax.jit(method.init)(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    return method, config, batch, params, stats, views


def test_tiles_are_parts_of_the_image_row_by_row(started):
    *_, batch, _, _, views = started
    assert views["image"].shape == (9, tiny.BATCH, 2, 2, 1)
    starts = set()
    for number, image in enumerate(batch["image"] / np.float32(255)):
        rows = np.asarray(views["image"][:, number]).reshape(3, 3, 2, 2)
        whole = rows.swapaxes(1, 2).reshape(6, 6)
        same = [
            np.allclose(whole, image[top : top + 6, left : left + 6, 0], atol=1e-6)
            for top in range(3)
            for left in range(3)
        ]
        assert sum(same) == 1
        starts.add(same.index(True))
    assert len(starts) > 3


def test_puzzles_are_uniform_over_the_permutations_and_independent():
    method, _, batch = make(puzzles=100)
    puzzles = np.asarray(jax.jit(method.views)(jax.random.key(1), batch)["puzzle"])
    assert puzzles.shape == (100, tiny.BATCH)
    for pair in (puzzles[::2, ::2], puzzles[1::2, ::2]), (puzzles[:, ::2], puzzles[:, 1::2]):
        counts = np.bincount((5 * pair[0] + pair[1]).ravel(), minlength=25)
        assert statistics.chisquare(counts).pvalue > 1e-3


def test_channels_are_shifted_and_a_share_of_the_images_is_gray():
    """The brightness of a pixel is its number; it is the same in all channels."""
    _, config, _ = make(channels=3)
    with config.unlocked():
        config.data.image_size = 12
        config.method.update({"tile": 1, "gap": 2, "channel_jitter": 1, "gray": 0.5})
    numbered = np.arange(144, dtype=np.uint8).reshape(12, 12, 1)
    images = np.broadcast_to(numbered, (400, 12, 12, 3))
    tiles = jax.jit(jigsaw.make(config).views)(jax.random.key(1), {"image": images})["image"]
    numbers = 255 * np.asarray(tiles, np.float64)[:, :, 0, 0]
    gray = np.isclose(numbers, numbers[..., :1], atol=1e-3).all(axis=(0, 2))
    assert abs(gray.mean() - 0.5) < 0.1
    places = np.stack(np.divmod(numbers[:, ~gray].round().astype(int), 12), axis=-1)
    shifts = places[:, :, 1:] - places[:, :, :1]
    assert {tuple(shift) for shift in shifts.reshape(-1, 2)} == {
        (i, j) for i in range(-2, 3) for j in range(-2, 3)
    }


def logits_of(started, tiles, puzzles, *, train):
    """Logits ``[q, n, k]`` of puzzles whose tiles are put in order before the network sees them."""
    _, config, _, params, stats, _ = started
    network = jigsaw.from_module(lambda rngs: jigsaw._solver(config, rngs))
    x = np.asarray(tiles, np.float64)
    x = x - x.mean(axis=(2, 3), keepdims=True)
    x = x / np.maximum(np.sqrt((x**2).mean(axis=(2, 3, 4), keepdims=True)), 1 / 255)
    table, results = far_apart(5), []
    shuffled = np.stack(
        [[x[table[p], n] for n, p in enumerate(row)] for row in np.asarray(puzzles)]
    )
    if train:  # BatchNorm sees all puzzles of a batch jointly, and each tile once
        order = np.stack([table[row] for row in np.asarray(puzzles)], axis=1)
        tiles_first = [(x.swapaxes(0, 1), order)]
    else:
        identity = np.broadcast_to(np.arange(9), (len(x[0]), 1, 9))
        tiles_first = [(each, identity) for each in shuffled]
    run = jax.jit(lambda x, order: network.apply(params, stats, x, order, train=train)[0])
    for each, order in tiles_first:
        results.append(run(jnp.asarray(each, jnp.float32), jnp.asarray(order)))
    return np.concatenate([np.asarray(x, np.float64).swapaxes(0, 1) for x in results])


def test_loss_is_the_cross_entropy_of_the_permutation(started):
    method, _, _, params, stats, views = started
    value, (_, metrics) = jax.jit(method.loss)(
        params, stats, views, jax.random.key(2), jnp.int32(0)
    )
    puzzles, total, correct = np.asarray(views["puzzle"]), 0.0, 0
    logits = logits_of(started, views["image"], puzzles, train=True)
    for place in np.ndindex(2, tiny.BATCH):
        row, answer = logits[place], puzzles[place]
        total += np.log(np.exp(row).sum()) - row[answer]
        correct += row.argmax() == answer
    np.testing.assert_allclose(value, total / puzzles.size, rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], correct / puzzles.size, rtol=1e-6)
    np.testing.assert_allclose(metrics["chance_loss"], np.log(5), rtol=1e-6)


def test_score_and_pictures_tell_which_puzzles_are_solved(started, monkeypatch):
    _, config, batch, params, stats, _ = started
    monkeypatch.setattr(jigsaw, "_SCORED", 1)
    method = jigsaw.make(config)
    key, titles = jax.random.key(3), []

    @jax.jit
    def run(key):
        with config.unlocked():
            config.method.puzzles = 1
        views = jigsaw.make(config).views(key, batch)
        pictures = method.show(params, stats, batch, key)
        titles.extend(pictures)
        return views, method.score(params, stats, batch, key), list(pictures.values())

    views, scores, (context, puzzle, solved) = run(key)
    tiles, (drawn,) = np.asarray(views["image"]), np.asarray(views["puzzle"])
    (logits,) = logits_of(started, tiles, views["puzzle"], train=False)
    answers, table = logits.argmax(-1), far_apart(5)
    assert titles == ["where the tiles lie", "the puzzle", "the solution found"]
    assert context.shape == batch["image"].shape
    np.testing.assert_array_equal(scores["jigsaw_accuracy"], answers == drawn)
    assert 0 < np.mean(answers == drawn) < 1
    for n in range(tiny.BATCH):
        for i in range(9):
            place = slice(3 * (i // 3), 3 * (i // 3) + 2), slice(3 * (i % 3), 3 * (i % 3) + 2)
            np.testing.assert_array_equal(puzzle[n][place], tiles[table[drawn[n]][i], n])
            if answers[n] == drawn[n]:
                np.testing.assert_array_equal(solved[n][place], tiles[i, n])
            claimed = table[answers[n]][i]  # the tile that the network takes for the i-th piece's
            there = slice(3 * (claimed // 3), 3 * (claimed // 3) + 2)
            there = there, slice(3 * (claimed % 3), 3 * (claimed % 3) + 2)
            np.testing.assert_array_equal(solved[n][there], puzzle[n][place])


def test_tiles_that_do_not_fit_are_rejected():
    assert one_line(make, tile=3).startswith("data.image_size: 8 is too small")
    message = one_line(make, tile=1, gap=1, channel_jitter=1)
    assert message.startswith("method.gap: 1 lets tiles overlap; expected at least 2")


def test_paper_preset_fits_its_images_and_has_the_authors_head():
    config = preset.get_config("paper")
    settings.check(config)
    facts = {"channels": 3, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    config = settings.resolve(config, facts, 1_281_167, 1)
    method = jigsaw.make(config)
    image = jax.ShapeDtypeStruct((2, 256, 256, 3), np.uint8)
    key = jax.random.key(0)
    views = jax.eval_shape(method.views, key, {"image": image})
    assert views["image"].shape == (9, 2, 64, 64, 3)
    params, _ = jax.eval_shape(lambda key: method.init(key, {"image": image}), key)
    # He et al.: 25,557,032 with the classifier
    assert parameter_count(params["backbone"]) == 25_557_032 - 1000 * 2049
    assert params["linear"]["kernel"].shape == (2048, 1024)
    assert params["head"]["hidden"]["0"]["kernel"].shape == (9 * 1024, 4096)
    assert params["head"]["last"]["kernel"].shape == (4096, 100)
