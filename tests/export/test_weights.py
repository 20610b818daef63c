"""The encoder's arrays by name, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load

from ssl_jax import methods
from ssl_jax.errors import InputError
from ssl_jax.export.weights import encoder_arrays, head_arrays, to_bytes
from ssl_jax.methods.base import Method
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.runs.run import Run
from tests import fake_runs, tiny
from tests.methods.case import config_of


@pytest.fixture(scope="module")
def run():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        config, data = config_of("byol", tiny.data()), tiny.data()
        method = methods.make(config)
        state = fake_runs.initial_state(method, config, data)
    return Run(config, method, state.params, state.extra, 1)


def with_backbone(params, stats, **entries):
    """Returns a run whose backbone is these trees."""
    backbone, _ = backbone_at("params/encoder", "extra/encoder")
    method = Method(*[methods.no_update] * 5, backbone=backbone)
    return Run(None, method, {"encoder": params} | entries, {"encoder": stats}, 1)


def test_names_are_paths_and_values_are_the_kept_encoder_s(run):
    """BYOL evaluates the student's encoder; a teacher and heads stay behind."""
    params, stats = run.method.backbone(run.params, run.extra)
    arrays = encoder_arrays(run)
    assert len(arrays) == len(jax.tree.leaves((params, stats)))
    np.testing.assert_array_equal(arrays["conv.kernel"], params["conv"]["kernel"])
    block = params["stages"]["1"]["0"]
    np.testing.assert_array_equal(arrays["stages.1.0.conv1.kernel"], block["conv1"]["kernel"])
    np.testing.assert_array_equal(arrays["norm.var"], stats["norm"]["var"])
    assert {x.dtype for x in arrays.values()} == {np.dtype("float32")}
    assert not any("projector" in name for name in arrays)


def test_a_file_holds_the_arrays(run):
    arrays = encoder_arrays(run)
    stored = load(to_bytes(arrays))
    assert stored.keys() == arrays.keys()
    for name, x in arrays.items():
        np.testing.assert_array_equal(stored[name], x)


def test_a_transposed_array_is_stored_in_the_order_of_its_shape():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(load(to_bytes({"x": x.T}))["x"], [[0, 3], [1, 4], [2, 5]])


def test_other_floating_types_become_float32_and_integers_stay():
    run = with_backbone({"w": jnp.ones(3, jnp.bfloat16)}, {"steps": jnp.int32(4)})
    arrays = encoder_arrays(run)
    assert (arrays["w"].dtype, arrays["steps"].dtype) == (np.float32, np.int32)
    assert arrays["steps"].shape == ()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_name(value):
    expected = r"^export: conv\.w holds values that are not finite; expected the weights of a run"
    with pytest.raises(InputError, match=expected):
        encoder_arrays(with_backbone({"conv": {"w": np.float32([1, value])}}, {}))
    run = with_backbone({"w": np.ones(2)}, {}, head={"kernel": np.float32([[value]])})
    with pytest.raises(InputError, match=r"^export: head\.kernel holds values that are not finite"):
        head_arrays(run)


def test_a_method_without_a_backbone_is_refused():
    run = Run(None, Method(*[methods.no_update] * 5), {}, {}, 1)
    expected = r"^export: the method does not say where its backbone is; expected Method\.backbone$"
    with pytest.raises(InputError, match=expected):
        encoder_arrays(run)


def test_an_empty_backbone_is_refused():
    with pytest.raises(InputError, match=r"^export: the backbone has no parameters; expected"):
        encoder_arrays(with_backbone({}, {}))


def test_a_name_that_occurs_twice_is_refused():
    expected = r"^export: w is a parameter and a statistic; expected different names$"
    with pytest.raises(InputError, match=expected):
        encoder_arrays(with_backbone({"w": np.ones(2)}, {"w": np.ones(2)}))


def test_the_head_is_named_after_its_place():
    run = with_backbone({"w": np.ones(2)}, {}, head={"kernel": np.ones((2, 3)), "bias": np.ones(3)})
    assert {name: x.shape for name, x in head_arrays(run).items()} == {
        "head.kernel": (2, 3),
        "head.bias": (3,),
    }
    assert head_arrays(with_backbone({"w": np.ones(2)}, {})) == {}
