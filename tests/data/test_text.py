"""Text as data: cuts, windows and labels, and that no test text is in the training text."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssl_jax import data
from ssl_jax.data import documents, pieces, text, tokeniser
from ssl_jax.data.contents import changes
from ssl_jax.data.dataset import gather
from ssl_jax.data.documents import Document, cut, distinct
from ssl_jax.data.pieces import Text
from ssl_jax.errors import InputError

DOCS = {"name": "python_docs"}
WORDS = 2000


def words(seed, count=WORDS):
    """Returns paragraphs of 20 random words; the words of two seeds have no letter in common."""
    rng = np.random.default_rng(seed)
    letters = list("abcdefghijklmnopqrstuvwxyz"[seed * 5 : seed * 5 + 5])
    chosen = ["".join(rng.choice(letters, 6)) for _ in range(count)]
    return "\n\n".join(" ".join(chosen[i : i + 20]) for i in range(0, count, 20))


def put(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def load(path, **options):
    return data.load({"name": f"text:{path}", "vocabulary": 300, "tokens": 16, **options})


def refusal(call, *args, **options):
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows(source):
    return gather(source, np.arange(len(source)))


def tokens_of(source):
    return rows(source)["tokens"]


def decoded(dataset, source):
    return tokeniser.decode(dataset.assets[text.ASSET], tokens_of(source))


def substrings(texts, length):
    """Returns every substring of `length` characters, after removing white space."""
    plain = ["".join(text.split()) for text in texts]
    return {text[i : i + length] for text in plain for i in range(len(text) - length + 1)}


@pytest.fixture(scope="module")
def docs():
    return data.load(DOCS)


def test_python_docs_are_loaded(docs):
    assert docs.facts == {"modality": "text", "vocabulary": 1024, "tokens": 64}
    assert set(docs.pretrain[0]) == {"tokens"}
    assert set(docs.train[0]) == set(docs.test[0]) == {"tokens", "label"}
    for source in (docs.pretrain, docs.train, docs.test):
        tokens = tokens_of(source)
        assert tokens.dtype == np.int32
        assert tokens.shape[1:] == (64,)
        assert tokens.min() >= 0
        assert tokens.max() < 1024
    assert docs.train.labels.dtype == np.int32
    assert len(docs.label_names) >= 30
    assert len(docs.test) >= 300
    assert len(docs.pretrain) > len(docs.train) > 3 * len(docs.test)


def test_python_docs_labels_have_enough_windows(docs):
    classes = len(docs.label_names)
    train, test = (np.bincount(s.labels, minlength=classes) for s in (docs.train, docs.test))
    assert train.min() >= 1
    assert test.min() >= 1
    assert (train + test).min() >= 8
    assert list(docs.label_names) == sorted(docs.label_names)


def test_labels_are_the_topics(docs):
    from pydoc_data.topics import topics

    for source in (docs.train, docs.test):
        for index in range(0, len(source), 7):
            (window,) = tokeniser.decode(docs.assets[text.ASSET], source[index]["tokens"][None])
            topic = "".join(topics[docs.label_names[source[index]["label"]]].split())
            for paragraph in window.strip("\ufffd").split("\n\n"):  # some between them are left out
                assert "".join(paragraph.split()) in topic


@pytest.mark.parametrize("holdout", [0, 150])
def test_no_test_text_is_in_the_training_text(holdout):
    dataset = data.load({**DOCS, "holdout": holdout})
    stream = tokens_of(dataset.pretrain).reshape(1, -1)
    (training_text,) = tokeniser.decode(dataset.assets[text.ASSET], stream)
    windows = decoded(dataset, dataset.test)
    seen = substrings([training_text], 110)

    def repeated(windows):
        return [window for window in windows if substrings([window], 110) & seen]

    prose = [window for window in windows if "----" not in window]  # without the rules of tables
    assert len(prose) > 0.9 * len(windows)
    assert len(repeated(prose)) <= 0.01 * len(windows)  # stock phrases
    windows = decoded(dataset, dataset.train)
    assert len(repeated(windows)) > 0.9 * len(windows)


def test_the_tokenizer_only_learns_from_training_text(docs, monkeypatch):
    seen = []
    train = tokeniser.train
    monkeypatch.setattr(tokeniser, "train", lambda texts, n: train(seen.extend(texts) or seen, n))
    dataset = data.load(DOCS)
    assert dataset.assets == docs.assets
    encoded = np.concatenate(tokeniser.encode_whole(docs.assets[text.ASSET], seen))
    stream = tokens_of(docs.pretrain).flatten()
    without_ends = stream[stream != tokeniser.END_ID]
    np.testing.assert_array_equal(without_ends, encoded[: len(without_ends)])
    assert len(encoded) - len(without_ends) < 64


def test_loading_with_the_facts_gives_the_same_data(docs):
    again = data.load({**DOCS, **docs.facts})
    assert again.assets == docs.assets
    for one, other in ((docs.pretrain, again.pretrain), (docs.test, again.test)):
        np.testing.assert_array_equal(tokens_of(one), tokens_of(other))
    assert json.loads(docs.assets["tokeniser.json"])["model"]["type"] == "BPE"


def test_holdout_is_cut_from_the_training_text_and_leaves_the_test_text_alone(docs):
    dataset = data.load({**DOCS, "holdout": 150})
    assert len(dataset.test) == 150
    counts = np.bincount(dataset.test.labels, minlength=len(dataset.label_names))
    assert counts.max() <= 150 // len(dataset.label_names) + 10
    assert len(dataset.pretrain) < 0.85 * len(docs.pretrain)
    held_out, test = (substrings(decoded(d, d.test), 60) for d in (dataset, docs))
    train = substrings(decoded(docs, docs.train), 60)
    assert len(held_out & test) < 0.01 * len(held_out)
    assert len(held_out & train) > 0.5 * len(held_out)
    assert "holdout: 150 training windows replace the test set" in dataset.notes
    assert "data.holdout: 9999 is more than the windows cut from the training text" in refusal(
        data.load, {**DOCS, "holdout": 9999}
    )


def test_a_repeated_paragraph_stays_in_the_shortest_document():
    opening, section = "a chapter's own opening words of more than forty", "the section " * 5
    again = section.replace(" ", "\n ")
    chapter = f"{opening}\n\n{again}\n\nNote\n\nNote"
    found = [Document(Text([chapter]), "x"), Document(Text([f"Note\n\n{section}"]), "y")]
    for order in (1, -1):
        kept = {document.label: document for document in distinct(found[::order])}
        assert "".join(kept["x"].text) == f"{opening}\n\nNote\n\nNote"
        assert "".join(kept["y"].text) == f"Note\n\n{section}"
        assert kept["x"].removed == len(f"{again}\n\n")
        assert kept["y"].removed == 0


def test_short_paragraphs_are_repeated():
    for length, expected in ((39, 2), (40, 1)):
        found = [Document(Text(["b" * length + f"\n\n{'b' * length} "]), None)]
        (kept,) = distinct(found)
        assert "".join(kept.text).count("b" * length) == expected


@pytest.mark.parametrize(
    ("whole", "tail"),
    [
        ("a" * 83 + "\n\n" + "b" * 15, "b" * 15),
        ("a" * 78 + "\n\n" + "b" * 3 + "\n" + "c" * 16, "c" * 16),
        ("a" * 82 + " " + "b" * 11 + "\n\n" + "c" * 4, "b" * 11 + "\n\n" + "c" * 4),
        ("a" * 90 + "\n\n" + "b" * 8, "b" * 8),
        ("a" * 91 + "\n\n" + "b" * 7, "a" * 11 + "\n\n" + "b" * 7),
        ("a" * 100, "a" * 20),
        ("", ""),
    ],
)
def test_a_text_is_cut_at_the_end_of_a_paragraph_line_or_word(whole, tail):
    first, second = map("".join, cut(Text([whole])))
    assert second == tail
    assert whole.startswith(first)
    assert len(whole) - len(first) - len(second) <= 2


def hard_texts(count):
    """Returns texts with repeated paragraphs, many kinds of white space and all sorts of signs."""
    rng = np.random.default_rng(0)
    signs = [
        *"abcdefg019.,'",
        "é",
        "語、語",
        "\U0001f600",
        "e\u0301",
        "'s",
        "<|endoftext|>",
        "\x1c",
    ]
    spaces = [*[" "] * 20, "  ", "\n", "\n ", "\t", "\u00a0", "\u3000", " \u2028 ", "\r", "\r\n"]
    ends = ["\n\n", "\n \t\n", " \n\n\n  ", "\r\n\u3000\r\n", "\n\x1c\n", "\n\n \n\n"]

    def paragraph():
        words = ["".join(rng.choice(signs, rng.integers(1, 6))) for _ in range(rng.integers(1, 40))]
        return "".join(word + str(rng.choice(spaces)) for word in words)

    pool = [paragraph() for _ in range(20)]
    texts = []
    for _ in range(count):
        chosen = [rng.choice(pool) if rng.random() < 0.3 else paragraph() for _ in range(30)]
        texts.append("".join(f"{part}{rng.choice(ends)}" for part in chosen[: rng.integers(1, 30)]))
    return texts


def reference(texts, labels, tokens, holdout):
    """Does the same with plain strings and each text as a whole; returns (tokenizer, arrays)."""
    texts = [whole.replace("\r\n", "\n").replace("\r", "\n") for whole in texts]
    seen = set()
    for index in np.argsort([len(whole) for whole in texts], kind="stable"):
        kept = []
        for paragraph in re.split(r"\n\s*\n", texts[index]):
            plain = " ".join(paragraph.split())
            if len(plain) < 40 or plain not in seen:
                kept.append(paragraph)
            seen.add(plain)
        texts[index] = "\n\n".join(kept)

    def halves(whole):
        earliest = len(whole) * 4 // 5
        for separator in ("\n\n", "\n", " "):
            at = whole.find(separator, earliest)
            if 0 <= at <= len(whole) * 9 // 10:
                return whole[:at], whole[at + len(separator) :]
        return whole[:earliest], whole[earliest:]

    for _ in range(1 + holdout):
        training, test = zip(*map(halves, texts), strict=True)
        texts = training
    learned = tokeniser.train(training, 300)
    training, test = (
        [ids.tolist() for ids in tokeniser.encode_whole(learned, part)] for part in (training, test)
    )

    def windows(ids):
        return [ids[i : i + tokens] for i in range(0, len(ids) - tokens + 1, tokens)]

    numbers = {label: number for number, label in enumerate(sorted({*labels} - {None}))}
    chosen = [index for index, label in enumerate(labels) if label is not None or not numbers]
    stream = [number for ids in training for number in (*ids, 0)][:-1]
    arrays = {"pretrain": windows(stream)}
    for name, part in (("train", training), ("test", test)):
        arrays[name] = [window for index in chosen for window in windows(part[index])]
        if numbers:
            arrays[f"{name} label"] = [
                numbers[labels[index]] for index in chosen for _ in windows(part[index])
            ]
    return learned, arrays


@pytest.mark.parametrize("labels", [(None,) * 6, ("x", "y", "y", None, "x", "x")])
@pytest.mark.parametrize("holdout", [0, 1])
@pytest.mark.parametrize("characters", [1, 50, None])
def test_loading_in_pieces_equals_loading_whole_texts(
    tmp_path, monkeypatch, labels, holdout, characters
):
    if characters is not None:
        monkeypatch.setattr(pieces, "_CHARACTERS", characters)
        monkeypatch.setattr(documents, "_READ", characters)
    texts = hard_texts(len(labels))
    for index, (label, content) in enumerate(zip(labels, texts, strict=True)):
        put(tmp_path / (label or ""), {f"{index}.txt": content})
    order = sorted(range(6), key=lambda index: f"{labels[index] or ''}/{index}".lstrip("/"))
    texts, labels = [texts[index] for index in order], [labels[index] for index in order]
    dataset = load(tmp_path)
    if holdout:
        dataset = load(tmp_path, holdout=len(load(tmp_path).test) // 2)
    learned, expected = reference(texts, labels, 16, holdout)
    assert dataset.assets == {text.ASSET: learned}
    found = {"pretrain": dataset.pretrain, "train": dataset.train, "test": dataset.test}
    if holdout:
        found["test"] = dataset.test.source
    for name, source in found.items():
        columns = rows(source)
        np.testing.assert_array_equal(columns.pop("tokens"), expected.pop(name))
        if columns:
            np.testing.assert_array_equal(columns.pop("label"), expected.pop(f"{name} label"))
    assert not expected


@pytest.mark.parametrize("signs", ["abcd ", "abcd", "語日本"])
def test_a_text_without_paragraphs_or_words_is_loaded(tmp_path, signs):
    content = "".join(np.random.default_rng(0).choice(list(signs), 9000))
    put(tmp_path, {"a.txt": content})
    dataset = load(tmp_path / "a.txt")
    learned, expected = reference([content], [None], 16, 0)
    assert dataset.assets == {text.ASSET: learned}
    for name in ("pretrain", "train", "test"):
        np.testing.assert_array_equal(tokens_of(getattr(dataset, name)), expected[name])


MEMORY = """
import sys
from ssl_jax import data

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

