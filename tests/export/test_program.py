"""The exported program computes a run's features anywhere JAX runs."""

import functools
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import methods
from ssl_jax.export import program
from ssl_jax.runs.run import Run
from tests import fake_runs, tiny
from tests.methods.case import case_of, config_of
from tests.runs import own

LAYERS = {
    "byol": ("stage1", "features"),
    "mae": ("block1", "features"),
    "frame_order": ("features",),
    "next_word": ("block1", "features"),
}


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield


@functools.cache
def exported(name: str) -> tuple[Run, program.Program, np.ndarray]:
    """Returns an untrained run, its program, and seven inputs as the data holds them."""
    data = case_of(name).data()
    config = config_of(name, data)
    config.evaluation.layers = LAYERS[name]
    method = methods.make(config)
    state = fake_runs.initial_state(method, config, data)
    run = Run(config, method, state.params, state.extra, 1, data.assets)
    inputs = data.test.take(np.arange(7))[program.input_of(run)[0]]
    return run, program.serialize(run), inputs


def as_input(inputs):
    return np.float32(inputs / 255) if inputs.dtype == np.uint8 else inputs


def call(content: bytes, inputs: np.ndarray) -> dict[str, np.ndarray]:
    return jax.device_get(jax.export.deserialize(bytearray(content)).call(inputs))


@pytest.mark.parametrize("name", LAYERS)
def test_the_features_are_the_run_s(name):
    run, serialized, inputs = exported(name)
    batch = {program.input_of(run)[0]: jnp.asarray(inputs)}
    layers = jax.jit(run.method.embed)(run.params, run.extra, batch)
    expected = np.concatenate([layers[x] for x in run.config.evaluation.layers], axis=1)
    assert serialized.sizes == {"features": expected.shape[1]}
    for count in (1, 7):
        found = call(serialized.content, as_input(inputs[:count]))
        assert found.keys() == {"features"}
        assert found["features"].dtype == np.float32
        np.testing.assert_allclose(found["features"], expected[:count], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_it_runs_on_every_platform_and_names_no_folder_of_this_machine(name):
    content = exported(name)[1].content
    loaded = jax.export.deserialize(bytearray(content))
    assert loaded.platforms == ("cpu", "cuda", "rocm", "tpu")
    assert not loaded.disabled_safety_checks
    assert str(loaded.in_avals[0].shape[0]) == "n"
    assert b"ssl_jax/" not in content


@pytest.mark.parametrize("name", LAYERS)
def test_it_holds_the_encoder_s_weights_and_no_others(name):
    run, serialized, _ = exported(name)
    params, stats = run.method.backbone(run.params, run.extra)
    size = sum(x.nbytes for x in jax.tree.leaves((params, stats)))
    assert size < len(serialized.content) < size + 30_000
    kept = {np.asarray(x).tobytes() for x in jax.tree.leaves(params)}
    others = {np.asarray(x).tobytes() for x in jax.tree.leaves((run.params, run.extra))} - kept
    drawn = [x for x in others if len(x) > 200 and len(set(x)) > 10]
    assert not any(x in serialized.content for x in drawn)
    drawn = [x for x in kept if len(x) > 200 and len(set(x)) > 10]
    assert drawn
    assert all(x in serialized.content for x in drawn)


def test_any_pixels_give_the_features_that_the_run_computes_from_them():
    run, serialized, _ = exported("byol")
    images = np.random.default_rng(0).uniform(size=(3, 8, 8, 1)).astype(np.float32)
    found = call(serialized.content, images)["features"]
    np.testing.assert_allclose(found, run.embed(images), rtol=1e-5, atol=1e-5)


PROGRAM = """
import sys
import jax, numpy as np
program = jax.export.deserialize(bytearray(open("encoder.stablehlo", "rb").read()))
for count in (1, 7):
    images, expected = np.load("images.npy")[:count], np.load("expected.npy")[:count]
    print(abs(program.call(images)["features"] - expected).max())
print([name for name in sys.modules if name.startswith(("ssl_jax", "flax"))])
"""


def test_a_process_with_jax_alone_computes_the_features(tmp_path):
    run, serialized, images = exported("mae")
    np.save(tmp_path / "images.npy", np.float32(images / 255))
    np.save(tmp_path / "expected.npy", run.embed(images))
    (tmp_path / "encoder.stablehlo").write_bytes(serialized.content)
    words = [sys.executable, "-I", "-c", PROGRAM]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *differences, modules = done.stdout.splitlines()
    assert all(float(difference) < 1e-5 for difference in differences)
    assert (len(differences), modules) == (2, "[]")


def test_a_run_that_classifies_returns_logits_too():
    data = tiny.data()
    config = tiny.resolved(own.config(), data)
    method = own.classifier(config)

    def predict(params, extra, batch):
        return own.encoded(params, extra, batch)["features"] @ params["head"]["kernel"]

    rng = np.random.default_rng(0)
    params = {
        "encoder": {"kernel": rng.normal(size=(own.PIXELS, own.WIDTH)).astype(np.float32)},
        "head": {"kernel": rng.normal(size=(own.WIDTH, own.CLASSES)).astype(np.float32)},
    }
    predicting = SimpleNamespace(**(method._asdict() | {"predict": predict}))
    serialized = program.serialize(Run(config, predicting, params, {}, 4))
    assert serialized.sizes == {"features": own.WIDTH, "logits": own.CLASSES}
    images = data.test.take(np.arange(4))["image"]
    found = call(serialized.content, as_input(images))
    features = own.flat(images) @ params["encoder"]["kernel"]
    np.testing.assert_allclose(found["features"], features, rtol=1e-5, atol=1e-5)
    logits = features @ params["head"]["kernel"]
    np.testing.assert_allclose(found["logits"], logits, rtol=1e-5, atol=1e-5)
