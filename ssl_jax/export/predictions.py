"""Writes the predictions of a fine-tuned run for every image below a folder, as CSV."""

import csv
import io
from contextlib import closing
from pathlib import Path

from rich.console import Console

from ssl_jax.data.listing import open_named
from ssl_jax.errors import InputError
from ssl_jax.export.embeddings import Pace, list_unreadable, stream
from ssl_jax.output import console as make_console
from ssl_jax.output import write_whole
from ssl_jax.paths import expanded
from ssl_jax.placement import make_placement
from ssl_jax.runs.run import Run

HEADER = ("name", "class", "probability")


def write_predictions(
    run: Run,
    data: str,
    output: str | Path,
    *,
    data_dir: str | None = None,
    console: Console | None = None,
) -> None:
    """Writes ``name, class, probability``, one line per example.

    ``class`` is the most likely one, and ``probability`` its softmax output. Examples that cannot
    be read are left out, and listed with their reasons in ``<output>.unreadable.json``.

    Args:
      run: of a method that classifies.
      data: ``folder:/path``, for every image below a folder, or another name; see
        ``ssl_jax.data.listing``.
      output: the CSV file; an existing one is replaced.
      data_dir: folder with a published archive, or that of TFDS or datasets; None: the default.
      console: shows the progress.

    Raises:
      InputError: the run does not classify, the data cannot be used, no example can be read, or the
        output cannot be written.
    """
    console, output = console or make_console(), expanded(output)
    placement, classes = make_placement(), run.config.method.get("classes", ())
    probabilities = run.probabilities(placement)
    named = open_named(data, run.config.data, run.assets, data_dir=data_dir)
    total, unreadable = len(named.names), dict[int, str]()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    batch_size = run.config.evaluation.batch_size
    with closing(Pace(console, 0, total, named.unit)) as pace:
        for piece in stream(named, probabilities, batch_size, placement):
            best = piece.rows.argmax(-1)
            for index, label, row in zip(piece.indices, best, piece.rows, strict=True):
                writer.writerow((named.names[index], classes[label], f"{row[label]:.4f}"))
            unreadable |= piece.unreadable
            pace.show(piece.end)
    if len(unreadable) == total:
        raise InputError(
            f"--data: {data!r} holds no readable example; expected at least one besides "
            f"{total} unreadable files"
        )
    list_unreadable(output, named, unreadable, console)
    write_whole(output, text.getvalue().encode(errors="backslashreplace"))
    console.print(
        f"{output}: {total - len(unreadable):,} predictions; "
        f"{pace.rate():,.0f} {named.unit} per second",
        markup=False,
        soft_wrap=True,
    )
