"""Where small computations run: on the CPU, if JAX has one beside the default device."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.placement import on_the_host


def test_the_host_computes_whatever_the_default_device():
    """Another CPU device stands for the accelerator."""
    host, accelerator = jax.devices()[0], jax.devices()[5]
    with jax.default_device(accelerator):
        key = jax.random.key(0)
        with on_the_host():
            x = jax.random.normal(key, (3,))
        assert (key.device, x.device) == (accelerator, host)
        assert (x + jnp.ones(3)).device == accelerator
    np.testing.assert_array_equal(x, jax.random.normal(jax.random.key(0), (3,)))


def test_without_a_cpu_backend_the_default_device_computes(monkeypatch):
    def no_backend(**_):
        raise RuntimeError("Unknown backend cpu")

    monkeypatch.setattr(jax, "local_devices", no_backend)
    with jax.default_device(jax.devices()[5]), on_the_host():
        assert jnp.zeros(3).device == jax.devices()[5]
