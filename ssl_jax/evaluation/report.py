"""``report.html``: one self-contained page on which a person sees what a run has learned."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined

from ssl_jax.evaluation import charts, collapse
from ssl_jax.output import write_whole

_Verdict = Literal["unknown", "behind", "level", "ahead"]
_SCORES = {
    "knn_top1": "k nearest neighbours",
    "linear_top1": "Linear, all labels",
    "linear100_top1": "Linear, 10 labels a class",
}
_BASELINES = ("random_init", "input")
_VERDICTS: tuple[_Verdict, ...] = ("unknown", "behind", "level", "ahead")
_ALL = {1: "the one score measured", 2: "both scores", 3: "all three scores"}
_PROBED = re.compile(r"probe_(\w+)_top1")
DASH, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
_VIEWED, _QUERIES, _NEAREST = 12, 10, 5
_MATRIX_CLASSES, _PAIRS = 20, 15


class Pictures(NamedTuple):
    """Rows of pictures, of which those of one example stand below each other.

    Attributes:
      title: of the section.
      say: what is to be seen.
      rows: a name and ``[n, h, w, c]``, uint8 or floats in [0, 1]; 12 of n are shown.
    """

    title: str
    say: str
    rows: Sequence[tuple[str, np.ndarray]]


class Texts(NamedTuple):
    """Blocks of texts.

    Attributes:
      title: of the section.
      say: what is to be seen.
      groups: a block each: headings (may be empty) with their texts.
    """

    title: str
    say: str
    groups: Sequence[Sequence[tuple[str, str]]]


class Neighbours(NamedTuple):
    """Test examples beside the training examples that are nearest to them, as pictures.

    Attributes:
      queries: uint8 [q, h, w, c], of which 10 are shown, with 5 neighbours each.
      learned: uint8 [q, k, h, w, c], nearest in the space of the features, the nearest first.
      pixels: uint8 [q, k, h, w, c], nearest in the space of the raw pixels.
      labels: class names of queries [q], learned [q][k] and pixels [q][k]; None without labels.
    """

    queries: np.ndarray
    learned: np.ndarray
    pixels: np.ndarray
    labels: tuple[Sequence[str], Sequence[Sequence[str]], Sequence[Sequence[str]]] | None = None


Section = Pictures | Texts | Neighbours


class Page(NamedTuple):
    """All that the page shows; what is None or empty is left out.

    Attributes:
      title: such as "SimCLR on fashion_mnist_mini".
      facts: short ones, shown under the title: steps, batch, network, time, machine.
      notes: lines that the data layer told the user.
      metrics: rows of metrics.jsonl, each with "step".
      values: evaluation.json.
      input_name: what the baseline without a network is.
      sections: what the data's modality shows.
      features: [m, d] of test examples.
      labels: int [m].
      label_names: of the classes 0, 1, ...
      predictions: int [m], the linear probe's.
      config: the resolved config, nested.
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


class Score(NamedTuple):
    """One score of the learned features and of what they must beat; fractions, NaN if missing.

    Attributes:
      name: of the score, in words.
      learned: of the learned features.
      random_init: of the same network untrained.
      input: of the raw input.
      lead: of learned over the better of the other two.
      uncertainty: twice the paired standard error of that lead.
      verdict: "ahead" of both and "behind" one by more than that, "level", or "unknown" if a
        number is missing.
    """

    name: str
    learned: float
    random_init: float
    input: float
    lead: float
    uncertainty: float
    verdict: _Verdict


class Verdict(NamedTuple):
    """What the scores say: a sentence, and one more for each score that falls short."""

    headline: str
    shortfalls: list[str]


def score_table(values: Mapping[str, float]) -> list[Score]:
    """The labelled scores that were measured, in a fixed order; for the page and the console.

    Args:
      values: evaluation.json.

    Returns:
      A row for each; none for data without labels.
    """
    rows = []
    for key in _measured(values):
        untrained, raw = (_number(values, f"{name}_{key}") for name in _BASELINES)
        learned = _number(values, key)
        leads = _leads(values, key)
        lead = learned - float(np.maximum(untrained, raw))
        uncertainty = leads["input" if raw > untrained else "random_init"][1]
        found = min((_judge(*each) for each in leads.values()), key=_VERDICTS.index)
        rows.append(Score(_title(key), learned, untrained, raw, lead, uncertainty, found))
    return rows


