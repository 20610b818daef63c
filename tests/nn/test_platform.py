"""The default device chooses the form that is traced; an override is part of jit's cache key."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn.attention import attention
from ssl_jax.nn.backbones.resnet import resnet_small
from ssl_jax.nn.backbones.vit import vit_nano
from ssl_jax.nn.functional import from_module
from ssl_jax.nn.platform import form, traced_as


def device(kind, capability="9.0"):
    return SimpleNamespace(device_kind=kind, compute_capability=capability, platform="gpu")


@pytest.mark.parametrize(
    ("backend", "found", "expected"),
    [
        ("cpu", device("cpu"), "cpu"),
        ("gpu", device("NVIDIA H100 80GB HBM3"), "cudnn"),
        ("gpu", device("NVIDIA RTX A6000", "8.6"), "cudnn"),
        ("gpu", device("NVIDIA B200", "10.0"), "cudnn"),
        ("gpu", device("Tesla V100-SXM2-16GB", "7.0"), "plain"),
        ("gpu", device("NVIDIA GeForce RTX 2080", "7.5"), "plain"),
        ("gpu", device("AMD Instinct MI300X", "gfx942"), "plain"),
        ("tpu", SimpleNamespace(device_kind="TPU v5e", platform="tpu"), "plain"),
    ],
)
def test_the_form_suits_the_default_backend(monkeypatch, backend, found, expected):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(jax, "local_devices", lambda: [found])
    assert form() == expected


def test_the_default_device_takes_precedence_over_the_backend(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "local_devices", lambda: [device("NVIDIA H100")])
    with jax.default_device("cpu"):
        assert form() == "cpu"
    with jax.default_device(jax.devices("cpu")[0]):
        assert form() == "cpu"
    assert form() == "cudnn"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda f: f,
        jax.checkpoint,
        lambda f: lambda x: jax.lax.scan(lambda c, _: (f(c), None), x, length=2)[0],
        lambda f: jax.vmap(f),
        lambda f: jax.grad(lambda x: f(x).sum()),
    ],
)
def test_each_form_has_a_trace_of_its_own(wrapped):
    """A trace that is cached for one form must not be used for another."""
    seen = []

    def f(x):
        seen.append(form())
        return x * 2

    function = jax.jit(wrapped(f))
    x = jnp.ones(3)
    for name in ("plain", "cpu", "plain"):
        with traced_as(name):
            function(x)
    function(x)
    assert set(seen) == {"plain", "cpu"}
    assert seen[0] == "plain"


def test_an_unknown_form_is_refused():
    """In tests by the type check, which users do not have."""
    with pytest.raises(Exception, match="CPU"), traced_as("CPU"):
        pass


def networks():
    yield from_module(lambda rngs: vit_nano(channels=3, image_size=8, patch_size=4, rngs=rngs))
    yield from_module(lambda rngs: resnet_small(channels=3, stem="patch", rngs=rngs))


@pytest.mark.parametrize("network", list(networks()), ids=["vit", "resnet"])
def test_plain_networks_have_forward_mode_and_no_custom_gradients(network):
    params, stats = network.init(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (4, 8, 8, 3))

    def f(images):
        return network.apply(params, stats, images, train=True)[0]["features"]

    direction = jax.random.normal(jax.random.key(2), images.shape)
    with traced_as("plain"):
        text = str(jax.make_jaxpr(f)(images))
        features, forward = jax.jit(lambda x, v: jax.jvp(f, (x,), (v,)))(images, direction)
        cotangent = jax.random.normal(jax.random.key(3), features.shape)
        (backward,) = jax.jit(lambda x, u: jax.vjp(f, x)[1](u))(images, cotangent)
    assert "custom_vjp" not in text
    assert "optimization_barrier" not in text
    np.testing.assert_allclose(
        jnp.vdot(cotangent, forward), jnp.vdot(backward, direction), rtol=1e-4
    )


@pytest.mark.parametrize("network", list(networks()), ids=["vit", "resnet"])
def test_both_forms_compute_the_same(network):
    params, stats = network.init(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (4, 8, 8, 3))

    def loss(params):
        layers, moved = network.apply(params, stats, images, train=True)
        return jnp.sin(layers["features"]).sum(), (layers, moved)

    found = []
    for name in ("plain", "cpu"):
        with traced_as(name):
            found.append(jax.jit(jax.value_and_grad(loss, has_aux=True))(params))
    for plain, cpu in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(plain, cpu, rtol=1e-3, atol=1e-4 * max(1, np.abs(cpu).max()))


def test_the_plain_form_can_be_exported_and_run():
    """``jax.export`` writes one program for all platforms."""
    network = next(networks())
    params, stats = network.init(jax.random.key(0))

    def embed(params, images):
        return network.apply(params, stats, images, train=False)[0]["features"]

    images = jax.random.normal(jax.random.key(1), (4, 8, 8, 3))
    with traced_as("plain"):
        function = jax.export.export(jax.jit(embed), platforms=("cpu", "cuda", "tpu"))
        program = function(params, images)
    assert program.platforms == ("cpu", "cuda", "tpu")
    np.testing.assert_allclose(
        program.call(params, images), jax.jit(embed)(params, images), rtol=1e-4, atol=1e-5
    )


@pytest.fixture
def cudnn(monkeypatch):
    """Records the calls of cuDNN's attention, which this machine need not have."""
    calls = []

    def fake(query, key, value, *, is_causal, key_value_seq_lengths, implementation):
        calls.append((is_causal, implementation))
        return query

    monkeypatch.setattr(jax.nn, "dot_product_attention", fake)
    with traced_as("cudnn"):
        yield calls


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("size", [8, 64, 128])
@pytest.mark.parametrize("causal", [False, True])
def test_cudnn_computes_the_attention_that_it_supports(cudnn, dtype, size, causal):
    x = jnp.zeros((2, 5, 3, size), dtype)
    attention(x, x, x, causal=causal)
    assert cudnn == [(causal, "cudnn")]


@pytest.mark.parametrize(
    ("dtype", "size"), [(jnp.float32, 64), (jnp.bfloat16, 136), (jnp.bfloat16, 12)]
)
def test_attention_that_cudnn_does_not_support_is_plain(cudnn, dtype, size):
    x = jnp.zeros((2, 5, 3, size), dtype)
    attention(x, x, x)
    assert cudnn == []


def test_with_cudnn_all_other_layers_are_plain(cudnn):
    rngs = nnx.Rngs(0)
    module = vit_nano(channels=3, image_size=8, patch_size=4, dtype=jnp.bfloat16, rngs=rngs)
    text = str(jax.make_jaxpr(lambda x: module(x, train=True)["features"])(jnp.ones((2, 8, 8, 3))))
    assert len(cudnn) == 4
    assert "custom_vjp" not in text
