"""Where arrays live: rules for the state, rows for batches, small computations on the CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from ssl_jax.methods.base import Method, no_update
from ssl_jax.placement import AXIS, make_placement, on_the_host, path_name
from ssl_jax.train.state import TrainState, create
from ssl_jax.train.step import make_step
from tests import tiny

SPLIT = PartitionSpec(AXIS)
BATCH = {"x": np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)}


def init(key, batch):
    first, second = jax.random.split(key)
    params = {
        "hidden": {"kernel": jax.random.normal(first, (4, 8)), "bias": jnp.zeros(8)},
        "last": {"kernel": jax.random.normal(second, (8, 2))},
    }
    return params, {"count": jnp.zeros(())}


def views(key, batch):
    return {"x": batch["x"][None]}


def loss(params, extra, views, key, step):
    x = jnp.tanh(views["x"][0] @ params["hidden"]["kernel"] + params["hidden"]["bias"])
    return jnp.square(x @ params["last"]["kernel"]).mean(), ({"count": extra["count"] + 1}, {})


METHOD = Method(init, views, loss, no_update, None)
OPTIMIZER = optax.adam(0.1)


def new_state() -> TrainState:
    return create(METHOD, OPTIMIZER, jax.random.key(0), BATCH)


def specs(tree) -> dict[str, PartitionSpec]:
    """The PartitionSpec of each sharding of a tree, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): sharding.spec for path, sharding in leaves}


def sharded(*rules):
    return tiny.placement(8)._replace(rules=rules)


def test_paths_are_named_by_keys_fields_and_indices():
    names = [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(new_state())]
    assert "step" in names
    assert "params/hidden/kernel" in names
    assert "extra/count" in names
    assert "optimizer/0/mu/hidden/kernel" in names


def test_by_default_the_whole_state_is_replicated():
    shardings = tiny.placement(8).state(new_state())
    assert jax.tree.structure(shardings) == jax.tree.structure(new_state())
    assert {sharding.mesh.size for sharding in jax.tree.leaves(shardings)} == {8}
    assert set(specs(shardings).values()) == {PartitionSpec()}


def test_a_rule_splits_only_the_arrays_whose_paths_it_matches():
    found = specs(sharded(("^params/last/kernel$", SPLIT)).state(new_state()))
    assert found.pop("params/last/kernel") == SPLIT
    assert set(found.values()) == {PartitionSpec()}


def test_a_rule_may_match_anywhere_in_the_path():
    found = specs(sharded(("last/kernel$", SPLIT)).state(new_state()))
    split = {path for path, spec in found.items() if spec == SPLIT}
    assert split == {
        "params/last/kernel",
        "optimizer/0/mu/last/kernel",
        "optimizer/0/nu/last/kernel",
    }


def test_the_first_rule_that_matches_wins():
    columns = PartitionSpec(None, AXIS)
    found = specs(sharded(("hidden", columns), ("kernel", SPLIT)).state(new_state().params))
    assert found == {"hidden/kernel": columns, "hidden/bias": columns, "last/kernel": SPLIT}


def test_shapes_are_enough_to_place_a_state():
    placement = sharded(("kernel", SPLIT))
    assert placement.state(jax.eval_shape(new_state)) == placement.state(new_state())


def test_put_state_places_arrays_by_the_rules():
    placement, state = sharded(("last/kernel", SPLIT)), new_state()
    placed = placement.put_state(state)
    jax.tree.map(np.testing.assert_array_equal, placed, state)
    assert jax.tree.map(lambda x: x.sharding, placed) == placement.state(state)
    kernel = placed.params["last"]["kernel"]
    assert [shard.data.shape for shard in kernel.addressable_shards] == 8 * [(1, 2)]
    bias = placed.params["hidden"]["bias"]
    assert [shard.data.shape for shard in bias.addressable_shards] == 8 * [(8,)]


def test_put_state_gives_arrays_that_share_a_buffer_separate_ones():
    x = jnp.arange(8.0)
    placed = tiny.placement(8).put_state({"student": x, "teacher": x})
    donated = jax.jit(lambda tree: tree["student"] + tree["teacher"], donate_argnums=0)
    np.testing.assert_array_equal(donated(placed), 2 * np.arange(8))


def test_put_state_places_keys():
    key = tiny.placement(8).put_state(jax.random.key(3))
    assert len(key.devices()) == 8
    assert jax.random.key_data(key).tolist() == jax.random.key_data(jax.random.key(3)).tolist()


@pytest.mark.parametrize("devices", [1, 8])
def test_put_batch_splits_rows_over_the_devices(devices):
    placed = tiny.placement(devices).put_batch(BATCH)["x"]
    np.testing.assert_array_equal(placed, BATCH["x"])
    shares = [np.asarray(shard.data) for shard in placed.addressable_shards]
    assert len(shares) == devices
    np.testing.assert_array_equal(np.concatenate(shares), BATCH["x"])


def test_all_devices_are_used_unless_some_are_given():
    assert make_placement().mesh.devices.tolist() == jax.devices()
    assert make_placement(jax.devices()[2:4]).mesh.devices.tolist() == jax.devices()[2:4]


@pytest.mark.parametrize(("process", "is_main"), [(0, True), (1, False)])
def test_the_first_process_is_the_main_process(monkeypatch, process, is_main):
    monkeypatch.setattr(jax, "process_index", lambda: process)
    assert tiny.placement(1).is_main == is_main


@pytest.mark.parametrize(
    "rules",
    [
        [("params/last/kernel", SPLIT)],
        [("hidden/kernel", PartitionSpec(None, AXIS)), ("bias|last", SPLIT)],
    ],
    ids=["one array", "arrays and their moments"],
)
def test_a_step_on_a_split_state_gives_the_result_of_a_replicated_one(rules):
    def three_steps(placement):
        state = placement.put_state(new_state())
        step = make_step(METHOD, OPTIMIZER, placement, state)
        key, rows = placement.put_state(jax.random.key(1)), []
        for _ in range(3):
            state, metrics = step(key, state, placement.put_batch(BATCH))
            rows.append({name: float(value) for name, value in metrics.items()})
        assert jax.tree.map(lambda x: x.sharding, state) == placement.state(state)
        return jax.device_get(state), rows

    split, split_rows = three_steps(sharded(*rules))
    whole, rows = three_steps(tiny.placement(8))
    for a, b in zip(split_rows, rows, strict=True):
        assert a == pytest.approx(b, rel=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), split, whole)
    assert not np.array_equal(whole.params["last"]["kernel"], new_state().params["last"]["kernel"])


def test_on_the_host_computes_on_the_cpu_whatever_the_default_device():
    """Another CPU device stands for the accelerator."""
    host, accelerator = jax.devices()[0], jax.devices()[5]
    with jax.default_device(accelerator):
        key = jax.random.key(0)
        with on_the_host():
            x = jax.random.normal(key, (3,))
        assert (key.device, x.device) == (accelerator, host)
        assert (x + jnp.ones(3)).device == accelerator
    np.testing.assert_array_equal(x, jax.random.normal(jax.random.key(0), (3,)))


def test_without_a_cpu_backend_the_default_device_computes(monkeypatch):
    def no_backend(**_):
        raise RuntimeError("Unknown backend cpu")

    monkeypatch.setattr(jax, "local_devices", no_backend)
    with jax.default_device(jax.devices()[5]), on_the_host():
        assert jnp.zeros(3).device == jax.devices()[5]
