"""What each kind of section gives to the template."""

import numpy as np

from ssl_jax.report.sections.kinds import Neighbors, Pictures, Texts, Tiles, content

IMAGES = np.arange(14, dtype=np.uint8).reshape(14, 1, 1, 1)


def test_pictures_of_an_example_are_in_one_column():
    rows = [("view 1", IMAGES), ("view 2", IMAGES[::-1][:13])]
    found = content(Pictures("Title", "Caption.", rows))
    assert (found["title"], found["caption"]) == ("Title", "Caption.")
    assert [[(name, int(x.item())) for name, x in column] for column in found["columns"]] == [
        [("view 1", i), ("view 2", 13 - i)] for i in range(12)
    ]


def test_tiles_are_numbered():
    found = content(Tiles("Title", "Caption.", "Filter", IMAGES))
    assert (found["title"], found["caption"]) == ("Title", "Caption.")
    assert [(name, int(x.item())) for name, x in found["tiles"]] == [
        (f"Filter {i + 1}", i) for i in range(14)
    ]


def test_texts():
    groups = [[("heading", "text")]]
    assert content(Texts("Title", "Caption.", groups)) == {
        "title": "Title",
        "caption": "Caption.",
        "groups": groups,
    }


def test_neighbors_of_the_same_class_are_counted_and_other_classes_named():
    near = IMAGES[:6].reshape(1, 6, 1, 1, 1)
    labels = (["a"], [["a", "b", "c", "b", "a", "d"]], [["a"] * 6])
    (query,) = content(Neighbors(IMAGES[:1], near, near[:, ::-1], labels))["queries"]
    learned, raw = query["rows"]
    assert query["name"] == "a"
    assert (learned["title"], raw["title"]) == ("learned features", "raw pixels")
    assert (learned["right"], learned["wrong"]) == (2, ["b", "c"])
    assert (raw["right"], raw["wrong"]) == (5, [])
    assert [(int(x.item()), name) for x, name in learned["tiles"]] == list(
        zip(range(5), "abcba", strict=True)
    )
    assert [int(x.item()) for x, _ in raw["tiles"]] == [5, 4, 3, 2, 1]


def test_neighbors_without_labels():
    near = IMAGES[:12].reshape(12, 1, 1, 1, 1)
    queries = content(Neighbors(IMAGES[:12], near, near))["queries"]
    assert len(queries) == 10
    for query in queries:
        assert query["name"] is None
        for row in query["rows"]:
            assert (row["right"], row["wrong"]) == (None, [])
            assert [name for _, name in row["tiles"]] == [None]
