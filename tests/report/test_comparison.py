import json
import math

import pytest

from ssl_jax.errors import InputError
from ssl_jax.methods import settings_of
from ssl_jax.report.comparison import Entry, differing, groups, row
from ssl_jax.report.formatting import DASH
from ssl_jax.runs.entries import read_runs
from tests import fake_runs


def test_trained_but_not_evaluated():
    rows = [{"step": 100, "loss": 1.0, "examples_per_second": 50.0}]
    found = row(Entry("run", {"train.steps": 100, "data.batch_size": 10}, rows))
    assert found.state == "trained, not evaluated yet"
    assert found.progress == "100 of 100"


def test_speed_is_the_median_without_the_first_rows_and_time_the_sum():
    speeds = [1.0, 2.0, 100.0, 50.0, 400.0]
    logged = [
        {"step": 10 * (i + 1), "loss": 1.0, "examples_per_second": speed}
        for i, speed in enumerate(speeds)
    ]
    found = row(Entry("run", {"data.batch_size": 20}, logged))
    assert found.speed == 100
    assert found.seconds == pytest.approx(sum(200 / speed for speed in speeds))
    assert row(Entry("run", {"data.batch_size": 20}, logged[:2])).speed == 2
    assert math.isnan(row(Entry("run", {}, logged)).seconds)


def test_runs_are_grouped_by_what_they_were_scored_on(entries):
    found = list(groups(list(map(row, entries))))
    assert [group.title for group in found] == [
        *("fashion_mnist_mini", "folder:/<b>", "moving_fashion")
    ]
    assert [len(group.rows) for group in found] == [4, 1, 1]
    assert [len(group.scores) for group in found] == [3, 0, 6]
    assert found[1].own == ["test_perplexity", "bigram_perplexity"]
    assert [group.input_name for group in found] == ["raw pixels", "token counts", "raw pixels"]


def test_a_fine_tuned_run_says_what_it_started_from(tuned):
    assert [row(each).training for each in tuned] == [
        *("simclr", "finetune from simclr", "finetune from scratch")
    ]


def test_a_classifier_is_scored_first_and_with_its_further_numbers(tuned):
    (group,) = groups(list(map(row, tuned)))
    assert group.scores[0] == "Classifier"
    assert len(group.scores) == 4
    assert [each.scores.get("Classifier") is None for each in group.rows] == [True, False, False]
    assert group.rows[1].scores["Classifier"].verdict == "ahead"
    assert group.rows[2].scores["Classifier"].verdict == "level"
    assert group.own == ["top5", "balanced_accuracy"]


def test_numbers_of_labels_are_told_if_they_differ(tuned, entries):
    (group,) = groups(list(map(row, tuned)))
    assert group.labels_differ
    assert [each.labels for each in group.rows] == ["10,000 labels", "100 labels", "100 labels"]
    (same,) = groups(list(map(row, tuned[1:])))
    assert not same.labels_differ
    assert not any(each.labels_differ for each in groups(list(map(row, entries))))
    assert row(tuned[0]._replace(values={"train_examples": 5})).labels == ""


def test_settings_that_differ_are_exactly_those(entries):
    assert differing(entries[:2]) == [("optimizer.learning_rate", ["0.001", "0.01"])]
    assert differing(entries[:1]) == []
    several = dict(differing([entries[0], entries[2], entries[5]]))
    own = {key: values for key, values in several.items() if key.startswith("method.")}
    assert {key: values for key, values in several.items() if key not in own} == {
        "data.frames": ["null", "null", "8"],
        "data.modality": ["image", "image", "video"],
        "data.name": ["fashion_mnist_mini", "fashion_mnist_mini", "moving_fashion"],
    }
    assert own.pop("method.name") == ["simclr", "dino", "frame_order"]
    assert own["method.temperature"] == ["0.2", DASH, DASH]
    declared = [settings_of(name) for name in ("simclr", "dino", "frame_order")]
    expected = {
        f"method.{name}": [name in table for table in declared]
        for name in set().union(*declared)
        if not all(name in table for table in declared)
    }
    found = {key: [value != DASH for value in values] for key, values in own.items()}
    assert {key: values for key, values in found.items() if not all(values)} == expected


def test_a_setting_of_none_is_not_an_absent_one():
    found = differing([Entry("a", {"x": None}), Entry("b", {})])
    assert found == [("x", ["null", DASH])]


def test_runs_are_named_by_as_much_of_the_path_as_tells_them_apart(tmp_path):
    paths = [fake_runs.write(tmp_path / a / b, "m", made=0) for a in "ab" for b in "xy"]
    assert [entry.name for entry in read_runs([paths[0], paths[1], paths[0]])] == ["x", "y"]
    assert [entry.name for entry in read_runs(paths)] == ["a/x", "a/y", "b/x", "b/y"]


@pytest.mark.parametrize("text", ["{", "[1]", '{"knn_top1": "much"}'])
def test_damaged_scores_are_named(tmp_path, text):
    workdir = fake_runs.write(tmp_path / "run", "simclr")
    (workdir / "evaluation.json").write_text(text)
    with pytest.raises(InputError, match=r"evaluation\.json: is damaged"):
        read_runs([workdir])


def test_settings_that_an_earlier_run_lacks_have_their_defaults(tmp_path):
    workdir = fake_runs.write(tmp_path / "run", "simclr")
    old = json.loads((workdir / "config.json").read_text())
    del old["data"]["modality"]
    (workdir / "config.json").write_text(json.dumps(old))
    assert read_runs([workdir])[0].settings["data.modality"] == "image"
