"""Saving and restoring with orbax; nothing else in the library knows of it."""

import contextlib
import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Sharding
from orbax.checkpoint import v1 as ocp

from ssl_jax.errors import InputError

_KEPT = 2
_WRITTEN_LAST = "_CHECKPOINT_METADATA"
_STEP = re.compile(r"0|[1-9]\d*", re.ASCII)
# Orbax takes these in a path for patterns and misses what is below, and URLs for remote storage.
_MISREAD = re.compile(r"\[.*\]|\\|\*\*|^\w\w+:/", re.DOTALL)
_CODE = re.compile(r"os_error_code='(\d+)'")


class Checkpoints:
    """The checkpoints of a run, one folder per step; the last two are kept.

    Reading changes nothing on disk, so a run can be read while it trains. What an interrupted save
    left behind is removed by the next run that saves.

    Args:
      folder: where they are; made at the first save.
    """

    def __init__(self, folder: Path):
        self._folder = folder.absolute()
        self._orbax: ocp.training.Checkpointer | None = None
        self._background = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._saving: Future[None] | None = None

    def latest(self) -> int | None:
        """The newest step with a complete checkpoint; None if there is none."""
        steps = [
            int(path.name)
            for path in (self._folder.iterdir() if self._folder.is_dir() else ())
            if _STEP.fullmatch(path.name) and (path / _WRITTEN_LAST).is_file()
        ]
        return max(steps, default=None)

    def save(self, step: int, state: Any) -> None:
        """Begins to save; the arrays are copied before this returns, the disk is written later.

        Orbax silently skips a save while an earlier one goes on, so this waits for that one.

        Raises:
          InputError: this save cannot begin, or the one before failed.
        """
        self.check(wait=True)
        shapes = _shapes(state)
        response = _reported(self._path(step), lambda: self._begin(step, state))
        self._saving = self._background.submit(self._finish, step, response, shapes)

    def check(self, *, wait: bool = False) -> None:
        """Raises if the background save failed.

        Args:
          wait: blocks until the save has finished.

        Raises:
          InputError: it failed, or what it wrote cannot be read back.
        """
        if self._saving is not None and (wait or self._saving.done()):
            saving, self._saving = self._saving, None
            saving.result()

    def restore(self, step: int, like: Any, sharding: Sharding) -> Any:
        """A saved pytree.

        Args:
          step: that was saved.
          like: its structure, shapes and dtypes, as arrays or ShapeDtypeStructs.
          sharding: where to put every leaf.

        Returns:
          The pytree, of the same node types as ``like``.

        Raises:
          InputError: the checkpoint holds something else, and names the first leaf that differs; or
            it cannot be read.
        """
        path = self._path(step)
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like
        )
        try:
            _check_fit(path, _shapes(like))
            return ocp.load(path, abstract)
        except InputError:
            raise
        except Exception as error:  # what orbax, tensorstore or the disk say
            raise InputError(f"{path}: cannot be read: {_reason(error)}") from error

    def close(self) -> None:
        """Waits until all is on disk.

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
            # where a folder made in the background fails, threads wait for it and keep the process
            context.asynchronous.create_directories_asynchronously = False
            self._orbax = ocp.training.Checkpointer(
                self._folder,
                context=context,
                preservation_policy=ocp.training.preservation_policies.LatestN(_KEPT),
                cleanup_tmp_directories=True,
            )
        return self._orbax.save_async(step, state, force=True)

    def _finish(self, step: int, response: Any, shapes: dict[str, str]) -> None:
        """Runs in the background; orbax releases a save's thread and files once it is read."""
        path = self._path(step)
        _reported(path, response.result)
        try:
            _check_fit(path, shapes)
        except Exception as error:
            raise InputError(f"{path}: was saved and cannot be read back: {error}") from error


def check_path(folder: Path) -> None:
    """Checks that checkpoints can be read back from below a folder.

    Raises:
      InputError: its path has something that orbax misreads.
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
    """Returns what the action returns.

    Raises:
      InputError: it fails; in one line.
    """
    try:
        return action()
    except InputError:
        raise
    except Exception as error:  # orbax passes on what the disk, tensorstore or JAX say
        raise InputError(f"{path}: cannot be saved: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The system's own words, where there are some."""
    text = str(error).strip().partition("\n")[0]
    code = _CODE.search(text)
    if code:
        return os.strerror(int(code[1]))
    return getattr(error, "strerror", None) or (text if len(text) < 200 else f"{text[:200]} ...")


def _check_fit(path: Path, here: dict[str, str]) -> None:
    there = _shapes(ocp.metadata(path).metadata)
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
