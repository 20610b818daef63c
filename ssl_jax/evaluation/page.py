"""From a run to the content of the page that shows it."""

from collections.abc import Mapping, Sequence

from ssl_jax.evaluation.modalities import MODALITIES, Look
from ssl_jax.evaluation.report import Page


def make_page(look: Look, metrics: Sequence[Mapping[str, float]], facts: Mapping[str, str]) -> Page:
    """Everything that ``report.html`` shows of a run.

    Args:
      look: the run and what its evaluation found.
      metrics: rows of ``metrics.jsonl``.
      facts: short lines under the title.

    Returns:
      The page's content.
    """
    data, config, findings = look.data, look.config, look.findings
    modality = MODALITIES[config.data.modality]
    name = config.get("method", {}).get("name", "A method of your own")
    return Page(
        title=f"{name} on {config.data.name}",
        facts=facts,
        notes=data.notes + tuple(f"skipped as unreadable: {path}" for path in data.unreadable),
        metrics=metrics,
        values=findings.values,
        input_name=modality.input_name,
        sections=modality.sections(look),
        features=findings.test.z,
        labels=findings.test.y,
        label_names=data.label_names,
        predictions=findings.predictions,
        config=config.to_dict(),
    )
