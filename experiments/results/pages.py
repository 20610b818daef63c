"""The parts of README.md, configs/ and docs/ that are generated from results and declarations."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.results import comparisons, few, labels, record, tasks
from ssl_jax import methods
from ssl_jax.config import BLOCKS, TOP
from ssl_jax.evaluation.scores import METRICS, PROBE, Score, read
from ssl_jax.output import write_whole
from ssl_jax.report.verdicts import ScoreRow, own_scores, score_table, votes_in_words
from ssl_jax.settings import Setting

_TITLE = re.compile(r"(?P<title>.+) \((?P<paper>.+), (?P<link>https?://\S+)\)\.")
_SCORES = re.compile(r"^Scores.*?\n(?=\n|\Z|\S+:)", re.DOTALL | re.MULTILINE)
_NAMES = ("kNN", "linear", "10 per class")  # short names of METRICS
_SETTINGS_HEAD = """# Settings

Every setting, as its code declares it. `python experiments/measure.py write` generates this page.
On the command line: `--config.data.batch_size=256`. A default of None means that the setting is
optional, or filled in when the data is known.
"""

Result = Mapping[str, Any]


def write(root: Path) -> None:
    """Writes the pages that have changed."""
    for path, text in pages(root).items():
        if path.read_text() != text if path.exists() else True:
            write_whole(path, text.encode())


def pages(root: Path) -> dict[Path, str]:
    """Returns the text of every generated page."""
    folder = root / "docs/results"
    results, variants = _read(folder), _read(folder / "variants")
    pretraining = [name for name in methods.METHODS if name != "finetune"]
    titles = {name: title_of(root / f"configs/{name}.py") for name in pretraining}
    texts: dict[Path, str] = {}
    study = record.read(root / "docs/labels.json")
    for path in (root / "README.md", root / "docs/results.md"):
        texts[path] = _filled(path.read_text(), results, variants, titles, study)
    for name, result in results.items():
        path = root / f"configs/{name}.py"
        texts[path] = with_scores(path.read_text(), result)
    texts[root / "docs/labels.svg"] = labels.figure(study)
    texts[root / "docs/settings.md"] = settings_page()
    return texts


def _read(folder: Path) -> dict[str, Result]:
    return {path.stem: record.read(path) for path in sorted(folder.glob("*.json"))}


def title_of(config: Path) -> tuple[str, str, str]:
    """Returns the title, paper and link in the first line of a config's docstring."""
    line = (ast.get_docstring(ast.parse(config.read_text())) or "").partition("\n")[0]
    match = _TITLE.fullmatch(line)
    if match is None:
        raise ValueError(f"{config}: {line!r}; expected 'Title (Authors year, https://link).'")
    return match["title"], match["paper"], match["link"]


def with_scores(config: str, result: Result) -> str:
    """Returns a config with new score lines in its docstring, before the line on ``smoke``."""
    without = _SCORES.sub("", config, count=1)
    before, smoke, after = without.partition("\nsmoke:")
    if not smoke:
        raise ValueError(f"{result['config']}: its docstring has no line that starts with 'smoke:'")
    return "\n".join([before, *score_lines(result)]) + smoke + after


def score_lines(result: Result) -> list[str]:
    """Returns the score lines of a config's docstring."""
    values, raw = result["values"], result["protocol"]["input"]
    seeds = _seeds_in_words(result)
    on = f", on {result['transfer']['data']}" if "transfer" in result else ""
    lines = [f"Scores (docs/results.md), {seeds}{on}:", f"    learned / untrained / {raw}"]
    for column, cells in _cells(result).items():
        labels = "" if column == "label" else f"{column}: "
        scores = [f"{name} {cell}" for name, cell in zip(_NAMES, cells, strict=True)]
        lines += [f"    {labels}{score.replace('**', '')}" for score in scores]
    seed = f", seed {result['seed']}" if result.get("further_seeds") else ""
    solved = tasks.solved_in_words(Path(result["config"]).stem, values)
    return lines + [f"    its own task{seed}: {words}" for words in solved]


def _filled(
    text: str,
    results: Mapping[str, Result],
    variants: Mapping[str, Result],
    titles: Mapping[str, Any],
    study: Mapping[str, Any],
) -> str:
    """Replaces the text between ``<!-- results: NAME -->`` and ``<!-- end -->``."""

    def block(match: re.Match[str]) -> str:
        name = match[1]
        lines = ["Not measured."]
        if name == "all":
            lines = list(_table(results, titles))
        elif name == "labels":
            lines = list(labels.table(study))
        elif name == "tasks":
            lines = list(tasks.table(results, titles, _cells, study))
        elif name in comparisons.COMPARISONS:
            compared = comparisons.COMPARISONS[name]
            lines = list(comparisons.table(compared, {**results, **variants}))
        elif name in results:
            lines = list(_detail(results[name]))
        return "\n".join([f"<!-- results: {name} -->", *lines, "<!-- end -->"])

    return re.sub(r"<!-- results: (\w+) -->.*?<!-- end -->", block, text, flags=re.DOTALL)


def _table(results: Mapping[str, Result], titles: Mapping[str, Any]) -> Iterator[str]:
    """Yields one row per method and kind of labels, in the order of the methods' index."""
    yield (
        "| method | config | kNN | linear probe | 10 labels per class "
        "| fine-tuned, 10 labels per class |"
    )
    yield "|---|---|---|---|---|---|"
    for name, (title, paper, link) in titles.items():
        if name not in results:
            yield f"| {title} ([{paper}]({link})) | `configs/{name}.py` | not measured | | | |"
            continue
        for column, cells in _cells(results[name]).items():
            full_title = title if column == "label" else f"{title}, {column}"
            tuned = few.in_words(results[name]) if column == "label" else ""
            scores = " | ".join([*cells, tuned])
            yield f"| {full_title} ([{paper}]({link})) | `configs/{name}.py` | {scores} |"


