"""Where arrays live: one mesh over all devices, batches split over it, the state by rules."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXIS = "data"
Rules = Sequence[tuple[str, PartitionSpec]]


class Placement(NamedTuple):
    """How a run's arrays are placed; made once and passed to whatever compiles or moves arrays.

    Attributes:
      mesh: one axis, ``data``, over the devices.
      rules: pairs of a regular expression and a PartitionSpec. An array of the state is split as
        the first expression found in its path says, such as ``params/backbone/conv/kernel``; an
        array that no expression matches is replicated.
    """

    mesh: Mesh
    rules: Rules = ()

    @property
    def replicated(self) -> NamedSharding:
        """The same array on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @property
    def rows(self) -> NamedSharding:
        """The first axis split over the devices."""
        return NamedSharding(self.mesh, PartitionSpec(AXIS))

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that prints and writes files."""
        return jax.process_index() == 0

    def state(self, tree: Any) -> Any:
        """Returns the shardings of a train state or a part of it.

        Args:
          tree: arrays or ShapeDtypeStructs; the rules see their paths in it.

        Returns:
          A tree of the same structure, with a sharding for each array.
        """
        return jax.tree_util.tree_map_with_path(lambda path, _: self._of(path_name(path)), tree)

    def put_state(self, tree: Any) -> Any:
        """Places a train state, or a part of it, on the devices of all processes."""

        def place(tree: Any) -> Any:
            return tree

        return jax.jit(place, out_shardings=self.state(tree))(tree)

    def put_batch(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Places this process's rows of a batch as global arrays, split over the devices."""
        make = jax.make_array_from_process_local_data
        return {name: make(self.rows, rows) for name, rows in batch.items()}

    def _of(self, path: str) -> NamedSharding:
        for pattern, spec in self.rules:
            if re.search(pattern, path):
                return NamedSharding(self.mesh, spec)
        return self.replicated


def make_placement(devices: Sequence[jax.Device] | None = None) -> Placement:
    """Makes the placement over all devices of all processes, or over the given ones."""
    count = len(devices) if devices else jax.device_count()
    mesh = jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)
    return Placement(mesh)


def path_name(path: Any) -> str:
    """Names a leaf of a tree: ``params/backbone/conv/kernel``."""
    parts = (getattr(k, "key", getattr(k, "name", getattr(k, "idx", k))) for k in path)
    return "/".join(map(str, parts))


def on_the_host() -> AbstractContextManager[Any]:
    """Runs computations on the CPU, even if an accelerator is the default device.

    For many small computations that are each compiled: initializing a network takes hundreds. An
    accelerator takes longer than a CPU to compile them, and rounds differently.
    """
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS excludes the CPU
        return nullcontext()
