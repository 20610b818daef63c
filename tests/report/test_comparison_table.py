import io

from rich.console import Console

from ssl_jax.report.comparison import Entry
from ssl_jax.report.comparison_table import tables


def printed(entries, width=170):
    console = Console(width=width, record=True, file=io.StringIO())
    for table in tables(entries):
        console.print(table)
    return console.export_text()


def test_the_table_has_the_runs_own_values(entries):
    text = printed(entries)
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


def test_an_unfinished_run_is_marked(entries):
    assert "unfinished" in printed(entries)


def test_names_are_not_read_as_markup():
    text = printed([Entry("[red]x", {"data.name": "[b]y", "method.name": "[i]z"})])
    assert all(name in text for name in ("[red]x", "[b]y", "[i]z"))
    assert "\udcff" not in printed([Entry("\udcff", {})])


def test_a_fine_tuned_run_is_told_from_one_from_scratch(tuned):
    text = printed(tuned)
    assert all(part in text for part in ("from simclr", "from scratch", "Classifier"))
    assert "10,000 labels" in text
    assert "fitted to the labels counted below each name" in " ".join(text.split())
    assert "labels counted" not in printed(tuned[1:])
    assert "top5 0.99" in text
