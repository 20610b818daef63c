"""Micro-batches: the whole batch's gradient, BatchNorm per slice, a K-th of the activations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from ssl_jax import config, losses, methods
from ssl_jax.errors import InputError
from ssl_jax.nn import from_module
from ssl_jax.nn.backbones.resnet import ResNet
from ssl_jax.nn.backbones.vit import ViT
from ssl_jax.placement import AXIS, make_placement

K = 4


def vit(microbatches):
    shape = {"channels": 1, "image_size": 8, "patch_size": 4, "width": 8, "depth": 2, "heads": 2}
    return from_module(lambda rngs: ViT(**shape, rngs=rngs), microbatches=microbatches)


def resnet(microbatches, width=4):
    shape = {"channels": 1, "blocks": (1, 1), "widths": (width, width), "bottleneck": False}
    return from_module(
        lambda rngs: ResNet(**shape, stem="small", rngs=rngs), microbatches=microbatches
    )


def views(n=16, size=8):
    return jax.random.normal(jax.random.key(1), (2, n, size, size, 1))


def contrast(apply_views, params, stats, x):
    layers, stats = apply_views(params, stats, x, train=True)
    return losses.nt_xent(*layers["features"], temperature=0.5).mean(), stats


def gradient(apply_views, params, stats, x):
    return jax.jit(jax.value_and_grad(lambda p: contrast(apply_views, p, stats, x), has_aux=True))(
        params
    )


def test_without_batchnorm_value_and_gradient_equal_the_whole_batch_s():
    params, stats = vit(1).init(jax.random.key(0))
    (whole, _), expected = gradient(vit(1).apply_views, params, stats, views())
    (value, _), sliced = gradient(vit(K).apply_views, params, stats, views())
    np.testing.assert_allclose(value, whole, rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), sliced, expected)


def test_batchnorm_sees_every_kth_example_with_its_views():
    network = resnet(1)
    params, stats = network.init(jax.random.key(0))

    def by_hand(params, stats, x, *, train):
        outputs = {}
        for k in range(K):
            joined = x[:, k::K].swapaxes(0, 1).reshape(-1, *x.shape[2:])
            layers, stats = network.apply(params, stats, joined, train=train)
            for name, value in layers.items():
                whole = outputs.setdefault(name, jnp.zeros((*x.shape[:2], value.shape[1])))
                slices = value.reshape(-1, 2, value.shape[1]).swapaxes(0, 1)
                outputs[name] = whole.at[:, k::K].set(slices)
        return outputs, stats

    (expected, expected_stats), expected_gradient = gradient(by_hand, params, stats, views())
    (value, new_stats), sliced = gradient(resnet(K).apply_views, params, stats, views())
    (whole, _), _ = gradient(network.apply_views, params, stats, views())
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert abs(value - whole) > 1e-4
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # noqa: E731
    jax.tree.map(close, new_stats, expected_stats)
    jax.tree.map(close, sliced, expected_gradient)


def test_apply_returns_sliced_examples_in_order():
    params, stats = vit(1).init(jax.random.key(0))
    expected, _ = vit(1).apply(params, stats, views()[0], train=True)
    outputs, _ = vit(K).apply(params, stats, views()[0], train=True)
    np.testing.assert_allclose(outputs["features"], expected["features"], rtol=1e-5, atol=1e-6)


def test_nothing_is_sliced_outside_training():
    params, stats = resnet(1).init(jax.random.key(0))
    x = views(n=3)[0]
    expected, _ = resnet(1).apply(params, stats, x, train=False)
    outputs, _ = resnet(2).apply(params, stats, x, train=False)
    jax.tree.map(np.testing.assert_array_equal, outputs, expected)
    with pytest.raises(ValueError, match="3 examples do not split into 2"):
        resnet(2).apply(params, stats, x, train=True)


def test_activations_shrink_with_the_slices():
    def temporaries(network):
        params, stats = network.init(jax.random.key(0))
        f = jax.value_and_grad(lambda p: contrast(network.apply_views, p, stats, x)[0])
        return jax.jit(f).lower(params).compile().memory_analysis().temp_size_in_bytes

    x = views(n=128, size=16)
    whole, sliced = temporaries(resnet(1, width=16)), temporaries(resnet(8, width=16))
    assert sliced < whole / 7


def test_no_example_moves_between_devices():
    mesh = make_placement().mesh
    network = vit(2)
    params, stats = network.init(jax.random.key(0))
    x = jax.device_put(views(n=32), NamedSharding(mesh, PartitionSpec(None, AXIS)))

    def total(params, x):
        layers, _ = network.apply_views(params, stats, x, train=True)
        return (layers["features"] ** 2).mean()

    text = jax.jit(jax.grad(total)).lower(params, x).compile().as_text()
    assert "all-reduce" in text
    assert not any(word in text for word in ("all-gather", "all-to-all", "collective-permute"))


def test_a_method_reads_the_number_of_micro_batches_from_the_config():
    settings = config.defaults()
    settings.data.update({"channels": 1, "image_size": 8, "mean": (0.0,), "std": (1.0,)})
    settings.train.microbatches = K
    settings.method = {"name": "simclr", "temperature": 0.5, "projector": (8,), "augment": {}}
    settings.method.output_norm = False
    method = methods.make(settings)
    params, extra = jax.eval_shape(lambda key: method.init(key, {}), jax.random.key(0))
    key = jax.random.key(0)
    traced = jax.make_jaxpr(lambda p, e: method.loss(p, e, {"image": views()}, key, 0))
    scans = [e for e in traced(params, extra).eqns if e.primitive.name == "scan"]
    assert [e.params["length"] for e in scans] == [K]


def test_a_batch_that_does_not_split_into_micro_batches_is_refused():
    settings = config.defaults()
    settings.train.update({"microbatches": 3, "steps": 1})
    settings.data.batch_size = 64
    with pytest.raises(
        InputError, match=r"^train\.microbatches: .* into 3 slices; expected a divisor of 8$"
    ):
        config.resolve(settings, {}, 1000, 8)
