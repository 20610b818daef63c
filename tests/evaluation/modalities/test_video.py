import numpy as np

from ssl_jax.data.dataset import gather
from ssl_jax.evaluation.modalities import INPUTS
from tests import tiny


def test_the_raw_input_is_the_pixels_of_the_first_the_middle_and_the_last_frame():
    data = tiny.clips()
    batch = gather(data.test, np.arange(5))
    found = np.asarray(INPUTS["video"].raw(tiny.resolved(tiny.config(), data).data)(batch))
    assert len(found) == 5
    for row, clip in zip(found, batch["video"], strict=True):
        frames = [clip[i].astype(np.float64).ravel() / 255 for i in (0, 3, 6)]
        np.testing.assert_allclose(row, np.concatenate(frames), rtol=1e-6)
