"""Checks that jit, shard_map and pmap on eight devices give the losses of one device."""

import inspect
import re
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from ssl_jax import losses

N, D, DEVICES = 24, 4, 8
ROWS, EVERYWHERE = PartitionSpec("data"), PartitionSpec()
PROTOTYPES = jnp.linspace(0.5, 1.5, D)


class Case(NamedTuple):
    """A loss, a function that draws its inputs of N rows, and its traced keyword arguments."""

    name: str
    function: Callable
    make_inputs: Callable[[np.random.Generator], tuple]
    numbers: dict[str, float]


def embeddings(rng):
    return rng.normal(size=(N, D)), rng.normal(size=(N, D))


def labeled(rng):
    return rng.normal(size=(N, D)), np.arange(N) * 5 % 7 // 2  # 7, 7, 7 and 3 rows per class


def one_view(rng):
    return (rng.normal(size=(N, D)),)


def two_views(rng):
    return (rng.normal(size=(N, 2, D)),)


def two_positives(rng):
    return rng.normal(size=(N, D)), rng.normal(size=(N, 2, D))


def related(rng):
    """Returns two correlated views with well-conditioned statistics."""
    shared = rng.normal(size=(N, D))
    return shared + rng.normal(size=(N, D)), shared + rng.normal(size=(N, D))


def update_center(teacher, **options):
    """Returns the distances [n] of logits [n, g, k] to the new center, which has no gradient."""
    center = losses.update_center(PROTOTYPES, teacher.swapaxes(0, 1), **options)
    return ((teacher[:, 0] - center[None]) ** 2).sum(-1)


def moco_v3(z1, z2, **options):
    """Makes keys that differ from the queries."""
    return losses.moco_v3(z1, z2, 2 * z1 - 1, 1 - z2, **options)


def mmcr(z, **options):
    return losses.mmcr(z.swapaxes(0, 1), **options)


def sinkhorn(scores, **options):
    """Returns weighted sums [n] of the assignments: plain sums are always 1."""
    return losses.sinkhorn(scores, epsilon=0.5, **options) @ PROTOTYPES


def barlow_twins(z1, z2, **options):
    """Mixes the features first: otherwise their scales would have no gradient."""
    mix = jnp.tri(D)
    return losses.barlow_twins(z1 @ mix, z2 @ mix, **options)


CASES = [
    Case("info_nce", losses.info_nce, embeddings, {"temperature": 0.2}),
    Case("nt_xent", losses.nt_xent, embeddings, {"temperature": 0.5}),
    Case("decoupled_nt_xent", losses.decoupled_nt_xent, embeddings, {"temperature": 0.5}),
    Case("moco_v3", moco_v3, embeddings, {"temperature": 0.5}),
    Case("mil_nce", losses.mil_nce, two_positives, {"temperature": 0.5}),
    Case("supcon", losses.supcon, labeled, {"temperature": 0.5}),
    Case("clip", losses.clip, embeddings, {"logit_scale": 3.0}),
    Case(
        "sigmoid_pairwise",
        losses.sigmoid_pairwise,
        embeddings,
        {"logit_scale": 3.0, "logit_bias": -2.0},
    ),
    Case("spectral_contrastive", losses.spectral_contrastive, embeddings, {}),
    Case("update_center", update_center, two_views, {}),
    Case("koleo", losses.koleo, one_view, {}),
    Case("uniformity", losses.uniformity, one_view, {"t": 2.0}),
    Case("sigreg", partial(losses.sigreg, jax.random.key(0), slices=8), one_view, {}),
    Case("coding_rate", losses.coding_rate, one_view, {"distortion": 0.5}),
    Case("mmcr", mmcr, two_views, {}),
    Case("me_max", losses.me_max, one_view, {"temperature": 0.5}),
    Case("sinkhorn", sinkhorn, one_view, {}),
    Case("swav", partial(losses.swav, epsilon=0.5), embeddings, {"temperature": 0.2}),
    Case("barlow_twins", barlow_twins, related, {}),
    Case("vicreg", losses.vicreg, related, {}),
    Case("whitening_mse", partial(losses.whitening_mse, epsilon=0.1), related, {}),
    Case("cca", partial(losses.cca, epsilon=0.1), related, {}),
]


