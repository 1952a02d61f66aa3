"""Load a checkpoint's weights into a language model, tensor by tensor, straight to its device."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from benchmark.models.architecture import check_family, llama_config, llama_name
from benchmark.models.checkpoint import read_config, require_tokenizer, weight_files
from crossover.errors import UserError
from crossover.records.settings import Family

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ATTENTION = "sdpa"
"""transformers' own, until an engine chooses; judges and likelihood are read with it."""

INITIAL_SEED = 0
"""Random weights are the same every time."""

END_OF_TURN = "<|eot_id|>"
"""What the instruct models of both families end an answer with."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A transformer's body and head, and the ids that decoding needs.

    `body` maps token ids to hidden states of size D, `head` maps those to logits over the vocabulary.
    """

    body: nn.Module
    head: nn.Module
    device: torch.device
    context: int
    vocabulary: int
    mask_id: int | None
    weights_bytes: int
    whole: LlamaForCausalLM | None = None

    @property
    def llama(self) -> LlamaForCausalLM:
        """The transformers model that body and head are parts of, which only a model made by hand lacks."""
        assert self.whole is not None
        return self.whole


def load_model(folder: Path, family: Family, *, dtype: torch.dtype, device: torch.device) -> LanguageModel:
    """Build the model that `folder` holds.

    Raises:
        UserError: when the folder holds another architecture, or a weight is missing, extra or misshapen.
    """
    model, settings = _empty(folder, family)
    config = model.config
    tensors = dict(_read(folder, family, dtype, device))
    _check(folder, model, tensors, tied=config.tie_word_embeddings)
    model.load_state_dict(tensors, strict=False, assign=True)
    model.tie_weights()
    with device:
        model.model.rotary_emb = LlamaRotaryEmbedding(config)  # its buffers are in no checkpoint
    return _finish(model, settings, device)


def random_model(folder: Path, family: Family, *, dtype: torch.dtype, device: torch.device) -> LanguageModel:
    """The architecture of the config.json in `folder` with random weights, made on the device.

    Raises:
        UserError: when the config is of another architecture.
    """
    model, settings = _empty(folder, family)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(INITIAL_SEED)
        model.to(dtype=dtype).to_empty(device=device)  # type: ignore[call-arg] # transformers wraps torch's
        model.init_weights()
        model.tie_weights()
    with device:
        model.model.rotary_emb = LlamaRotaryEmbedding(model.config)  # in float32, as with a checkpoint
    return _finish(model, settings, device)


def _empty(folder: Path, family: Family) -> tuple[LlamaForCausalLM, dict[str, Any]]:
    """The model without memory for its weights, and the config.json that it was built from."""
    settings = read_config(folder)
    check_family(settings, family, str(folder))
    config = llama_config(settings, family, str(folder), attention=ATTENTION)
    with torch.device("meta"):
        return LlamaForCausalLM(config), settings


def _finish(model: LlamaForCausalLM, settings: dict[str, Any], device: torch.device) -> LanguageModel:
    model.eval().requires_grad_(requires_grad=False)
    return LanguageModel(
        body=model.model,
        head=model.lm_head,
        device=device,
        context=model.config.max_position_embeddings,
        vocabulary=model.config.vocab_size,
        mask_id=settings.get("mask_token_id"),
        weights_bytes=sum(parameter.nbytes for parameter in model.parameters()),
        whole=model,
    )


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer beside the weights. Runs no code of the checkpoint's.

    Raises:
        UserError: when the folder has none.
    """
    from transformers import PreTrainedTokenizerFast

    require_tokenizer(folder)
    return PreTrainedTokenizerFast.from_pretrained(str(folder))  # type: ignore[no-any-return]


def end_ids(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Tokens that end a sequence: the tokenizer's own, and the end of a turn where it has one."""
    ends = (tokenizer.eos_token_id, tokenizer.get_vocab().get(END_OF_TURN))
    return frozenset(end for end in ends if end is not None)


def _read(folder: Path, family: Family, dtype: torch.dtype, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt", device=str(device)) as tensors:
                for name in tensors.keys():  # noqa: SIM118 (a safetensors file is no mapping)
                    yield llama_name(name, family), tensors.get_tensor(name).to(dtype)
        except (SafetensorError, OSError) as error:
            raise UserError(f"checkpoint {folder}: {file.name} cannot be read ({error}); download it again") from error


def _check(folder: Path, model: nn.Module, tensors: dict[str, Tensor], *, tied: bool) -> None:
    expected: dict[str, Any] = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if tied:
        del expected["lm_head.weight"]
        tensors.pop("lm_head.weight", None)
    _refuse(folder, "missing", sorted(expected.keys() - tensors.keys()))
    _refuse(folder, "not known to this architecture", sorted(tensors.keys() - expected.keys()))
    for name, shape in expected.items():
        found = tuple(tensors[name].shape)
        if found != shape:
            raise UserError(f"checkpoint {folder}: {name} has the shape {found}, config.json asks for {shape}")


def _refuse(folder: Path, what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise UserError(f"checkpoint {folder}: the weight {names[0]}{more} is {what}; download the checkpoint again")
