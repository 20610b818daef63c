import jax
import numpy as np

from ssl_jax import data, methods
from ssl_jax.evaluation.untrained import untrained
from tests import tiny


def test_initial_parameters_are_kept_and_batch_norm_statistics_collected():
    dataset = tiny.data()
    still = {"area": (1.0, 1.0), "strength": 0.0, "blur": 0.0}
    config = tiny.config(name="simclr", temperature=0.2, projector=(8,), augment=still)
    config = tiny.resolved(config, dataset)
    method, key = methods.make(config), jax.random.key(0)
    stream = data.training_batches(dataset, method.inputs, tiny.BATCH, seed=0)
    params, extra = untrained(method, stream, key, tiny.placement(8))
    stream.close()
    first, _ = method.init(key, None)
    jax.tree.map(np.testing.assert_array_equal, params, first)

    images = dataset.pretrain.take(np.arange(40))["image"] / 255.0
    both = np.concatenate([images, images[:, :, ::-1]])
    pixels = (both - config.data.mean[0]) / config.data.std[0]
    stem = jax.lax.conv_general_dilated(
        pixels.astype(np.float32),
        first["backbone"]["conv"]["kernel"],
        (2, 2),
        [(1, 1), (1, 1)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    collected = extra["backbone"]["norm"]
    np.testing.assert_allclose(collected["mean"], stem.mean((0, 1, 2)), atol=0.1)
    np.testing.assert_allclose(collected["var"], stem.var((0, 1, 2)), rtol=0.2, atol=0.05)
