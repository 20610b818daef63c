"""What every method must keep to, checked for every method that has a name."""

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from ssl_jax.evaluation.untrained import collector
from ssl_jax.methods import METHODS, Method
from ssl_jax.nn.norm import BatchNorm
from ssl_jax.nn.platform import traced_as
from ssl_jax.sharding import put_batch, replicated
from ssl_jax.train import optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import TrainState, create
from ssl_jax.train.step import make_step
from tests import tiny
from tests.constants import device_constants

BLOCKS = {
    "simclr": {
        "temperature": 0.2,
        "projector": (16, 8),
        "augment": {"area": (0.5, 1.0), "strength": 0.5, "blur": 0.5},
    },
    "byol": {
        "momentum": 0.9,
        "projector": (16, 8),
        "predictor": (16,),
        "augment": {"area": (0.5, 1.0)},
    },
    "simsiam": {
        "projector": (16, 16, 8),
        "predictor": (4,),
        "augment": {"area": (0.5, 1.0), "strength": 0.5, "blur": 0.5},
    },
    "dino": {
        "head": (16, 8),
        "prototypes": 24,
        "student_temperature": 0.1,
        "teacher_temperature": 0.07,
        "teacher_temperature_start": 0.04,
        "warmup": 0.5,
        "frozen": 0.25,
        "momentum": 0.9,
        "center_momentum": 0.9,
        "local_views": 2,
        "augment": {"area": (0.5, 1.0), "small_size": 4, "small_area": (0.2, 0.5)},
    },
    "mae": {
        "mask_ratio": 0.5,
        "decoder_width": 16,
        "decoder_depth": 1,
        "decoder_heads": 2,
        "normalize_targets": True,
        "area": (0.5, 1.0),
    },
    "rotation": {"area": (0.5, 1.0)},
    "moco": {
        "temperature": 0.2,
        "momentum": 0.9,
        "queue": 40,
        "projector": (16, 8),
        "augment": {"area": (0.5, 1.0), "strength": 0.5, "blur": 0.5},
    },
    "context_encoder": {
        "adversarial": 0.1,
        "overlap": 1,
        "bottleneck": None,
        "decoder": (8,),
        "discriminator": (4, 8),
        "area": (0.5, 1.0),
        "shift": 1,
    },
    "frame_order": {"in_order": 0.25, "reach": 3, "gap": 1, "shift": 1, "hidden": (16,)},
    "next_word": {"temperature": 0.8},
}
DRAW_NOTHING = {"next_word"}  # their views are the batch itself

DATA = {"frame_order": tiny.clips, "next_word": tiny.texts}  # images, where it does not say
_VIT = {"name": "vit_nano", "patch_size": 2, "pool": "mean"}
NETWORKS = {"dino": _VIT, "mae": _VIT, "next_word": {"name": "gpt_nano"}}


class Case(NamedTuple):
    method: Method
    config: ConfigDict
    batch: dict[str, np.ndarray]


def test_every_method_is_checked_here():
    assert BLOCKS.keys() == METHODS.keys()


@pytest.fixture(scope="module", params=METHODS)
def case(request):
    dataset = DATA.get(request.param, tiny.data)()
    config = tiny.config(name=request.param, **BLOCKS[request.param])
    config.network.update(NETWORKS.get(request.param, {}))
    config = tiny.resolved(config, dataset)
    return Case(METHODS[request.param](config), config, tiny.batch(dataset))


class Trainer:
    """A compiled step on some devices, and what it makes of the same start and batch."""

    def __init__(self, case: Case, devices: int):
        self.case, self.mesh = case, tiny.mesh(devices)
        optimizer = optim.make(case.config)
        traced = case.method._replace(loss=chex.assert_max_traces(case.method.loss, n=1))
        self.start = create(traced, optimizer, jax.random.key(0), case.batch)
        self.step = make_step(traced, optimizer, self.mesh)
        self.key = jax.device_put(jax.random.key(1), replicated(self.mesh))

    def run(
        self, stop: Callable[[TrainState], TrainState] = lambda state: state
    ) -> tuple[TrainState, list[dict[str, float]]]:
        """Three steps; after the first go on from what ``stop`` makes of the state."""
        state = jax.device_put(jax.tree.map(jnp.copy, self.start), replicated(self.mesh))
        history = []
        for done in range(3):
            state, metrics = self.step(self.key, state, put_batch(self.mesh, self.case.batch))
            history.append({name: float(value) for name, value in metrics.items()})
            state = stop(state) if done == 0 else state
        return jax.device_get(state), history


