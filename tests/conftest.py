"""Eight simulated CPU devices for every test; shapes and types of public functions are checked."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_CPU_ENABLE_ASYNC_DISPATCH"] = "false"  # eight devices on two cores can starve
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # nothing is left in the home folder
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=8",
        "--xla_cpu_collective_call_terminate_timeout_seconds=600",
        "--xla_backend_optimization_level=0",  # most of a test's time is compilation
    ]
)

from jaxtyping import install_import_hook

install_import_hook(["ssl_jax.losses", "ssl_jax.augment", "ssl_jax.nn"], "beartype.beartype")
