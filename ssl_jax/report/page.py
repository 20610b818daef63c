"""``report.html``: one self-contained page that shows what a run learned."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.report import collapse
from ssl_jax.report.charts.curves import curve, running_mean, series, window
from ssl_jax.report.charts.feature_map import feature_map
from ssl_jax.report.confusion import confusion
from ssl_jax.report.formatting import number, printable, setting
from ssl_jax.report.own_task import own_task
from ssl_jax.report.per_class import per_class
from ssl_jax.report.picture import CRISP_SIDE
from ssl_jax.report.sections.kinds import Section, content
from ssl_jax.report.templates import fill, save
from ssl_jax.report.verdicts import (
    classifier_in_words,
    features_in_words,
    further_numbers,
    layer_table,
    score_table,
    verdict,
    votes_in_words,
)


class Page(NamedTuple):
    """The content of the page. Parts that are None or empty are left out.

    Attributes:
      title: such as "SimCLR on fashion_mnist_mini".
      facts: short facts under the title: steps, batch size, network, devices.
      notes: lines that were printed when the data was loaded.
      metrics: rows of metrics.jsonl, each with "step".
      values: evaluation.json.
      input_name: the raw input in words.
      sections: the sections of the data's modality.
      features: [m, d], of test examples.
      labels: int [m], of the same examples.
      label_names: names of the classes 0, 1, ...
      predictions: int [m], of the classes, by the method itself or by the linear probe.
      config: the resolved config, nested.
      meanings: one line per setting, by its key.
    """

    title: str
    facts: Mapping[str, str] = {}
    notes: Sequence[str] = ()
    metrics: Sequence[Mapping[str, float]] = ()
    values: Mapping[str, float] = {}
    input_name: str = "raw pixels"
    sections: Sequence[Section] = ()
    features: np.ndarray | None = None
    labels: np.ndarray | None = None
    label_names: Sequence[str] | None = None
    predictions: np.ndarray | None = None
    config: Mapping[str, Any] = {}
    meanings: Mapping[str, str] = {}


def write(path: Path, page: Page) -> None:
    """Writes the page atomically.

    Raises:
      InputError: it cannot be written.
    """
    save(path, render(page))


def render(page: Page) -> str:
    """Returns the page as HTML; the same bytes for the same input."""
    names = _class_names(page.label_names or ())
    return fill(
        "report.html",
        page=page,
        verdict=verdict(page.values, page.input_name),
        collapse=collapse.verdict(page.metrics, page.values) if page.values else None,
        scores=score_table(page.values),
        votes=votes_in_words(page.values),
        features_in_words=features_in_words(page.values),
        curves=_curves(page.metrics),
        layers=layer_table(page.values),
        own_task=own_task(page.values),
        sections=list(map(content, page.sections)),
        crisp=CRISP_SIDE,
        map=None if page.features is None else feature_map(page.features, page.labels, names),
        confusion=confusion(page.labels, page.predictions, names),
        per_class=per_class(page.labels, page.predictions, names),
        classifier=classifier_in_words(page.values),
        rest=[(name, number(value), "") for name, value in further_numbers(page.values).items()],
        settings=list(_settings(page.config, page.meanings)),
    )


def _class_names(names: Sequence[str]) -> dict[int, str]:
    """Returns the names, each on one line and printable, since they may be names of folders."""
    return {label: " ".join(printable(name).split()) for label, name in enumerate(names)}


def _curves(rows: Sequence[Mapping[str, float]]) -> dict[str, Any] | None:
    """Returns the charts of loss, learning rate and speed, and the numbers in their caption."""
    loss = curve(rows, "loss", "loss", 212, dashed="chance_loss")
    if loss is None:
        return None
    steps, values = series(rows, "loss")
    mean = running_mean(values, window(values))
    return {
        "loss": loss,
        "small": [
            chart
            for key, title in (
                ("learning_rate", "learning rate"),
                ("examples_per_second", "examples per second"),
            )
            if (chart := curve(rows, key, title, 100)) is not None
        ],
        "first": mean[0],
        "last": mean[-1],
        "step": steps[-1],
        "not_finite": sum("loss" in row for row in rows) - len(values),
        "chance": any("chance_loss" in row for row in rows),
    }


def _settings(
    config: Mapping[str, Any], meanings: Mapping[str, str], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Yields the key, value and meaning of each setting, with keys as in flags."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _settings(value, meanings, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", setting(value), meanings.get(f"{prefix}{key}", "")
