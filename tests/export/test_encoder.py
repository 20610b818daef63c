"""``experiments/export.py``: the files it writes, and what it refuses."""

import json
import shutil
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

import ssl_jax
from experiments import export as script
from ssl_jax import cli
from ssl_jax.errors import InputError
from ssl_jax.export.encoder import DESCRIPTION, ENCODER, FILES, HEAD, PROGRAM, TIMM, export
from ssl_jax.runs.run import Run
from tests import tiny
from tests.golden.make_workdirs import WORKDIRS
from tests.runs import own


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield


@pytest.fixture(scope="module")
def runs():
    return {name: ssl_jax.load(WORKDIRS / name) for name in ("simclr", "mae", "next_word")}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def described(folder):
    return json.loads((folder / DESCRIPTION).read_text())


def run_script(monkeypatch, workdir, output):
    given = {"workdir": str(workdir), "output": str(output)}
    monkeypatch.setattr(cli, "required", given.__getitem__)
    script.main()


def test_the_script_exports_a_run(tmp_path, monkeypatch, capsys):
    run_script(monkeypatch, WORKDIRS / "mae", tmp_path / "a" / "b")
    folder = tmp_path / "a" / "b"
    assert names(folder) == sorted([ENCODER, DESCRIPTION, PROGRAM, TIMM])
    assert capsys.readouterr().out.splitlines() == [
        "encoder.safetensors: 19 arrays after 2 steps",
        "encoder.stablehlo: image float32 [n, 8, 8, 1] -> features [n, 16], "
        "on cpu, cuda, rocm, tpu",
        "timm.safetensors: timm's vit_tiny_patch16_224, created as encoder.json says",
        "encoder.json: describes the other files",
    ]


def test_the_description_says_what_a_reader_needs(runs, tmp_path):
    export(runs["mae"], tmp_path)
    about, run = described(tmp_path), runs["mae"]
    arrays = load_file(tmp_path / ENCODER)
    assert about.pop("arrays") == {name: list(x.shape) for name, x in arrays.items()}
    assert about.pop("network") == json.loads(json.dumps(run.config.network.to_dict()))
    assert about.pop("timm") == {
        "model": "vit_tiny_patch16_224",
        "kwargs": {
            "num_classes": 0,
            "in_chans": 1,
            "global_pool": "avg",
            "img_size": 8,
            "patch_size": 2,
            "embed_dim": 16,
            "depth": 1,
            "num_heads": 2,
            "fc_norm": False,
        },
        "replace": {},
        "returns_features": True,
    }
    assert about.pop("jax")
    assert about == {
        "format": 1,
        "ssl_jax": version("ssl_jax"),
        "method": "mae",
        "data": run.config.data.name,
        "steps": 2,
        "input": {
            "name": "image",
            "shape": ["n", 8, 8, 1],
            "dtype": "float32",
            "range": [0, 1],
        },
        "mean": list(run.config.data.mean),
        "std": list(run.config.data.std),
        "layers": ["features"],
        "features": 16,
        "classes": [],
        "head": {},
    }


def test_texts_are_tokens(runs, tmp_path):
    lines = export(runs["next_word"], tmp_path)
    assert "timm.safetensors: not written: timm has no gpt_nano" in lines
    about = described(tmp_path)
    assert about["input"] == {
        "name": "tokens",
        "shape": ["n", tiny.TOKENS],
        "dtype": "int32",
        "range": [0, runs["next_word"].config.data.vocabulary - 1],
    }
    assert (about["mean"], about["std"], about["timm"]) == (None, None, None)


def test_a_network_that_timm_lacks_is_named_and_an_earlier_export_is_replaced(runs, tmp_path):
    export(runs["mae"], tmp_path)
    (tmp_path / f"{PROGRAM}.part").write_bytes(b"what an interrupted export left")
    lines = export(runs["simclr"], tmp_path)
    assert "timm.safetensors: not written: timm has no resnet_small" in lines
    assert names(tmp_path) == sorted([ENCODER, DESCRIPTION, PROGRAM])
    assert described(tmp_path)["method"] == "simclr"
    arrays = load_file(tmp_path / ENCODER)
    params, _ = runs["simclr"].method.backbone(runs["simclr"].params, runs["simclr"].extra)
    np.testing.assert_array_equal(arrays["conv.kernel"], params["conv"]["kernel"])