data.load({"name": "python_docs"})
before = peak()
data.load({"name": sys.argv[1]})
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_loading_takes_a_few_times_the_memory_of_the_text(tmp_path):
    rng = np.random.default_rng(0)
    known = np.array(words(0).split())
    content = "\n\n".join(" ".join(rng.choice(known, 60)) + " \U0001f600" for _ in range(7000))
    put(tmp_path, {"a.txt": content})
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, f"text:{tmp_path}/a.txt"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20 * len(content), int(done.stdout) / len(content)


def test_the_top_folders_are_the_labels(tmp_path):
    put(
        tmp_path,
        {
            "b/deep/one.txt": words(0),
            "a/two.TXT": "\ufeff" + words(1).replace("\n", "\r\n"),
            "loose.txt": words(2),
            "c/short.txt": "few",
            "d/.hidden.txt": words(3),
            "d/other.md": words(3),
        },
    )
    dataset = load(tmp_path)
    assert dataset.label_names == ("a", "b")
    for source in (dataset.train, dataset.test):
        for window, label in zip(decoded(dataset, source), source.labels, strict=True):
            assert set("".join(window.split())) <= set(["fghij", "abcde"][label])
    training_text = "".join(decoded(dataset, dataset.pretrain))
    assert set("klmno") <= set(training_text)
    assert not set("pqrs") & set(training_text)
    assert np.sum(tokens_of(dataset.pretrain) == tokeniser.END_ID) == 3
    assert "1 labels with too little text are used for pretraining only" in dataset.notes
    assert "1 texts without a label are used for pretraining only" in dataset.notes
    assert dataset.facts["vocabulary"] <= 300


