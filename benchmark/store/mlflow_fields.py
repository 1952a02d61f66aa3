"""The parts of a record that its MLflow run shows: parameters, tags, texts; and the saved view of the table."""

import json
from dataclasses import asdict
from typing import Any

from crossover.records.record import Record
from crossover.records.settings import Diffusion
from crossover.records.texts import Generated

LONGEST_TAG = 5000
"""Characters that every version of MLflow takes."""

VIEW = "sweep"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
"""MLflow's own tag for a saved view of the run table, which would show no metrics otherwise."""

VIEW_METRICS = (
    "latency/e2e_s",
    "throughput/tok_per_s",
    "max_memory_reserved",
    "quality/bits_per_byte",
    "human/bits_per_byte",
    "likelihood/sampler_bits_per_byte",
    "quality/perplexity",
    "quality/entropy_nats",
)


def parameters(record: Record) -> dict[str, Any]:
    """The run's settings, flat; settings that the run does not have are left out."""
    run = asdict(record.run)
    nested = {
        group: run.pop(group) or {} for group in ("model", "diffusion", "prompts", "judge", "encoder", "likelihood")
    }
    flat = {
        "model": record.run.model.label,
        **nested["diffusion"],
        **_policy(record.run.diffusion),
        **run,
        "replicate": record.replicate,
        "prompt_tokens": record.run.prompt_tokens,
        "output_tokens": record.run.output_tokens,
        "checkpoint": nested["model"]["checkpoint"],
        "prompts": nested["prompts"]["source"],
        **{f"prompts_{name}": nested["prompts"][name] or None for name in ("rule", "chat", "shots")},
        "judge": nested["judge"].get("checkpoint"),
        "encoder": nested["encoder"].get("checkpoint"),
        "encoder_layer": nested["encoder"].get("layer"),
        **{f"likelihood_{name}": value for name, value in nested["likelihood"].items()},
    }
    return {name: getattr(value, "value", value) for name, value in flat.items() if value is not None}


def _policy(diffusion: Diffusion | None) -> dict[str, Any]:
    """Policy and cache in a word each, with their knobs; a cache that is an approximation is called lossy."""
    if diffusion is None:
        return {}
    return {"policy": diffusion.policy.label, "cache": None if diffusion.cache is None else diffusion.cache.label}


def labels(record: Record) -> dict[str, str]:
    """Tags: the sweep, the run's key, where it ran, its fingerprint, and how it ended."""
    tags = {"sweep": record.sweep, "key": record.key}
    tags |= _facts({"replicate": record.replicate, "attempt": record.attempt})
    if record.environment is not None:
        tags |= _facts(asdict(record.environment))
    if record.fingerprint is not None:
        tags |= _facts(asdict(record.fingerprint))
    if record.measurement is not None and record.measurement.watched is not None:
        tags |= _facts({"verdict": record.measurement.watched.verdict, "why": record.measurement.watched.why})
        tags |= _facts({"stopped_by": record.measurement.stopped_by})
    if record.measurement is not None:
        tags |= _facts({"fallback": record.measurement.fallback})
    if record.run.timed_share is not None:
        tags["timing"] = "composed"
    if record.rescored_from is not None:
        tags["rescored_from"] = record.rescored_from
    if record.failure is not None:
        tags |= {"failure": record.failure.kind.value, "reason": record.failure.message}
    return tags


def _facts(known: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """The known facts as tags. A fact inside another is named by both, such as card.form."""
    tags: dict[str, str] = {}
    for name, value in known.items():
        if isinstance(value, dict):
            tags |= _facts(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | list):
            tags[f"{prefix}{name}"] = " ".join(map(str, value))
        elif value is not None:
            tags[f"{prefix}{name}"] = str(value)[:LONGEST_TAG]
    return tags


def as_markdown(generated: tuple[Generated, ...]) -> str:
    """The texts in Markdown: prompt, the model's continuation, the author's continuation."""
    return "\n\n".join(
        f"## {text.prompt_id}\n\n**Prompt:** {text.prompt}\n\n**Generated:** {text.continuation}\n\n"
        + (f"**Answer:** {' or '.join(text.answers)}" if text.answers else f"**Reference:** {text.reference}")
        for text in generated
    )


def view() -> str:
    """The value of the tag that saves the view."""
    columns = [f"metrics.`{name}`" for name in VIEW_METRICS] + [
        "params.`model`",
        "params.`steps`",
        "params.`batch`",
        "params.`replicate`",
        "tags.`verdict`",
        "tags.`fallback`",
    ]
    state = {"selectedColumns": columns, "runsHiddenMode": "SHOWALL"}
    return json.dumps({"name": VIEW, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})
