"""A run's encoder as one program that runs wherever JAX runs, without ssl_jax."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import ShapeDtypeStruct
from jax import export as jax_export
from jax.extend.core import ClosedJaxpr, Var, jaxpr_as_fun
from jaxtyping import Array

from ssl_jax.data.modalities import MODALITIES
from ssl_jax.nn.platform import traced_as
from ssl_jax.runs.run import Run

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_SOURCE_FILES = "jax_hlo_source_file_canonicalization_regex"


class Program(NamedTuple):
    """A serialized program.

    Attributes:
      content: for ``jax.export.deserialize``.
      sizes: the size of a row of each output, by name.
    """

    content: bytes
    sizes: dict[str, int]


def input_of(run: Run) -> tuple[str, ShapeDtypeStruct]:
    """Returns the name of the program's input and the shape and type of one example.

    Bytes of pixels, 0 to 255, are read as float32 in [0, 1].
    """
    ((name, one),) = MODALITIES[run.config.data.modality].example(run.config.data).items()
    return name, ShapeDtypeStruct(one.shape, np.float32 if one.dtype == np.uint8 else one.dtype)


def serialize(run: Run) -> Program:
    """Serializes the function from inputs ``[n, ...]`` to features, for any ``n`` above 0.

    The weights are constants of the program, and pixels are normalized inside. Pixels are rounded
    to the nearest of 256 levels, as ``Run.embed`` does, so that both compute the same features.

    Args:
      run: its ``config.evaluation.layers`` are concatenated into ``features``.

    Returns:
      A program ``inputs -> {"features": [n, d]}``, float32; with ``"logits": [n, k]`` too if the
      method predicts classes.
    """
    name, example = input_of(run)
    layers, reads_pixels = run.config.evaluation.layers, example.dtype == np.float32
    host = jax.device_get((run.params, run.extra))

    def one(x: Array) -> dict[str, Array]:
        if reads_pixels:
            x = jnp.round(jnp.clip(x, 0, 1) * 255).astype(jnp.uint8)
        (params, extra), batch = jax.tree.map(jnp.asarray, host), {name: x[None]}
        found = run.method.embed(params, extra, batch)
        outputs = {"features": jnp.concatenate([found[layer] for layer in layers], axis=-1)}
        if run.method.predict is not None:
            outputs["logits"] = run.method.predict(params, extra, batch)
        return {key: z[0].astype(jnp.float32) for key, z in outputs.items()}

    with traced_as("plain"), _without_source_files():
        # methods may ask for len(images), which a symbolic n does not have, so one example is
        # traced and mapped: each row depends on its own example only
        every = jax.jit(jax.vmap(_lean(one, example)))
        (n,) = jax_export.symbolic_shape("n")
        inputs = ShapeDtypeStruct((n, *example.shape), example.dtype)
        exported = jax_export.export(every, platforms=PLATFORMS)(inputs)
    sizes = jax.tree.unflatten(exported.out_tree, [z.shape[1] for z in exported.out_avals])
    return Program(bytes(exported.serialize()), sizes)


def _lean(function: Callable[[Array], Any], example: ShapeDtypeStruct) -> Callable[[Array], Any]:
    """Returns the function without the operations that its outputs do not need.

    JAX removes them itself only if all shapes are known; a projector's weights would stay.
    """
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(example)
    needed, kept = {v for v in traced.jaxpr.outvars if isinstance(v, Var)}, []
    for equation in reversed(traced.jaxpr.eqns):
        if equation.effects or not needed.isdisjoint(equation.outvars):
            kept.append(equation)
            needed |= {v for v in equation.invars if isinstance(v, Var)}
    lean = ClosedJaxpr(traced.jaxpr.replace(eqns=kept[::-1]), traced.consts)
    tree = jax.tree.structure(shapes)
    return lambda x: jax.tree.unflatten(tree, jaxpr_as_fun(lean)(x))


@contextmanager
def _without_source_files() -> Iterator[None]:
    """Keeps this machine's folders out of the program, which else names each line's file."""
    before = getattr(jax.config, _SOURCE_FILES)
    jax.config.update(_SOURCE_FILES, ".*")
    try:
        yield
    finally:
        jax.config.update(_SOURCE_FILES, before)
