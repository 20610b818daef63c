"""Saving and restoring with orbax; nothing else in the library knows of it."""

from pathlib import Path
from typing import Any

import jax
from jax.sharding import Sharding
from orbax.checkpoint import v1 as ocp

from ssl_jax.errors import InputError

_KEPT = 2
_WRITTEN_LAST = "_CHECKPOINT_METADATA"


class Checkpoints:
    """The checkpoints of a run, one folder a step; the last two are kept.

    Args:
      folder: where they are; made at the first save.
    """

    def __init__(self, folder: Path):
        self._folder = folder.absolute()
        self._orbax: ocp.training.Checkpointer | None = None

    def latest(self) -> int | None:
        """The newest step that was saved whole; None if there is none."""
        steps = [
            int(path.name)
            for path in (self._folder.iterdir() if self._folder.is_dir() else ())
            if path.name.isdigit() and (path / _WRITTEN_LAST).is_file()
        ]
        return max(steps, default=None)

    def save(self, step: int, state: Any) -> None:
        """Begin to save; the arrays are copied before this returns, the disk is written later.

        Orbax leaves out, silently, what comes while an earlier save goes on: that one is awaited.
        """
        self._checkpointer().wait()
        self._checkpointer().save_async(step, state, force=True)

    def restore(self, step: int, like: Any, sharding: Sharding) -> Any:
        """A saved pytree.

        Args:
          step: that was saved.
          like: its structure, shapes and dtypes, as arrays or ShapeDtypeStructs.
          sharding: where to put every leaf.

        Returns:
          The pytree, of the same node types as ``like``.

        Raises:
          InputError: the checkpoint holds something else; names the first leaf that differs.
        """
        metadata = self._checkpointer().metadata(step).metadata
        _check_fit(self._folder / str(step), metadata, like)
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like
        )
        return self._checkpointer().load(step, abstract)

    def close(self) -> None:
        """Wait until all is on disk."""
        if self._orbax is not None:
            self._orbax.close()
            self._orbax = None

    def _checkpointer(self) -> ocp.training.Checkpointer:
        if self._orbax is None:
            self._orbax = ocp.training.Checkpointer(
                self._folder,
                preservation_policy=ocp.training.preservation_policies.LatestN(_KEPT),
                cleanup_tmp_directories=True,
            )
        return self._orbax


def _check_fit(path: Path, saved: Any, like: Any) -> None:
    there = _shapes(saved)
    here = _shapes(like)
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise InputError(
                f"{path}: does not fit: {name} is {there.get(name, 'absent')} there, "
                f"{here.get(name, 'absent')} expected"
            )


def _shapes(tree: Any) -> dict[str, str]:
    """``params/backbone/conv/kernel -> float32[4, 4, 1, 16]``; names as orbax writes them."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        "/".join(str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", k)))) for k in path): (
            f"{leaf.dtype}{list(leaf.shape)}"
        )
        for path, leaf in leaves
    }
