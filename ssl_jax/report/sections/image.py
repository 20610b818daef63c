"""The sections of images."""

from ssl_jax.evaluation.modalities.image import raw_input
from ssl_jax.report.sections.base import Subject
from ssl_jax.report.sections.kinds import Section
from ssl_jax.report.sections.networks import filters, patches
from ssl_jax.report.sections.pictures import made, nearest, viewed


def sections(subject: Subject) -> list[Section]:
    """Returns views, what the method makes of test images, neighbors, patches and first filters."""
    found = nearest(subject, raw_input, lambda batch: batch["image"])
    return [*viewed(subject), *made(subject), *found, *patches(subject), *filters(subject)]