def verdict(values: Mapping[str, float], input_name: str) -> Verdict:
    """Says whether the learned features beat both the untrained network and the raw input.

    Args:
      values: evaluation.json.
      input_name: what the raw input is, such as "raw pixels".
    """
    if not values:
        return Verdict("This run has not been evaluated yet.", [])
    scores = score_table(values)
    if not scores:
        return Verdict(
            "There are no labels to score the features with; look at what they hold to be alike.",
            [],
        )
    names = dict(zip(_BASELINES, ("the untrained network", f"the {input_name}"), strict=True))
    both = " and ".join(names.values())
    ahead = sum(score.verdict == "ahead" for score in scores)
    if all(score.verdict == "unknown" for score in scores):
        headline = f"Whether the features beat {both} cannot be said: numbers are missing."
    elif ahead == 0:
        headline = f"The features learned without labels do not beat both {both} in any score."
    else:
        every = _ALL.get(len(scores), f"all {len(scores)} scores")
        of = every if ahead == len(scores) else f"{ahead} of {len(scores)} scores"
        headline = f"The features learned without labels beat {both} in {of}."
    shortfalls = [
        _shortfall(values, key, names)
        for key, score in zip(_measured(values), scores, strict=True)
        if score.verdict != "ahead"
    ]
    return Verdict(headline, shortfalls)


def percent(fraction: float) -> str:
    """0.8437 -> "84.4%"; a dash if it is not a number."""
    return f"{100 * fraction:.1f}%" if math.isfinite(fraction) else DASH


def points(fraction: float, sign: str = "+") -> str:
    """0.012 -> "+1.2" percentage points, or "1.2" if `sign` is ""; a dash if it is not a number."""
    if not math.isfinite(fraction):
        return DASH
    return f"{round(100 * fraction, 1) + 0.0:{sign}.1f}".replace("-", _MINUS)


def number(value: float) -> str:
    """1234 -> "1,234"; 0.123456 -> "0.1235"; a dash if it is not a number."""
    if not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def setting(value: Any) -> str:
    """The value of a setting as JSON writes it."""
    return json.dumps(value, ensure_ascii=False, default=str)


def write(path: Path, page: Page) -> None:
    """Writes the page, whole or not at all."""
    save(path, render(page))


def save(path: Path, html: str) -> None:
    """Writes a page atomically.

    Raises:
      InputError: it cannot be written.
    """
    write_whole(path, html.encode("utf-8", "replace"))


def fill(template: str, **values: Any) -> str:
    """One of the templates that lie beside this file, as HTML; ``base.html`` is under them all."""
    folder = resources.files("ssl_jax.evaluation")
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        percent=percent, points=points, number=number, picture=charts.picture
    )
    return environment.get_template(template).render(**values)


def render(page: Page) -> str:
    """The page as HTML; the same bytes for the same input."""
    names = _class_names(page.label_names or ())
    return fill(
        "report.html",
        page=page,
        verdict=verdict(page.values, page.input_name),
        collapse=collapse.verdict(page.metrics, page.values) if page.values else None,
        scores=score_table(page.values),
        curves=_curves(page.metrics),
        layers=_layers(page.values),
        sections=list(map(_section, page.sections)),
        crisp=charts.CRISP_SIDE,
        map=None
        if page.features is None
        else charts.feature_map(page.features, page.labels, names),
        confusion=_confusion(page.labels, page.predictions, names),
        rest=_rest(page.values),
        settings=list(_settings(page.config)),
    )


def own_scores(values: Mapping[str, float]) -> dict[str, float]:
    """What the method's own task scores on the test examples, and perplexities beside it."""
    return {
        name: value
        for name, value in values.items()
        if name.startswith("test_") or name.endswith("_perplexity")
    }


def _measured(values: Mapping[str, float]) -> list[str]:
    """The labelled scores, those of further labels behind those of ``label``."""
    found = [key for key in _SCORES if key in values]
    baselines = tuple(f"{name}_" for name in _BASELINES)
    further = (k for k in values if k not in _SCORES and not k.startswith(baselines))
    return found + [key for key in further if key.endswith(tuple(f"_{k}" for k in _SCORES))]


def _title(key: str) -> str:
    """A score in words; one of further labels is said to be."""
    score = next(score for score in _SCORES if key.endswith(score))
    column = key.removesuffix(score).rstrip("_")
    return f"{_SCORES[score]}, {column}" if column else _SCORES[score]


