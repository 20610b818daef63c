"""Reads the folders of several runs, to compare them."""

from collections.abc import Sequence
from pathlib import Path

from ssl_jax.config import flatten
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.report.comparison import Entry
from ssl_jax.runs.workdir import read_config, read_evaluation
from ssl_jax.train import metrics


def read_runs(workdirs: Sequence[Path]) -> list[Entry]:
    """Reads runs, finished or not. A folder that is given twice is read once.

    Args:
      workdirs: the runs' folders.

    Returns:
      The runs, named after their folders. If names repeat, parent folders are added to all.

    Raises:
      InputError: one is not the workdir of a run, or a file in it is damaged.
    """
    found: dict[Path, Path] = {}
    for workdir in workdirs:
        found.setdefault(workdir.resolve(), workdir)
    return [_read(path, name) for path, name in zip(found.values(), _names([*found]), strict=True)]


def _read(workdir: Path, name: str) -> Entry:
    config = read_config(workdir)
    modality = MODALITIES[config.data.modality]
    return Entry(
        name=name,
        settings=dict(flatten(config)),
        metrics=metrics.read(workdir),
        values=read_evaluation(workdir),
        input_name=modality.input_name,
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """Returns the shortest ends of the paths, of at least one part, that are all different."""
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]
