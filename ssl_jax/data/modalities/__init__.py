"""The kinds of data, by their name in ``config.data.modality``, and what an example of each is.

``ssl_jax.evaluation.modalities`` has the baselines of each modality, ``ssl_jax.report.sections``
its part of the page.
"""

from ssl_jax import settings
from ssl_jax.data.modalities import image, text, video
from ssl_jax.data.modalities.base import Modality as Modality

MODALITIES = {"image": image.IMAGE, "text": text.TEXT, "video": video.VIDEO}
SETTINGS = {"modality": settings.choice("image", "kind of data; set by loading", (*MODALITIES,))}