def _detail(result: Result) -> Iterator[str]:
    """Yields all scores of the first seed, the scores of all seeds, and the provenance."""
    values, protocol, scored = result["values"], result["protocol"], _scored(result)
    yield f"| | learned | untrained | {protocol['input']} | lead, ± twice its standard error |"
    yield "|---|---|---|---|---|"
    for row in score_table(scored):
        lead = f"{100 * row.lead:+.1f} ± {100 * row.uncertainty:.1f}"
        numbers = (_bold(row), _percent(row.random_init), _percent(row.input), lead)
        yield f"| {row.name} | {' | '.join(numbers)} |"
    for score in read(scored):
        if score.metric == PROBE:
            untrained = _percent(score.baselines["random_init"])
            yield f"| Linear, {score.layer} alone | {_percent(score.value)} | {untrained} | | |"
    for name, value in own_scores(values).items():
        yield f"| {name.replace('_', ' ')} | {value:.4g} | | | |"
    if result.get("further_seeds"):
        yield ""
        yield f"| {_seeds_in_words(result)} | kNN | linear | 10 labels per class |"
        yield "|---|---|---|---|"
        for column, cells in _cells(result).items():
            yield f"| {'scores' if column == 'label' else column} | {' | '.join(cells)} |"
    yield ""
    versions, seconds = result["versions"], result["seconds"]
    took = "" if seconds is None else f"; {seconds // 60} min {seconds % 60} s from start to page"
    yield (
        f"`{result['config']}`, {result['preset']} preset, seed {result['seed']}, step "
        f"{result['step']:,}; {protocol['data']}, {protocol['split']} split, "
        f"{values['examples']:,.0f} examples; features {', '.join(protocol['layers'])}; "
        f"few labels: {protocol['few_labels']}. {_transfer(result)}{_votes(result)} "
        f"{result['machine']}; Python {versions['python']}, jax {versions['jax']}, flax "
        f"{versions['flax']}; {result['date']}{took}."
    )


def _scored(result: Result) -> Mapping[str, float]:
    """Returns the scores on labels: on the run's own data, or on other data if that has none."""
    return result.get("transfer", result)["values"]


def _transfer(result: Result) -> str:
    if "transfer" not in result:
        return ""
    data, values = result["transfer"]["data"], result["transfer"]["values"]
    return f"Probes and neighbors: {data}, test split, {values['examples']:,.0f} examples. "


def _votes(result: Result) -> str:
    """Says how the neighbors voted: chosen for each representation, or fixed for all."""
    knn = result["protocol"]["knn"]
    fixed = f"kNN with k {knn['k']}, temperature {knn['temperature']}, for all representations."
    return " ".join(votes_in_words(_scored(result))) or fixed


def _cells(result: Result) -> dict[str, list[str]]:
    """Returns, for each kind of labels, learned / untrained / raw, in the order of ``METRICS``.

    With several seeds these are means, the learned one with the standard deviation over seeds. A
    learned score is bold if every seed is ahead of both baselines.
    """
    every = [_scored(result), *(each["values"] for each in result.get("further_seeds", ()))]
    tables = [
        {(score.column, score.metric): row for score, row in zip(scores, rows, strict=True)}
        for scores, rows in ((_on_labels(values), score_table(values)) for values in every)
    ]
    columns: dict[str, dict[str, str]] = {}
    for column, metric in tables[0]:
        rows = [table[column, metric] for table in tables]
        learned, untrained, raw = (
            np.array([getattr(row, name) for row in rows])
            for name in ("learned", "random_init", "input")
        )
        said = _percent(float(learned.mean()))
        if len(rows) > 1:
            said += f" ± {100 * learned.std(ddof=1):.1f}"
        if all(row.verdict == "ahead" for row in rows):
            said = f"**{said}**"
        cell = f"{said} / {_percent(float(untrained.mean()))} / {_percent(float(raw.mean()))}"
        columns.setdefault(column, {})[metric] = cell
    return {column: [cells[metric] for metric in METRICS] for column, cells in columns.items()}


def _on_labels(values: Mapping[str, float]) -> list[Score]:
    return [score for score in read(values) if score.metric != PROBE]


def _seeds_in_words(result: Result) -> str:
    seeds = [result["seed"], *(each["seed"] for each in result.get("further_seeds", ()))]
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"seeds {', '.join(map(str, seeds))}: mean ± standard deviation"


def _bold(row: ScoreRow) -> str:
    """Returns the learned score, bold if it is ahead of both baselines."""
    learned = _percent(row.learned)
    return f"**{learned}**" if row.verdict == "ahead" else learned


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def settings_page() -> str:
    """Returns docs/settings.md."""
    parts = [_SETTINGS_HEAD]
    for title, table in (("Top level", TOP), *((f"`{b}`", t) for b, t in BLOCKS.items())):
        parts.append("\n".join([f"## {title}", "", *_setting_rows(table)]) + "\n")
    for name in methods.METHODS:
        table = methods.settings_of(name)
        parts.append("\n".join([f"## `method`: {name}", "", *_setting_rows(table)]) + "\n")
    return "\n".join(parts)


def _setting_rows(table: Mapping[str, Setting]) -> Iterator[str]:
    yield "| setting | default | accepted | meaning |"
    yield "|---|---|---|---|"
    for name, setting in table.items():
        accepted = setting.expected + (", or None" if setting.optional else "")
        yield f"| `{name}` | `{setting.default!r}` | {accepted} | {setting.meaning} |"
