"""The sections of clips."""

from ssl_jax.evaluation.modalities.video import raw_input
from ssl_jax.report.sections.base import Subject
from ssl_jax.report.sections.kinds import Section
from ssl_jax.report.sections.pictures import made, nearest, viewed


def sections(subject: Subject) -> list[Section]:
    """Returns views, what the method makes of test clips, and nearest neighbors.

    Neighbors are shown by their middle frames.
    """
    middle = subject.config.data.frames // 2
    found = nearest(subject, raw_input, lambda batch: batch["video"][:, middle])
    return [*viewed(subject), *made(subject), *found]
