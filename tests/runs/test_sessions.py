"""Settings of other people's sessions: debugging, 64 bits, an output of few characters."""

import io
import sys
from importlib import import_module

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ssl_jax
from ssl_jax import output
from ssl_jax.errors import InputError
from tests import tiny
from tests.runs import own


@pytest.fixture(scope="module")
def data():
    return tiny.data()


@pytest.fixture(scope="module")
def workdir(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    ssl_jax.fit(own.denoiser, data, own.config(), workdir=folder)
    return folder


def loaded(workdir, data):
    resolved = tiny.resolved(own.config(), data)
    return ssl_jax.load(workdir, method=own.denoiser(resolved))


def test_training_works_without_jit(data, workdir, tmp_path, monkeypatch):
    """Every operation then reads its constants, which the guard of a compiled step forbids."""
    monkeypatch.setattr(import_module("ssl_jax.runs.fit"), "evaluate_run", lambda *_: None)
    with jax.disable_jit():
        run = ssl_jax.fit(own.denoiser, data, own.config(), workdir=tmp_path / "run")
    chex.assert_trees_all_close(run.params, loaded(workdir, data).params, rtol=1e-3, atol=1e-5)


def test_debugging_nans_names_the_operation(data, tmp_path):
    def make(config):
        method = own.denoiser(config)

        def loss(params, extra, views, key, step):
            value, rest = method.loss(params, extra, views, key, step)
            return value + jnp.log(-1.0 - value), rest

        return method._replace(loss=loss)

    with jax.debug_nans(True), pytest.raises(FloatingPointError, match="nan"):
        ssl_jax.fit(make, data, own.config(), workdir=tmp_path / "run")


def test_a_run_loads_and_embeds_where_64_bits_are_on(data, workdir):
    images = data.test.take(np.arange(4))["image"]
    expected = loaded(workdir, data).embed(images)
    with jax.enable_x64(True):
        run = loaded(workdir, data)
        assert {x.dtype for x in jax.tree.leaves(run.params)} == {np.dtype(np.float32)}
        np.testing.assert_allclose(run.embed(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "strictly",
    [lambda: jax.numpy_rank_promotion("raise"), lambda: jax.numpy_dtype_promotion("strict")],
    ids=["ranks", "types"],
)
def test_training_and_features_are_the_same_where_promotion_is_strict(
    data, workdir, tmp_path, strictly
):
    images = data.test.take(np.arange(4))["image"]
    expected = loaded(workdir, data)
    with strictly():
        run = ssl_jax.fit(own.denoiser, data, own.config(), workdir=tmp_path / "run")
        features = loaded(workdir, data).embed(images)
    chex.assert_trees_all_equal(run.params, expected.params)
    np.testing.assert_array_equal(features, expected.embed(images))


def test_a_run_that_diverged_ends_in_one_line(data, tmp_path):
    def make(config):
        method = own.denoiser(config)

        def embed(params, extra, batch):
            return {"features": method.embed(params, extra, batch)["features"] / 0.0}

        return method._replace(embed=embed)

    message = r"^optimizer.learning_rate: the run has diverged, the features of 64 of 64 examples "
    with pytest.raises(InputError, match=message):
        ssl_jax.fit(make, data, own.config(), workdir=tmp_path / "run")
    assert not (tmp_path / "run/evaluation.json").exists()


def test_an_output_of_few_characters_gets_question_marks(monkeypatch):
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="cp1252", errors="strict")
    monkeypatch.setattr(sys, "stdout", stdout)
    output.console().print("lead \N{MINUS SIGN}1.0 ± 0.5 ✓")
    stdout.flush()
    assert written.getvalue().decode("cp1252").splitlines() == ["lead ?1.0 ± 0.5 ?"]