def test_every_loss_with_an_axis_has_a_case():
    coupled = {
        name
        for name, f in vars(losses).items()
        if inspect.isfunction(f) and "axis_name" in inspect.signature(f).parameters
    }
    assert coupled == {case.name for case in CASES}


def is_float(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


def prepare(case):
    """Returns the replicated parameters that are differentiated, and the sharded inputs.

    A weight on the features of every input stands in for a network.
    """
    inputs = [jnp.asarray(x) for x in case.make_inputs(np.random.default_rng(0))]
    inputs = [x.astype(jnp.float32) if is_float(x) else x for x in inputs]
    weights = [jnp.linspace(0.5, 1.5, x.shape[-1]) for x in inputs if is_float(x)]
    numbers = {name: jnp.float32(x) for name, x in case.numbers.items()}
    return (weights, numbers), inputs


def evaluate(case, parameters, inputs, **options):
    weights, numbers = parameters
    weights = iter(weights)
    inputs = [x * next(weights) if is_float(x) else x for x in inputs]
    return case.function(*inputs, **numbers, **options)


def globally(values, rows):
    """Reorders what the devices returned, [devices, ...], as one device does: view, device, row."""
    devices = len(values)
    if rows == 0:
        for other in values[1:]:
            np.testing.assert_allclose(other, values[0], rtol=1e-6, atol=1e-7)
        return values[0]
    views = rows // N
    blocks = values.reshape(devices, views, N // devices, *values.shape[2:])
    return np.swapaxes(blocks, 0, 1).reshape(rows, *values.shape[2:])


@cache
def one_device(name):
    case = next(case for case in CASES if case.name == name)
    parameters, inputs = prepare(case)

    def f(parameters):
        values = evaluate(case, parameters, inputs)
        return values.mean(), values

    return jax.jit(jax.value_and_grad(f, has_aux=True))(parameters)


def with_jit(case, parameters, inputs, options, rows):
    del rows
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    inputs = jax.device_put(inputs, NamedSharding(mesh, ROWS))
    parameters = jax.device_put(parameters, NamedSharding(mesh, EVERYWHERE))

    @jax.jit
    def f(parameters, inputs):
        def mean(parameters):
            values = evaluate(case, parameters, inputs, **options)
            return values.mean(), values

        return jax.value_and_grad(mean, has_aux=True)(parameters)

    return f(parameters, inputs)


def with_shard_map(case, parameters, inputs, options, rows, devices=DEVICES):
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))

    def local(parameters, inputs):
        values = evaluate(case, parameters, inputs, axis_name="data", **options)
        return jax.lax.pmean(values.mean(), "data"), values[None]

    def mean(parameters):
        specs = {"in_specs": (EVERYWHERE, ROWS), "out_specs": (EVERYWHERE, ROWS)}
        return jax.shard_map(local, mesh=mesh, check_vma=True, **specs)(parameters, inputs)

    (value, values), gradients = jax.jit(jax.value_and_grad(mean, has_aux=True))(parameters)
    return (value, globally(np.asarray(values), rows)), gradients


def with_pmap(case, parameters, inputs, options, rows):
    def local(parameters, inputs):
        def mean(parameters):
            values = evaluate(case, parameters, inputs, axis_name="data", **options)
            return values.mean(), values

        (value, values), gradients = jax.value_and_grad(mean, has_aux=True)(parameters)
        return jax.lax.pmean((value, gradients), "data"), values

    inputs = [x.reshape(DEVICES, -1, *x.shape[1:]) for x in inputs]
    out, values = jax.pmap(local, axis_name="data", in_axes=(None, 0))(parameters, inputs)
    value, gradients = jax.tree.map(lambda x: x[0], out)
    return (value, globally(np.asarray(values), rows)), gradients


