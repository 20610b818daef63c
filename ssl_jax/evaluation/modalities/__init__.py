"""The kinds of data, by ``config.data.modality``: the one place that tells them apart."""

from ssl_jax.evaluation.modalities import image, text, video
from ssl_jax.evaluation.modalities.base import Look as Look
from ssl_jax.evaluation.modalities.base import Modality as Modality

MODALITIES = {"image": image.IMAGE, "text": text.TEXT, "video": video.VIDEO}
