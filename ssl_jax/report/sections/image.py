"""The sections of images."""

import numpy as np

from ssl_jax.evaluation.modalities.image import principal_components, raw_input
from ssl_jax.methods.base import Batch
from ssl_jax.report.sections.base import Subject
from ssl_jax.report.sections.kinds import Section
from ssl_jax.report.sections.networks import filters, patches
from ssl_jax.report.sections.pictures import made, nearest, viewed


def sections(subject: Subject) -> list[Section]:
    """Returns views, what the method makes of test images, neighbors, patches and first filters."""
    reconstruct = principal_components(subject.data, subject.config, subject.findings.values)

    def yardstick(batch: Batch) -> dict[str, np.ndarray]:
        if reconstruct is None:
            return {}
        title = f"from {subject.config.method.code} principal components"
        return {title: reconstruct(batch["image"])}

    found = nearest(subject, raw_input, lambda batch: batch["image"])
    return [
        *viewed(subject),
        *made(subject, yardstick),
        *found,
        *patches(subject),
        *filters(subject),
    ]
