"""The sections of images."""

import numpy as np

from ssl_jax.evaluation.modalities.image import principal_components, raw_input
from ssl_jax.evaluation.modalities.nearest_hole import nearest_hole
from ssl_jax.methods.base import Batch
from ssl_jax.report.sections.base import Subject
from ssl_jax.report.sections.kinds import Section
from ssl_jax.report.sections.networks import filters, patches
from ssl_jax.report.sections.pictures import made, nearest, viewed


def sections(subject: Subject) -> list[Section]:
    """Returns views, what the method makes of test images, neighbors, patches and first filters."""
    run = subject.data, subject.config, subject.findings.values
    reconstruct, fill = principal_components(*run), nearest_hole(*run)

    def yardsticks(batch: Batch) -> dict[str, np.ndarray]:
        found = {}
        if reconstruct is not None:
            title = f"from {subject.config.method.code} principal components"
            found[title] = reconstruct(batch["image"])
        if fill is not None:
            found["nearest neighbor"] = fill(batch["image"])
        return found

    found = nearest(subject, raw_input, lambda batch: batch["image"])
    return [
        *viewed(subject),
        *made(subject, yardsticks),
        *found,
        *patches(subject),
        *filters(subject),
    ]