def test_a_single_file_has_no_labels(tmp_path):
    put(tmp_path, {"a.txt": words(0)})
    dataset = load(tmp_path / "a.txt")
    assert dataset.label_names is None
    for source in (dataset.pretrain, dataset.train, dataset.test):
        assert set(source[0]) == {"tokens"}
        assert len(source)
    train, test = map("".join, cut(Text([words(0)])))
    np.testing.assert_array_equal(tokens_of(dataset.pretrain), tokens_of(dataset.train))
    assert train.startswith("".join(decoded(dataset, dataset.train)))
    assert test.startswith("".join(decoded(dataset, dataset.test)))
    assert len(load(tmp_path / "a.txt", holdout=5).test) == 5


def test_a_single_label_counts_as_no_labels(tmp_path):
    put(tmp_path, {"a/one.txt": words(0), "a/two.txt": words(1), "b/three.txt": "short"})
    dataset = load(tmp_path)
    assert dataset.label_names is None
    assert "no labels: at least two labels need 8 windows or more" in dataset.notes


def test_a_label_without_a_test_window_is_left_out(tmp_path):
    put(tmp_path, {"a/1.txt": words(0), "b/1.txt": words(1)})
    put(tmp_path, {"c/1.txt": "x" * 134 + "\n\n" + "y" * 14})
    dataset = load(tmp_path, vocabulary=257)  # one token per byte: 8 windows and 14 bytes
    assert dataset.label_names == ("a", "b")
    assert "1 labels with too little text are used for pretraining only" in dataset.notes