@pytest.fixture(scope="module")
def eight(case):
    return Trainer(case, devices=8)


@pytest.fixture(scope="module")
def trained(eight):
    return eight.run()


def test_eight_devices_equal_one_and_the_loss_is_traced_once(case, trained):
    state, history = Trainer(case, devices=1).run()
    first, first_of_eight = history[0], trained[1][0]
    np.testing.assert_allclose(first["loss"], first_of_eight["loss"], rtol=1e-5)
    # views that differ by one rounding move the gradient's norm by up to 5e-5
    chex.assert_trees_all_close(first, first_of_eight, rtol=1e-4)
    chex.assert_trees_all_close(history, trained[1], rtol=2e-3)
    chex.assert_trees_all_close(state.extra, trained[0].extra, rtol=5e-3, atol=1e-4)


def test_stopping_after_one_step_and_resuming_changes_no_bit(eight, trained, tmp_path):
    def stop(state: TrainState) -> TrainState:
        with closing(Checkpoints(tmp_path)) as checkpoints:
            checkpoints.save(1, state)
        with closing(Checkpoints(tmp_path)) as checkpoints:
            like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
            return checkpoints.restore(1, like, replicated(eight.mesh))

    resumed, history = eight.run(stop)
    assert history == trained[1]
    chex.assert_trees_all_equal(resumed, trained[0])


def test_no_gradient_reaches_what_gradients_do_not_train(case):
    params, extra = case.method.init(jax.random.key(0), case.batch)
    views = jax.jit(case.method.views)(jax.random.key(1), case.batch)

    def loss(extra):
        return case.method.loss(params, extra, views, jax.random.key(2), jnp.int32(0))[0]

    for path, gradient in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(extra)):
        assert not np.any(gradient), path


def test_every_parameter_moves_and_stays_finite(case, trained):
    before = jax.device_get(case.method.init(jax.random.key(0), case.batch)[0])
    for path, leaf in jax.tree_util.tree_leaves_with_path(before):
        after = trained[0].params
        for key in path:
            after = after[key.key]
        assert np.isfinite(after).all(), path
        assert not np.array_equal(leaf, after), path


def test_a_step_keeps_structure_shapes_and_types(case, trained):
    start = create(case.method, optim.make(case.config), jax.random.key(0), case.batch)
    chex.assert_trees_all_equal_shapes_and_dtypes(start, trained[0])
    assert int(trained[0].step) == 3


def test_init_needs_shapes_only(case):
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), case.batch)
    key = jax.random.key(5)
    chex.assert_trees_all_equal(case.method.init(key, shapes), case.method.init(key, case.batch))


def test_embedding_is_finite_and_each_row_depends_on_its_own_example(case, trained):
    embed = jax.jit(case.method.embed)
    whole = embed(trained[0].params, trained[0].extra, case.batch)
    mixed = {name: np.concatenate([x[:8], x[:7:-1]]) for name, x in case.batch.items()}
    other = embed(trained[0].params, trained[0].extra, mixed)
    assert whole["features"].ndim == 2
    for name, rows in whole.items():
        assert np.isfinite(rows).all(), name
        np.testing.assert_allclose(rows[:8], other[name][:8], rtol=1e-4, atol=1e-5)
        assert np.std(rows, axis=0).max() > 0, name


