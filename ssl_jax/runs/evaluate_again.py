"""Scores a trained run further: on other data, other layers, clusters, few labels, corruptions.

``more.json`` in the workdir holds the numbers on the run's own data, and ``transfer-NAME.json``
those on other data. Both are flat, and a call replaces only the numbers that it computed anew.
``evaluation.json`` is never touched. Keys of named layers start with ``layer_A+B_``, so other
layers never replace each other's numbers.

An option of ``evaluate_again`` adds these keys; ``random_init_`` and ``input_`` in front of them
mark the untrained network and the raw input:

- ``data``: the keys of ``evaluation.json``. Probes are fitted to the other data's training examples
  and scored on its test examples. The run's image size, channels, mean and standard deviation are
  used. A classifier that the run has learned plays no part, since its classes are others. The
  untrained network collects its BatchNorm statistics on the other data.
- ``layers``, without any of the following: the keys of ``evaluation.json``; ``all``: see
  ``more.each_layer``.
- ``kmeans``, ``label_curve``, ``corruptions``: see ``more.clusters``, ``more.label_curve`` and
  ``more.corruptions``. The label curve is drawn too, in a file of the same name that ends in
  ``.svg``.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ssl_jax import data as datasets
from ssl_jax.data import Dataset
from ssl_jax.data.few import read_labels
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.options import columns_for
from ssl_jax.data.streams import Repeated
from ssl_jax.errors import InputError
from ssl_jax.evaluation import more
from ssl_jax.evaluation.evaluate import evaluate, scored
from ssl_jax.evaluation.scores import BASELINES
from ssl_jax.output import write_whole
from ssl_jax.paths import expanded
from ssl_jax.placement import make_placement
from ssl_jax.report import console as tables
from ssl_jax.report.charts.label_curve import of_scores
from ssl_jax.report.charts.style import to_file
from ssl_jax.runs.run import Run, load
from ssl_jax.runs.session import own_settings
from ssl_jax.runs.workdir import write_json
from ssl_jax.train.loop import run_keys

MORE = "more.json"
ALL = "all"
_SECONDS_BETWEEN_LINES = 10.0


class Options(NamedTuple):
    """What to compute; see the top of this file.

    Attributes:
      data: a name that ``ssl_jax.data.load`` accepts; None for the run's own data.
      data_dir: folder with a published archive, or that of TFDS or datasets; None: the default.
      layers: layers to concatenate instead of ``config.evaluation.layers``, or ``("all",)``.
      kmeans: whether to cluster the test features.
      label_curve: whether to vary the number of labels.
      corruptions: whether to corrupt the test pictures.
    """

    data: str | None = None
    data_dir: str | None = None
    layers: Sequence[str] = ()
    kmeans: bool = False
    label_curve: bool = False
    corruptions: bool = False

    @property
    def any(self) -> bool:
        """Whether anything is asked for."""
        analyses = self.kmeans or self.label_curve or self.corruptions
        return self.data is not None or bool(self.layers) or analyses


def check_weights(run: Run, workdir: Path) -> None:
    """Checks that all weights are finite.

    Raises:
      InputError: one is not.
    """
    for leaf in jax.tree.leaves((run.params, run.extra)):
        if jnp.issubdtype(leaf.dtype, jnp.floating) and not jnp.isfinite(leaf).all():
            raise InputError(f"{workdir}: its weights hold NaN or infinity; expected finite ones")


def file_name(data: str | None) -> str:
    """Returns the name of the file for the numbers on some data.

    A path becomes the name of its last folder and eight digits that tell paths of that name apart.

    Args:
      data: as in ``Options``.
    """
    if data is None:
        return MORE
    kind, _, place = data.rpartition(":")
    if kind in ("folder", "npz", "text", "wds"):
        path = expanded(place).resolve()
        digits = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:8]
        data = f"{kind}-{path.name}-{digits}"
    return f"transfer-{re.sub(r'[^A-Za-z0-9._+-]+', '-', data)}.json"


@own_settings()
def evaluate_again(workdir: Path, options: Options, console: Console) -> None:
    """Computes what the options ask for, prints tables, and writes the numbers to the workdir.

    Args:
      workdir: of a run with a checkpoint.
      options: what to compute.
      console: gets the progress and the tables.

    Raises:
      InputError: there is no such run, its weights are not finite, it has no such layer, or the
        data does not fit the run, has no labels, a single class or a single test example.
    """
    run, placement = load(workdir), make_placement()
    check_weights(run, workdir)
    if options.corruptions:
        more.pixels_of(run.config)
    layers = _layers(run, options.layers)
    prefix = f"layer_{'+'.join(layers)}_" if options.layers and options.layers != (ALL,) else ""
    path = workdir / file_name(options.data)
    values = _read(path)
    data = scored(_load(run, options), run.config.evaluation)
    _check_labels(data, "--data" if options.data else "data.name")

    config = run.config.copy_and_resolve_references()
    config.evaluation.layers = tuple(layers)
    if options.layers:
        config.evaluation.linear_layers = ()
    method = run.method if options.data is None else run.method._replace(predict=None)
    input_name = MODALITIES[config.data.modality].input_name
    analyses = options.kmeans or options.label_curve or options.corruptions
    init_key = run_keys(config)[0]

    def keep(found: Mapping[str, float]) -> None:
        values.update({_with(prefix, key): value for key, value in found.items()})
        write_json(path, values)

    if options.data is not None or (prefix and not analyses):
        with console.status("evaluating"):
            findings = evaluate(method, run.params, run.extra, data, config, init_key, placement)
        scores = findings.values | {"step": run.step}
        keep(scores)
        tables.print_transfer(console, scores, f"{workdir.name} on {config.data.name}", input_name)
    everything = options.layers == (ALL,)
    if not (analyses or everything):
        console.print(f"see {path}", markup=False, soft_wrap=True)
        return

    with console.status("the untrained network"):
        first = more.first_state(method, data, config, init_key, placement)
    subject = more.Subject(
        method,
        (run.params, run.extra),
        first,
        data,
        config,
        placement,
        lambda items, title: _tracked(items, title, console),
    )
    if everything:
        names = more.vector_layers(method, subject.learned, config)
        found = more.each_layer(subject, names)
        keep(found)
        tables.print_layers(console, found, names)
    if options.kmeans or options.label_curve:
        sets = more.features(subject, layers)
        if options.kmeans:
            found = more.clusters(sets, subject.track)
            keep(found)
            tables.print_clusters(console, found, input_name)
        if options.label_curve:
            found = more.label_curve(sets, config.evaluation, subject.track)
            keep(found)
            tables.print_label_curve(console, found, input_name)
            chart = of_scores(found, input_name, len(data.train) / _classes(data))
            write_whole(path.with_suffix(".svg"), to_file(chart).encode())
    if options.corruptions:
        found = more.corruptions(subject, layers)
        keep(found)
        tables.print_corruptions(console, found, input_name)
    console.print(f"see {path}", markup=False, soft_wrap=True)


def _layers(run: Run, named: Sequence[str]) -> list[str]:
    """Returns the layers to concatenate."""
    known = more.vector_layers(run.method, (run.params, run.extra), run.config)
    if ALL in named and len(named) > 1:
        raise InputError(f"--layer: {ALL!r} stands for every layer; expected no other one with it")
    layers = [name for name in named if name != ALL] or list(run.config.evaluation.layers)
    for name in layers:
        if name not in known:
            raise InputError(f"--layer: {name!r} is unknown; expected some of {', '.join(known)}")
    return layers


def _load(run: Run, options: Options) -> Dataset:
    """Loads the run's own data, or other data in the shape of the run's."""
    if options.data is None:
        return datasets.load_of_run(run.config.data, data_dir=options.data_dir)
    settings = run.config.data
    changes = {"name": options.data, "data_dir": options.data_dir, "holdout": 0, "labels": None}
    changes |= columns_for(options.data, settings)
    data = datasets.load(settings.to_dict() | changes)
    if data.facts["modality"] != settings.modality:
        raise InputError(
            f"--data: {options.data!r} holds {data.facts['modality']}; expected "
            f"{settings.modality}, as in training"
        )
    for name, expected in MODALITIES[settings.modality].example(settings).items():
        shape = np.shape(data.train[0][name])
        if shape != expected.shape:
            raise InputError(
                f"--data: {options.data!r} has examples of shape {list(shape)}; expected "
                f"{list(expected.shape)}, as in training"
            )
    if dict(data.assets) != dict(run.assets):
        raise InputError(
            f"--data: {options.data!r} has another tokenizer than the run; expected the data that "
            "the run was trained on"
        )
    times = -(-settings.batch_size // len(data.pretrain))
    return data if times == 1 else data._replace(pretrain=Repeated(data.pretrain, times))


def _check_labels(data: Dataset, source: str) -> None:
    train, test = read_labels(data.train), read_labels(data.test)
    if train is None or test is None:
        raise InputError(f"{source}: the data has no labels; expected labeled examples")
    for name, labels in (("training", train), ("test", test)):
        if len(labels) < 2:
            raise InputError(f"{source}: there is a single {name} example; expected two or more")
        if len(np.unique(labels)) < 2:
            raise InputError(f"{source}: all {name} examples have the same label; expected two")
    if np.unique(train, return_counts=True)[1].max() < 2:
        raise InputError(f"{source}: no class has two training examples; expected one that does")


def _classes(data: Dataset) -> int:
    """Returns the number of classes of labeled training examples."""
    labels = read_labels(data.train)
    assert labels is not None
    return len(np.unique(labels))


def _with(prefix: str, key: str) -> str:
    """Inserts a prefix after that of a baseline."""
    for name in BASELINES:
        if key.startswith(f"{name}_"):
            return f"{name}_{prefix}{key.removeprefix(f'{name}_')}"
    return prefix + key


def _read(path: Path) -> dict[str, float]:
    """Returns the numbers of earlier calls.

    Raises:
      InputError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        return {name: float(value) for name, value in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is damaged: {error}; expected one number per name") from error


def _tracked(items: Sequence[Any], title: str, console: Console) -> Iterator[Any]:
    """Yields the items, with a bar on a terminal and a line every ten seconds elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    last = time.monotonic()
    with bar:
        for done, item in enumerate(_advancing(bar, items, title)):
            if not console.is_terminal and time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                console.print(f"{title}: {done} of {len(items)}")
            yield item


def _advancing(bar: Progress, items: Sequence[Any], title: str) -> Iterable[Any]:
    return bar.track(items, total=len(items), description=title)
