"""Checks that transformations and blocks change no value and no gradient of any loss."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from ssl_jax import losses
from tests.losses.checks import assert_same, normal, weigh

N, D, K, T = 6, 5, 4, 3
LABELS = jnp.array([0, 1, 0, 2, 1, 0])
TOKENS = jnp.arange(N * T).reshape(N, T) % K
MASK = TOKENS != 1
CENTER = jnp.linspace(-0.5, 0.5, K)


def z(*shape):
    return lambda key: jax.random.normal(key, shape)


def update_center(z):
    """Returns the squared distances to the new center, which has no gradient."""
    center = losses.update_center(CENTER, z)
    return ((z.astype(center.dtype) - center[None, None]) ** 2).sum((0, 2))


# For each loss: a function that draws the differentiated input, and the loss of that input.
CASES = {
    "info_nce": (z(2, N, D), lambda z, **o: losses.info_nce(*z, **o)),
    "nt_xent": (z(2, N, D), lambda z, **o: losses.nt_xent(*z, **o)),
    "decoupled_nt_xent": (z(2, N, D), lambda z, **o: losses.decoupled_nt_xent(*z, **o)),
    "queue_info_nce": (z(3, N, D), lambda z: losses.queue_info_nce(*z)),
    "moco_v3": (z(4, N, D), lambda z, **o: losses.moco_v3(*z, **o)),
    "mil_nce": (z(N, 3, D), lambda z, **o: losses.mil_nce(z[:, 0], z[:, 1:], **o)),
    "supcon": (z(N, D), lambda z, **o: losses.supcon(z, LABELS, **o)),
    "clip": (z(2, N, D), lambda z, **o: losses.clip(*z, logit_scale=3.0, **o)),
    "sigmoid_pairwise": (
        z(2, N, D),
        lambda z, **o: losses.sigmoid_pairwise(*z, logit_scale=3.0, logit_bias=-1.0, **o),
    ),
    "nce": (z(2, N, D), lambda z: losses.nce(z[0, :, 0], z[0, :, 1:], z[1, :, 0], z[1, :, 1:])),
    "triplet": (z(3, N, D), lambda z: losses.triplet(*z)),
    "alignment": (z(2, N, D), lambda z: losses.alignment(*z)),
    "spectral_contrastive": (z(2, N, D), lambda z: losses.spectral_contrastive(*z)),
    "cosine_regression": (z(2, N, D), lambda z: losses.cosine_regression(*z)),
    "cross_view": (z(3, N, K), lambda z: losses.cross_view(z, jax.nn.softmax(z[:2]))),
    "dino": (z(3, N, K), lambda z: losses.dino(z, z[:2] - 1, CENTER)),
    "ibot_patch": (z(N, T, K), lambda z: losses.ibot_patch(z, z[::-1], CENTER, MASK)),
    "update_center": (z(2, N, K), update_center),
    "sinkhorn": (z(N, K), lambda z: losses.sinkhorn(z, epsilon=0.5) @ CENTER),
    "swav": (z(2, N, K), lambda z: losses.swav(*z, epsilon=0.5)),
    "barlow_twins": (z(2, N, D), lambda z: losses.barlow_twins(*(z @ jnp.tri(D, dtype=z.dtype)))),
    "vicreg": (z(2, N, D), lambda z: losses.vicreg(*z)),
    "whitening_mse": (z(2, N, 2), lambda z: losses.whitening_mse(*z)),
    "cca": (z(2, N, 2), lambda z: losses.cca(*z)),
    "koleo": (z(N, D), lambda z: losses.koleo(z)),
    "uniformity": (z(N, D), lambda z, **o: losses.uniformity(z, **o)),
    "sigreg": (z(N, D), lambda z: losses.sigreg(jax.random.key(1), z, slices=8)),
    "coding_rate": (z(N, D), lambda z: losses.coding_rate(z)),
    "mmcr": (z(2, N, D), lambda z: losses.mmcr(z)),
    "me_max": (z(N, K), lambda z: losses.me_max(z)),
    "masked_mse": (z(2, N, T, D), lambda z: losses.masked_mse(*z, MASK)),
    "masked_smooth_l1": (z(2, N, T, D), lambda z: losses.masked_smooth_l1(*z, MASK)),
    "colorization": (z(N, T, T, K), lambda z: losses.colorization(z, jnp.argmin(z, -1))),
    "discriminator": (z(2, N), lambda z: losses.discriminator(*z)),
    "generator": (z(N), lambda z: losses.generator(z)),
    "causal_lm": (z(N, T, K), lambda z: losses.causal_lm(z, TOKENS)),
    "masked_lm": (z(N, T, K), lambda z: losses.masked_lm(z, TOKENS, MASK)),
    "skip_gram": (z(N, 4, D), lambda z: losses.skip_gram(z[:, 0], z[:, 1], z[:, 2:])),
    "glove": (z(N, 4), lambda z: losses.glove(*z.T[:3], 9 + z[:, 3])),
    "uda": (z(2, N, K), lambda z: losses.uda(*z, threshold=0.4)),
    "pseudo_label": (z(2, N, K), lambda z: losses.pseudo_label(*z, threshold=0.4)),
}


def options_of(name):
    return inspect.signature(getattr(losses, name)).parameters


IN_BLOCKS = [name for name in CASES if "block_size" in options_of(name)]


def test_every_loss_has_a_case():
    assert {name for name, f in vars(losses).items() if inspect.isfunction(f)} == set(CASES)


def scalar(name, **options):
    f = partial(CASES[name][1], **options)

    def total(inputs):
        values = f(inputs)
        return weigh(values) if values.ndim else values

    return total


@pytest.mark.parametrize(
    ("name", "options"), [(n, {}) for n in CASES] + [(n, {"block_size": 2}) for n in IN_BLOCKS]
)
def test_vmap_scan_and_checkpoint_change_nothing(name, options):
    plain = jax.value_and_grad(scalar(name, **options))
    rematerialized = jax.value_and_grad(jax.checkpoint(scalar(name, **options)))
    inputs = jax.vmap(CASES[name][0])(jax.random.split(jax.random.key(0), 3))

    @jax.jit
    def run(inputs):
        return jax.vmap(plain)(inputs), jax.lax.scan(
            lambda _, x: (None, rematerialized(x)), None, inputs
        )[1]

    at_once, one_by_one = run(inputs)
    assert_same(at_once, one_by_one, rtol=1e-4, atol=1e-5)
    assert abs(at_once[1]).max() > 1e-3


@pytest.mark.parametrize("name", IN_BLOCKS)
def test_blocks_change_neither_value_nor_gradient(name):
    inputs = normal(*jax.eval_shape(CASES[name][0], jax.random.key(0)).shape)

    @jax.jit
    def run(inputs):
        sizes = (None, 1, 4, 100)  # of 6 rows, or 12
        return [jax.value_and_grad(scalar(name, block_size=size))(inputs) for size in sizes]

    at_once, *in_blocks = run(inputs)
    for x in in_blocks:
        assert_same(x, at_once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", IN_BLOCKS)
def test_block_size_zero_is_rejected(name):
    with pytest.raises(ValueError, match="block_size must be at least 1, not 0"):
        jax.eval_shape(
            scalar(name, block_size=0), jax.eval_shape(CASES[name][0], jax.random.key(0))
        )


@pytest.mark.parametrize("name", IN_BLOCKS)
def test_blocks_have_no_second_derivative(name):
    assert "neither a second derivative nor forward mode" in inspect.getdoc(getattr(losses, name))
    f = scalar(name, block_size=2)
    inputs = jax.eval_shape(CASES[name][0], jax.random.key(0))
    with pytest.raises(NotImplementedError, match="block_size: there is no second derivative"):
        jax.eval_shape(jax.jacrev(jax.grad(f)), inputs)
    for forward in (jax.jacfwd(f), jax.hessian(f)):
        with pytest.raises(TypeError, match="forward-mode"):
            jax.jit(forward).lower(inputs)


@pytest.mark.parametrize("name", IN_BLOCKS)
def test_gradients_in_blocks_may_be_constants_of_another_loss(name):
    inputs = normal(*jax.eval_shape(CASES[name][0], jax.random.key(0)).shape)

    def surrogate(x, **options):
        gradients = jax.grad(scalar(name, **options))(x)
        return (x * jax.lax.stop_gradient(gradients)).sum()

    in_blocks = jax.jit(jax.grad(partial(surrogate, block_size=2)))(inputs)
    assert_same(in_blocks, jax.jit(jax.grad(scalar(name)))(inputs), rtol=1e-5, atol=1e-6)
