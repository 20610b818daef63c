"""Further scores of a run: their keys, what they are about, their files, and bad input.

Small classifiers stand for the real ones, which other files test.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ssl_jax.data.dataset import Arrays, Subset, gather
from ssl_jax.errors import InputError
from ssl_jax.evaluation import evaluate, knn, more
from ssl_jax.evaluation import label_curve as curve
from ssl_jax.evaluation.clustering import kmeans_scores
from ssl_jax.evaluation.corrupted import CONDITIONS, Condition, corrupt
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.label_curve import Point
from ssl_jax.evaluation.probes import ProbeResults
from ssl_jax.evaluation.vote import Vote, choose, predict
from ssl_jax.methods.base import Method, no_update
from ssl_jax.runs import evaluate_again as module
from ssl_jax.runs.evaluate_again import Options, check_weights, evaluate_again, file_name
from ssl_jax.runs.run import Run
from tests import tiny

PIXELS = tiny.SIDE**2
QUIET = Console(quiet=True)
PREFIXES = ("", "random_init_", "input_")


def nearest_mean(train_z, train_y):
    names = np.unique(train_y)
    means = np.stack([train_z[train_y == name].mean(0) for name in names])
    return lambda z: names[np.square(z[:, None] - means).sum(-1).argmin(1)]


def accuracy(train, test):
    return float((nearest_mean(train.z, train.y)(test.z) == test.y).mean())


def point(train_z, train_y, test_z, test_y, *, per_class, **bound):
    right = accuracy(Extracted(train_z, train_y), Extracted(test_z, test_y))
    draws = 1 if per_class is None else 2
    return Point(np.full(draws, right), np.arange(draws) * right)


def run_probes(train, test, config, *, linear=None):
    predictions = nearest_mean(train.z, train.y)(test.z)
    right = predictions == test.y
    correct = {"knn_top1": right, "linear_top1": right, "linear100_top1": np.stack([right] * 2)}
    return ProbeResults(correct, predictions, 1.0, Vote(3, 0.1, "raw"))


@pytest.fixture(scope="module", autouse=True)
def _cheap_classifiers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(more, "_linear_classifier", lambda train: nearest_mean(train.z, train.y))
        patch.setattr(more, "linear_top1", accuracy)
        patch.setattr(more, "label_curve_point", point)
        patch.setattr(evaluate, "run_probes", run_probes)
        yield


def flat(batch):
    return jnp.reshape(jnp.asarray(batch["image"], jnp.float32) / 255, (len(batch["image"]), -1))


def embed(params, extra, batch):
    features = flat(batch) @ params["weights"]
    layers = {"features": features, "first": features[:, :2], "last": features[:, 4:]}
    return layers | {"map": features[:, :, None]}


METHOD = Method(
    lambda key, batch: ({"weights": jax.random.normal(key, (PIXELS, 6))}, {}),
    lambda key, batch: {"pixels": flat(batch)[None]},
    lambda params, extra, views, key, step: (jnp.float32(0), (extra, {})),
    no_update,
    embed,
)
TRAINED = {"weights": jnp.eye(PIXELS)[:, 8:14]}
CLASSIFIER = METHOD._replace(
    predict=lambda params, extra, batch: jnp.stack(
        [-jnp.square(flat(batch).mean(1) - level) for level in (0.30, 0.32, 0.34)], -1
    )
)


@pytest.fixture(scope="module")
def data():
    return tiny.data()


def subject(data, method=METHOD):
    config = tiny.resolved(tiny.config(), data)
    placement = tiny.placement(8)
    key = jax.random.key(0)
    first = more.first_state(method, data, config, key, placement)
    return more.Subject(method, (TRAINED, {}), first, data, config, placement)


@pytest.fixture(scope="module")
def scored(data):
    return subject(data)


@pytest.fixture(scope="module")
def sets(scored):
    return more.features(scored, ("features",))


def test_features_are_those_of_three_representations(sets, data):
    rows = gather(data.test, np.arange(len(data.test)))
    np.testing.assert_allclose(
        sets["learned"][1].z, embed(TRAINED, {}, rows)["features"], rtol=1e-5
    )
    first = {"weights": jax.random.normal(jax.random.key(0), (PIXELS, 6))}
    untrained = embed(first, {}, rows)["features"]
    np.testing.assert_allclose(sets["random_init"][1].z, untrained, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sets["input"][1].z, flat(rows), rtol=1e-6)
    assert all(len(train.z) == 40 for train, _ in sets.values())


def test_probes_see_at_most_as_many_examples_as_in_the_evaluation(data):
    few = subject(data)
    few.config.evaluation.train_examples = 7
    found = more.features(few, ("first",))
    rows = evaluate.at_most(data.train, 7)
    np.testing.assert_array_equal(found["learned"][0].y, gather(rows, np.arange(7))["label"])
    assert found["learned"][0].z.shape == (7, 2)


def test_clusters_are_those_of_the_test_features(sets):
    values = more.clusters(sets, more._untracked)
    assert list(values) == [
        f"{prefix}kmeans_{part}" for prefix in PREFIXES for part in ("accuracy", "nmi", "ari")
    ]
    for prefix, (_, test) in zip(PREFIXES, sets.values(), strict=True):
        assert values[f"{prefix}kmeans_ari"] == pytest.approx(kmeans_scores(test.z, test.y).ari)


def test_the_label_curve_has_means_and_deviations(sets, scored):
    values = more.label_curve(sets, scored.config.evaluation, more._untracked)
    sizes = ("1", "2", "5", "10", "all")
    expected = {
        f"{prefix}labels_{size}_{metric}_top1{part}"
        for prefix in PREFIXES
        for size in sizes
        for metric in ("linear", "knn")
        for part in ("", "_std")
        if not (size == "all" and part)
    }
    assert values.keys() == expected
    for prefix, pair in zip(PREFIXES, sets.values(), strict=True):
        right = accuracy(*pair)
        assert values[f"{prefix}labels_all_linear_top1"] == pytest.approx(right)
        assert values[f"{prefix}labels_5_linear_top1_std"] == 0
        assert values[f"{prefix}labels_5_knn_top1"] == pytest.approx(right / 2)
        assert values[f"{prefix}labels_5_knn_top1_std"] == pytest.approx(right / np.sqrt(2))


def test_settings_bind_the_votes_of_the_label_curve(sets, scored, monkeypatch):
    seen = []
    real = curve.Point

    def spy(*arrays, per_class, **bound):
        seen.append(bound)
        return real(np.zeros(2), np.zeros(2))

    monkeypatch.setattr(more, "label_curve_point", spy)
    settings = scored.config.evaluation.copy_and_resolve_references()
    settings.update({"knn_k": 3, "knn_temperature": 0.5, "knn_transform": "centered"})
    more.label_curve(sets, settings, more._untracked)
    assert {tuple(each.values()) for each in seen} == {(3, 0.5, "centered")}


def test_clean_and_corrupted_pictures_are_classified(sets, scored, data):
    values = more.corruptions(scored, ("features",))
    keys = ["uncorrupted_top1", "corrupted_top1"]
    keys += [f"corrupted_{name}_{strength}_top1" for name, strength in CONDITIONS]
    assert list(values) == [prefix + key for prefix in PREFIXES for key in keys]
    for prefix, pair in zip(PREFIXES, sets.values(), strict=True):
        assert values[f"{prefix}uncorrupted_top1"] == pytest.approx(accuracy(*pair))
        corrupted = [values[prefix + key] for key in keys[2:]]
        assert values[f"{prefix}corrupted_top1"] == pytest.approx(np.mean(corrupted))
    rows = gather(data.test, np.arange(len(data.test)))
    classify = nearest_mean(sets["input"][0].z, sets["input"][0].y)
    for condition in (Condition("contrast", 5), Condition("pixelation", 5)):
        pixels = corrupt(rows["image"], np.arange(len(rows["image"])), condition)
        z = np.asarray(flat({"image": pixels}))
        key = f"input_corrupted_{condition.kind}_5_top1"
        assert values[key] == pytest.approx((classify(z) == rows["label"]).mean())
    assert len({round(values[key], 6) for key in values}) > 3


def test_a_run_that_can_classify_is_scored_by_its_own_predictions(sets, scored, data):
    values = more.corruptions(scored._replace(method=CLASSIFIER), ("features",))
    rows = gather(data.test, np.arange(len(data.test)))
    own = CLASSIFIER.predict({}, {}, rows).argmax(-1) == rows["label"]
    assert values["uncorrupted_top1"] == pytest.approx(own.mean())
    for name in ("random_init", "input"):
        assert values[f"{name}_uncorrupted_top1"] == pytest.approx(accuracy(*sets[name]))


def test_each_layer_is_scored_by_itself(scored, monkeypatch):
    layers = more.vector_layers(METHOD, (TRAINED, {}), scored.config)
    assert layers == ["features", "first", "last"]  # `map` is no vector
    monkeypatch.setattr(more, "_knn_top1", lambda train, test, settings: train.z.shape[1])
    values = more.each_layer(scored, layers)
    assert values["layer_first_knn_top1"] == values["random_init_layer_last_knn_top1"] == 2
    sets = more.features(scored, ("first",))
    assert values["layer_first_linear_top1"] == pytest.approx(accuracy(*sets["learned"]))
    expected = accuracy(*sets["random_init"])
    assert values["random_init_layer_first_linear_top1"] == pytest.approx(expected)
    assert len(values) == 12


def test_settings_bind_the_votes_of_a_layer(sets, scored):
    train, test = sets["learned"]
    settings = scored.config.evaluation.copy_and_resolve_references()
    settings.update({"knn_k": 3, "knn_temperature": 0.5, "knn_transform": "raw"})
    expected = knn(train.z, train.y, test.z, test.y, k=3, temperature=0.5)
    assert more._knn_top1(train, test, settings) == pytest.approx(expected)
    settings.update({"knn_k": None, "knn_transform": None})
    vote = choose(train.z, train.y, temperature=0.5)
    votes = predict(train.z, train.y, test.z, vote, classes=3)
    expected = (votes.argmax(-1) == test.y).mean()
    assert more._knn_top1(train, test, settings) == pytest.approx(expected)


@pytest.mark.parametrize("other", [tiny.clips, tiny.texts])
def test_only_pictures_are_corrupted(other):
    config = tiny.resolved(tiny.config(), other())
    with pytest.raises(InputError, match=r"--corruptions: the run reads (video|text); expected"):
        more.pixels_of(config)


def test_features_that_are_not_finite_are_refused(scored):
    broken = scored._replace(learned=({"weights": TRAINED["weights"] * jnp.inf}, {}))
    for compute in (more.features, more.corruptions, more.each_layer):
        with pytest.raises(InputError, match="NaN or infinity"):
            compute(broken, ("features",))


def run(data, **weights):
    config = tiny.resolved(tiny.config(), data)
    config.data.name = "tiny"
    return Run(config, METHOD, TRAINED | weights, {}, 3, data.assets)


@pytest.fixture
def workdir(data, tmp_path, monkeypatch):
    """A folder that stands for a run on the tiny data."""
    monkeypatch.setattr(module, "load", lambda _: run(data))
    monkeypatch.setattr(module.datasets, "load_of_run", lambda config, data_dir: data)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "evaluation.json").write_text("{}")
    return tmp_path / "run"


def write_pictures(folder, data, classes=3, test=24):
    for part, source, count in (("train", data.train, 40), ("test", data.test, test)):
        rows = gather(source, np.arange(count))
        for number, (picture, label) in enumerate(zip(rows["image"], rows["label"], strict=True)):
            label = label % classes
            (folder / part / str(label)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture[..., 0]).save(folder / part / str(label) / f"{number}.png")
    return f"folder:{folder}"


def read(path):
    return json.loads(path.read_text())


def files(workdir):
    return {path.name: path.read_text() for path in workdir.iterdir()}


def test_results_are_merged_and_the_evaluation_is_left_alone(workdir, capsys):
    (workdir / "more.json").write_text('{"kmeans_nmi": 7.0, "other": 1.5}')
    console = Console(width=100)
    evaluate_again(workdir, Options(kmeans=True, label_curve=True), console)
    values = read(workdir / "more.json")
    assert values["other"] == 1.5
    assert 0 <= values["kmeans_nmi"] <= 1
    assert "random_init_labels_10_knn_top1_std" in values
    assert files(workdir).keys() == {"more.svg", "evaluation.json", "more.json"}
    assert files(workdir)["evaluation.json"] == "{}"
    printed = capsys.readouterr().out
    for words in ("k-means", "NMI", "raw pixels", "labels per class", "more.json"):
        assert words in printed


def test_named_layers_have_keys_of_their_own(workdir):
    evaluate_again(workdir, Options(layers=("first", "last"), kmeans=True), QUIET)
    values = read(workdir / "more.json")
    assert list(values) == [
        f"{prefix}layer_first+last_kmeans_{part}"
        for prefix in PREFIXES
        for part in ("accuracy", "nmi", "ari")
    ]
    evaluate_again(workdir, Options(layers=("first",)), QUIET)
    values = read(workdir / "more.json")
    assert values["layer_first_features"] == 2
    assert values["layer_first_step"] == 3
    assert {"random_init_layer_first_knn_top1", "layer_first+last_kmeans_nmi"} <= values.keys()
    assert "input_layer_first_linear_top1" in values
    assert not any(key.startswith("kmeans") for key in values)


def test_all_layers_and_corruptions_are_printed(workdir, capsys):
    evaluate_again(workdir, Options(layers=("all",), corruptions=True), Console(width=100))
    values = read(workdir / "more.json")
    assert {"layer_last_knn_top1", "corrupted_blur_3_top1", "input_corrupted_top1"} <= values.keys()
    printed = capsys.readouterr().out
    assert "noise 1" in printed
    assert "features" in printed


def test_other_data_is_scored_in_the_shape_of_the_runs(
    workdir, data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(module, "load", lambda _: run(data)._replace(method=CLASSIFIER))
    name = write_pictures(tmp_path / "pictures", data)
    evaluate_again(workdir, Options(data=name, kmeans=True), Console(width=100))
    assert files(workdir).keys() == {"evaluation.json", file_name(name)}
    values = read(workdir / file_name(name))
    assert values["examples"] == 24
    assert values["train_examples"] == 40
    assert values["step"] == 3
    assert "top1" not in values  # the classes are not those that the run has learned
    for prefix in PREFIXES:
        assert 0 <= values[f"{prefix}linear_top1"] <= 1
        assert f"{prefix}kmeans_ari" in values
    test = gather(data.test, np.arange(24))
    train = gather(data.train, np.arange(40))
    pair = (
        Extracted(np.asarray(embed(TRAINED, {}, part)["features"]), part["label"])
        for part in (train, test)
    )
    assert values["linear_top1"] == pytest.approx(accuracy(*pair))
    assert "on tiny" in capsys.readouterr().out


def test_other_data_is_scored_on_at_most_as_many_examples_as_set(
    workdir, data, tmp_path, monkeypatch
):
    few = run(data)
    few.config.evaluation.test_examples = 9
    monkeypatch.setattr(module, "load", lambda _: few)
    name = write_pictures(tmp_path / "pictures", data)
    evaluate_again(workdir, Options(data=name), QUIET)
    assert read(workdir / file_name(name))["examples"] == 9


def test_other_data_is_whole_and_repeated_for_the_untrained_network_if_small(
    workdir, data, tmp_path
):
    name = write_pictures(tmp_path / "pictures", data)
    loaded = run(data)
    loaded.config.data.batch_size = 48
    assert len(module._load(loaded, Options(data=name)).pretrain) == 80
    loaded.config.data.update({"batch_size": 40, "holdout": 5, "labels": 2})
    found = module._load(loaded, Options(data=name))
    assert (len(found.pretrain), len(found.train), len(found.test)) == (40, 40, 24)


def test_names_of_files_are_safe_and_tell_folders_apart(tmp_path, monkeypatch):
    assert file_name(None) == "more.json"
    assert file_name("cifar10") == "transfer-cifar10.json"
    assert file_name("tfds:mnist/3d:1.0.0") == "transfer-tfds-mnist-3d-1.0.0.json"
    names = [file_name(f"folder:/{path}/my pictures") for path in "ab"]
    assert len(set(names)) == 2
    assert all(name.startswith("transfer-folder-my-pictures-") for name in names)
    assert file_name("wds:/a/b-{0..9}.tar").startswith("transfer-wds-b--0..9-.tar-")
    monkeypatch.chdir(tmp_path)
    assert file_name("folder:x") == file_name(f"folder:{tmp_path}/x")


def unlabeled(data):
    parts = {
        name: Arrays({"image": getattr(data, name).columns["image"]})
        for name in ("pretrain", "train", "test")
    }
    return data._replace(**parts, label_names=None)


def with_rows(data, **rows):
    return data._replace(**{part: Subset(getattr(data, part), row) for part, row in rows.items()})


BAD = {
    "no labels": (unlabeled, "data.name: the data has no labels"),
    "one test picture": (lambda d: with_rows(d, test=[0]), "a single test example"),
    "one class": (lambda d: with_rows(d, train=range(0, 40, 3)), "all training examples have"),
    "one test class": (lambda d: with_rows(d, test=[0, 3]), "all test examples have"),
    "one of each class": (lambda d: with_rows(d, train=[0, 1, 2]), "no class has two"),
}


@pytest.mark.parametrize("option", [{"kmeans": True}, {"label_curve": True}, {"layers": ("all",)}])
@pytest.mark.parametrize("case", BAD)
def test_data_that_cannot_be_scored_is_refused(workdir, data, monkeypatch, case, option):
    change, message = BAD[case]
    changed = change(data)
    monkeypatch.setattr(module.datasets, "load_of_run", lambda config, data_dir: changed)
    before = files(workdir)
    with pytest.raises(InputError, match=message):
        evaluate_again(workdir, Options(**option), QUIET)
    assert files(workdir) == before


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (("firsst",), "--layer: 'firsst' is unknown; expected some of features, first, last"),
        (("map",), "--layer: 'map' is unknown"),
        (("all", "first"), "--layer: 'all' stands for every layer"),
    ],
)
def test_unknown_layers_are_refused(workdir, layers, message):
    with pytest.raises(InputError, match=message):
        evaluate_again(workdir, Options(layers=layers), QUIET)
    assert files(workdir).keys() == {"evaluation.json"}


def test_weights_that_are_not_finite_are_refused(workdir, data, monkeypatch):
    broken = run(data, weights=TRAINED["weights"].at[0, 0].set(jnp.nan))
    with pytest.raises(InputError, match=r"run: its weights hold NaN or infinity"):
        check_weights(broken, workdir)
    monkeypatch.setattr(module, "load", lambda _: broken)
    with pytest.raises(InputError, match="its weights hold NaN"):
        evaluate_again(workdir, Options(kmeans=True), QUIET)
    assert files(workdir).keys() == {"evaluation.json"}


def test_other_bad_input_is_refused(workdir, data, tmp_path, monkeypatch):
    def refused(message, **options):
        with pytest.raises(InputError, match=message):
            evaluate_again(workdir, Options(**options), QUIET)

    refused("'nothing' is unknown", data="nothing")
    refused("'python_docs' holds text; expected image", data="python_docs")
    single = write_pictures(tmp_path / "single", data, test=1)
    refused("--data: there is a single test example", data=single)
    alike = write_pictures(tmp_path / "alike", data, classes=1)
    refused("--data: the data has no labels", data=alike)
    (workdir / "more.json").write_text('{"kmeans_nmi": "x"}')
    refused("more.json: is damaged", kmeans=True)
    texts = tiny.texts()
    config = tiny.resolved(tiny.config(), texts)
    of_text = Run(config, METHOD, TRAINED, {}, 3, texts.assets)
    monkeypatch.setattr(module, "load", lambda _: of_text)
    refused("--corruptions: the run reads text", corruptions=True)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no config\.json"):
        evaluate_again(tmp_path, Options(kmeans=True), QUIET)


def test_nothing_is_asked_for_by_default():
    assert not Options().any
    assert not Options(data_dir="/x").any
    for option in ({"data": "x"}, {"layers": ("x",)}, {"kmeans": True}, {"corruptions": True}):
        assert Options(**option).any
