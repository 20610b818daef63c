"""The contract of methods, checked for every method in the index.

Compilation takes most of the time, so the checks share it: the step is compiled for eight devices,
the loss for one, views and embedding once each.
"""

from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from functools import cached_property, partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.data.modalities.base import batch_like
from ssl_jax.methods import METHODS
from ssl_jax.nn import backbones
from ssl_jax.nn.backbones.resnet import ResNet
from ssl_jax.nn.norm import BatchNorm
from ssl_jax.nn.platform import traced_as
from ssl_jax.train import optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import TrainState, create
from ssl_jax.train.step import make_step
from tests import tiny
from tests.constants import device_constants
from tests.methods.case import case_of, config_of

STEPS = 3


class Subject:
    """A method with its tiny config and batch, and the state before the first step."""

    def __init__(self, name: str):
        self.case = case_of(name)
        dataset = self.case.data()
        config = config_of(name, dataset)
        with config.unlocked():
            # sgd compiles faster than adamw, since it has fewer arrays
            config.optimizer.update({"name": "sgd", "learning_rate": 1.0})
        self.config = config
        self.method = METHODS[name](config)
        self.optimizer = optim.make(config)
        batch = tiny.batch(dataset)
        self.batch = {key: x for key, x in batch.items() if self._is_input(key)}
        self.shapes = batch_like({key: x[0] for key, x in self.batch.items()}, tiny.BATCH)
        self.start: TrainState = jax.device_get(jax.jit(self.create)(jax.random.key(0)))

    def create(self, key: jax.Array) -> TrainState:
        return create(self.method, self.optimizer, key, self.shapes)

    def _is_input(self, key: str) -> bool:
        inputs = self.method.inputs
        return key not in ("label", "motion") if inputs is None else key in inputs


class Trainer:
    """The step, compiled for eight devices.

    It is traced as on an accelerator, so that one trace serves every platform.
    """

    def __init__(self, subject: Subject, compilers: Executor):
        self.subject, self.placement = subject, tiny.placement(8)
        self.key = self.placement.put_state(jax.random.key(1))
        method, optimizer, start = subject.method, subject.optimizer, subject.start
        step = make_step(method, optimizer, self.placement, start)
        self.batch = self.placement.put_batch(subject.batch)
        with traced_as("plain"):
            self.traced = step.trace(self.key, start, self.batch)
        self._compiling = compilers.submit(self.traced.lower().compile)

    @cached_property
    def step(self) -> Any:
        return self._compiling.result()

    def run(self, state: TrainState, steps: int) -> tuple[TrainState, list[dict[str, float]]]:
        """Returns the state after some steps, and the metrics of each."""
        history = []
        for _ in range(steps):
            state, metrics = self.step(self.key, state, self.batch)
            history.append({name: float(value) for name, value in metrics.items()})
        return state, history

    @cached_property
    def after_one(self) -> tuple[TrainState, dict[str, float]]:
        start = jax.device_put(self.subject.start, self.placement.state(self.subject.start))
        state, (metrics,) = self.run(start, 1)
        return jax.device_get(state), metrics

    @cached_property
    def trained(self) -> tuple[TrainState, list[dict[str, float]]]:
        state, first = self.after_one
        state = jax.device_put(state, self.placement.state(state))
        state, rest = self.run(state, STEPS - 1)
        return jax.device_get(state), [first, *rest]


