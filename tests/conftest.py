"""Eight simulated CPU devices for every test; shapes and types of public functions are checked at run time."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

from jaxtyping import install_import_hook  # noqa: E402

_hook = install_import_hook(["ssl_jax.losses", "ssl_jax.augment"], "beartype.beartype")
