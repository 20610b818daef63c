"""Tests run on eight simulated CPU devices, except ``-m gpu``; array types are checked."""

import os

from jaxtyping import install_import_hook

install_import_hook(["ssl_jax.losses", "ssl_jax.augment", "ssl_jax.nn"], "beartype.beartype")

CPU = {
    "JAX_PLATFORMS": "cpu",
    "JAX_CPU_ENABLE_ASYNC_DISPATCH": "false",  # eight devices on two cores can starve each other
    "JAX_ENABLE_COMPILATION_CACHE": "false",  # leave nothing in the home folder
    "XLA_FLAGS": " ".join(
        [
            os.environ.get("XLA_FLAGS", ""),
            "--xla_force_host_platform_device_count=8",
            "--xla_cpu_collective_call_terminate_timeout_seconds=600",
            "--xla_backend_optimization_level=0",  # compilation takes most of a test's time
        ]
    ),
}


def pytest_addoption(parser):
    parser.addoption(
        "--all-methods", action="store_true", help="with -m gpu: every method, not one per family"
    )


def pytest_configure(config):
    """Sets the variables before anything imports JAX, which reads them."""
    if config.option.markexpr != "gpu":
        os.environ.update(CPU)


def pytest_generate_tests(metafunc):
    if "method" in metafunc.fixturenames and metafunc.module.__name__.startswith("tests.gpu."):
        chosen = "ALL" if metafunc.config.option.all_methods else "ONE_PER_FAMILY"
        metafunc.parametrize("method", getattr(metafunc.module, chosen))
