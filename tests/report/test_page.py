import math

import matplotlib as mpl
import numpy as np
import pytest

from ssl_jax import output
from ssl_jax.report.charts.style import VARIABLES
from ssl_jax.report.page import Page, _class_names, render, write
from ssl_jax.report.sections.kinds import Neighbors, Pictures, Texts, Tiles
from tests.report.elements import Elements, check_self_contained, table_rows
from tests.report.numbers import SCORES

EVIL = "<script>alert('1')</script> & \"$x^2$\"\n\udcff"
NAMES = ["boot", EVIL, "coat"]


def make_page(size=28, channels=1, classes=3, **changes):
    rng = np.random.default_rng(0)
    labels = np.arange(20 * classes) % classes
    images = rng.integers(0, 256, (13, size, size, channels), np.uint8)
    names = NAMES if classes == 3 else [f"class {i}" for i in range(classes)]
    few = [names[i % 3] for i in range(5)]
    page = Page(
        title="SimCLR on data <1>",
        facts={"steps": "1,200"},
        notes=["Skipped 1 file: <i>.png"],
        metrics=[
            {"step": s, "loss": 3 / s, "learning_rate": 0.1, "examples_per_second": 3000.0}
            for s in range(1, 200)
        ],
        values=SCORES,
        sections=[
            Pictures("What the method sees", "Views.", [("view 1", images / 255)] * 2),
            Texts("Texts", "Two.", [[("a <head>", "some <text>")], [("", "more")]]),
            Neighbors(
                images[:2],
                images[:10].reshape(2, 5, *images.shape[1:]),
                images[3:].reshape(2, 5, *images.shape[1:]),
                (names[:2], [few, few], [few, few]),
            ),
        ],
        features=rng.normal(size=(classes, 8))[labels] + 0.1 * rng.normal(size=(len(labels), 8)),
        labels=labels,
        label_names=names,
        predictions=np.where(np.arange(len(labels)) % 7 == 0, (labels + 1) % classes, labels),
        config={"seed": 0, "data": {"name": "<folder>", "sizes": [1, 2]}},
    )
    return page._replace(**changes)


@pytest.fixture(scope="module")
def html():
    return render(make_page())


