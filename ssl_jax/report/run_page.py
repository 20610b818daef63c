"""Collects the content of a run's page."""

from collections.abc import Mapping, Sequence

from ssl_jax.config import meanings
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.report.page import Page
from ssl_jax.report.sections import SECTIONS, Subject


def make_page(
    subject: Subject, metrics: Sequence[Mapping[str, float]], facts: Mapping[str, str]
) -> Page:
    """Returns the content of ``report.html``.

    Args:
      subject: the run and its evaluation.
      metrics: rows of ``metrics.jsonl``.
      facts: short facts under the title.
    """
    data, config, findings = subject.data, subject.config, subject.findings
    name = config.get("method", {}).get("name", "A method of your own")
    return Page(
        title=f"{name} on {config.data.name}",
        facts=facts,
        notes=data.notes
        + tuple(f"skipped: {path}: {reason}" for path, reason in sorted(data.unreadable.items())),
        metrics=metrics,
        values=findings.values,
        input_name=MODALITIES[config.data.modality].input_name,
        sections=SECTIONS[config.data.modality](subject),
        features=findings.test.z,
        labels=findings.test.y,
        label_names=data.label_names,
        predictions=findings.predictions,
        config=config.to_dict(),
        meanings=meanings(config),
    )
