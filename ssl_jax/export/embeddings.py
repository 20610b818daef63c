"""Computes something for every example by name, and writes a run's embeddings.

`stream` reads, decodes and computes batch by batch, so memory does not grow with the number of
examples. `write_embeddings` puts the rows on disk as they come, continues after an interruption,
and turns them into the output at the end.
"""

import hashlib
import json
import math
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ssl_jax.data import padded_batches
from ssl_jax.data.dataset import Subset
from ssl_jax.data.listing import Named, open_named
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.errors import InputError
from ssl_jax.evaluation.features import Embed, make_embed
from ssl_jax.export.formats import Format, format_of
from ssl_jax.export.shards import Shards, differences, remove
from ssl_jax.output import console as make_console
from ssl_jax.output import write_whole
from ssl_jax.paths import expanded
from ssl_jax.placement import Placement, make_placement
from ssl_jax.runs.run import Run
from ssl_jax.train.stop import Stopped, stop_requests

_SECONDS_BETWEEN_LINES = 10.0
_BYTES_PER_BATCH = 128 * 2**20


class Piece(NamedTuple):
    """What was computed for a batch.

    Attributes:
      end: number of examples read so far, from the first of all.
      indices: positions of the examples that could be read, `[m]`.
      rows: one row for each of them, `[m, ...]`.
      unreadable: position and reason of each of the others.
    """

    end: int
    indices: np.ndarray
    rows: np.ndarray
    unreadable: dict[int, str]


def stream(
    named: Named, compute: Embed, batch_size: int, placement: Placement, *, start: int = 0
) -> Generator[Piece]:
    """Computes rows for named examples, batch by batch, in order.

    All batches have the same size, so ``compute`` compiles once: the last one is padded, and zeros
    stand for examples that cannot be read. While the device computes, the next batches are decoded
    and the caller handles the one before.

    Args:
      named: from ``data.listing.open_named``.
      compute: ``batch -> [n, ...]``; each row depends on its own example only.
      batch_size: examples per batch, rounded up to a multiple of the number of devices.
      placement: of the batches; their rows are split over the devices.
      start: number of examples to skip.

    Yields:
      One piece per batch.
    """
    total, devices = len(named.names), placement.mesh.size
    if start >= total:
        return
    size = math.ceil(min(batch_size, total) / devices) * devices
    rest = Subset(named.source, np.arange(start, total))
    ahead: tuple[np.ndarray, jax.Array] | None = None
    for number, (batch, counts) in enumerate(padded_batches(rest, size)):
        indices = start + number * size + np.flatnonzero(counts)
        rows = compute(placement.put_batch(batch))
        if ahead is not None:
            yield _piece(named, *ahead)
        ahead = indices, rows
    if ahead is not None:
        yield _piece(named, *ahead)