def has_blocks(case):
    return "block_size" in inspect.signature(getattr(losses, case.name)).parameters


WHOLE = [pytest.param(case, {}, id=case.name) for case in CASES]
IN_BLOCKS = [
    pytest.param(case, {"block_size": 2}, id=f"{case.name}-blocks")
    for case in CASES
    if has_blocks(case)
]


@pytest.mark.parametrize("run", [with_jit, with_shard_map, with_pmap])
@pytest.mark.parametrize(("case", "options"), WHOLE + IN_BLOCKS)
def test_eight_devices_equal_one(case, options, run):
    assert jax.device_count() == DEVICES
    expected = one_device(case.name)
    values = expected[0][1]
    rows = values.shape[0] if values.ndim and values.shape[0] in (N, 2 * N) else 0
    assert_close(run(case, *prepare(case), options, rows), expected)
    assert all(abs(g).max() > 1e-3 for g in jax.tree.leaves(expected[1]))


@pytest.mark.parametrize(("case", "options"), IN_BLOCKS)
def test_an_odd_ring_equals_one_device(case, options):
    expected = one_device(case.name)
    rows = len(expected[0][1]) if expected[0][1].ndim else 0
    assert_close(with_shard_map(case, *prepare(case), options, rows, devices=3), expected)


@pytest.mark.parametrize("name", ["info_nce", "clip"])
def test_shared_keys_get_the_gradient_of_all_devices(name):
    """In shard_map without axis_name each device compares its own queries with the same keys."""
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    queries, keys = jax.random.normal(jax.random.key(0), (2, DEVICES * 4, D))

    def gradients(block_size):
        def local(queries, keys):
            options = {"block_size": block_size, **NUMBERS[name]}
            values = getattr(losses, name)(queries, keys, **options)
            return jax.lax.pmean(values.mean(), "data")

        mapped = jax.shard_map(local, mesh=mesh, in_specs=(ROWS, EVERYWHERE), out_specs=EVERYWHERE)
        return jax.jit(jax.grad(mapped, (0, 1)))(queries, keys[:4])

    assert_close(gradients(3), gradients(None))


def assert_close(actual, expected):
    leaves = zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True)
    for a, e in leaves:
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-6)


def compiled_text(name, options, n, d):
    """Returns the program of value and gradient on eight devices; with axis_name, in shard_map."""
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    z = jax.ShapeDtypeStruct((n, d), jnp.float32, sharding=NamedSharding(mesh, ROWS))

    def mean(z1, z2):
        loss = getattr(losses, name)(z1, z2, **options).mean()
        return jax.lax.pmean(loss, "data") if "axis_name" in options else loss

    if "axis_name" in options:
        mean = jax.shard_map(mean, mesh=mesh, in_specs=(ROWS, ROWS), out_specs=EVERYWHERE)
    return jax.jit(jax.value_and_grad(mean, (0, 1))).lower(z, z).compile().as_text()


NUMBERS = {"info_nce": {}, "nt_xent": {}, "clip": {"logit_scale": 3.0}}


@pytest.mark.parametrize("name", NUMBERS)
def test_under_jit_the_devices_share_every_tile(name):
    text = compiled_text(name, {"block_size": 64, **NUMBERS[name]}, n=512, d=4)
    assert "f32[8,64]" in text  # one eighth of the rows of a tile
    assert "f32[64,64]" not in text
    assert "f32[512,512]" not in text


@pytest.mark.parametrize("name", NUMBERS)
def test_keys_travel_around_the_ring(name):
    text = compiled_text(name, {"block_size": 16, "axis_name": "data", **NUMBERS[name]}, 512, 4)
    assert "collective-permute" in text
    assert "all-gather" not in text
    assert "f32[16,16]" in text
    scores = re.findall(r"f32\[(\d+),(\d+)\]", text)
    assert max(int(a) * int(b) for a, b in scores) < 64 * 512  # the rows of one device, all columns
