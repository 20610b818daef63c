import re

import pytest

from ssl_jax.report.comparison import Entry, groups, row
from ssl_jax.report.comparison_page import _figure, positions, render
from ssl_jax.report.formatting import DASH
from ssl_jax.runs.entries import read_runs
from tests import fake_runs
from tests.report.elements import Elements, check_self_contained, table_rows

TICK, CROSS = "\N{CHECK MARK}", "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="module")
def html(entries):
    return render(entries)


def rows(html, title):
    """Returns the cells of a table as text, by the heading of the row."""
    return table_rows(html.split(f'aria-label="{title}"')[1].split("</table>")[0])


def test_the_page_is_self_contained(html):
    page = check_self_contained(html)
    assert not page.named("img")
    assert all(attributes.get("href", "#").startswith("#") for _, attributes in page.found)


def test_names_are_escaped(html):
    assert "mae&lt;i&gt;" in html
    assert "folder:/&lt;b&gt;" in html
    assert "mae<i>" not in html
    assert "folder:/<b>" not in html


def test_same_runs_same_bytes(entries, html):
    assert render(entries) == html


def test_scores_on_the_page_are_the_runs_own(entries, html):
    values = entries[0].values
    knn, linear, few = rows(html, "Scores on fashion_mnist_mini")["simclr simclr"]
    assert knn.split()[0] == f"{100 * values['knn_top1']:.1f}%"
    assert linear.split()[0] == f"{100 * values['linear_top1']:.1f}%"
    lead = 100 * (values["linear100_top1"] - values["input_linear100_top1"])
    assert few.split()[1:] == [TICK, f"+{lead:.1f}", "±", "1.4", "69.0%", "72.0%"]


def test_verdicts_are_marked_as_in_the_report(html):
    table = rows(html, "Scores on fashion_mnist_mini")
    assert all(TICK in cell for cell in table["simclr simclr"])
    assert all(CROSS in cell for cell in table["dino dino"])
    assert not any(TICK in cell or CROSS in cell for cell in table["simclr-fast simclr"])
    assert "2 of 4 evaluated runs beat both" in html


def test_positions_are_on_the_scale_of_the_score(entries):
    group = next(groups([row(entry) for entry in entries[:3]]))
    found = positions("Linear, 10 labels per class", group.rows)
    values = [entry.values["linear100_top1"] for entry in entries[:3]]
    low, high = min(0.69, *values), max(0.72, *values)
    for entry, learned in zip(entries[:3], values, strict=True):
        assert found[entry.name] == {
            "raw": f"{100 * (0.72 - low) / (high - low):.1f}%",
            "untrained": f"{100 * (0.69 - low) / (high - low):.1f}%",
            "learned": f"{100 * (learned - low) / (high - low):.1f}%",
        }


def test_runs_are_grouped_by_what_they_were_scored_on(html):
    assert len(rows(html, "Scores on fashion_mnist_mini")) == 4
    assert len(rows(html, "Scores on moving_fashion")["video frame_order"]) == 6
    assert "Scores on folder" not in html
    own = rows(html, "Own tasks on folder:/&lt;b&gt;")
    assert own == {"text": ["perplexity", "60.25", ""], "": ["bigram perplexity", "98.75", ""]}


def test_own_scores_stand_beside_their_yardsticks(tmp_path):
    scores = {"test_psnr": 20.0, "test_psnr_bicubic": 18.5, "test_ssim": 0.5}
    path = fake_runs.write(tmp_path / "run", "super_resolution", values=scores)
    own = rows(render(read_runs([path])), "Own tasks on fashion_mnist_mini")
    assert own == {"run": ["psnr", "20", "bicubic 18.5"], "": ["ssim", "0.5", ""]}


def test_held_out_examples_are_another_test_set(tmp_path):
    paths = [
        fake_runs.write(tmp_path / f"run{count}", "simclr", data__holdout=count)
        for count in (0, 2000)
    ]
    html = render(read_runs(paths))
    assert len(rows(html, "Scores on fashion_mnist_mini")) == 1
    assert len(rows(html, "Scores on fashion_mnist_mini, 2,000 training examples held out")) == 1


def test_an_unfinished_run_shows_what_there_is(html):
    assert rows(html, "Scores on fashion_mnist_mini")["mae<i> unfinished"] == [DASH] * 3
    assert "unfinished, at step 500 of 3,750" in html
    steps, speed, _, embeddings = rows(html, "Training")["mae<i> mae, resnet_small"]
    assert steps == "500 of 3,750"
    assert float(speed) > 700
    assert embeddings == DASH


def test_trained_but_not_evaluated():
    logged = [{"step": 100, "loss": 1.0, "examples_per_second": 50.0}]
    entry = Entry("run", {"train.steps": 100, "data.batch_size": 10}, logged)
    assert "trained, not evaluated yet, 100 of 100 steps" in render([entry])


def test_a_run_that_has_just_begun():
    html = render([Entry("new", {"train.steps": 100})])
    assert "None of these runs has been evaluated yet" in html
    assert "Nothing to draw yet" in html
    assert "a method of your own" in html
    assert "nan" not in html.split("</style>")[1]
    Elements(html)


def test_collapse_is_reported_at_the_top_and_briefly_below(html):
    top = html.split("</header>")[1].split("<section>")[0]
    assert "collapsed from the first step on: every embedding points the same way" in top
    assert rows(html, "Training")["dino dino, resnet_small"][3] == (
        "collapsed from the first step on"
    )
    assert "healthy: rank 61 of 128" in html


def test_settings_that_differ_are_listed(entries):
    assert rows(render(entries[:2]), "Settings that differ") == {
        "optimizer. learning_rate": ["0.001", "0.01"]
    }


def test_runs_of_one_method_share_a_chart(html):
    assert "<h3>simclr on fashion_mnist_mini</h3>" in html
    legend = html.split('class="legend"')[1].split("</ul>")[0]
    assert re.findall(r"</svg>([^<]*)</li>", legend) == ["simclr", "simclr-fast"]
    assert html.count('<svg class="chart"') == 6 + 1
    assert "Dashed: the loss of an output that ignores the input" in html


def test_only_a_run_that_logs_the_loss_by_chance_has_the_dashed_line(entries):
    assert "stroke-dasharray" in _figure(0, entries[0], None)["svg"]
    assert "stroke-dasharray" not in _figure(0, entries[2], None)["svg"]


def test_a_fine_tuned_run_is_beside_the_one_it_started_from_and_one_from_scratch(tuned):
    html = render(tuned)
    Elements(html)
    table = rows(html, "Scores on fashion_mnist_mini")
    assert [*table] == [
        "simclr simclr 10,000 labels",
        "tuned finetune from simclr 100 labels",
        "scratch finetune from scratch 100 labels",
    ]
    assert [cells[0].split()[0] for cells in table.values()] == [DASH, "90.0%", "82.0%"]
    assert "counted below each name" in html
    assert "A run that trained on labels has its own classifier too" in html
    own = rows(html, "Own tasks on fashion_mnist_mini")
    assert own["tuned"] == ["top5", "99.0%", ""]
    assert own[""] == ["balanced accuracy", "87.0%", ""]
    assert "tuned finetune from simclr, resnet_small" in rows(html, "Training")
    assert "<h3>finetune on fashion_mnist_mini</h3>" in html


def test_runs_with_equally_many_labels_do_not_tell_how_many(tuned, html):
    assert "100 labels" not in render(tuned[1:])
    assert "counted below each name" not in html
    assert "its own classifier" not in html
