"""Tux Paint's stamps, in a small tree that takes the place of the installed package."""

import numpy as np
import pytest
from PIL import Image

from ssl_jax import data
from ssl_jax.data import stamps
from ssl_jax.data.dataset import gather
from ssl_jax.data.holdout import hold_out
from ssl_jax.errors import InputError
from tests.data.test_folder import put

SUBJECTS = [a + b for a in ("ant", "bee", "cat", "dog", "elk", "fox") for b in "xyz"]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Builds two groups of 36 and 37 pictures, and a small one; each picture has its own color.

    In both groups, each of 18 subjects has two variants: red, and mirrored.
    """
    monkeypatch.setattr(stamps, "FOLDER", tmp_path)
    value = 0
    for group in ("animals", "things"):
        for subject in SUBJECTS:
            for name in (f"red_{subject}", f"{subject}_2_mirror"):
                put(tmp_path, f"{group}/below/{name}.png", value)
                value += 1
    put(tmp_path, "medical/tooth.png", 250)
    put(tmp_path, "loose.png", 251)
    (tmp_path / "things/drawing.svg").write_text("<svg/>")
    (tmp_path / "things/antx.txt").write_text("An ant.")
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "things/glass.png")
    return tmp_path


def load(**options):
    return data.load({"name": "stamps", "image_size": 8, **options})


def values(source):
    return gather(source, np.arange(len(source)))["image"][:, 0, 0, 0].tolist()


def subjects(source):
    """Returns the subject of each picture, from its color."""
    return [SUBJECTS[value % 36 // 2] for value in values(source) if value < 250]


def check_disjoint(dataset):
    train, test = set(subjects(dataset.train)), set(subjects(dataset.test))
    assert train
    assert test
    assert not train & test


@pytest.mark.parametrize("cache_mib", [2048, 0], ids=["memory", "lazy"])
def test_groups_are_labels_and_variants_stay_together(tree, cache_mib):
    dataset = load(cache_mib=cache_mib)
    check_disjoint(dataset)
    assert dataset.label_names == ("animals", "things")
    everything = values(dataset.train) + values(dataset.test)
    assert sorted(everything) == [*range(72), 255]  # the glass is transparent, and becomes white
    for source in (dataset.train, dataset.test):
        assert [value >= 36 for value in values(source)] == source.labels.astype(bool).tolist()
    assert dataset.pretrain is dataset.train
    assert dataset.unreadable == {}
    assert dataset.facts["channels"] == 3
    assert values(load(cache_mib=cache_mib).test) == values(dataset.test)


def test_notes_name_the_groups_that_are_left_out(tree):
    dataset = load()
    train, test = len(dataset.train), len(dataset.test)
    assert dataset.notes == (
        f"stamps: {train} pictures to train on, {test} of other subjects to test on",
        "groups of fewer than 20 pictures are left out: medical",
    )


def test_a_quarter_of_many_subjects_is_for_testing(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "FOLDER", tmp_path)
    for number in range(200):
        name = "".join("abcdefghij"[int(digit)] for digit in f"{number:03}")
        put(tmp_path, f"letters/{name}.png", number, size=(8, 8))
    dataset = load()
    assert 35 <= len(dataset.test) <= 65
    assert dataset.label_names is None


@pytest.mark.parametrize("count", [1, 10, 25])
def test_holdout_keeps_variants_together(tree, count):
    dataset = load(holdout=count)
    check_disjoint(dataset)
    assert len(dataset.test) == count
    assert not set(values(dataset.test)) & set(values(load().test))
    assert np.bincount(dataset.train.labels, minlength=2).min() > 5


def test_few_labels_of_what_is_not_held_out(tree):
    dataset = load(holdout=10, labels=5)
    assert np.bincount(dataset.train.labels).tolist() == [5, 5]
    assert len(dataset.test) == 10
    assert dataset.origins is None


def test_faults_would_be_noticed(tree, monkeypatch):
    """The check above fails if pictures are split or held out one by one."""
    with pytest.raises(AssertionError):
        check_disjoint(hold_out(load()._replace(origins=None), 25))
    monkeypatch.setattr(stamps, "subject", lambda name: name)
    with pytest.raises(AssertionError):
        check_disjoint(load())


@pytest.mark.parametrize(
    ("names", "subject"),
    [
        (("apple", "apple_red", "apple_green", "Apple_2", "red_apple", "redapple"), "apple"),
        (("blue_fedora", "green_fedora"), "fedora"),
        (("greenflag", "blue-and-yellowflag"), "flag"),
        (("b_1_king", "w_1_king"), "king"),
        (("measuring_tape", "measuring_tape_mirror"), "measuring"),
        (("a_filled", "A_filled", "a_outline"), "a"),
        (("001penny", "penny"), "penny"),
        (("red",), "red"),
        (("050", "050_2"), "050"),
        (("__",), "__"),
    ],
)
def test_subjects(names, subject):
    assert {stamps.subject(name) for name in names} == {subject}


def test_the_package_is_asked_for_if_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "FOLDER", tmp_path / "no")
    with pytest.raises(InputError) as caught:
        load()
    assert str(caught.value) == (
        f"data.name: 'stamps' needs the pictures in {tmp_path}/no, which is missing; expected "
        "Debian's package: `apt install tuxpaint-stamps-default`"
    )


def test_a_folder_without_large_groups_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "FOLDER", tmp_path)
    put(tmp_path, "animals/cat.png")
    with pytest.raises(InputError, match=r"expected groups of 20 or more$"):
        load()


def test_unreadable_pictures_are_listed(tree):
    (tree / "animals/below/red_antx.png").write_bytes(b"junk")
    assert list(load().unreadable) == [str(tree / "animals/below/red_antx.png")]
    with pytest.raises(InputError, match=r"^data\.max_unreadable: 0 is exceeded in stamps"):
        load(max_unreadable=0)
