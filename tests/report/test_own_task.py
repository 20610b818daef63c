"""The table of the method's own task: which number stands where."""

from ssl_jax.report.own_task import own_task
from ssl_jax.report.page import Page, render


def test_yardsticks_stand_beside_the_score_whose_name_they_start_with():
    values = {
        "knn_top1": 0.8,
        "test_hole_mse": 0.25,
        "test_hole_mse_nearest": 0.5,
        "test_hole_sharpness": 0.0625,
        "test_hole_sharpness_truth": 2.0,
        "test_hole_mse_l2_alone": 0.125,
    }
    found = own_task(values)
    assert found.yardsticks == ["nearest", "truth", "l2 alone"]
    assert found.rows == [
        ("hole mse", ["0.25", "0.5", "", "0.125"]),
        ("hole sharpness", ["0.0625", "", "2", ""]),
    ]


def test_shares_are_percentages_and_perplexities_belong_to_the_task():
    values = {"test_order_accuracy": 0.978, "unigram_perplexity": 391.8, "test_mse": 0.5}
    values |= {"test_mserror": 1.0, "test_rotation/loss": 3.0}
    assert own_task(values).rows == [
        ("order accuracy", ["97.8%"]),
        ("unigram perplexity", ["391.8"]),
        ("mse", ["0.5"]),
        ("mserror", ["1"]),
        ("rotation, loss", ["3"]),
    ]


def test_without_scores_of_its_own_there_is_no_section():
    assert own_task({"knn_top1": 0.5}) is None
    assert "Its own task" not in render(Page("t", values={"knn_top1": 0.5}))
    page = render(Page("t", values={"test_psnr": 20.0, "test_psnr_bicubic": 18.5}))
    assert "Its own task" in page
    assert page.index("bicubic") < page.index("18.5")
