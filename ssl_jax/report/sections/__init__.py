"""The sections of a run's page that depend on the modality, by ``config.data.modality``."""

from ssl_jax.report.sections import image, text, video
from ssl_jax.report.sections.base import Subject as Subject

SECTIONS = {"image": image.sections, "text": text.sections, "video": video.sections}
