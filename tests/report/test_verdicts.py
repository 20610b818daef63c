import math

import pytest

from ssl_jax.report.formatting import DASH
from ssl_jax.report.verdicts import (
    classifier_in_words,
    classifier_scores,
    further_numbers,
    layer_table,
    own_scores,
    score_table,
    verdict,
    votes_in_words,
)
from tests.report.numbers import SCORES

MINUS = "\N{MINUS SIGN}"
BOTH = "the untrained network and the raw pixels"
TITLES = ["k nearest neighbors", "Linear, all labels", "Linear, 10 labels per class"]
METRICS = ["knn_top1", "linear_top1", "linear100_top1"]


def test_score_table():
    rows = score_table(SCORES)
    assert [row.name for row in rows] == TITLES
    knn, linear, few = rows
    assert knn[1:4] == (0.85, 0.80, 0.81)
    assert knn[4:6] == pytest.approx((0.04, 0.014))
    assert linear[4:6] == pytest.approx((0.02, 0.012))
    assert few[4:6] == pytest.approx((0.04, 0.012))
    assert [row.verdict for row in rows] == ["ahead"] * 3
    assert score_table({"rankme": 3.0}) == []


def test_scores_of_further_labels_are_named_after_them():
    values = {key.replace("knn", "motion_knn"): value for key, value in SCORES.items()}
    names = [row.name for row in score_table(SCORES | values)]
    assert names == [*TITLES, "k nearest neighbors, motion"]


def test_a_method_s_own_classifier_is_told_from_the_probe():
    values = SCORES | {"top1": 0.9, "top5": 0.99, "balanced_accuracy": 0.88}
    assert classifier_in_words(values) == "the classifier that was trained"
    assert classifier_scores(values) == {"top5": 0.99, "balanced_accuracy": 0.88}
    assert classifier_in_words(SCORES) == "the linear probe"
    assert classifier_scores(SCORES | {"balanced_accuracy": 0.88}) == {}


def test_the_classifier_s_score_is_first():
    assert [row.name for row in score_table(SCORES | {"top1": 0.9})] == ["Classifier", *TITLES]


def test_votes_are_told_in_words():
    votes = {"knn_k": 5, "knn_temperature": 0.05, "knn_centered": 1, "knn_standardized": 0}
    votes |= {f"input_{key}": value for key, value in votes.items()} | {"input_knn_k": 20}
    assert votes_in_words(SCORES | votes) == [
        "k nearest neighbors: learned: 5 neighbors, temperature 0.05, centered features; "
        "raw input: 20 neighbors, temperature 0.05, centered features."
    ]
    assert votes_in_words(SCORES) == []


@pytest.mark.parametrize(
    ("learned", "expected"),
    [(0.8260001, "ahead"), (0.823, "level"), (0.797, "level"), (0.785, "behind")],
)
def test_a_lead_counts_beyond_twice_its_standard_error(learned, expected):
    values = SCORES | {"knn_top1": learned, "knn_top1_minus_input_se": 0.008}
    values |= {"random_init_knn_top1": 0.79}
    assert score_table(values)[0].verdict == expected


def test_the_lead_over_both_baselines_must_be_clear():
    values = SCORES | {"knn_top1_minus_random_init_se": 0.03}
    (knn, *_) = score_table(values)
    assert knn.lead > knn.uncertainty
    assert knn.verdict == "level"


def test_ahead_in_all_scores():
    found = verdict(SCORES, "raw pixels")
    assert found == (f"The features learned without labels beat {BOTH} in all three scores.", [])


def test_not_ahead_in_one_score():
    found = verdict(SCORES | {"linear_top1": 0.855}, "raw pixels")
    assert found.headline == f"The features learned without labels beat {BOTH} in 2 of 3 scores."
    assert found.shortfalls == [
        f"Linear, all labels: no clear lead over the untrained network ({MINUS}0.5 ± 1.2 "
        "points), no clear lead over the raw pixels (+0.5 ± 1.4 points)."
    ]


def test_ahead_in_no_score():
    low = {key: SCORES[key] - 0.2 for key in METRICS}
    found = verdict(SCORES | low, "raw pixels")
    assert (
        found.headline
        == f"The features learned without labels do not beat both {BOTH} in any score."
    )
    assert len(found.shortfalls) == 3
    assert f"behind the raw pixels ({MINUS}16.0 ± 1.4 points)" in found.shortfalls[0]


@pytest.mark.parametrize("key", ["knn_top1", "input_knn_top1", "knn_top1_minus_random_init_se"])
@pytest.mark.parametrize("missing", [True, False])
def test_a_number_is_missing(key, missing):
    values = SCORES | {key: math.nan}
    if missing and key != "knn_top1":
        del values[key]
    found = verdict(values, "raw pixels")
    assert found.headline.endswith("in 2 of 3 scores.")
    assert found.shortfalls[0].startswith("k nearest neighbors: no full comparison with")
    assert score_table(values)[0].verdict == "unknown"
    assert DASH not in found.shortfalls[0]


def test_without_scores():
    assert verdict({}, "raw pixels").headline == "This run has not been evaluated yet."
    assert verdict({"rankme": 3.0}, "raw pixels").headline.startswith("There are no labels")
    nothing = verdict(dict.fromkeys(SCORES, math.nan), "raw pixels")
    assert nothing.headline == f"Numbers are missing to say whether the features beat {BOTH}."
    assert len(nothing.shortfalls) == 3


def test_layers_are_listed_with_the_untrained_network_beside_them():
    values = SCORES | {
        "probe_stage1_top1": 0.7,
        "random_init_probe_stage1_top1": 0.6,
        "probe_stage2_top1": 0.8,
    }
    first, second = layer_table(values)
    assert first == ("stage1", 0.7, 0.6)
    assert second[:2] == ("stage2", 0.8)
    assert math.isnan(second[2])
    assert layer_table(SCORES) == []


def test_each_number_is_in_a_table_or_among_the_further_numbers():
    own = {"test_nats": 4.0, "unigram_perplexity": 300.0}
    layers = {"probe_stage1_top1": 0.7, "random_init_probe_stage1_top1": 0.6}
    values = SCORES | own | layers
    assert own_scores(values) == own
    rest = {"linear_top5": 0.991, "rankme": 41.5, "examples": 2000}
    assert further_numbers(values) == rest
