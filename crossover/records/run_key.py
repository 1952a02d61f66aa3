"""The key of a run: a hash of everything that changes its result."""

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any

from crossover.records.policies import QUOTA, Blocks, Policy, Rows
from crossover.records.settings import Attention, Engine, Weights

_UNSET = {
    "encoder": None,
    "likelihood": None,
    "engine": Engine.eager,
    "attention": Attention.sdpa,
    "weights": Weights.checkpoint,
    "stopping": None,
    "profile": False,
    "staleness": False,
    "threads": None,
    "timed_share": None,
    "settle_s": None,
}
"""Settings that are younger than the first records, with the values that those records were measured with."""
_UNSET_OF_DIFFUSION = {
    "policy": asdict(QUOTA),
    "cache": None,
    "rows": Rows.together,
    "blocks": Blocks.output,
    "sub_block_length": None,
    "causal_context": False,
}
"""The same of the settings of diffusion."""
_UNSET_OF_PROMPTS = {"rule": None, "chat": False, "shots": None, "template": None}
"""The same of the prompts."""
_FIRST_KNOBS = {"name", "threshold", "factor", "factor_rule", "gamma"}
_UNSET_OF_POLICY = {each.name: None for each in fields(Policy) if each.name not in _FIRST_KNOBS}
"""The same of a policy."""


def key_of(identity: dict[str, Any], *, is_seeded: bool) -> str:
    """The key of a run with these fields, as `asdict` gives them; `is_seeded` where the seed changes its result.

    The contents of checkpoints and prompts change the result, and so does who scores. Where a judge or an encoder lives
    does not, nor what a run demands of its machine. What came after the
    first records counts only where it is set, so that those keep their keys.
    """
    del identity["model"]["name"], identity["model"]["variant"], identity["gpu"], identity["strict"]
    del identity["model"]["architecture"]
    for scorer in (identity["judge"], identity["encoder"]):
        if scorer is not None:
            del scorer["device"]
    for read in (identity["model"], identity["prompts"], identity["judge"], identity["encoder"]):
        if read is not None and read["content"] is None:
            del read["content"]
    _leave_out(identity["prompts"], _UNSET_OF_PROMPTS)
    _leave_out(identity, _UNSET)
    if identity["diffusion"] is not None:
        _leave_out(identity["diffusion"], _UNSET_OF_DIFFUSION)
        _leave_out(identity["diffusion"].get("policy", {}), _UNSET_OF_POLICY)
    if not is_seeded:
        del identity["seed"]
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _leave_out(identity: dict[str, Any], unset: dict[str, Any]) -> None:
    """Drop the settings that have their default value."""
    for name, value in unset.items():
        if identity.get(name, ...) == value:
            del identity[name]