def test_unreadable_files_are_skipped_and_listed(tmp_path):
    put(tmp_path, {"a.txt": words(0), "b.txt": b"\xff\xfe\x00", "c.txt": b"caf\xe9"})
    dataset = load(tmp_path)
    assert dataset.unreadable == dict.fromkeys(
        (f"{tmp_path}/b.txt", f"{tmp_path}/c.txt"), "is not UTF-8"
    )
    assert "data.max_unreadable: 1 is exceeded" in refusal(load, tmp_path, max_unreadable=1)


def test_unusable_paths_are_refused(tmp_path):
    put(tmp_path, {"few/a.txt": "a few words", "bad/b.txt": b"\xff", "none/c.md": "words"})
    (tmp_path / "none" / "blank.txt").write_text(" \n")
    assert "'text:' does not exist; expected text:/path" in refusal(data.load, {"name": "text:"})
    assert "/gone' does not exist; expected text:/path" in refusal(load, tmp_path / "gone")
    for name, count in (("bad", 1), ("none", 0), ("bad/b.txt", 1)):
        assert f"holds no readable text; expected UTF-8 in files ending in .txt, found {count}" in (
            refusal(load, tmp_path / name)
        )
    assert "holds too little text; expected windows of 16 tokens (data.tokens), found 0" in (
        refusal(load, tmp_path / "few")
    )


def test_contents_tell_files_by_their_place_below_the_folder(tmp_path):
    put(tmp_path / "one", {"a/a.txt": words(0), "b/b.txt": words(1)})
    before = load(tmp_path / "one").contents.encoded()
    moved = (tmp_path / "one").rename(tmp_path / "two")
    assert changes(before, load(moved).contents) == ""
    put(moved, {"b/b.txt": words(2)})
    assert changes(before, load(moved).contents) == "1 files changed (such as b/b.txt)"
