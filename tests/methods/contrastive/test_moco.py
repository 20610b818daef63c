"""MoCo: its loss, and the order of keys in the queue."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.errors import InputError
from ssl_jax.methods.contrastive import moco
from tests import tiny
from tests.methods.case import Case

CASE = Case(
    {
        "temperature": 0.2,
        "momentum": 0.9,
        "queue": 40,
        "projector": (16, 8),
        "groups": 4,
        "augment": {"area": (0.5, 1.0), "strength": 0.0, "blur": 0.0},
    }
)

BLOCK = {
    "name": "moco",
    "temperature": 0.3,
    "momentum": 0.9,
    "queue": 40,
    "projector": (16, 8),
    "groups": 1,
    "augment": {"area": (0.5, 1.0)},
}


def make(**changes):
    dataset = tiny.data()
    config = tiny.resolved(tiny.config(**BLOCK | changes), dataset)
    batch = tiny.batch(dataset)
    return moco.make(config), config, batch


def keys_of(config, extra, view):
    network = moco.from_module(lambda rngs: moco.backbone_and_projector(config, rngs, norm=False))
    images = (view - np.array(config.data.mean)) / np.array(config.data.std)

    @jax.jit
    def z(teacher):
        x = images.astype(jnp.float32)
        layers, _ = network.apply(teacher["params"], teacher["stats"], x, train=True)
        return layers["z"]

    return np.asarray(z(extra["teacher"]), np.float64)


def test_loss_is_cross_entropy_of_the_positive_key_against_the_queue():
    method, config, batch = make()
    params, extra = method.init(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, (_, metrics) = jax.jit(method.loss)(
        params, extra, views, jax.random.key(2), jnp.int32(0)
    )
    student = extra | {"teacher": {"params": params, "stats": extra["stats"]}}
    queries = keys_of(config, student, views["image"][0])
    keys = keys_of(config, extra, views["image"][1])
    everything = np.concatenate([keys, np.asarray(extra["queue"])])
    total = 0.0
    for i, query in enumerate(queries):
        cosines = everything @ query / np.linalg.norm(everything, axis=1) / np.linalg.norm(query)
        logits = np.concatenate([cosines[i : i + 1], cosines[len(keys) :]]) / 0.3
        total += np.log(np.exp(logits).sum()) - logits[0]
    np.testing.assert_allclose(value, total / len(queries), rtol=1e-4)
    np.testing.assert_allclose(metrics["chance_loss"], np.log(41), rtol=1e-6)


def test_queue_holds_the_newest_keys_in_batch_order_on_one_and_eight_devices():
    method, config, batch = make()
    params, extra = method.init(jax.random.key(0), batch)

    def enqueued(devices: int) -> list[np.ndarray]:
        placement, queues = tiny.placement(devices), []
        state = placement.put_state(extra)
        loss = jax.jit(method.loss, out_shardings=placement.replicated)
        for number in range(3):
            views = jax.jit(method.views)(jax.random.key(number), placement.put_batch(batch))
            _, (state, _) = loss(params, state, views, jax.random.key(0), jnp.int32(0))
            queues.append(np.asarray(state["queue"]))
        return queues

    queues = enqueued(1)
    for number, queue in enumerate(queues):
        views = jax.jit(method.views)(jax.random.key(number), batch)
        keys = keys_of(config, extra, views["image"][1])
        np.testing.assert_allclose(queue[: tiny.BATCH], keys, atol=1e-4)
    np.testing.assert_array_equal(queues[2][16:32], queues[1][:16])
    np.testing.assert_array_equal(queues[2][32:], queues[0][:8])
    for one, eight in zip(queues, enqueued(8), strict=True):
        np.testing.assert_allclose(one, eight, atol=1e-4)


def test_each_group_has_its_own_statistics_and_keys_are_shuffled_among_groups():
    """A key depends on the key images that share its group, which the shuffle draws."""
    method, config, batch = make(groups=4)
    params, extra = method.init(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    loss = jax.jit(method.loss)
    size = tiny.BATCH // 4

    def queue_after(views, key=2):
        _, (after, _) = loss(params, extra, views, jax.random.key(key), jnp.int32(0))
        return np.asarray(after["queue"][: tiny.BATCH]), after

    plain, after = queue_after(views)
    images = views["image"]
    changed = {"image": images.at[1, 0].set(1 - images[1, 0])}
    moved = ~np.isclose(queue_after(changed)[0], plain, atol=1e-5).all(axis=1)
    assert moved[0]
    assert moved.sum() == size
    assert moved[:size].sum() < size  # the others of its group are not its neighbors
    order = np.asarray(jax.random.permutation(jax.random.key(2), tiny.BATCH))
    expected = np.empty_like(plain)
    for members in order.reshape(4, size):
        expected[members] = keys_of(config, extra, images[1][members])
    np.testing.assert_allclose(plain, expected, atol=1e-4)
    assert np.abs(queue_after(views, key=3)[0] - plain).max() > 1e-3
    of_groups = [
        moco.from_module(lambda rngs: moco.backbone_and_projector(config, rngs, norm=False)).apply(
            params,
            extra["stats"],
            ((part - np.array(config.data.mean)) / np.array(config.data.std)).astype(jnp.float32),
            train=True,
        )[1]
        for part in images[0].reshape(4, size, *images.shape[2:])
    ]
    mean = jax.tree.map(lambda *x: sum(x) / 4, *of_groups)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), after["stats"], mean)


def test_groups_that_do_not_divide_the_batch_are_rejected():
    with pytest.raises(InputError, match=r"^method.groups: 3 does not divide data.batch_size 16;"):
        make(groups=3)
    _, config, _ = make()
    changed = config.copy_and_resolve_references().unlock()
    changed.train.microbatches, changed.method.groups = 2, 16
    with pytest.raises(
        InputError, match=r"^method.groups: 16 does not divide slices of 8 examples"
    ):
        moco.make(changed)