def _layers(values: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Each layer that was probed alone, with its score and the untrained network's."""
    names = [match[1] for key in values if (match := _PROBED.fullmatch(key))]
    return [
        (name, values[f"probe_{name}_top1"], values[f"random_init_probe_{name}_top1"])
        for name in names
    ]


def _number(values: Mapping[str, float], key: str) -> float:
    value = values.get(key)
    return math.nan if value is None else float(value)


def _leads(values: Mapping[str, float], key: str) -> dict[str, tuple[float, float]]:
    """For each baseline the lead over it, and twice the standard error of that."""
    return {
        name: (
            _number(values, key) - _number(values, f"{name}_{key}"),
            2 * _number(values, f"{key}_minus_{name}_se"),
        )
        for name in _BASELINES
    }


def _judge(lead: float, uncertainty: float) -> _Verdict:
    if not math.isfinite(lead + uncertainty):
        return "unknown"
    if abs(lead) <= uncertainty:
        return "level"
    return "ahead" if lead > 0 else "behind"


def _shortfall(values: Mapping[str, float], key: str, names: Mapping[str, str]) -> str:
    phrases = []
    for name, (lead, uncertainty) in _leads(values, key).items():
        amount = f"{names[name]} ({points(lead)} ± {points(uncertainty, '')} points)"
        match _judge(lead, uncertainty):
            case "unknown":
                phrases.append(f"no full comparison with {names[name]}")
            case "level":
                phrases.append(f"no clear lead over {amount}")
            case "behind":
                phrases.append(f"behind {amount}")
    return f"{_title(key)}: {', '.join(phrases)}."


def _class_names(names: Sequence[str]) -> dict[int, str]:
    """On one line each, and printable: they may come from the names of folders."""
    return {
        label: " ".join(name.encode("utf-8", "replace").decode().split())
        for label, name in enumerate(names)
    }


def _rest(values: Mapping[str, float]) -> list[tuple[str, str]]:
    """What of evaluation.json the table of scores does not hold."""
    shown = {f"{b}probe_{n}_top1" for n, *_ in _layers(values) for b in ("", "random_init_")}
    shown |= {
        name
        for key in _measured(values)
        for name in (
            key,
            *(f"{b}_{key}" for b in _BASELINES),
            *(f"{key}_minus_{b}_se" for b in _BASELINES),
        )
    }
    return [(name, number(value)) for name, value in values.items() if name not in shown]


def _curves(rows: Sequence[Mapping[str, float]]) -> dict[str, Any] | None:
    """The charts of the loss, the learning rate and the speed, and the numbers of their caption."""
    loss = charts.curve(rows, "loss", "loss", 212, dashed="chance_loss")
    if loss is None:
        return None
    steps, values = charts.series(rows, "loss")
    mean = charts.running_mean(values, charts.window(values))
    return {
        "loss": loss,
        "small": [
            chart
            for key, title in (
                ("learning_rate", "learning rate"),
                ("examples_per_second", "examples a second"),
            )
            if (chart := charts.curve(rows, key, title, 100)) is not None
        ],
        "first": mean[0],
        "last": mean[-1],
        "step": steps[-1],
        "lost": sum("loss" in row for row in rows) - len(values),
        "chance": any("chance_loss" in row for row in rows),
    }


def _section(section: Section) -> dict[str, Any]:
    """A section for the template, which knows it by the key that it has."""
    match section:
        case Pictures(title, say, rows):
            count = min(_VIEWED, *(len(pictures) for _, pictures in rows))
            columns = [[(name, pictures[i]) for name, pictures in rows] for i in range(count)]
            return {"title": title, "say": say, "columns": columns}
        case Texts(title, say, groups):
            return {"title": title, "say": say, "groups": groups}
        case Neighbours():
            return {"title": "Nearest neighbours", "queries": list(_queries(section))}


def _queries(neighbours: Neighbours) -> Iterator[dict[str, Any]]:
    """For each query its picture, its name, and two rows of tiles: picture, name, whether alike."""
    for i, query in enumerate(neighbours.queries[:_QUERIES]):
        name = neighbours.labels[0][i] if neighbours.labels else None
        rows = []
        for which, (title, pictures) in enumerate(
            (("learned features", neighbours.learned[i]), ("raw pixels", neighbours.pixels[i])), 1
        ):
            shown = pictures[:_NEAREST]
            found = neighbours.labels[which][i][:_NEAREST] if neighbours.labels else None
            rows.append(
                {
                    "title": title,
                    "tiles": [(p, found[j] if found else None) for j, p in enumerate(shown)],
                    "right": sum(other == name for other in found) if found else None,
                    "wrong": list(dict.fromkeys(x for x in found if x != name)) if found else [],
                }
            )
        yield {"picture": query, "name": name, "rows": rows}


def _confusion(
    labels: np.ndarray | None, predictions: np.ndarray | None, names: Mapping[int, str]
) -> dict[str, Any] | None:
    """Of each class the shares taken for each; beyond 20 classes the commonest mistakes."""
    if labels is None or predictions is None or not len(labels):
        return None
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    classes, places = np.unique(np.concatenate([labels, predictions]), return_inverse=True)
    true, taken = places[: len(labels)], places[len(labels) :]
    words = [names.get(label, str(label)) for label in classes.tolist()]
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (true, taken), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(classes) <= _MATRIX_CLASSES:
        return {"names": words, "shares": shares.tolist()}
    wrong = counts * (1 - np.eye(len(classes), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    return {
        "names": words,
        "pairs": [
            (words[i], words[j], int(counts[i, j]), float(shares[i, j]))
            for i, j in pairs
            if wrong[i, j]
        ],
    }


def _settings(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The config as ``a.b.c`` and value, as flags would name them."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", setting(value)
