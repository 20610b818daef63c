import io

from rich.console import Console

from ssl_jax.report.console import print_scores
from ssl_jax.report.page import Page
from tests.report.numbers import SCORES


def printed(page):
    console = Console(width=160, record=True, file=io.StringIO())
    print_scores(console, page)
    return console.export_text()


def test_verdicts_own_scores_and_a_table():
    values = SCORES | {"test_rotation_accuracy": 0.31519, "features": 64}
    text = printed(Page("Title", values=values, input_name="token counts"))
    lines = text.splitlines()
    assert lines[:2] == ["healthy: rank 42 of 64 features", "test rotation accuracy 0.3152"]
    assert "token counts" in lines[3]
    (row,) = (line for line in lines if "Linear, all labels" in line)
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells == ["Linear, all labels", "88.0%", "86.0%", "85.0%", "+2.0 ± 1.2"]
    assert "beat the untrained network and the token counts in all three scores" in text


def test_without_labels_there_is_no_table():
    assert printed(Page("Title", values={"rankme": 9.0, "features": 64})) == (
        "healthy: rank 9 of 64 features\n"
    )
