"""The raw-input baseline and the own scores of each modality, by ``config.data.modality``."""

from ssl_jax.evaluation.modalities import image, text, video
from ssl_jax.evaluation.modalities.base import Inputs as Inputs

INPUTS = {"image": image.IMAGE, "text": text.TEXT, "video": video.VIDEO}
