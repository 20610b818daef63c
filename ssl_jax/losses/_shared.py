"""Helpers that several losses share: normalization, shape checks, reductions over devices."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

Number = float | Float[Array, ""]

_EPSILON = 1e-12


def check_same_shape(**arrays: Array) -> None:
    """Raises a ValueError that lists the arrays and their shapes unless all shapes are equal."""
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"expected equal shapes: {listed}")


def check_shapes(condition: bool, expected: str, **arrays: Array) -> None:
    """Raises a ValueError that lists the arrays and their shapes unless the condition holds."""
    if not condition:
        listed = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"expected {expected}: {listed}")


def in_float32(*arrays: Array) -> tuple[Array, ...]:
    """Casts the arrays to float64 if any of them has that type, else to float32."""
    wide = any(jnp.result_type(x) == jnp.float64 for x in arrays)
    return tuple(x.astype(jnp.float64 if wide else jnp.float32) for x in arrays)


def normalize(x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """Scales vectors to unit length; zero vectors stay zero, with a finite gradient."""
    # Scaling by the largest entry first keeps the squares in range; its own gradient cancels.
    x = x / jnp.maximum(jax.lax.stop_gradient(jnp.abs(x).max(-1, keepdims=True)), _EPSILON)
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, _EPSILON))


def mean_over(x: Array, axis_name: str | None) -> Array:
    """Returns the mean over the devices of a mapped axis, or ``x`` itself without one."""
    return x if axis_name is None else jax.lax.pmean(x, axis_name)


def gather(x: Shaped[Array, "n ..."], axis_name: str | None) -> Array:
    """Returns the rows of all devices of a mapped axis, in order, or ``x`` itself without one."""
    return x if axis_name is None else jax.lax.all_gather(x, axis_name, tiled=True)


def sum_over(x: Array, axis_name: str | None) -> Array:
    """Returns the sum over the devices of a mapped axis, or ``x`` itself without one."""
    return x if axis_name is None else jax.lax.psum(x, axis_name)


def count_rows(x: Array, axis_name: str | None) -> int:
    """Returns the number of rows on all devices of a mapped axis together."""
    return len(x) * (1 if axis_name is None else jax.lax.axis_size(axis_name))


def distance(x: Float[Array, "n d"], y: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Returns the Euclidean distance of each pair of rows; at distance 0 its gradient is 0."""
    square = jnp.sum((x - y) ** 2, axis=-1)
    apart = square > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1.0)), 0.0)


def log_sum_exp_of_columns(x: Float[Array, "n k"], axis_name: str | None) -> Float[Array, " k"]:
    """Returns ``log(sum of exp)`` of each column, over the rows of all devices."""
    largest = jax.lax.stop_gradient(x.max(axis=0))
    if axis_name is not None:
        largest = jax.lax.pmax(largest, axis_name)
    return jnp.log(sum_over(jnp.exp(x - largest[None]).sum(axis=0), axis_name)) + largest
