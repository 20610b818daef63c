import io
import json
import math
import re
from html import unescape

import pytest
from rich.console import Console

from ssl_jax.errors import InputError
from ssl_jax.evaluation import comparison
from ssl_jax.report.comparison import Entry
from ssl_jax.runs.entries import read_runs
from tests import fake_runs
from tests.evaluation.test_report import Elements

DASH, TICK, CROSS = "\N{EN DASH}", "\N{CHECK MARK}", "\N{MULTIPLICATION SIGN}"
SIMCLR, OTHER, COLLAPSED, UNFINISHED, TEXT, VIDEO = range(6)


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write = fake_runs.write
    known = fake_runs.healthy(61) | {"chance_loss": 4.3}
    return read_runs(
        [
            write(root / "simclr", "simclr", row=known, method__temperature=0.2),
            write(
                root / "simclr-fast",
                "simclr",
                seed=1,
                lead=0.0,
                row=known,
                method__temperature=0.2,
                optimizer__learning_rate=0.01,
            ),
            write(root / "dino", "dino", lead=-0.05, row=fake_runs.collapsed()),
            write(root / "mae<i>", "mae", steps=3750, made=500),
            write(
                root / "text",
                "next_word",
                lead=None,
                values={"test_perplexity": 60.25, "bigram_perplexity": 98.75},
                data__name="folder:/<b>",
                data__modality="text",
            ),
            write(
                root / "video",
                "frame_order",
                prefixes=("", "direction_"),
                data__name="moving_fashion",
                data__modality="video",
                data__frames=8,
            ),
        ]
    )


@pytest.fixture(scope="module")
def html(entries):
    return comparison.render(entries)


def console(entries, width=170):
    shown = Console(width=width, record=True, file=io.StringIO())
    for table in comparison.tables(entries):
        shown.print(table)
    return shown.export_text()


def _text(cell):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", cell)).split())


def rows(html, title):
    """The cells of the table's rows, by the row's heading, as text."""
    table = html.split(f'aria-label="{title}"')[1].split("</table>")[0].split("<tbody>")[1]
    found = {}
    for row in table.split("</tr>")[:-1]:
        head, *cells = re.split(r"<td[^>]*>", row)
        words = [_text(cell) for cell in (head, *cells)]
        found[words[0]] = words[1:]
    return found


def test_markup_is_balanced_and_nothing_is_loaded(html):
    page = Elements(html)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {part.split(")")[0] for part in html.split("url(#")[1:]} <= set(ids)
    for tag, attributes in page.found:
        assert tag not in ("link", "script", "img", "iframe", "object")
        assert attributes.get("href", "#").startswith("#")
    assert "@import" not in html
    assert "url(http" not in html


def test_names_are_escaped(html):
    assert "mae&lt;i&gt;" in html
    assert "folder:/&lt;b&gt;" in html
    assert "mae<i>" not in html
    assert "folder:/<b>" not in html


def test_same_runs_same_bytes(entries, html):
    assert comparison.render(entries) == html


def test_scores_on_the_page_are_the_runs_own(entries, html):
    values = entries[SIMCLR].values
    knn, linear, few = rows(html, "Scores on fashion_mnist_mini")["simclr simclr"]
    assert knn.split()[0] == f"{100 * values['knn_top1']:.1f}%"
    assert linear.split()[0] == f"{100 * values['linear_top1']:.1f}%"
    lead = 100 * (values["linear100_top1"] - values["input_linear100_top1"])
    assert few.split()[1:] == [TICK, f"+{lead:.1f}", "±", "1.4", "69.0%", "72.0%"]


def test_verdicts_are_marked_as_in_the_report(entries, html):
    table = rows(html, "Scores on fashion_mnist_mini")
    assert all(TICK in cell for cell in table["simclr simclr"])
    assert all(CROSS in cell for cell in table["dino dino"])
    assert not any(TICK in cell or CROSS in cell for cell in table["simclr-fast simclr"])
    assert "2 of 4 evaluated runs beat both" in html


def test_marks_lie_on_the_scale_of_their_score(entries):
    group = next(comparison._groups([comparison.row(entry) for entry in entries[:3]]))
    marks = group["marks"]["Linear, 10 labels a class"]
    values = [entry.values["linear100_top1"] for entry in entries[:3]]
    low, high = min(0.69, *values), max(0.72, *values)
    for entry, learned in zip(entries[:3], values, strict=True):
        assert marks[entry.name] == {
            "raw": f"{100 * (0.72 - low) / (high - low):.1f}%",
            "untrained": f"{100 * (0.69 - low) / (high - low):.1f}%",
            "learned": f"{100 * (learned - low) / (high - low):.1f}%",
        }


def test_runs_are_grouped_by_what_they_were_scored_on(html):
    assert len(rows(html, "Scores on fashion_mnist_mini")) == 4
    assert len(rows(html, "Scores on moving_fashion")["video frame_order"]) == 6
    assert "Scores on folder" not in html
    own = rows(html, "Own tasks on folder:/&lt;b&gt;")
    assert own == {"text": ["60.25", "98.75"]}


def test_held_out_examples_are_another_test_set(tmp_path):
    paths = [
        fake_runs.write(tmp_path / f"run{count}", "simclr", data__holdout=count)
        for count in (0, 2000)
    ]
    html = comparison.render(read_runs(paths))
    assert len(rows(html, "Scores on fashion_mnist_mini")) == 1
    assert len(rows(html, "Scores on fashion_mnist_mini, 2,000 training examples held out")) == 1


