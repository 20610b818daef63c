"""Generated tables, score lines and settings match the recorded results and declarations."""

import json
from pathlib import Path

import pytest

from experiments.results import few, pages, record
from ssl_jax import config
from ssl_jax.evaluation.scores import read
from ssl_jax.methods import METHODS
from tests import tiny
from tests.methods.case import config_of

ROOT = Path(__file__).parents[1]
RESULTS = sorted((ROOT / "docs/results").glob("*.json"))


@pytest.mark.parametrize("path", pages.pages(ROOT), ids=lambda path: path.name)
def test_pages_are_up_to_date(path):
    """If this fails, run: python experiments/measure.py write."""
    assert path.read_text() == pages.pages(ROOT)[path]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_each_result_records_its_provenance(path):
    result = json.loads(path.read_text())
    assert result["config"] == f"configs/{path.stem}.py"
    assert path.stem in METHODS
    required = {"preset", "seed", "step", "protocol", "values", "versions", "machine", "date"}
    assert result.keys() >= required
    assert {"data", "input", "split", "layers", "knn", "few_labels"} <= result["protocol"].keys()
    assert {"python", "jax", "flax"} <= result["versions"].keys()
    assert result["step"] == result["values"]["step"]
    assert len(read(result["values"])) >= 3


def test_a_finished_run_is_recorded(tmp_path):
    values = {"step": 4, "knn_top1": 0.5, "random_init_knn_top1": 0.25}
    (tmp_path / "evaluation.json").write_text(json.dumps(values))
    (tmp_path / "report.html").write_text("a page")
    resolved = config_of("simclr", tiny.data())
    result = record.record("simclr", resolved, tmp_path, seconds=61)
    assert json.loads(json.dumps(result)) == result
    assert (result["seed"], result["step"], result["seconds"]) == (0, 4, 61)
    assert result["values"] == values
    assert result["protocol"]["layers"] == ["features"]


def test_settings_page_lists_each_setting_with_its_meaning():
    page = pages.settings_page()
    for table in (config.TOP, *config.BLOCKS.values()):
        for name, setting in table.items():
            assert f"| `{name}` | `{setting.default!r}` | {setting.expected}" in page
            assert setting.meaning in page


def test_score_lines_in_a_config_are_replaced():
    text = '"""A (B 2020, https://c).\n\nScores: old\n    older\nsmoke: x.\n"""\n'
    values = {"knn_top1": 0.5, "linear_top1": 0.6, "linear100_top1": 0.4, "test_found": 0.25}
    for key in ("knn_top1", "linear_top1", "linear100_top1"):
        values |= {f"random_init_{key}": 0.25, f"input_{key}": 0.125}
    result = {"config": "a", "values": values, "seed": 3, "protocol": {"input": "raw pixels"}}
    replaced = pages.with_scores(text, result)
    assert replaced.splitlines()[2:] == [
        "Scores (docs/results.md), seed 3:",
        "    learned / untrained / raw pixels",
        "    kNN 50.0 / 25.0 / 12.5",
        "    linear 60.0 / 25.0 / 12.5",
        "    10 per class 40.0 / 25.0 / 12.5",
        "    test found 0.25",
        "smoke: x.",
        '"""',
    ]
    assert pages.with_scores(replaced, result) == replaced
    assert pages.with_scores(text.replace("Scores: old\n    older\n", ""), result) == replaced
    with pytest.raises(ValueError, match="no line that starts with 'smoke:'"):
        pages.with_scores("paper: x.", result)


def test_several_seeds_give_means_and_their_spread():
    def values(learned, **others):
        baselines = {"random_init_knn_top1": 0.2, "input_knn_top1": 0.3}
        errors = {"knn_top1_minus_random_init_se": 0.01, "knn_top1_minus_input_se": 0.01}
        rest = {"linear_top1": 0.1, "linear100_top1": 0.1}
        return {"knn_top1": learned} | baselines | errors | rest | others

    result = {"seed": 0, "values": values(0.5), "protocol": {"input": "pixels"}}
    result["further_seeds"] = [
        {"seed": 1, "values": values(0.6, random_init_knn_top1=0.3), "seconds": None}
    ]
    assert pages._cells(result)["label"][0] == "**55.0 ± 7.1** / 25.0 / 30.0"
    result["further_seeds"][0]["values"]["knn_top1"] = 0.31
    assert pages._cells(result)["label"][0] == "40.5 ± 13.4 / 25.0 / 30.0"
    lines = pages.score_lines(result)
    assert "seeds 0, 1: mean ± standard deviation" in lines[0]


def test_few_labels_are_measured_on_images_with_labels(tmp_path):
    path = tmp_path / "a.json"
    for data, expected in (("fashion_mnist_mini", True), ("python_docs", False)):
        path.write_text(json.dumps({"protocol": {"data": data}}))
        assert few.can(path) is expected
    assert not few.can(tmp_path / "missing.json")


def test_fine_tuning_stands_beside_training_from_scratch():
    result = json.loads((ROOT / "docs/results/simclr.json").read_text())
    scores = {"finetuned": {"scores": [0.75, 0.77]}, "scratch": {"scores": [0.5, 0.6]}}
    titles = {"simclr": ("T", "P", "https://l")}
    *_, row = pages._table({"simclr": result | {few.KEY: scores}}, titles)
    assert row.endswith("| 76.0 / 55.0 |")
    assert row.startswith("| T ([P](https://l)) | `configs/simclr.py` |")


def test_a_method_without_a_result_is_listed_as_not_measured():
    *_, row = pages._table({}, {"mae": ("T", "P", "https://l")})
    assert row == "| T ([P](https://l)) | `configs/mae.py` | not measured | | | |"
