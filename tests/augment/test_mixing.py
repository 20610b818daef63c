"""mixup and CutMix: against the references, and the distributions of what they draw."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment import mixing
from tests.augment import picture, quick_jit
from tests.references import mixing as reference

CASES = [("mixup", {}), ("mixup", {"alpha": 0.3}), ("cutmix", {}), ("cutmix", {"alpha": 0.5})]


def batch(n, h=6, w=9, c=3, k=5):
    images = jnp.stack([picture(h, w, c, seed) for seed in range(n)])
    targets = np.random.default_rng(0).dirichlet(np.ones(k), n)
    return images, jnp.asarray(targets, jnp.float32)


def shares(name, n, **parameters):
    """The weight of an example's own target for ``n`` keys, and the images, black before white."""
    images = jnp.stack([jnp.zeros((20, 30, 1)), jnp.ones((20, 30, 1))])
    f = jax.vmap(partial(getattr(mixing, name), **parameters), (0, None, None))
    keys = jax.random.split(jax.random.key(0), n)
    mixed, targets = quick_jit(f)(keys, images, jnp.eye(2))
    return np.asarray(targets[:, 0, 0]), np.asarray(mixed[:, 0, :, :, 0])


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_plain_jit_and_vmap_agree_and_keep_the_ranges(name, parameters, c):
    f = partial(getattr(mixing, name), **parameters)
    images, targets = batch(4, c=c)
    keys = jax.random.split(jax.random.key(1), 3)
    jitted = quick_jit(f)
    singly = [jitted(key, images, targets) for key in keys]
    batched = quick_jit(jax.vmap(f, (0, None, None)))(keys, images, targets)
    for i, (mixed, mixed_targets) in enumerate(singly):
        assert mixed.shape == images.shape
        assert mixed.dtype == mixed_targets.dtype == jnp.float32
        assert mixed.min() >= 0
        assert mixed.max() <= 1
        np.testing.assert_allclose(mixed_targets.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(batched[0][i], mixed, atol=1e-6)
        np.testing.assert_allclose(batched[1][i], mixed_targets, atol=1e-6)
    if c == 3 and not parameters:  # without jit it is slow
        for actual, expected in zip(f(keys[0], images, targets), singly[0], strict=True):
            np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_mixup_agrees_with_the_reference(n):
    images, targets = batch(n)
    share = jax.random.beta(jax.random.key(3), 0.8, 0.8)
    actual = mixing.mixup(jax.random.key(3), images, targets)
    expected = reference.mixup(images, targets, float(share))
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_cutmix_agrees_with_the_reference(n):
    images, targets = batch(n, 12, 9)
    cut = set()
    f = quick_jit(mixing.cutmix)
    for key in jax.random.split(jax.random.key(3), 10):
        share_key, center_key = jax.random.split(key)
        share = float(jax.random.beta(share_key, 1.0, 1.0))
        y, x = jax.random.uniform(center_key, (2,)).tolist()
        box = reference.box(12, 9, share, y, x)
        expected = reference.cutmix(images, targets, *box)
        for ours, theirs in zip(f(key, images, targets), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
        cut.add(box)
    assert len(cut) > 5


@pytest.mark.parametrize("alpha", [None, 0.2, 2.0])
def test_mixup_draws_lambda_from_a_beta_distribution(alpha):
    parameters = {"alpha": alpha} if alpha else {}
    share, images = shares("mixup", 2000, **parameters)
    np.testing.assert_allclose(images, np.broadcast_to(1 - share[:, None, None], images.shape))
    alpha = alpha or 0.8
    assert stats.kstest(share, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_cutmix_replaces_one_box_and_its_targets_have_the_exact_shares(alpha):
    parameters = {"alpha": alpha} if alpha else {}
    share, images = shares("cutmix", 2000, **parameters)
    assert set(np.unique(images)) == {0, 1}
    np.testing.assert_allclose(1 - images.mean((1, 2)), share, atol=1e-6)
    rows, columns = images.any(2), images.any(1)
    np.testing.assert_array_equal(images, rows[:, :, None] * columns[:, None])
    for edges in (rows, columns):  # one interval each
        assert (abs(np.diff(edges.astype(int), axis=1, prepend=0, append=0)).sum(1) <= 2).all()

    rng = np.random.default_rng(0)
    alpha = alpha or 1.0
    theirs = [
        reference.box(20, 30, rng.beta(alpha, alpha), rng.uniform(), rng.uniform())
        for _ in range(8000)
    ]
    top, bottom, left, right = np.array(theirs).T
    nonempty = (bottom > top) & (right > left)
    ours_nonempty = images.any((1, 2))
    counts = [[m.sum(), (~m).sum()] for m in (nonempty, ours_nonempty)]
    assert stats.chi2_contingency(counts).pvalue > 1e-3
    rows, columns = rows[ours_nonempty], columns[ours_nonempty]
    for name, ours, expected in (
        ("top", rows.argmax(1), top),
        ("bottom", 20 - rows[:, ::-1].argmax(1), bottom),
        ("left", columns.argmax(1), left),
        ("right", 30 - columns[:, ::-1].argmax(1), right),
        ("area", rows.sum(1) * columns.sum(1), (bottom - top) * (right - left)),
    ):
        p = stats.ks_2samp(ours, expected[nonempty]).pvalue
        assert p > 1e-3, f"{name}: p = {p:.1e}"


def test_the_middle_of_an_odd_batch_stays_as_it_is():
    images, targets = batch(5)
    for f in (mixing.mixup, mixing.cutmix):
        mixed, mixed_targets = quick_jit(f)(jax.random.key(4), images, targets)
        np.testing.assert_allclose(mixed[2], images[2], atol=1e-6)
        np.testing.assert_allclose(mixed_targets[2], targets[2], atol=1e-6)
        assert (mixed[0] != images[0]).any()


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_images_and_targets_must_be_equally_many(name):
    images, targets = batch(4)
    with pytest.raises(ValueError, match="expected one target per image: 3 for 4"):
        getattr(mixing, name)(jax.random.key(0), images, targets[:3])


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_sharded_batch_gives_the_same_result(name):
    images, targets = batch(8)
    key, f = jax.random.key(2), quick_jit(getattr(mixing, name))
    expected = f(key, images, targets)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.NamedSharding(mesh, jax.P("data"))
    actual = f(key, *jax.device_put((images, targets), sharding))
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
