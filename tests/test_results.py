"""Generated tables, score lines and settings match the recorded results and declarations."""

import json
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.results import comparisons, few, filters, pages, record, tasks
from ssl_jax import config
from ssl_jax.evaluation.scores import read
from ssl_jax.methods import METHODS
from tests import tiny
from tests.methods.case import config_of

ROOT = Path(__file__).parents[1]
RESULTS = sorted((ROOT / "docs/results").glob("**/*.json"))


@pytest.mark.parametrize("path", pages.pages(ROOT), ids=lambda path: path.name)
def test_pages_are_up_to_date(path):
    """If this fails, run: python experiments/measure.py write."""
    assert path.read_text() == pages.pages(ROOT)[path]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_each_result_records_its_provenance(path):
    result = json.loads(path.read_text())
    name, changes = comparisons.VARIANTS.get(path.stem, (path.stem, {}))
    assert result["config"] == f"configs/{name}.py"
    assert result.get("changes", {}) == changes
    assert name in METHODS
    required = {"preset", "seed", "step", "protocol", "values", "versions", "machine", "date"}
    assert result.keys() >= required
    assert {"data", "input", "split", "layers", "knn", "few_labels"} <= result["protocol"].keys()
    assert {"python", "jax", "flax"} <= result["versions"].keys()
    assert result["step"] == result["values"]["step"]
    assert len(read(pages._scored(result))) >= 3


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
    values = {"knn_top1": 0.5, "linear_top1": 0.6, "linear100_top1": 0.4, "test_psnr": 20.25}
    values["test_psnr_bicubic"] = 18.0
    for key in ("knn_top1", "linear_top1", "linear100_top1"):
        values |= {f"random_init_{key}": 0.25, f"input_{key}": 0.125}
    result = {"config": "configs/super_resolution.py", "values": values, "seed": 3}
    result["protocol"] = {"input": "raw pixels"}
    replaced = pages.with_scores(text, result)
    assert replaced.splitlines()[2:] == [
        "Scores (docs/results.md), seed 3:",
        "    learned / untrained / raw pixels",
        "    kNN 50.0 / 25.0 / 12.5",
        "    linear 60.0 / 25.0 / 12.5",
        "    10 per class 40.0 / 25.0 / 12.5",
        "    its own task: PSNR 20.2, bicubic 18.0",
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

    result = {"config": "a", "seed": 0, "values": values(0.5), "protocol": {"input": "pixels"}}
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


@pytest.mark.parametrize("name", comparisons.VARIANTS)
def test_a_variant_changes_settings_of_its_preset(name):
    preset, changes = comparisons.VARIANTS[name]
    changed = import_module(f"configs.{preset}").get_config()
    before = changed.to_json()
    changed.update_from_flattened_dict(changes)
    config.check(changed)
    assert changed.to_json() != before


@pytest.mark.parametrize("name", comparisons.COMPARISONS)
def test_each_comparison_is_on_the_page_and_measured(name):
    assert f"<!-- results: {name} -->" in (ROOT / "docs/results.md").read_text()
    results = {path.stem: json.loads(path.read_text()) for path in RESULTS}
    _, _, *rows = comparisons.table(comparisons.COMPARISONS[name], results)
    for column in zip(*(row.strip("| ").split(" | ") for row in rows), strict=False):
        assert any(column)


def test_a_comparison_shows_each_number_in_its_own_column():
    rows = (comparisons.Row("a", "x"), comparisons.Row("b", "x", "_l2"), comparisons.Row("c", "y"))
    columns = {"MSE": "test_mse", "kNN": "knn_top1"}
    results = {"x": {"values": {"test_mse": 0.12345, "test_mse_l2": 2.0, "knn_top1": 0.5}}}
    assert list(comparisons.table(comparisons.Comparison("by", rows, columns), results)) == [
        "| by | MSE | kNN |",
        "|---|---|---|",
        "| a | 0.123 | 50.0 |",
        "| b | 2 |  |",
        "| c |  |  |",
    ]


def test_tasks_stand_beside_chance_and_yardsticks():
    result = {"protocol": {"data": "d"}, "values": {"test_psnr": 20.25, "test_psnr_bicubic": 18.0}}
    position = {"protocol": {"data": "d"}, "values": {"test_position_accuracy": 0.5}}
    results = {"super_resolution": result, "relative_position": position}
    titles = {name: (name, "", "") for name in results}
    study = {"ceiling": [0.9], "scores": {"scratch": {"10": [0.7]}}}
    _, _, first, second, last = tasks.table(
        results, titles, lambda result: {"label": ["1", "2", "3"]}, study
    )
    assert first == "| relative_position | d | accuracy 50.0 %, chance 12.5 % | 1 | 2 | 3 |  |"
    assert second == "| super_resolution | d | PSNR 20.2, bicubic 18.0 | 1 | 2 | 3 |  |"
    assert last.endswith("| 90.0, all labels | 70.0 | |")


def test_features_of_data_without_labels_are_scored_elsewhere():
    own = {"test_rebalanced_error": 34.0, "test_rebalanced_error_gray": 43.5}
    there = {"knn_top1": 0.5, "examples": 7.0}
    for key in ("linear_top1", "linear100_top1"):
        there[key] = 0.25
    protocol = {"input": "raw pixels"}
    result = {"config": "configs/colorization.py", "values": own, "protocol": protocol, "seed": 0}
    result["transfer"] = {"data": "stamps", "values": there}
    lines = pages.score_lines(result)
    assert lines[0] == "Scores (docs/results.md), seed 0, on stamps:"
    assert lines[2].startswith("    kNN 50.0 / ")
    assert lines[-1] == "    its own task: error 34.0, no color 43.5"
    assert "stamps, test split, 7 examples" in pages._transfer(result)


def test_pixels_of_a_filter_in_closed_form():
    kernel = np.zeros((4, 4, 1, 2))
    kernel[1, 2, 0, 0] = -3.0
    kernel[:2, :, 0, 1] = 0.5
    assert filters.pixels(kernel) == (1 + 8) / 2
    noise = np.random.default_rng(0).normal(size=(50, 50, 1, 20))
    np.testing.assert_allclose(filters.pixels(noise), 2500 / 3, rtol=0.02)


def test_filters_of_each_run_are_a_row_of_the_picture():
    kernels = [np.arange(2 * 3 * 30).reshape(2, 3, 1, 30) % 7.0] * 2
    picture = np.asarray(Image.open(BytesIO(filters.picture(kernels))))
    assert picture.shape == (2 * 2 * (2 + 4), 2 * filters._PER_RUN * (3 + 4))
    np.testing.assert_array_equal(picture[:12], picture[12:])
    assert picture[4:8, 4:10].min() == 0
    assert (picture[:4] == 255).all()
