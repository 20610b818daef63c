"""What the mains set for a CPU: XLA's libraries, never over the user's word; memory is kept."""

import os
import subprocess
import sys
from importlib import metadata

import pytest

from ssl_jax import cpu


@pytest.fixture
def machine(monkeypatch):
    """An x86 machine with a JAX of 0.12 and no flags."""
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(metadata, "version", lambda _: "0.12.3")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    return monkeypatch


def flags():
    cpu.set_flags()
    return os.environ.get("XLA_FLAGS")


VECTORS = "--xla_cpu_prefer_vector_width=512"
YNNPACK = "--xla_cpu_experimental_ynn_fusion_type="
ONEDNN = ["--xla_cpu_use_onednn=true", "--xla_cpu_experimental_onednn_custom_call=true"]


@pytest.mark.parametrize(("version", "wanted"), [("0.12.3", ONEDNN), ("0.10.2", [])])
def test_flags_come_behind_the_user_s_others(machine, version, wanted):
    machine.setattr(metadata, "version", lambda _: version)
    machine.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
    given, *added = flags().split()
    assert given == "--xla_force_host_platform_device_count=8"
    assert added == [VECTORS, YNNPACK, *wanted]


@pytest.mark.parametrize(
    "word", ["--xla_cpu_use_onednn=false", YNNPACK + "DOT", "--xla_cpu_prefer_vector_width=256"]
)
def test_the_user_s_word_stays(machine, word):
    machine.setenv("XLA_FLAGS", word)
    assert flags() == word


@pytest.mark.parametrize("version", ["0.9.1", "0.11.0", "0.13.0", "1.0.0"])
def test_nothing_is_set_for_a_jax_that_was_not_measured(machine, version):
    """XLA refuses flags that it does not know."""
    machine.setattr(metadata, "version", lambda _: version)
    assert flags() is None


def test_nothing_is_set_on_another_processor(machine):
    machine.setattr(cpu.platform, "machine", lambda: "arm64")
    assert flags() is None


@pytest.mark.parametrize(("chosen", "set_"), [("", False), ("cuda", False), ("cpu", True)])
def test_nothing_is_set_beside_an_accelerator(machine, chosen, set_):
    calls = []
    machine.setattr(cpu.importlib.util, "find_spec", lambda name: name == "jax_cuda13_plugin")
    machine.setattr(cpu, "keep_memory", lambda: calls.append("memory"))
    machine.setattr(cpu, "set_flags", lambda: calls.append("flags"))
    machine.setenv("JAX_PLATFORMS", chosen)
    cpu.tune()
    assert calls == (["memory", "flags"] if set_ else [])


_PROGRAM = """
import ctypes
from ssl_jax import cpu
cpu.keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
block = libc.malloc(ctypes.c_size_t(2**27))
ctypes.memset(block, 1, 2**27)
held = megabytes()
libc.free(ctypes.c_void_p(block))
print(held - megabytes())
"""


@pytest.mark.skipif(cpu.platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone")
@pytest.mark.parametrize(("option", "returned"), [({}, 0), ({"MALLOC_MMAP_MAX_": "65536"}, 128)])
def test_freed_memory_is_kept_unless_the_user_has_a_word_on_malloc(option, returned):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | option,
        capture_output=True,
        text=True,
        check=True,
    )
    assert abs(float(done.stdout) - returned) < 8
