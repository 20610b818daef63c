"""Settings for a CPU: XLA's libraries, unless the user chose others, and memory that is kept."""

import os
import subprocess
import sys
from importlib import metadata

import pytest

from ssl_jax import cpu


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """An x86 machine that multiplies bfloat16, with jax 0.12 and no flags."""
    processor = tmp_path / "cpuinfo"
    processor.write_text("flags : fma avx2 avx512_bf16\n")
    monkeypatch.setattr(cpu, "_PROCESSOR", processor)
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(metadata, "version", lambda _: "0.12.3")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    return monkeypatch


def flags(bfloat16=False):
    cpu.set_flags(bfloat16)
    return os.environ.get("XLA_FLAGS")


VECTORS = "--xla_cpu_prefer_vector_width=512"
YNNPACK = "--xla_cpu_experimental_ynn_fusion_type="
ONEDNN = ["--xla_cpu_use_onednn=true", "--xla_cpu_experimental_onednn_custom_call=true"]


@pytest.mark.parametrize("version", ["0.12.3", "0.10.2"])
def test_flags_are_added_after_the_users_own(machine, version):
    machine.setattr(metadata, "version", lambda _: version)
    machine.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
    assert flags().split() == ["--xla_force_host_platform_device_count=8", VECTORS, YNNPACK]


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ("--xla_cpu_use_onednn=false", [VECTORS, YNNPACK, ONEDNN[1]]),
        (YNNPACK + "DOT", [VECTORS, *ONEDNN]),
        ("--xla_cpu_prefer_vector_width=256", [YNNPACK, *ONEDNN]),
        (f"{VECTORS} {YNNPACK}", ONEDNN),
    ],
)
def test_flags_that_the_user_sets_are_not_changed(machine, given, added):
    machine.setenv("XLA_FLAGS", given)
    assert flags(bfloat16=True) == " ".join([given, *added])


def test_onednn_needs_bfloat16_a_processor_that_multiplies_it_and_jax_0_12(machine, tmp_path):
    """A program that calls oneDNN cannot be cached for the next start."""
    assert flags(bfloat16=True).split()[2:] == ONEDNN
    machine.delenv("XLA_FLAGS")
    assert flags().split() == [VECTORS, YNNPACK]
    for version, words in (("0.10.2", "avx512_bf16"), ("0.12.3", "fma avx2")):
        machine.delenv("XLA_FLAGS")
        machine.setattr(metadata, "version", lambda _, version=version: version)
        (tmp_path / "cpuinfo").write_text(words)
        assert flags(bfloat16=True).split() == [VECTORS, YNNPACK]
    machine.delenv("XLA_FLAGS")
    (tmp_path / "cpuinfo").unlink()
    assert flags(bfloat16=True).split() == [VECTORS, YNNPACK]


@pytest.mark.parametrize("version", ["0.9.1", "0.11.0", "0.13.0", "1.0.0"])
def test_no_flags_are_set_for_unmeasured_versions_of_jax(machine, version):
    """XLA rejects flags that it does not know."""
    machine.setattr(metadata, "version", lambda _: version)
    assert flags() is None


def test_no_flags_are_set_on_other_processors(machine):
    machine.setattr(cpu.platform, "machine", lambda: "arm64")
    assert flags() is None


@pytest.mark.parametrize(("platforms", "is_tuned"), [("", False), ("cuda", False), ("cpu", True)])
def test_nothing_is_set_if_an_accelerator_is_used(machine, platforms, is_tuned):
    calls = []
    machine.setattr(cpu.importlib.util, "find_spec", lambda name: name == "jax_cuda13_plugin")
    machine.setattr(cpu, "keep_memory", lambda: calls.append("memory"))
    machine.setattr(cpu, "set_flags", lambda _: calls.append("flags"))
    machine.setenv("JAX_PLATFORMS", platforms)
    cpu.tune()
    assert calls == (["memory", "flags"] if is_tuned else [])


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


@pytest.mark.skipif(
    cpu.platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has these options"
)
@pytest.mark.parametrize(("option", "returned"), [({}, 0), ({"MALLOC_MMAP_MAX_": "65536"}, 128)])
def test_freed_memory_is_kept_unless_the_user_sets_an_option_of_malloc(option, returned):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | option,
        capture_output=True,
        text=True,
        check=True,
    )
    assert abs(float(done.stdout) - returned) < 8
