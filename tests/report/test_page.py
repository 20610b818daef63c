import base64
import io
import math
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from ssl_jax import output
from ssl_jax.evaluation import charts, report
from ssl_jax.evaluation.report import Neighbors, Page, Pictures, Texts

VOID = {"meta", "img", "br", "input", "link", "hr", "wbr"}
EVIL = "<script>alert('1')</script> & \"$x^2$\"\n\udcff"
NAMES = ["boot", EVIL, "coat"]
SCORES = {
    "knn_top1": 0.85,
    "linear_top1": 0.88,
    "linear100_top1": 0.75,
    "random_init_knn_top1": 0.80,
    "random_init_linear_top1": 0.86,
    "random_init_linear100_top1": 0.71,
    "input_knn_top1": 0.81,
    "input_linear_top1": 0.85,
    "input_linear100_top1": 0.70,
    **{
        f"{score}_top1_minus_{baseline}_se": error
        for score in ("knn", "linear", "linear100")
        for baseline, error in (("random_init", 0.006), ("input", 0.007))
    },
    "linear_top5": 0.991,
    "rankme": 41.5,
    "examples": 2000,
}
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
BOTH = "the untrained network and the raw pixels"


class Elements(HTMLParser):
    """Collects every element's name and attributes, and fails on tags that do not match."""

    def __init__(self, html):
        super().__init__()
        self.open, self.found = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def named(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


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
            Pictures("What the method is shown", "Views.", [("view 1", images / 255)] * 2),
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
    return report.render(make_page())


def test_markup_is_balanced_and_ids_are_unique(html):
    page = Elements(html)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.named("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.named("img"))
    assert all(chart.get("aria-label") for chart in page.named("svg") if "class" in chart)
    assert len([chart for chart in page.named("svg") if chart.get("role") == "img"]) == 4


def test_nothing_is_loaded(html):
    for tag, attributes in Elements(html).found:
        assert tag not in ("link", "script", "iframe", "object")
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
    assert "@import" not in html
    assert "<metadata" not in html
    assert "url(http" not in html


def test_every_reference_within_the_page_has_its_target(html):
    page = Elements(html)
    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    uses = {use["xlink:href"][1:] for use in page.named("use")}
    assert uses
    assert uses <= ids
    assert {part.split(")")[0] for part in html.split("url(#")[1:]} <= ids


def test_charts_have_the_page_s_colours(html):
    assert "var(--accent)" in html.split("</style>")[1]
    assert not any(color in html for color in charts._VARIABLES)


def test_text_is_escaped(html):
    assert "<script" not in html
    assert "alert(" in html
    assert "$x^2$" in html
    assert "<i>.png" not in html
    assert "&lt;folder&gt;" in html
    assert "data &lt;1&gt;</title>" in html


def test_all_sections_in_order(html):
    titles = ["Scores", "Learning curve", "What the method is shown", "Texts"]
    titles += ["Nearest neighbors", "Map of the features", "Confusions", "About this run"]
    assert [part.split("</h2>")[0] for part in html.split("<h2>")[1:]] == titles


def test_label_free_page_leaves_out_what_needs_labels():
    page = make_page(
        values={"rankme": 12.3, "examples": 60}, labels=None, label_names=None, predictions=None
    )
    views, _, neighbors = page.sections
    html = report.render(page._replace(sections=[views, neighbors._replace(labels=None)]))
    titles = ["Learning curve", "What the method is shown", "Nearest neighbors"]
    titles += ["Map of the features", "About this run"]
    assert [part.split("</h2>")[0] for part in html.split("<h2>")[1:]] == titles
    assert "There are no labels" in html
    assert "12.3 of 8 dimensions" in html
    assert "✓" not in html
    assert 'class="legend"' not in html
    Elements(html)


def test_page_with_a_title_alone():
    html = report.render(Page("Nothing yet"))
    assert "<h2>" not in html
    assert "not been evaluated" in html
    Elements(html)


def test_score_table():
    rows = report.score_table(SCORES)
    assert [row.name for row in rows] == list(report._SCORES.values())
    knn, linear, few = rows
    assert knn[1:4] == (0.85, 0.80, 0.81)
    assert knn[4:6] == pytest.approx((0.04, 0.014))
    assert linear[4:6] == pytest.approx((0.02, 0.012))
    assert few[4:6] == pytest.approx((0.04, 0.012))
    assert [row.verdict for row in rows] == ["ahead"] * 3
    assert report.score_table({"rankme": 3.0}) == []


@pytest.mark.parametrize(
    ("learned", "expected"),
    [(0.8260001, "ahead"), (0.823, "level"), (0.797, "level"), (0.785, "behind")],
)
def test_a_lead_counts_beyond_twice_its_standard_error(learned, expected):
    values = SCORES | {"knn_top1": learned, "knn_top1_minus_input_se": 0.008}
    values |= {"random_init_knn_top1": 0.79}
    assert report.score_table(values)[0].verdict == expected


def test_the_lead_over_both_must_be_clear():
    values = SCORES | {"knn_top1_minus_random_init_se": 0.03}
    (knn, *_) = report.score_table(values)
    assert knn.lead > knn.uncertainty
    assert knn.verdict == "level"


def test_verdict_ahead_of_all():
    said = report.verdict(SCORES, "raw pixels")
    assert said == (f"The features learned without labels beat {BOTH} in all three scores.", [])


def test_verdict_one_falls_short():
    said = report.verdict(SCORES | {"linear_top1": 0.855}, "raw pixels")
    assert said.headline == f"The features learned without labels beat {BOTH} in 2 of 3 scores."
    assert said.shortfalls == [
        f"Linear, all labels: no clear lead over the untrained network ({MINUS}0.5 ± 1.2 "
        "points), no clear lead over the raw pixels (+0.5 ± 1.4 points)."
    ]


def test_verdict_none_holds():
    low = {key: SCORES[key] - 0.2 for key in report._SCORES}
    said = report.verdict(SCORES | low, "raw pixels")
    assert (
        said.headline
        == f"The features learned without labels do not beat both {BOTH} in any score."
    )
    assert len(said.shortfalls) == 3
    assert f"behind the raw pixels ({MINUS}16.0 ± 1.4 points)" in said.shortfalls[0]


@pytest.mark.parametrize("key", ["knn_top1", "input_knn_top1", "knn_top1_minus_random_init_se"])
@pytest.mark.parametrize("missing", [True, False])
def test_verdict_with_a_number_missing(key, missing):
    values = SCORES | {key: math.nan}
    if missing and key != "knn_top1":
        del values[key]
    said = report.verdict(values, "raw pixels")
    assert said.headline.endswith("in 2 of 3 scores.")
    assert said.shortfalls[0].startswith("k nearest neighbors: no full comparison with")
    page = report.render(Page("Title", values=values))
    assert "not known" in page
    assert "nan" not in page.split("</style>")[1]


def test_verdict_label_free_and_unknown():
    assert report.verdict({"rankme": 3.0}, "raw pixels").headline.startswith("There are no labels")
    nothing = dict.fromkeys(SCORES, math.nan)
    assert report.verdict(nothing, "raw pixels").headline.endswith(
        "cannot be said: numbers are missing."
    )


def test_numbers_are_written_alike():
    assert report.percent(0.84371) == "84.4%"
    assert report.points(-0.0124) == f"{MINUS}1.2"
    assert report.points(-0.0001) == "+0.0"
    assert report.points(0.014, "") == "1.4"
    assert report.points(math.nan) == report.percent(math.inf) == DASH


def test_same_page_same_bytes_and_nothing_left_beside(tmp_path, html):
    path = tmp_path / "report.html"
    path.write_text("old")
    report.write(path, make_page())
    assert path.read_bytes() == html.encode("utf-8", "replace")
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_page(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(output.os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report.write(path, Page("Title"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_large_colour_images_stay_small_on_the_page():
    html = report.render(make_page(size=224, channels=3, features=None))
    assert len(html) < 1_500_000
    pictures = [image["src"] for image in Elements(html).named("img")]
    assert len(pictures) == 2 * 12 + 2 * 11
    assert all(picture.startswith("data:image/jpeg") for picture in pictures)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_small_pictures_lose_nothing(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    for same in (image, image / 255):
        uri = charts.picture(same)
        kind, data = uri.split(",")
        assert kind == "data:image/png;base64"
        back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).reshape(5, 7, -1)
        np.testing.assert_array_equal(back, image[..., :3])


def test_confusion_shares_are_of_the_true_class():
    labels, predictions = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 0])
    found = report._confusion(labels, predictions, {0: "a", 1: "b"})
    assert found["names"] == ["a", "b", "2"]
    assert found["shares"] == [[0.75, 0.25, 0], [0, 0, 0], [0.5, 0, 0.5]]


def test_many_classes_get_a_list_of_confused_pairs_and_ten_colours():
    labels = np.arange(60) % 30
    predictions = np.where(labels == 7, 8, labels)
    found = report._confusion(labels, predictions, {7: "cat", 8: "dog"})
    assert found["pairs"] == [("cat", "dog", 2, 1.0)]
    page = make_page(classes=30, predictions=np.zeros(600, int))
    html = report.render(page)
    assert "Of 30 classes the 10 most frequent are coloured" in html
    assert html.count('<td class="value">') == 2 * 15
    Elements(html)


@pytest.mark.parametrize(
    "features",
    [
        np.ones((50, 4)),
        np.full((50, 4), np.nan),
        np.random.default_rng(0).normal(size=(5, 4)),
        np.random.default_rng(0).normal(size=(50, 1)),
    ],
)
def test_no_map_of_what_cannot_be_mapped(features):
    assert charts.feature_map(features, None, {}) is None


def test_map_takes_few_points_and_any_name():
    features = np.random.default_rng(0).normal(size=(12, 2))
    drawn = charts.feature_map(features, np.arange(12) % 3, {0: "猫", 1: "犬" * 40, 2: "$x^2$"})
    assert ">猫</text>" in drawn.svg
    assert ">" + "犬" * 19 + "…</text>" in drawn.svg
    assert ">$x^2$</text>" in drawn.svg
    assert (drawn.points, drawn.others) == (12, 0)


def test_class_names_are_one_printable_line():
    assert report._class_names(["a\n b\udcff"]) == {0: "a b?"}


def test_names_on_the_map_do_not_cover_each_other():
    spots = charts._apart([np.array([140.0, 100.0])] * 5, ["name"] * 5, 281, 258)
    heights = sorted(y for _, y in spots)
    assert min(np.diff(heights)) > 9


def test_curves_skip_what_is_not_a_number():
    rows = [{"step": s, "loss": math.nan if s % 2 else 1.0} for s in range(10)] + [{"step": 10}]
    assert charts.series(rows, "loss")[0].tolist() == [0, 2, 4, 6, 8]
    assert "Rows whose loss is not a number: 5" in report.render(Page("Title", metrics=rows))
    assert charts.curve(rows[:1], "loss", "loss", 100) is None
    assert charts.curve(rows, "learning_rate", "learning rate", 100) is None


def test_the_loss_of_chance_is_dashed_where_it_is_logged():
    rows = [{"step": s, "loss": 1.0} for s in range(10)]
    plain = report.render(Page("Title", metrics=rows))
    assert "stroke-dasharray" not in plain
    assert "Dashed" not in plain
    logged = report.render(Page("Title", metrics=[row | {"chance_loss": 1.4} for row in rows]))
    assert "stroke-dasharray" in logged
    assert "Dashed: the loss of an output that knows nothing" in logged


def test_running_mean_is_centred():
    values = np.array([0.0, 3.0, 6.0, 3.0])
    np.testing.assert_allclose(charts.running_mean(values, 3), [1.5, 3, 4, 4.5])
    np.testing.assert_array_equal(charts.running_mean(values, 1), values)


def test_a_user_s_matplotlib_settings_change_nothing_and_stay(html):
    with mpl.rc_context({"font.size": 30, "xtick.labelsize": 30}):
        again = report.render(make_page(features=None)).split("</section>")
        assert mpl.rcParams["font.size"] == 30
    assert again[1] == html.split("</section>")[1]