def write_embeddings(
    run: Run,
    data: str,
    output: str | Path,
    *,
    layers: Sequence[str] = (),
    data_dir: str | None = None,
    console: Console | None = None,
) -> None:
    """Writes the embeddings of all examples of some data, with their names.

    The output holds ``embeddings``, float32 ``[n, d]``, and ``names``, str ``[n]``. Examples that
    cannot be read are left out, and listed with their reasons in ``<output>.unreadable.json``.

    - ``x.npz``: both arrays; ``np.load`` reads it.
    - ``x.parquet``: both columns; needs pyarrow.
    - any other name: a folder of ``embeddings-00000.npy``, ``names-00000.npy`` and so on, each of
      at most 100,000 rows or 256 MiB, and ``index.json``, which lists them.

    The first two need twice the space on disk for a moment: the rows are collected in
    ``<output>.parts``. After an interruption the same call continues, and ends with the same file
    as a call that was never interrupted. A finished output is left as it is.

    Args:
      run: from ``ssl_jax.load``.
      data: ``folder:/path``, for every image below a folder, or another name; see
        ``ssl_jax.data.listing``.
      output: the file or folder to write.
      layers: outputs of the method's ``embed``, concatenated along the last axis; by default
        ``config.evaluation.layers``, which ``Run.embed`` returns. A layer ``[n, t, d]``, one row
        per patch, gives embeddings ``[n, t, d]``.
      data_dir: folder with a published archive, or that of TFDS or datasets; None: the default.
      console: shows the progress.

    Raises:
      InputError: a layer is unknown, the data or the output cannot be used, the output holds
        something else, no example can be read, or features are not finite.
      Stopped: on Ctrl-C or SIGTERM; the same call continues.
    """
    console, output = console or make_console(), expanded(output)
    layers = tuple(layers or run.config.evaluation.layers)
    kind = format_of(output)
    if kind.about(output) is None and output.exists() and kind.work(output) != output:
        raise InputError(f"{output}: exists and is not from this script; expected a new file")
    row_shape = _row_shape(run, layers)
    named = open_named(data, run.config.data, run.assets, data_dir=data_dir)
    about = _about(run, named, layers)
    if _is_finished(kind, output, about):
        console.print(f"{output}: finished; nothing is left to do", markup=False, soft_wrap=True)
        return

    placement = make_placement()
    embed = make_embed(run.method, run.params, run.extra, layers, placement)
    size = min(run.config.evaluation.batch_size, _BYTES_PER_BATCH // (4 * math.prod(row_shape)))
    total = len(named.names)
    with closing(Shards(kind.work(output), about, row_shape)) as shards, stop_requests() as stop:
        if shards.done:
            console.print(f"continuing after {shards.done:,} of {total:,} {named.unit}")
        with closing(Pace(console, shards.done, total, named.unit)) as pace:
            pieces = stream(named, embed, max(size, 1), placement, start=shards.done)
            with closing(pieces):
                for piece in pieces:
                    shards.append(piece.end, _finite(piece, named), piece.unreadable)
                    pace.show(piece.end)
                    if stop.is_set() and piece.end < total:
                        raise Stopped(
                            f"stopped after {piece.end:,} of {total:,} {named.unit}; "
                            "the same command continues"
                        )
        if not shards.rows:
            remove(shards.folder)
            raise InputError(
                f"--data: {data!r} holds no readable example; expected at least one besides "
                f"{total} unreadable files"
            )
        shards.complete()
        list_unreadable(output, named, shards.unreadable, console)
        names = [name for i, name in enumerate(named.names) if i not in shards.unreadable]
        kind.finish(output, shards, names, about)
        kind.tidy(shards.folder)
    shape = " x ".join(map(str, (len(names), *row_shape)))
    console.print(
        f"{output}: embeddings {shape} of {', '.join(layers)}; "
        f"{pace.rate():,.0f} {named.unit} per second",
        markup=False,
        soft_wrap=True,
    )


class Pace:
    """Shows how far a computation is: a live bar on a terminal, plain lines elsewhere.

    Args:
      console: to print to.
      done: number of examples done before this start.
      total: number of all examples.
      unit: what an example is called, in the plural.
    """

    def __init__(self, console: Console, done: int, total: int, unit: str):
        self._console = console
        self._total = total
        self._unit = unit
        self._began = self._last_line = time.monotonic()
        self._start = self._done = done
        self._first: tuple[int, float] | None = None
        self._now = self._began
        self._bar = Progress(
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
            BarColumn(),
            TextColumn("{task.fields[status]}  left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=total, completed=done, status="compiling")
        self._bar.start()

    def show(self, done: int) -> None:
        """Shows the number of examples done."""
        self._done, self._now = done, time.monotonic()
        if self._first is None:
            self._first = (done, self._now)
        status = f"{self.rate():,.0f} {self._unit}/s"
        self._bar.update(self._task, completed=done, status=status)
        late = self._now - self._last_line >= _SECONDS_BETWEEN_LINES
        if late and done < self._total and not self._console.is_terminal:
            self._last_line = self._now
            left = (self._total - done) / self.rate()
            self._console.print(
                f"{done:,}/{self._total:,} {self._unit}  {status}  left {left:.0f} s"
            )

    def rate(self) -> float:
        """Returns examples per second, after the first batch, which waits for the compiler."""
        start, began = self._first or (self._start, self._began)
        if start == self._done:  # there was one batch only
            start, began = self._start, self._began
        return (self._done - start) / max(self._now - began, 1e-9)

    def close(self) -> None:
        """Removes the bar."""
        self._bar.stop()


def _piece(named: Named, indices: np.ndarray, rows: jax.Array) -> Piece:
    unreadable = {i: named.unreadable[i] for i in indices.tolist() if i in named.unreadable}
    kept = np.array([i not in unreadable for i in indices.tolist()])
    fetched = np.asarray(rows)[: len(indices)][kept]
    return Piece(int(indices[-1]) + 1, indices[kept], fetched, unreadable)


def _row_shape(run: Run, layers: Sequence[str]) -> tuple[int, ...]:
    """Returns the shape of a row, computing nothing."""
    batch = batch_like(MODALITIES[run.config.data.modality].example(run.config.data), 1)
    outputs = jax.eval_shape(run.method.embed, run.params, run.extra, batch)
    for layer in layers:
        if layer not in outputs:
            raise InputError(f"--layer: {layer!r}; expected some of {', '.join(outputs)}")
    shapes = [outputs[layer].shape[1:] for layer in layers]
    if len({shape[:-1] for shape in shapes}) > 1 or () in shapes:
        listed = ", ".join(f"{a} {list(b)}" for a, b in zip(layers, shapes, strict=True))
        raise InputError(
            f"--layer: {listed} cannot be concatenated; expected layers that differ in the last "
            "axis only"
        )
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _about(run: Run, named: Named, layers: Sequence[str]) -> dict[str, Any]:
    """Describes what is computed; equal descriptions give equal rows."""
    weights, names = hashlib.sha256(), hashlib.sha256()
    for leaf in jax.tree.leaves((run.params, run.extra)):
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            weights.update(np.asarray(leaf).tobytes())
    for name in named.names:
        names.update(name.encode() + b"\0")
    config = json.dumps(run.config.to_dict(), sort_keys=True).encode()
    return {
        "step": run.step,
        "config": hashlib.sha256(config).hexdigest(),
        "weights": weights.hexdigest(),
        "layers": list(layers),
        "data": named.data,
        "number of examples": len(named.names),
        "names": names.hexdigest(),
    }


def _is_finished(kind: Format, output: Path, about: dict[str, Any]) -> bool:
    there = kind.about(output)
    if there is None:
        return False
    if differing := differences(there, about):
        raise InputError(
            f"{output}: holds embeddings with other {differing}; expected the same, or another "
            "--output"
        )
    kind.tidy(kind.work(output))  # a crash may have come between the end and the tidying
    return True


def _finite(piece: Piece, named: Named) -> np.ndarray:
    rows = np.asarray(piece.rows, np.float32)
    bad = ~np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
    if bad.any():
        name = named.names[int(piece.indices[bad.argmax()])]
        raise InputError(f"{name}: its features are not finite; expected a run that did not fail")
    return rows


def list_unreadable(
    output: Path, named: Named, unreadable: dict[int, str], console: Console
) -> None:
    """Writes the names of what could not be read, or is left out, and why, beside the output."""
    path = output.with_name(output.name + ".unreadable.json")
    path.unlink(missing_ok=True)  # of an earlier output of this name
    reasons = {named.names[i]: reason for i, reason in sorted(unreadable.items())}
    if reasons or named.left_out:
        text = json.dumps({**reasons, **named.left_out}, indent=2, ensure_ascii=False) + "\n"
        write_whole(path, text.encode(errors="backslashreplace"))
        lines = [named.note, f"{len(reasons):,} unreadable files left out" if reasons else ""]
        said = "; ".join(filter(None, lines))
        console.print(f"{said}; see {path}", markup=False, soft_wrap=True)
