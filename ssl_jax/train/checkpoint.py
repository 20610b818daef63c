"""Saves and restores with orbax, which no other file of the library uses."""

import contextlib
import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from ssl_jax.errors import InputError
from ssl_jax.placement import path_name

FOLDER = "checkpoints"
_KEPT = 2
_SHARED_FROM = 2**20  # bytes
_WRITTEN_LAST = "_CHECKPOINT_METADATA"
_STEP = re.compile(r"0|[1-9]\d*", re.ASCII)
# Orbax treats the first three as patterns and finds nothing below such a path, and URLs as remote.
_MISREAD = re.compile(r"\[.*\]|\\|\*\*|^\w\w+:/", re.DOTALL)
_CODE = re.compile(r"os_error_code='(\d+)'")


class Checkpoints:
    """The checkpoints of a run, one folder per step; the last two are kept.

    Reading changes nothing on disk, so a run can be read while it trains. What an interrupted save
    leaves behind is removed by the next run that saves. With several processes, all of them save.

    Args:
      folder: of the checkpoints; the first save creates it.
    """

    def __init__(self, folder: Path):
        self._folder = folder.absolute()
        self._orbax: ocp.training.Checkpointer | None = None
        self._background = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._saving: Future[None] | None = None

    def latest(self) -> int | None:
        """Returns the newest step with a complete checkpoint; None if there is none."""
        steps = [
            int(path.name)
            for path in (self._folder.iterdir() if self._folder.is_dir() else ())
            if _STEP.fullmatch(path.name) and (path / _WRITTEN_LAST).is_file()
        ]
        return max(steps, default=None)

    def save(self, step: int, state: Any) -> None:
        """Begins to save: copies the arrays before it returns, then writes in the background.

        If another save is running, this waits for it, since orbax would silently skip the new one.

        Raises:
          InputError: this save cannot begin, or the previous one failed.
        """
        self.check(wait=True)
        shapes = shapes_of(state)
        response = _reported(self._path(step), lambda: self._begin(step, state))
        self._saving = self._background.submit(self._finish, step, response, shapes)

    def check(self, *, wait: bool = False) -> None:
        """Raises if the background save failed.

        Args:
          wait: whether to block until the save has finished.

        Raises:
          InputError: it failed, or what it wrote cannot be read back.
        """
        if self._saving is not None and (wait or self._saving.done()):
            saving, self._saving = self._saving, None
            saving.result()

    def restore(self, step: int, like: Any, shardings: Any) -> Any:
        """Restores a saved pytree.

        Args:
          step: the step that was saved.
          like: a pytree of the same structure, shapes and dtypes, of arrays or ShapeDtypeStructs.
          shardings: a pytree of the same structure, with a sharding for each leaf.

        Returns:
          The pytree, with the node types of ``like``.

        Raises:
          InputError: the checkpoint does not fit (the first leaf that differs is named), or it
            cannot be read.
        """
        path = self._path(step)
        abstract = jax.tree.map(
            lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            like,
            shardings,
        )
        try:
            _check_fit(path, shapes_of(like))
            return ocp.load(path, abstract)
        except InputError:
            raise
        except Exception as error:  # from orbax, tensorstore or the disk
            raise InputError(f"{path}: cannot be read: {_reason(error)}") from error

    def close(self) -> None:
        """Waits until everything is on disk.

        Raises:
          InputError: the last save failed.
        """
        try:
            self.check(wait=True)
        finally:
            self._background.shutdown()
            if self._orbax is not None:
                with contextlib.suppress(Exception):  # ``check`` has raised a failed save's error
                    self._orbax.close()
                self._orbax = None

    def _path(self, step: int) -> Path:
        return self._folder / str(step)

    def _begin(self, step: int, state: Any) -> Any:
        if self._orbax is None:
            context = ocp.Context()
            # if making a folder in the background failed, threads would wait and keep the process
            context.asynchronous.create_directories_asynchronously = False
            # devices share the writing of replicated arrays; slicing compiles a program per shape
            context.array.saving.min_slice_bytes_for_replica_parallel = _SHARED_FROM
            self._orbax = ocp.training.Checkpointer(
                self._folder,
                context=context,
                preservation_policy=ocp.training.preservation_policies.LatestN(_KEPT),
                cleanup_tmp_directories=True,
            )
        return self._orbax.save_async(step, state, force=True)

    def _finish(self, step: int, response: Any, shapes: dict[str, str]) -> None:
        """Waits for a save, in the background; reading its result releases threads and files."""
        path = self._path(step)
        _reported(path, response.result)
        try:
            _check_fit(path, shapes)
        except Exception as error:
            raise InputError(f"{path}: was saved and cannot be read back: {error}") from error


def check_path(folder: Path) -> None:
    """Checks that orbax can read checkpoints back from below a folder.

    Raises:
      InputError: the path contains something that orbax misreads.
    """
    found = _MISREAD.search(str(folder)) or _MISREAD.search(str(folder.absolute()))
    if found:
        raise InputError(
            f"{str(folder)!r}: contains {found[0]!r}; checkpoints below such a path cannot be read "
            "back; expected a folder without [ ], ** and \\ in its path"
        )
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise InputError(f"{str(folder)!r}: is not UTF-8; expected a path that is") from None


def _reported(path: Path, action: Callable[[], Any]) -> Any:
    """Returns the result of a save.

    Raises:
      InputError: it failed; the message is one line.
    """
    try:
        return action()
    except InputError:
        raise
    except Exception as error:  # orbax passes on errors of the disk, tensorstore and JAX
        raise InputError(f"{path}: cannot be saved: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Returns the operating system's message if there is one, else orbax's first line."""
    text = str(error).strip().partition("\n")[0]
    code = _CODE.search(text)
    if code:
        return os.strerror(int(code[1]))
    return getattr(error, "strerror", None) or (text if len(text) < 200 else f"{text[:200]} ...")


def _check_fit(path: Path, here: dict[str, str]) -> None:
    """Raises an InputError that names the first leaf that differs from the saved one."""
    there = shapes_of(ocp.metadata(path).metadata)
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise InputError(
                f"{path}: does not fit: {name} is {there.get(name, 'absent')} there, "
                f"{here.get(name, 'absent')} expected"
            )


def shapes_of(tree: Any) -> dict[str, str]:
    """Returns the type and shape of each leaf by its name in orbax.

    For example ``{"params/conv/kernel": "float32[4, 4, 1, 16]", ...}``.
    """
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {path_name(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}