def test_an_unfinished_run_shows_what_there_is(entries, html):
    assert rows(html, "Scores on fashion_mnist_mini")["mae<i> unfinished"] == [DASH] * 3
    assert "unfinished, at step 500 of 3,750" in html
    steps, speed, _, embeddings = rows(html, "Training")["mae<i> mae, resnet_small"]
    assert steps == "500 of 3,750"
    assert float(speed) > 700
    assert embeddings == DASH
    assert "unfinished" in console(entries)


def test_trained_but_not_evaluated():
    rows = [{"step": 100, "loss": 1.0, "examples_per_second": 50.0}]
    entry = Entry("run", {"train.steps": 100, "data.batch_size": 10}, rows)
    assert comparison.row(entry).state == "trained, not evaluated yet"
    assert "trained, not evaluated yet, 100 of 100 steps" in comparison.render([entry])


def test_a_run_that_has_just_begun():
    html = comparison.render([Entry("new", {"train.steps": 100})])
    assert "None of these runs has been evaluated yet" in html
    assert "Nothing to draw yet" in html
    assert "a method of your own" in html
    assert "nan" not in html.split("</style>")[1]
    Elements(html)


def test_collapse_is_said_at_the_top_and_in_short(entries, html):
    top = html.split("</header>")[1].split("<section>")[0]
    assert "collapsed from the first step on: every embedding points the same way" in top
    assert rows(html, "Training")["dino dino, resnet_small"][3] == (
        "collapsed from the first step on"
    )
    assert "healthy: rank 61 of 128" in html


def test_speed_is_the_median_without_the_first_rows_and_time_the_sum():
    speeds = [1.0, 2.0, 100.0, 50.0, 400.0]
    logged = [
        {"step": 10 * (i + 1), "loss": 1.0, "examples_per_second": speed}
        for i, speed in enumerate(speeds)
    ]
    found = comparison.row(Entry("run", {"data.batch_size": 20}, logged))
    assert found.speed == 100
    assert found.seconds == pytest.approx(sum(200 / speed for speed in speeds))
    assert comparison.row(Entry("run", {"data.batch_size": 20}, logged[:2])).speed == 2
    assert math.isnan(comparison.row(Entry("run", {}, logged)).seconds)


def test_durations():
    said = [comparison.duration(s) for s in (35.2, 247.9, 3600, 86520, math.nan)]
    assert said == ["35 s", "4 min 8 s", "1 h 0 min", "24 h 2 min", DASH]


def test_settings_that_differ_are_exactly_those(entries, html):
    assert comparison.differing(entries[:2]) == [("optimizer.learning_rate", ["0.001", "0.01"])]
    assert rows(comparison.render(entries[:2]), "Settings that differ") == {
        "optimizer. learning_rate": ["0.001", "0.01"]
    }
    assert comparison.differing(entries[:1]) == []
    several = dict(comparison.differing([entries[0], entries[2], entries[5]]))
    assert several == {
        "data.frames": ["null", "null", "8"],
        "data.modality": ["image", "image", "video"],
        "data.name": ["fashion_mnist_mini", "fashion_mnist_mini", "moving_fashion"],
        "method.name": ["simclr", "dino", "frame_order"],
        "method.temperature": ["0.2", DASH, DASH],
    }


def test_a_setting_of_none_is_not_an_absent_one():
    found = comparison.differing([Entry("a", {"x": None}), Entry("b", {})])
    assert found == [("x", ["null", DASH])]


def test_runs_of_one_method_share_a_chart(html):
    assert "<h3>simclr on fashion_mnist_mini</h3>" in html
    legend = html.split('class="legend"')[1].split("</ul>")[0]
    assert re.findall(r"</svg>([^<]*)</li>", legend) == ["simclr", "simclr-fast"]
    assert html.count('<svg class="chart"') == 6 + 1
    assert "Dashed: the loss of an output" in html


def test_only_a_run_that_logs_chance_has_the_dashed_line(entries):
    assert "stroke-dasharray" in comparison._figures(entries[:1], [None])[0]["svg"]
    assert "stroke-dasharray" not in comparison._figures(entries[2:3], [None])[0]["svg"]


def test_the_table_has_the_runs_own_values(entries):
    text = console(entries)
    for entry in entries[:2]:
        (line,) = (x for x in text.splitlines() if x.split()[:1] == [entry.name])
        for key in ("knn_top1", "linear_top1", "linear100_top1"):
            assert f"{100 * entry.values[key]:.1f}%" in line
        assert "1,000" in line
    (below,) = (
        text.splitlines()[i + 1]
        for i, line in enumerate(text.splitlines())
        if line.split()[:1] == ["simclr"]
    )
    assert below.split()[:6] == ["81.0%", "80.0%", "84.5%", "85.0%", "69.0%", "72.0%"]
    assert "perplexity 60.25" in text
    assert "bigram perplexity 98.75" in text


def test_a_name_is_no_markup_of_the_console():
    text = console([Entry("[red]x", {"data.name": "[b]y", "method.name": "[i]z"})])
    assert all(name in text for name in ("[red]x", "[b]y", "[i]z"))
    assert "\udcff" not in console([Entry("\udcff", {})])


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


def test_older_settings_have_their_defaults(tmp_path):
    workdir = fake_runs.write(tmp_path / "run", "simclr")
    old = json.loads((workdir / "config.json").read_text())
    del old["data"]["modality"]
    (workdir / "config.json").write_text(json.dumps(old))
    assert read_runs([workdir])[0].settings["data.modality"] == "image"
