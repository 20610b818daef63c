"""A run can be pickled, for example to embed in other processes."""

import copy
import pickle

import chex
import numpy as np
import pytest

from ssl_jax import methods
from ssl_jax.runs.run import Run
from tests import fake_runs, tiny
from tests.methods.case import config_of
from tests.runs import own

IMAGES = tiny.data().test.take(np.arange(3))["image"]


def run_of(config, method):
    state = fake_runs.initial_state(method, config, tiny.data())
    return Run(config, method, state.params, state.extra, 5, {"notes": "none"})


@pytest.fixture(scope="module")
def run():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        config = config_of("byol", tiny.data())
        yield run_of(config, methods.make(config))


def test_a_pickled_run_embeds_equally(run):
    again = pickle.loads(pickle.dumps(run))
    assert type(again) is Run
    assert again.config.to_dict() == run.config.to_dict()
    assert again.config.is_locked == run.config.is_locked
    assert (again.step, again.assets) == (run.step, run.assets)
    chex.assert_trees_all_equal((again.params, again.extra), (run.params, run.extra))
    np.testing.assert_array_equal(again.embed(IMAGES), run.embed(IMAGES))


def test_a_run_can_be_copied(run):
    for again in (copy.copy(run), copy.deepcopy(run)):
        assert type(again) is Run
        chex.assert_trees_all_equal(again.params, run.params)


def test_a_run_is_still_a_tuple_and_can_be_changed(run):
    assert len(run) == len(Run._fields)
    assert pickle.loads(pickle.dumps(run._replace(step=6))).step == 6


def _double(params, extra, batch):
    return {"features": 2.0 * own.flat(batch["image"])}


def test_a_user_s_own_method_pickles_if_its_functions_do():
    config = tiny.resolved(own.config(), tiny.data())
    closures = run_of(config, own.denoiser(config))
    with pytest.raises((AttributeError, pickle.PicklingError), match="local object"):
        pickle.dumps(closures)
    plain = methods.Method(*[methods.no_update] * 4, embed=_double)
    again = pickle.loads(pickle.dumps(closures._replace(method=plain)))
    assert again.method == plain
