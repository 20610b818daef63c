"""The convolution matches flax.nnx.Conv in value and gradients; sharded, it gathers nothing."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn.conv import Conv, conv, doubled
from ssl_jax.nn.platform import traced_as
from tests import tiny

pytestmark = pytest.mark.usefixtures("both_forms")


def plain(x, kernel, stride):
    """XLA's convolution with PyTorch's padding, and XLA's own gradients."""
    k = kernel.shape[0]
    padding = []
    for size in x.shape[1:3]:
        before = (k - 1) // 2
        after = (-(-size // stride) - 1) * stride + k - size - before
        padding.append((before, max(after, 0)))
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def inputs(n, h, w, i, o, *kernel_size, groups=1):
    """Images, and a kernel with one or two sizes."""
    rng = np.random.default_rng(n * h + kernel_size[0])
    shape = (kernel_size[0], kernel_size[-1], i // groups, o)
    arrays = rng.normal(size=(n, h, w, i)), rng.normal(size=shape)
    return tuple(jnp.asarray(a, jnp.float32) for a in arrays)


def from_flax(x, kernel, *, stride, padding, dilation, groups):
    i, o = x.shape[-1], kernel.shape[-1]
    module = nnx.Conv(
        i,
        o,
        kernel.shape[:2],
        stride,
        padding=padding,
        kernel_dilation=dilation,
        feature_group_count=groups,
        use_bias=False,
        rngs=nnx.Rngs(params=0),
    )
    module.kernel[...] = kernel
    return module(x)


@partial(jax.jit, static_argnums=0)
def value_and_gradients(function, x, kernel):
    """Returns ``f`` and the gradients of ``sum(sin(f))`` with respect to input and kernel."""
    y, vjp = jax.vjp(function, x, kernel)
    return y, *vjp(jnp.cos(y))


def assert_close(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * max(1, np.abs(b).max(initial=0)))


@pytest.mark.parametrize(
    ("k", "stride", "n"), [*itertools.product([1, 3, 4], [1, 2], [1, 24]), (7, 2, 3)]
)
def test_value_and_gradients_match_xla(k, stride, n):
    x, kernel = inputs(n, 9, 8, 3, 5, k)

    def loss(function):
        return jax.jit(
            jax.value_and_grad(
                lambda x, kernel: jnp.sin(function(x, kernel, stride=stride)).sum(), argnums=(0, 1)
            )
        )(x, kernel)

    (ours, (dx, dkernel)), (value, (dx0, dkernel0)) = loss(conv), loss(plain)
    np.testing.assert_allclose(ours, value, rtol=1e-5)
    np.testing.assert_allclose(dx, dx0, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dkernel, dkernel0, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "kernel_size", "stride", "dilation", "groups", "padding"),
    [
        ((8, 8), (3, 3), 1, 1, 1, "SAME"),
        ((8, 8), (3, 3), 2, 1, 1, "SAME"),
        ((9, 9), (3, 3), 2, 1, 1, "SAME"),
        ((9, 8), (4, 4), 2, 1, 1, "SAME"),
        ((9, 8), (1, 1), 3, 1, 1, "SAME"),
        ((7, 10), (2, 5), (3, 2), 1, 1, "SAME"),
        ((11, 8), (3, 2), 1, (2, 3), 1, "SAME"),
        ((11, 8), (3, 3), 2, 2, 1, "SAME"),
        ((8, 9), (3, 2), (2, 3), 1, 1, "VALID"),
        ((9, 10), (3, 3), 2, (1, 3), 1, "VALID"),
        ((3, 4), (3, 4), 1, 1, 1, "VALID"),
        ((8, 9), (3, 3), 2, 1, 1, 1),
        ((8, 9), (1, 3), 1, 1, 1, 2),
        ((8, 9), (3, 3), 2, 2, 1, (2, 0)),
        ((8, 9), (4, 4), 2, 1, 1, ((1, 2), (0, 3))),
        ((8, 9), (3, 3), 2, 1, 1, ((0, 1), 2)),
        ((8, 9), (3, 3), 1, 1, 1, ((-1, 2), (0, -2))),
        ((8, 9), (3, 3), 1, 1, 2, "SAME"),
        ((9, 8), (3, 2), (1, 2), (2, 1), 2, ((1, 0), (2, 1))),
        ((8, 9), (3, 3), 2, 1, 4, "VALID"),
        ((2, 2), (3, 3), 1, 1, 1, "SAME"),
        ((1, 2), (3, 4), 2, 1, 1, "SAME"),
        ((2, 3), (3, 3), 1, 2, 1, (2, 1)),
        ((2, 2), (3, 3), 1, 1, 2, "SAME"),
        ((7, 5), (4, 4), 1, 1, 1, 2),
        ((2, 4), (2, 2), 2, 1, 1, 4),
        ((3, 3), (3, 3), 1, 1, 1, ((4, 4), (-1, 2))),
    ],
)
def test_shapes_value_and_gradients_match_flax(
    size, kernel_size, stride, dilation, groups, padding
):
    x, kernel = inputs(3, *size, 4, 8, *kernel_size, groups=groups)
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = value_and_gradients(partial(from_flax, **window), x, kernel)
    assert_close(value_and_gradients(partial(conv, **window), x, kernel), expected)


@pytest.mark.parametrize("dilation", [1, 2, (3, 2)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_default_padding_rounds_sides_up(stride, dilation):
    for size, k in itertools.product([(6, 7), (12, 5)], [1, 2, 3, 4]):
        window = {"stride": stride, "dilation": dilation}
        y = jax.eval_shape(partial(conv, **window), *inputs(1, *size, 1, 1, k))
        assert y.shape == (1, -(-size[0] // stride), -(-size[1] // stride), 1)


@pytest.mark.parametrize("size", [(0, 8, 8), (2, 2, 8)])
def test_the_gradient_of_an_empty_output_is_zero(size):
    x, kernel = inputs(*size, 2, 3, 3)
    y, dx, dkernel = value_and_gradients(partial(conv, padding="VALID"), x, kernel)
    assert (y.size, dx.shape, dkernel.shape) == (0, x.shape, kernel.shape)
    assert not dkernel.any()


def test_the_kernel_gradient_in_bfloat16_is_summed_in_float32_across_devices_too():
    """8226 rounds to 8256 in bfloat16; if each device rounded its sum first, it would be 8192."""
    counts = np.array([1027] * 7 + [1037])
    x = (np.arange(33 * 33) < counts[:, None]).reshape(8, 33, 33, 1)

    def gradient(x, kernel):
        y, vjp = jax.vjp(lambda kernel: conv(x, kernel), kernel)
        return vjp(jnp.ones_like(y))[0]

    ours = jax.jit(gradient)(
        jax.device_put(jnp.asarray(x, jnp.bfloat16), tiny.placement(8).rows),
        jnp.ones((1, 1, 1, 1), jnp.bfloat16),
    )
    assert ours.dtype == jnp.bfloat16
    assert ours.item() == 8256


@pytest.mark.parametrize("size", [(5, 6), (2, 2)])
def test_gradients_under_vmap(size):
    rng = np.random.default_rng(0)
    xs = jnp.asarray(rng.normal(size=(3, 2, *size, 2)), jnp.float32)
    kernels = jnp.asarray(rng.normal(size=(3, 3, 3, 2, 3)), jnp.float32)
    ours = partial(value_and_gradients, partial(conv, stride=2))
    for axes, others in ((0, kernels), (None, kernels[0])):
        with traced_as("plain"):
            each = [ours(x, others if axes is None else others[n]) for n, x in enumerate(xs)]
        expected = [jnp.stack(a) for a in zip(*each, strict=True)]
        assert_close(jax.vmap(ours, (0, axes))(xs, others), expected)


@pytest.mark.parametrize("size", [(4, 4), (2, 3), (1, 1)])
def test_doubled_matches_the_transposed_convolution_of_flax(size):
    x, kernel = inputs(3, *size, 4, 5, 4)

    def flax(x, kernel):
        rngs = nnx.Rngs(0)
        module = nnx.ConvTranspose(4, 5, (4, 4), 2, padding="SAME", use_bias=False, rngs=rngs)
        module.kernel[...] = kernel
        return module(x)

    assert_close(value_and_gradients(doubled, x, kernel), value_and_gradients(flax, x, kernel))


@pytest.mark.parametrize(("stride", "p", "q"), [(1, 4, 5), (2, 2, 3)])
def test_the_kernel_gradient_matches_loops(stride, p, q):
    x, kernel = inputs(2, 4, 5, 2, 3, 3)
    dy = np.random.default_rng(9).normal(size=(2, p, q, 3)).astype(np.float32)
    _, vjp = jax.vjp(lambda kernel: conv(x, kernel, stride=stride), kernel)
    padded = np.pad(np.asarray(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros(kernel.shape)
    for n, i, j, r, c in itertools.product(range(2), range(p), range(q), range(3), range(3)):
        expected[r, c] += np.outer(padded[n, stride * i + r, stride * j + c], dy[n, i, j])
    np.testing.assert_allclose(vjp(jnp.asarray(dy))[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [{}, {"stride": 2}, {"dilation": 2, "padding": "VALID"}])
def test_gradients_of_a_sharded_batch_gather_no_images(window):
    x, kernel = inputs(32, 8, 8, 4, 4, 3)
    rows, whole = tiny.placement(8).rows, tiny.placement(8).replicated
    function = jax.jit(
        lambda x, kernel: value_and_gradients(partial(conv, **window), x, kernel),
        in_shardings=(rows, whole),
        out_shardings=(rows, rows, whole),
    )
    compiled = function.lower(x, kernel).compile()
    text = compiled.as_text()
    assert "all-reduce" in text
    for moved in ("all-gather", "all-to-all", "collective-permute"):
        assert moved not in text
    on_eight = compiled(jax.device_put(x, rows), jax.device_put(kernel, whole))
    with traced_as("plain"):
        assert_close(on_eight, value_and_gradients(partial(conv, **window), x, kernel))


def test_the_module_computes_in_its_dtype_and_keeps_float32_parameters():
    module = Conv(3, 8, 3, dtype=jnp.bfloat16, rngs=nnx.Rngs(params=0))
    x, _ = inputs(2, 6, 6, 3, 8, 3)
    assert module.kernel[...].dtype == jnp.float32
    y = module(x)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y, plain(x, module.kernel[...], 1), atol=0.1)


def test_initial_kernels_have_the_scale_of_he_initialization():
    kernel = Conv(64, 128, 3, rngs=nnx.Rngs(params=0)).kernel[...]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (128 * 9)), rtol=0.02)


def test_the_module_passes_its_arguments_on():
    window = {"stride": (1, 2), "padding": ((0, 1), (2, 3)), "dilation": (2, 1), "groups": 2}
    module = Conv(4, 6, (3, 2), **window, rngs=nnx.Rngs(params=0))
    x, _ = inputs(2, 8, 9, 4, 6, 3)
    assert module.kernel[...].shape == (3, 2, 2, 6)
    assert_close([module(x)], [from_flax(x, module.kernel[...], **window)])