def test_markup_is_balanced_and_described(html):
    page = Elements(html)
    assert page.named("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.named("img"))
    assert all(chart.get("aria-label") for chart in page.named("svg") if "class" in chart)
    assert len([chart for chart in page.named("svg") if chart.get("role") == "img"]) == 4


def test_the_page_is_self_contained(html):
    page = check_self_contained(html)
    assert page.named("use")


def test_charts_take_their_grays_from_the_page(html):
    assert "var(--accent)" in html.split("</style>")[1]
    assert not any(color in html for color in VARIABLES)


def test_text_is_escaped(html):
    assert "<script" not in html
    assert "alert(" in html
    assert "$x^2$" in html
    assert "<i>.png" not in html
    assert "&lt;folder&gt;" in html
    assert "data &lt;1&gt;</title>" in html


def test_sections_are_in_order(html):
    titles = ["Scores", "Learning curve", "What the method sees", "Texts"]
    titles += ["Nearest neighbors", "Map of the features", "Confusion", "About this run"]
    assert [part.split("</h2>")[0] for part in html.split("<h2>")[1:]] == titles


def test_without_labels_the_parts_that_need_them_are_left_out():
    page = make_page(
        values={"rankme": 12.3, "examples": 60}, labels=None, label_names=None, predictions=None
    )
    views, _, neighbors = page.sections
    html = render(page._replace(sections=[views, neighbors._replace(labels=None)]))
    titles = ["Learning curve", "What the method sees", "Nearest neighbors"]
    titles += ["Map of the features", "About this run"]
    assert [part.split("</h2>")[0] for part in html.split("<h2>")[1:]] == titles
    assert "There are no labels" in html
    assert "have an effective rank (RankMe) of 12.3 in 8 dimensions" in html
    assert "✓" not in html
    assert 'class="legend"' not in html
    Elements(html)


def test_a_page_with_a_title_alone():
    html = render(Page("Nothing yet"))
    assert "<h2>" not in html
    assert "not been evaluated" in html
    Elements(html)


@pytest.mark.parametrize("key", ["knn_top1", "input_knn_top1", "knn_top1_minus_random_init_se"])
@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_number_is_unknown(key, missing):
    values = SCORES | {key: math.nan}
    if missing and key != "knn_top1":
        del values[key]
    html = render(Page("Title", values=values))
    assert '<small class="unknown">unknown</small>' in html
    assert "nan" not in html.split("</style>")[1]


def test_the_verdict_on_collapse_is_a_sentence():
    rows = [{"step": 1.0, "loss": 1.0}]
    html = render(Page("Title", metrics=rows, values={"rankme": 9.0, "features": 64}))
    assert '<p class="small">Healthy: rank 9 of 64 features.</p>' in html
    logged = {"embedding_std": 0.1, "embedding_rank": 1.0, "embedding_size": 64.0}
    html = render(Page("Title", metrics=[row | logged for row in rows], values={"rankme": 9.0}))
    assert '<p class="small behind">Collapsed from the first step on: all embeddings lie' in html


def test_each_layer_has_its_score_and_the_untrained_network_s():
    layer = {"probe_stage1_top1": 0.7, "random_init_probe_stage1_top1": 0.6}
    table = render(Page("Title", values=SCORES | layer)).split("<h2>Layer by layer</h2>")[1]
    assert table_rows(table) == {"stage1": ["70.0%", "60.0%"]}


def test_settings_have_their_meaning_beside_them():
    meanings = {"seed": "seed of <everything>", "other": "not in the config"}
    html = render(make_page(meanings=meanings))
    table = html.split("<summary>Settings</summary>")[1]
    assert table_rows(table) == {
        "seed": ["0", "seed of <everything>"],
        "data.name": ['"<folder>"', ""],
        "data.sizes": ["[1, 2]", ""],
    }
    numbers = html.split("<summary>Further numbers</summary>")[1]
    assert table_rows(numbers) == {
        "linear_top5": ["0.991"],
        "rankme": ["41.5"],
        "examples": ["2,000"],
    }
    assert table_rows(render(make_page()).split("<summary>Settings</summary>")[1]) == {
        "seed": ["0"],
        "data.name": ['"<folder>"'],
        "data.sizes": ["[1, 2]"],
    }


def test_the_same_page_has_the_same_bytes_and_nothing_is_left_beside_it(tmp_path, html):
    path = tmp_path / "report.html"
    path.write_text("old")
    write(path, make_page())
    assert path.read_bytes() == html.encode("utf-8", "replace")
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_page(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(output.os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(path, Page("Title"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_large_color_images_stay_small_on_the_page():
    html = render(make_page(size=224, channels=3, features=None))
    assert len(html) < 1_500_000
    pictures = [image["src"] for image in Elements(html).named("img")]
    assert len(pictures) == 2 * 12 + 2 * 11
    assert all(picture.startswith("data:image/jpeg") for picture in pictures)


def test_of_many_classes_ten_are_colored_and_fifteen_mistakes_listed():
    html = render(make_page(classes=30, predictions=np.zeros(600, int)))
    assert "The 10 most frequent of 30 classes are colored" in html
    assert html.count('<td class="value">') == 2 * 15
    Elements(html)


@pytest.mark.parametrize(("width", "is_wide"), [(8, False), (24, True)])
def test_wide_pictures_get_wide_columns(width, is_wide):
    section = Pictures("Title", "Caption.", [("name", np.zeros((12, 8, width, 1), np.uint8))])
    html = render(Page("Title", sections=[section]))
    assert ('<div class="views wide">' in html) == is_wide
    assert ('<div class="views">' in html) != is_wide


def test_few_pictures_are_large():
    section = Pictures("Title", "Caption.", [("name", np.zeros((6, 8, 8, 1), np.uint8))])
    assert '<div class="views few">' in render(Page("Title", sections=[section]))


def test_tiles_are_pictures_with_a_description():
    tiles = Tiles("Filters", "A <caption>.", "Filter", np.zeros((5, 4, 4, 1)))
    html = render(Page("Title", sections=[tiles]))
    assert "A &lt;caption&gt;." in html
    shown = Elements(html).named("img")
    assert [image["alt"] for image in shown] == [f"Filter {i}" for i in range(1, 6)]
    assert {image["class"] for image in shown} == {"crisp"}


def test_class_names_are_one_printable_line():
    assert _class_names(["a\n b\udcff"]) == {0: "a b?"}


def test_rows_without_a_finite_loss_are_counted():
    rows = [{"step": s, "loss": math.nan if s % 2 else 1.0} for s in range(10)] + [{"step": 10}]
    html = render(Page("Title", metrics=rows))
    assert "Rows whose loss is not a finite number: 5" in html


def test_the_loss_by_chance_is_dashed_if_it_was_logged():
    rows = [{"step": s, "loss": 1.0} for s in range(10)]
    plain = render(Page("Title", metrics=rows))
    assert "stroke-dasharray" not in plain
    assert "Dashed" not in plain
    logged = render(Page("Title", metrics=[row | {"chance_loss": 1.4} for row in rows]))
    assert "stroke-dasharray" in logged
    assert "Dashed: the loss of an output that ignores the input" in logged


def test_a_user_s_matplotlib_settings_change_nothing_and_stay(html):
    with mpl.rc_context({"font.size": 30, "xtick.labelsize": 30}):
        again = render(make_page(features=None)).split("</section>")
        assert mpl.rcParams["font.size"] == 30
    assert again[1] == html.split("</section>")[1]