@pytest.mark.parametrize(
    ("network", "layers", "equal"),
    [
        ({"pool": "cls"}, ("features",), True),
        ({"pool": "grid"}, ("features",), False),
        ({}, ("block1", "features"), False),
    ],
)
def test_it_is_said_whether_timm_returns_the_features(runs, tmp_path, network, layers, equal):
    config = runs["mae"].config.copy_and_resolve_references()
    config.network.update(network)
    config.evaluation.layers = layers
    lines = export(runs["mae"]._replace(config=config), tmp_path)
    assert described(tmp_path)["timm"]["returns_features"] is equal
    assert any("which is not this run's features" in line for line in lines) is not equal


def own_run(method_of):
    """Returns a run of a user's own method, with a head."""
    config = tiny.resolved(own.config(), tiny.data())
    encoder = np.eye(own.PIXELS, own.WIDTH, dtype=np.float32)
    head = np.ones((own.WIDTH, own.CLASSES), np.float32)
    params = {"encoder": {"kernel": encoder}, "head": {"kernel": head}}
    return Run(config, method_of(config), params, {"encoder": {}}, 4)


def test_a_run_that_classifies_has_its_head_and_class_names(tmp_path):
    def predict(params, extra, batch):
        return own.encoded(params, extra, batch)["features"] @ params["head"]["kernel"]

    run = own_run(own.classifier)
    with run.config.unlocked():
        run.config.method.classes = ("cat", "dog", "owl")
    method = SimpleNamespace(**(run.method._asdict() | {"predict": predict}))
    lines = export(run._replace(method=method), tmp_path)
    assert names(tmp_path) == sorted({*FILES} - {TIMM})
    about = described(tmp_path)
    assert (about["classes"], about["head"]) == (["cat", "dog", "owl"], {"head.kernel": [6, 3]})
    np.testing.assert_array_equal(load_file(tmp_path / HEAD)["head.kernel"], np.ones((6, 3)))
    assert "head.safetensors: the classifier of 3 classes" in lines
    assert any("-> features [n, 6], logits [n, 3], on" in line for line in lines)


def test_a_user_s_own_method_is_exported(tmp_path):
    lines = export(own_run(own.denoiser), tmp_path)
    assert any(line.startswith("timm.safetensors: not written: ") for line in lines)
    assert names(tmp_path) == sorted([ENCODER, DESCRIPTION, PROGRAM])
    about = described(tmp_path)
    assert about["arrays"] == {"kernel": [own.PIXELS, own.WIDTH]}
    assert (about["method"], about["head"]) == (None, {})


def test_a_folder_with_other_files_is_refused(runs, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError) as caught:
        export(runs["mae"], tmp_path)
    expected = f"{tmp_path}: holds notes.txt; expected a new folder or an earlier export"
    assert str(caught.value) == expected
    with pytest.raises(InputError, match=r"notes\.txt: is a file; expected a folder"):
        export(runs["mae"], tmp_path / "notes.txt")
    assert names(tmp_path) == ["notes.txt"]


def test_bad_input_writes_nothing(runs, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"has no config\.json; expected the workdir of a run"):
        run_script(monkeypatch, tmp_path, tmp_path / "out")
    shutil.copytree(WORKDIRS / "mae", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(InputError, match="has no checkpoint; expected a run that has saved one"):
        run_script(monkeypatch, tmp_path / "run", tmp_path / "out")
    run = runs["mae"]
    token = np.full_like(run.params["encoder"]["class_token"], np.nan)
    broken = run.params | {"encoder": run.params["encoder"] | {"class_token": token}}
    with pytest.raises(InputError, match="class_token holds values that are not finite"):
        export(run._replace(params=broken), tmp_path / "out")
    assert not (tmp_path / "out").exists()
