import matplotlib as mpl

from ssl_jax.report.charts.curves import curve
from ssl_jax.report.charts.style import VARIABLES

ROWS = [{"step": step, "loss": 1 / step} for step in range(1, 50)]


def test_charts_take_their_grays_from_the_page():
    drawn = curve(ROWS, "loss", "loss", 100)
    assert "var(--accent)" in drawn
    assert not any(color in drawn for color in VARIABLES)


def test_a_user_s_matplotlib_settings_neither_matter_nor_change():
    drawn = curve(ROWS, "loss", "loss", 100)
    with mpl.rc_context({"font.size": 30, "xtick.labelsize": 30}):
        assert curve(ROWS, "loss", "loss", 100) == drawn
        assert mpl.rcParams["font.size"] == 30


def test_the_name_of_a_chart_is_in_all_its_ids():
    drawn = curve(ROWS, "loss", "loss", 100, name="first")
    ids = drawn.split(' id="')[1:]
    assert ids
    assert all(part.startswith("first-") for part in ids)
