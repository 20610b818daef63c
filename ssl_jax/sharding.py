"""Where arrays live: one mesh over all devices, batches split over it, all else on each of them."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXIS = "data"


def make_mesh() -> Mesh:
    """One axis, ``data``, over all devices of all processes."""
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """The same array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """The first axis split over the devices."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def put_everywhere(mesh: Mesh, tree: Any) -> Any:
    """Arrays on every device; ``device_put`` refuses devices of other processes."""
    return jax.jit(lambda tree: tree, out_shardings=replicated(mesh))(tree)


def on_the_host() -> AbstractContextManager[Any]:
    """Computes on the CPU, also where an accelerator is the default.

    For many small computations, each of which is compiled: initialising a network makes hundreds.
    An accelerator takes longer to compile them than a CPU, and rounds differently.
    """
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS excludes the CPU
        return nullcontext()


def put_batch(mesh: Mesh, batch: dict[str, np.ndarray]) -> dict[str, Any]:
    """This process's rows of a batch as global arrays, split over the mesh."""
    sharding = split(mesh)
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}