def test_views_are_drawn_from_the_key_and_stacked(case):
    views = jax.jit(case.method.views)
    first, again = views(jax.random.key(0), case.batch), views(jax.random.key(0), case.batch)
    other = views(jax.random.key(1), case.batch)
    chex.assert_trees_all_equal(first, again)
    assert {view.shape[1] for view in first.values()} == {tiny.BATCH}
    drawn = not all(np.array_equal(view, other[name]) for name, view in first.items())
    assert drawn == (case.config.method.name not in DRAW_NOTHING)


@pytest.mark.parametrize("platform", ["cuda", pytest.param("tpu", marks=pytest.mark.slow)])
def test_the_step_lowers_for_accelerators(case, platform):
    optimizer = optim.make(case.config)
    state = jax.eval_shape(
        lambda key: create(case.method, optimizer, key, case.batch), jax.random.key(0)
    )
    step = make_step(case.method, optimizer, tiny.mesh(8))
    key = jax.eval_shape(lambda: jax.random.key(1))
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), case.batch)
    with traced_as("plain"):
        traced = step.trace(key, state, shapes)
    assert "custom_vjp" not in str(traced.jaxpr)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert "stablehlo.convolution" in text or "stablehlo.dot_general" in text


def test_nothing_that_is_traced_closes_over_device_arrays(case):
    """On an accelerator such an array is read back when the program is lowered."""
    method, mesh = case.method, tiny.mesh(8)
    optimizer = optim.make(case.config)
    key = jax.eval_shape(lambda: jax.random.key(1))
    state = jax.eval_shape(lambda key: create(method, optimizer, key, case.batch), key)
    kept = (state.params, state.extra, case.batch)
    traced = {
        "step": make_step(method, optimizer, mesh).trace(key, state, case.batch),
        "views": jax.jit(method.views).trace(key, case.batch),
        "embed": jax.jit(method.embed).trace(*kept),
        "score": jax.jit(method.score).trace(*kept, key),
        "show": jax.jit(method.show).trace(*kept, key),
        "untrained": jax.jit(collector(method)).trace(key, *kept, jnp.int32(0)),
    }
    found = {name: device_constants(function.jaxpr) for name, function in traced.items()}
    assert {name: constants for name, constants in found.items() if constants} == {}


@pytest.mark.slow
def test_bfloat16_computes_in_bfloat16_and_keeps_float32_parameters(case, trained):
    config = case.config.copy_and_resolve_references()
    with config.unlocked():
        config.network.dtype = "bfloat16"
    method = METHODS[config.method.name](config)
    params, extra = method.init(jax.random.key(0), case.batch)
    assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    view_key, loss_key = jax.random.split(jax.random.fold_in(jax.random.key(1), 0))
    views = jax.jit(method.views)(view_key, case.batch)

    def loss(params):
        return method.loss(params, extra, views, loss_key, jnp.int32(0))

    assert "bf16" in str(jax.make_jaxpr(loss)(params))
    value, _ = jax.jit(loss)(params)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, trained[1][0]["loss"], rtol=0.05)


@pytest.mark.slow
def test_micro_batches_have_the_whole_batch_s_gradient(case, monkeypatch):
    """BatchNorm by its running statistics, since in training it has each slice's."""

    def by_running_statistics(self, x, *, use_running_average):
        del use_running_average
        return nnx.BatchNorm.__call__(self, x, use_running_average=True)

    monkeypatch.setattr(BatchNorm, "__call__", by_running_statistics)

    def gradient(slices):
        config = case.config.copy_and_resolve_references()
        with config.unlocked():
            config.train.microbatches = slices
        method = METHODS[config.method.name](config)
        params, extra = method.init(jax.random.key(0), case.batch)
        views = jax.jit(method.views)(jax.random.key(1), case.batch)

        def loss(params):
            return method.loss(params, extra, views, jax.random.key(2), jnp.int32(0))[0]

        return jax.device_get(jax.jit(jax.grad(loss))(params))

    whole = gradient(1)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(whole))
    chex.assert_trees_all_close(gradient(4), whole, rtol=1e-5, atol=1e-5 * largest)
