"""What of a record goes into its MLflow run: parameters, tags, texts, and the saved view of the table."""

import json
from dataclasses import asdict
from typing import Any

from benchmark.record import Generated, Record

VIEW = "sweep"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
"""MLflow's own tag for a saved view of the run table, which would show no metrics otherwise."""

VIEW_METRICS = (
    "latency/e2e_s",
    "throughput/tok_per_s",
    "max_memory_reserved",
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
        "model": nested["model"]["name"],
        **nested["diffusion"],
        **run,
        "prompt_tokens": record.run.prompt_tokens,
        "output_tokens": record.run.output_tokens,
        "checkpoint": nested["model"]["checkpoint"],
        "prompts": nested["prompts"]["source"],
        "judge": nested["judge"].get("checkpoint"),
        "encoder": nested["encoder"].get("checkpoint"),
        "encoder_layer": nested["encoder"].get("layer"),
        **{f"likelihood_{name}": value for name, value in nested["likelihood"].items()},
    }
    return {name: getattr(value, "value", value) for name, value in flat.items() if value is not None}


def labels(record: Record) -> dict[str, str]:
    """Tags: the sweep, the run's key, where it ran, and how it ended."""
    tags = {"sweep": record.sweep, "key": record.key}
    if record.environment is not None:
        tags |= {name: str(value) for name, value in asdict(record.environment).items() if value is not None}
    if record.rescored_from is not None:
        tags["rescored_from"] = record.rescored_from
    if record.failure is not None:
        tags |= {"failure": record.failure.kind.value, "reason": record.failure.message}
    return tags


def as_markdown(generated: tuple[Generated, ...]) -> str:
    """The texts as a person reads them: prompt, what the model wrote, what the author wrote."""
    return "\n\n".join(
        f"## {text.prompt_id}\n\n**Prompt:** {text.prompt}\n\n**Generated:** {text.continuation}\n\n"
        f"**Reference:** {text.reference}"
        for text in generated
    )


def view() -> str:
    """The value of the tag that saves the view."""
    columns = [f"metrics.`{name}`" for name in VIEW_METRICS] + ["params.`model`", "params.`steps`", "params.`batch`"]
    state = {"selectedColumns": columns, "runsHiddenMode": "SHOWALL"}
    return json.dumps({"name": VIEW, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})
