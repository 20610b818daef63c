"""The share of time that the devices wait for data, with a fake clock and in a real loop."""

import io
import time
from concurrent.futures import Future

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from ssl_jax.methods.base import Method, no_update
from ssl_jax.train import feed, loop, optim
from ssl_jax.train.feed import Feed
from ssl_jax.train.metrics import read
from ssl_jax.train.state import create
from tests import tiny


def init(key, batch):
    return {"w": jnp.ones(())}, {}


def views(key, batch):
    return {"image": batch["image"][None] / 255}


def loss(params, extra, views, key, step):
    return (params["w"] * views["image"]).mean(), (extra, {})


METHOD = Method(init, views, loss, no_update, None)


class AtOnce:
    """An executor without a thread: a step ends when it is watched."""

    def __init__(self, *_, **__):
        pass

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future

    def shutdown(self):
        pass


class Step:
    """Stands in for the loss of a step that ends after some seconds."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds

    def block_until_ready(self):
        time.sleep(self.seconds)


def stream(seconds: float = 0.0):
    while True:
        time.sleep(seconds)
        yield {"image": np.zeros((8, 2), np.uint8)}


def by_clock(monkeypatch, *times: float) -> Feed:
    """A feed whose clock returns these times, one per call."""
    monkeypatch.setattr(feed, "ThreadPoolExecutor", AtOnce)
    return Feed(stream(), tiny.placement(8), clock=iter(times).__next__)


def test_the_wait_for_the_first_batch_and_the_compilation_does_not_count(monkeypatch):
    fed = by_clock(monkeypatch, 0, 50, 90, 91, 92, 100)
    fed.next()  # requested at 0, arrived at 50
    fed.watch({"loss": Step()})  # dispatched at 90, ended at 91
    assert fed.starved() == 0
    assert fed.starved_so_far() == 0
    fed.close()


@pytest.mark.parametrize(
    ("asked", "there", "ended", "share"),
    [
        (10, 16, 12, 0.4),  # the devices wait from the end of the step
        (10, 16, 8, 0.6),  # but not while the loop has not requested a batch
        (10, 12, 16, 0.0),  # the batch arrives before the step ends
        (10, 16, 16, 0.0),
    ],
)
def test_the_wait_lasts_from_the_end_of_a_step_until_the_batch_arrives(
    monkeypatch, asked, there, ended, share
):
    fed = by_clock(monkeypatch, 0, 0, 7, ended, asked, there, 17, 27, 27)
    fed.next()
    fed.watch({"loss": Step()})  # dispatched at 7
    fed.next()
    assert fed.starved() == pytest.approx(share)  # from 7 to 17
    assert fed.starved() == 0  # from 17 to 27
    assert fed.starved_so_far() == pytest.approx(share / 2)
    fed.close()


@pytest.mark.parametrize(
    ("reading", "step", "low", "high"),
    [(0.05, 0.0, 0.7, 1.0), (0.05, 0.025, 0.25, 0.75), (0.0, 0.05, 0.0, 0.1)],
    ids=["starved", "half", "fed"],
)
def test_the_share_of_waiting_on_real_threads(reading, step, low, high):
    fed = Feed(stream(reading), tiny.placement(8))
    for _ in range(12):
        fed.next()
        fed.watch({"loss": Step(step)})
    assert low <= fed.starved() <= high
    fed.close()


def test_closing_ends_the_stream_and_the_thread():
    source = stream()
    fed = Feed(source, tiny.placement(8))
    fed.next()
    fed.watch({"loss": Step(0.01)})
    fed.close()
    assert next(source, None) is None
    assert not any(thread.is_alive() for thread in fed._watcher._threads)


def train(workdir, monkeypatch, batches) -> str:
    """Runs six steps of the loop on a stream; returns what it printed."""
    data, base = tiny.data(), tiny.config()
    base.train.update({"steps": 6, "checkpoint_every": 6})
    config = tiny.resolved(base, data)
    placement, optimizer, out = tiny.placement(8), optim.make(config), io.StringIO()
    monkeypatch.setattr(loop, "training_batches", batches)
    state = placement.put_state(create(METHOD, optimizer, jax.random.key(0), tiny.batch(data)))
    console = Console(file=out, width=300)
    loop.train(METHOD, optimizer, state, data, config, workdir, placement, console)
    return out.getvalue()


def test_a_run_that_waits_for_data_says_so_in_its_rows_and_at_its_end(tmp_path, monkeypatch):
    def slow(data, *_, **__):
        for _ in iter(int, 1):
            time.sleep(0.3)
            yield tiny.batch(data)

    printed = train(tmp_path, monkeypatch, slow)
    waits = [row["input_wait"] for row in read(tmp_path)]
    assert waits[0] == 0
    assert all(feed.STARVED < wait <= 1 for wait in waits[1:])
    assert "% of the time\ntraining waited for data" in printed
    assert "data.cache_mib" in printed


def test_a_run_that_does_not_wait_says_nothing(tmp_path, monkeypatch):
    def fast(data, *_, **__):
        batch = tiny.batch(data)
        while True:
            yield batch

    real = loop.make_step

    def slower(*arguments):
        step = real(*arguments)

        def timed(*inputs):
            time.sleep(0.1)
            return jax.block_until_ready(step(*inputs))

        return timed

    monkeypatch.setattr(loop, "make_step", slower)
    printed = train(tmp_path, monkeypatch, fast)
    assert all(row["input_wait"] <= feed.STARVED for row in read(tmp_path))
    assert "waiting for data" not in printed
    assert "training waited" not in printed
