"""Tells from the scores whether the learned features beat their baselines."""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from ssl_jax.evaluation import scores
from ssl_jax.evaluation.scores import BASELINES, CLASSIFIER, PROBE, Score
from ssl_jax.report.formatting import points

Judgment = Literal["unknown", "behind", "level", "ahead"]
_JUDGMENTS: tuple[Judgment, ...] = ("unknown", "behind", "level", "ahead")
CLASSIFIER_TITLE = "Classifier"
_TITLES = {
    CLASSIFIER: CLASSIFIER_TITLE,
    "knn_top1": "k nearest neighbors",
    "linear_top1": "Linear, all labels",
    "linear100_top1": "Linear, 10 labels per class",
}
_REPRESENTATIONS = {"learned": "learned", "random_init": "untrained", "input": "raw input"}
_ALL = {1: "the one score measured", 2: "both scores", 3: "all three scores"}


class ScoreRow(NamedTuple):
    """A row in a table of scores. Numbers are fractions, NaN if missing.

    Attributes:
      name: the score in words.
      learned: score of the learned features.
      random_init: score of the same network untrained.
      input: score of the raw input.
      lead: lead of the learned features over the better baseline.
      uncertainty: twice the paired standard error of that lead.
      verdict: "ahead" of both baselines or "behind" one of them by more than the uncertainty,
        "level" otherwise, "unknown" if a number is missing.
    """

    name: str
    learned: float
    random_init: float
    input: float
    lead: float
    uncertainty: float
    verdict: Judgment


class Verdict(NamedTuple):
    """What the scores say: a sentence, and one more for each score that is not ahead."""

    headline: str
    shortfalls: list[str]


def score_table(values: Mapping[str, float]) -> list[ScoreRow]:
    """Returns one row per score on labels; none for data without labels.

    Args:
      values: the content of ``evaluation.json``.
    """
    return list(map(_row, _on_labels(values)))


def layer_table(values: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Returns each probed layer: its name, its score, and the score of the untrained network."""
    return [
        (score.layer, score.value, score.baselines.get("random_init", math.nan))
        for score in scores.read(values)
        if score.metric == PROBE
    ]


def features_in_words(values: Mapping[str, float]) -> str:
    """Says how the features were learned; only a method that trains on labels can classify."""
    return f"features learned with{'' if CLASSIFIER in values else 'out'} labels"


def classifier_in_words(values: Mapping[str, float]) -> str:
    """Says what predicted the classes of the test examples."""
    return "the classifier that was trained" if CLASSIFIER in values else "the linear probe"


def votes_in_words(values: Mapping[str, float]) -> list[str]:
    """Returns how the neighbors voted: a sentence per kind of labels; none for earlier runs."""
    lines = []
    for score in scores.read(values):
        if score.votes:
            each = "; ".join(
                f"{_REPRESENTATIONS[name]}: {vote.words()}" for name, vote in score.votes.items()
            )
            title = _TITLES[score.metric]
            of = "" if score.column == "label" else f", {score.column}"
            lines.append(f"{title}{of}: {each}.")
    return lines


def own_scores(values: Mapping[str, float]) -> dict[str, float]:
    """Returns the scores of the method's own task on test examples, and all perplexities."""
    return {
        name: value
        for name, value in values.items()
        if name.startswith("test_") or name.endswith("_perplexity")
    }


def classifier_scores(values: Mapping[str, float]) -> dict[str, float]:
    """Returns what else was measured of a method's own predictions, beside their accuracy."""
    if CLASSIFIER not in values:
        return {}
    return {name: values[name] for name in ("top5", "balanced_accuracy") if name in values}


def further_numbers(values: Mapping[str, float]) -> dict[str, float]:
    """Returns the entries that no table shows."""
    shown = scores.write(scores.read(values)).keys() | own_scores(values).keys()
    return {name: value for name, value in values.items() if name not in shown}


def verdict(values: Mapping[str, float], input_name: str) -> Verdict:
    """Says whether the learned features beat both the untrained network and the raw input.

    Args:
      values: the content of ``evaluation.json``.
      input_name: the raw input in words, such as "raw pixels".
    """
    if not values:
        return Verdict("This run has not been evaluated yet.", [])
    measured = _on_labels(values)
    if not measured:
        return Verdict(
            "There are no labels to score the features with. See below which examples they place "
            "close together.",
            [],
        )
    names = dict(zip(BASELINES, ("the untrained network", f"the {input_name}"), strict=True))
    both = " and ".join(names.values())
    features = f"The {features_in_words(values)}"
    rows = list(map(_row, measured))
    ahead = sum(row.verdict == "ahead" for row in rows)
    if all(row.verdict == "unknown" for row in rows):
        headline = f"Numbers are missing to say whether the features beat {both}."
    elif ahead == 0:
        headline = f"{features} do not beat both {both} in any score."
    else:
        every = _ALL.get(len(rows), f"all {len(rows)} scores")
        of = every if ahead == len(rows) else f"{ahead} of {len(rows)} scores"
        headline = f"{features} beat {both} in {of}."
    shortfalls = [
        _shortfall(score, row.name, names)
        for score, row in zip(measured, rows, strict=True)
        if row.verdict != "ahead"
    ]
    return Verdict(headline, shortfalls)


def _on_labels(values: Mapping[str, float]) -> list[Score]:
    """Returns the scores on labels, that of a method's own classifier first."""
    found = [score for score in scores.read(values) if score.metric != PROBE]
    return sorted(found, key=lambda score: score.metric != CLASSIFIER)


def _row(score: Score) -> ScoreRow:
    untrained, raw = (score.baselines.get(name, math.nan) for name in BASELINES)
    leads = _leads(score)
    judged = min((_judge(*each) for each in leads.values()), key=_JUDGMENTS.index)
    title = _TITLES[score.metric]
    return ScoreRow(
        name=title if score.column == "label" else f"{title}, {score.column}",
        learned=score.value,
        random_init=untrained,
        input=raw,
        lead=score.value - float(np.maximum(untrained, raw)),
        uncertainty=leads["input" if raw > untrained else "random_init"][1],
        verdict=judged,
    )


def _leads(score: Score) -> dict[str, tuple[float, float]]:
    """Returns the lead over each baseline, and twice its standard error."""
    return {
        name: (
            score.value - score.baselines.get(name, math.nan),
            2 * score.errors.get(name, math.nan),
        )
        for name in BASELINES
    }


def _judge(lead: float, uncertainty: float) -> Judgment:
    if not math.isfinite(lead + uncertainty):
        return "unknown"
    if abs(lead) <= uncertainty:
        return "level"
    return "ahead" if lead > 0 else "behind"


def _shortfall(score: Score, title: str, names: Mapping[str, str]) -> str:
    phrases = []
    for name, (lead, uncertainty) in _leads(score).items():
        amount = f"{names[name]} ({points(lead)} ± {points(uncertainty, '')} points)"
        match _judge(lead, uncertainty):
            case "unknown":
                phrases.append(f"no full comparison with {names[name]}")
            case "level":
                phrases.append(f"no clear lead over {amount}")
            case "behind":
                phrases.append(f"behind {amount}")
    return f"{title}: {', '.join(phrases)}."