@pytest.fixture(scope="module", autouse=True)
def smallest_resnet(small_networks):
    """One residual block: compiling the network takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        one_block = partial(ResNet, blocks=(0, 1), widths=(4, 8), bottleneck=False)
        patch.setitem(backbones.RESNETS, "resnet_small", one_block)
        yield


@pytest.fixture(scope="module", params=METHODS)
def subject(request, smallest_resnet):
    return Subject(request.param)


@pytest.fixture(scope="module")
def views(subject):
    """Returns the compiled views function."""
    return jax.jit(subject.method.views)


@pytest.fixture(scope="module")
def eight(subject):
    """Returns the trainer; its step compiles while ``one`` is compiled."""
    with ThreadPoolExecutor(1) as compilers:
        yield Trainer(subject, compilers)


@pytest.fixture(scope="module")
def one(subject, views):
    """Returns the first step on one device: loss, metrics, new ``extra`` and gradients."""
    view_key, loss_key = jax.random.split(jax.random.fold_in(jax.random.key(1), 0))

    def loss(trees: Any, views: Any, key: jax.Array) -> Any:
        return subject.method.loss(*trees, views, key, jnp.int32(0))

    trees = (subject.start.params, subject.start.extra)
    batch_views = views(view_key, subject.batch)
    return jax.jit(jax.value_and_grad(loss, has_aux=True))(trees, batch_views, loss_key)


def test_eight_devices_match_one(subject, eight, one):
    (value, (extra, metrics)), (gradient, _) = one
    state, metrics_of_eight = eight.after_one
    np.testing.assert_allclose(value, metrics_of_eight["loss"], rtol=1e-5)
    # views that differ by one rounding change the norm of the gradient by up to 5e-5
    norm = np.sqrt(sum(np.sum(np.square(x)) for x in jax.tree.leaves(gradient)))
    np.testing.assert_allclose(norm, metrics_of_eight["gradient_norm"], rtol=1e-4)
    on_eight = {name: metrics_of_eight[name] for name in metrics}
    chex.assert_trees_all_close({n: float(v) for n, v in metrics.items()}, on_eight, rtol=1e-4)
    _, extra = jax.jit(subject.method.update)(state.params, extra, jnp.int32(0))
    chex.assert_trees_all_close(jax.device_get(extra), state.extra, rtol=1e-4, atol=1e-5)


def test_stopping_and_resuming_is_bitwise_identical(eight, tmp_path):
    state, _ = eight.after_one
    with closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(1, jax.device_put(state, eight.placement.state(state)))
    with closing(Checkpoints(tmp_path)) as checkpoints:
        like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
        restored = checkpoints.restore(1, like, eight.placement.state(like))
    resumed, rest = eight.run(restored, STEPS - 1)
    assert rest == eight.trained[1][1:]
    chex.assert_trees_all_equal(jax.device_get(resumed), eight.trained[0])


def test_no_gradient_reaches_extra(one):
    for path, gradient in jax.tree_util.tree_leaves_with_path(one[1][1]):
        assert not np.any(gradient), path


def test_every_parameter_changes_and_stays_finite(subject, eight):
    after = eight.trained[0].params
    for path, leaf in jax.tree_util.tree_leaves_with_path(subject.start.params):
        trained = after
        for key in path:
            trained = trained[key.key]
        assert np.isfinite(trained).all(), path
        assert not np.array_equal(leaf, trained), path


def test_a_step_keeps_structure_shapes_and_dtypes(subject, eight):
    chex.assert_trees_all_equal_shapes_and_dtypes(subject.start, eight.trained[0])
    assert int(eight.trained[0].step) == STEPS


def test_init_needs_only_shapes(subject):
    init = jax.make_jaxpr(subject.method.init)
    key = jax.random.key(0)
    assert str(init(key, subject.shapes)) == str(init(key, subject.batch))


@pytest.fixture(scope="module")
def embed(subject):
    """Returns the compiled embed function."""
    return jax.jit(subject.method.embed)


def test_embedding_is_finite_and_each_row_depends_only_on_its_example(subject, embed, eight):
    state = eight.trained[0]
    whole = embed(state.params, state.extra, subject.batch)
    mixed = {name: np.concatenate([x[:8], x[:7:-1]]) for name, x in subject.batch.items()}
    other = embed(state.params, state.extra, mixed)
    assert whole["features"].ndim == 2
    for name, rows in whole.items():
        assert np.isfinite(rows).all(), name
        np.testing.assert_allclose(rows[:8], other[name][:8], rtol=1e-4, atol=1e-5)
        assert np.std(rows, axis=0).max() > 0, name


def test_views_are_drawn_from_the_key_and_stacked(subject, views):
    first, again, other = (views(jax.random.key(seed), subject.batch) for seed in (0, 0, 1))
    chex.assert_trees_all_equal(first, again)
    assert {view.shape[1] for view in first.values()} == {tiny.BATCH}
    drawn = not all(np.array_equal(view, other[name]) for name, view in first.items())
    assert drawn == subject.case.draws_views


def test_backbone_round_trips_and_embed_uses_it(subject, embed, eight):
    """``backbone`` returns what ``with_backbone`` sets, and ``embed`` computes with it."""
    method, start, trained = subject.method, subject.start, eight.trained[0]
    backbone = method.backbone(trained.params, trained.extra)
    assert jax.tree.leaves(backbone[0])
    params, extra = method.with_backbone(start.params, start.extra, backbone)
    chex.assert_trees_all_equal_shapes_and_dtypes((params, extra), (start.params, start.extra))
    chex.assert_trees_all_equal(method.backbone(params, extra), backbone)
    learned = embed(trained.params, trained.extra, subject.batch)["features"]
    np.testing.assert_array_equal(embed(params, extra, subject.batch)["features"], learned)
    buffers = [id(x) for x in jax.tree.leaves((params, extra))]
    assert len(buffers) == len(set(buffers))


@pytest.mark.parametrize("platform", ["cuda", pytest.param("tpu", marks=pytest.mark.slow)])
def test_the_step_lowers_for_accelerators(eight, platform):
    assert "custom_vjp" not in str(eight.traced.jaxpr)
    text = eight.traced.lower(lowering_platforms=(platform,)).as_text()
    assert "stablehlo.convolution" in text or "stablehlo.dot_general" in text


def test_no_traced_function_closes_over_device_arrays(subject, eight):
    """On an accelerator, lowering the program would read such an array back."""
    method, start = subject.method, subject.start
    arguments = (start.params, start.extra, subject.batch)
    key = jax.eval_shape(lambda: jax.random.key(1))
    traced = {
        "step": eight.traced,
        "embed": jax.jit(method.embed).trace(*arguments),
        "score": jax.jit(method.score).trace(*arguments, key),
        "show": jax.jit(method.show).trace(*arguments, key),
    }
    captured = {name: device_constants(function.jaxpr) for name, function in traced.items()}
    assert {name: constants for name, constants in captured.items() if constants} == {}


@pytest.mark.slow
def test_bfloat16_networks_keep_float32_parameters(subject, eight):
    config = subject.config.copy_and_resolve_references()
    with config.unlocked():
        config.network.dtype = "bfloat16"
    method = METHODS[config.method.name](config)
    params, extra = method.init(jax.random.key(0), subject.batch)
    assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    view_key, loss_key = jax.random.split(jax.random.fold_in(jax.random.key(1), 0))
    views = jax.jit(method.views)(view_key, subject.batch)

    def loss(params):
        return method.loss(params, extra, views, loss_key, jnp.int32(0))

    assert "bf16" in str(jax.make_jaxpr(loss)(params))
    value, _ = jax.jit(loss)(params)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, eight.trained[1][0]["loss"], rtol=0.05)


@pytest.mark.slow
def test_microbatches_give_the_gradient_of_the_whole_batch(subject, monkeypatch):
    """BatchNorm uses its running statistics here: in training it uses those of each slice."""

    def by_running_statistics(self, x, *, use_running_average):
        del use_running_average
        return nnx.BatchNorm.__call__(self, x, use_running_average=True)

    monkeypatch.setattr(BatchNorm, "__call__", by_running_statistics)

    def gradient(slices):
        config = subject.config.copy_and_resolve_references()
        with config.unlocked():
            config.train.microbatches = slices
        method = METHODS[config.method.name](config)
        params, extra = method.init(jax.random.key(0), subject.batch)
        views = jax.jit(method.views)(jax.random.key(1), subject.batch)

        def loss(params):
            return method.loss(params, extra, views, jax.random.key(2), jnp.int32(0))[0]

        return jax.device_get(jax.jit(jax.grad(loss))(params))

    whole = gradient(1)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(whole))
    chex.assert_trees_all_close(gradient(4), whole, rtol=1e-5, atol=1e-5 * largest)
