"""The kinds of data, by what ``config.data.modality`` names: the one place that tells them apart."""

from ssl_jax.evaluation.modalities import image, text, video
from ssl_jax.evaluation.modalities.base import Look as Look
from ssl_jax.evaluation.modalities.base import Modality as Modality

MODALITIES = {"image": image.IMAGE, "text": text.TEXT, "video": video.VIDEO}
