"""Load a checkpoint's weights into a language model, tensor by tensor, straight to its device."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from benchmark.models.architecture import Architecture, architecture_of, layout_of, module_name
from benchmark.models.checkpoint import advice, read_config, require_tokenizer, tokenizer_files
from benchmark.models.layouts import Layout, Pattern
from benchmark.models.modules import MODELS, CausalModel, attend_by_pattern, module_config
from benchmark.models.weights import check_checkpoint
from benchmark.models.weights import tensors as tensors_of
from crossover.errors import BrokenProtocolError, UserError, first_line
from crossover.records.settings import Family

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ATTENTION = "sdpa"
"""transformers' own, until an engine chooses; judges and likelihood are read with it."""

PROBE_TOKENS = 8
INITIAL_SEED = 0
"""Random weights are the same every time."""

END_OF_TURN = "<|eot_id|>"
"""What the instruct models of both families end an answer with."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A transformer's body and head, and the ids that decoding needs.

    `body` maps token ids to hidden states of size D, `head` maps those to logits over the vocabulary. The body attends
    by the architecture's pattern. Where that is shifted, the logits of a position are read at the one before it.
    """

    body: nn.Module
    head: nn.Module
    device: torch.device
    context: int
    vocabulary: int
    mask_id: int | None
    weights_bytes: int
    whole: CausalModel | None = None
    known: Architecture | None = None

    @property
    def architecture(self) -> Architecture:
        """What the model computes, which only a model made by hand lacks."""
        assert self.known is not None
        return self.known

    @property
    def attends_in_blocks(self) -> bool:
        """Whether every pass of the modules has a mask of blocks."""
        return self.known is not None and self.known.pattern is Pattern.block_causal

    @property
    def is_shifted(self) -> bool:
        """Whether the logits of a position are read at the one before it."""
        return self.known is not None and self.known.is_shifted

    @property
    def llama(self) -> CausalModel:
        """The transformers model that body and head are parts of, which only a model made by hand lacks."""
        assert self.whole is not None
        return self.whole


def load_model(
    folder: Path, family: Family, *, dtype: torch.dtype, device: torch.device, block_length: int | None = None
) -> LanguageModel:
    """Build the model that `folder` holds. `block_length` is for block-causal ones whose config.json names none.

    Raises:
        UserError: when the folder holds another architecture, or a weight is missing, extra or misshapen.
        BrokenProtocolError: when weights or logits are not finite.
    """
    check_checkpoint(folder, family, str(folder))
    model, architecture = _empty(folder, family, block_length)
    layout = layout_of(read_config(folder), family, str(folder))
    model.load_state_dict(dict(_read(folder, layout, dtype, device)), strict=False, assign=True)
    model.tie_weights()
    loaded = _finish(model, architecture, device)
    _check_logits(folder, loaded)
    return loaded


def random_model(
    folder: Path, family: Family, *, dtype: torch.dtype, device: torch.device, block_length: int | None = None
) -> LanguageModel:
    """The architecture of the config.json in `folder` with random weights, made on the device.

    Raises:
        UserError: when the config is of another architecture.
    """
    model, architecture = _empty(folder, family, block_length)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(INITIAL_SEED)
        model.to(dtype=dtype).to_empty(device=device)  # type: ignore[call-arg] # transformers wraps torch's
        model.init_weights()  # type: ignore[no-untyped-call] # transformers is typed in part
        model.tie_weights()
    return _finish(model, architecture, device)


def _empty(folder: Path, family: Family, block_length: int | None) -> tuple[CausalModel, Architecture]:
    """The model without memory for its weights, and what it computes."""
    settings = read_config(folder)
    architecture = architecture_of(settings, family, str(folder), block_length=block_length)
    architecture.require_blocks(str(folder))
    config = module_config(settings, family, str(folder), attention=ATTENTION)
    try:
        with torch.device("meta"):
            return MODELS[architecture.modules](config), architecture
    except (KeyError, ValueError, TypeError, AssertionError, RuntimeError, ZeroDivisionError) as error:
        raise UserError(f"checkpoint {folder}: config.json makes no model ({first_line(error)}): correct it") from error


def _finish(model: CausalModel, architecture: Architecture, device: torch.device) -> LanguageModel:
    with device:  # buffers are in no checkpoint, and in float32 whatever the weights are
        model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
    attend_by_pattern(model, architecture)
    model.eval()  # type: ignore[no-untyped-call] # likewise
    model.requires_grad_(requires_grad=False)
    return LanguageModel(
        body=model.model,
        head=model.lm_head,
        device=device,
        context=model.config.max_position_embeddings,
        vocabulary=model.config.vocab_size,
        mask_id=architecture.mask_id,
        weights_bytes=sum(parameter.nbytes for parameter in model.parameters()),
        whole=model,
        known=architecture,
    )


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer beside the weights. Runs no code of the checkpoint's.

    Raises:
        UserError: when the folder has none.
    """
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    require_tokenizer(folder)
    made = PreTrainedTokenizerFast if len(tokenizer_files(folder)) == 1 else Qwen2Tokenizer
    try:
        return made.from_pretrained(  # type: ignore[no-any-return]
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # the tokenizers library raises Exception itself
        raise UserError(
            f"checkpoint {folder}: its tokenizer cannot be read ({first_line(error)}); {advice(folder)}"
        ) from error


def end_ids(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Tokens that end a sequence: the tokenizer's own, and the end of a turn where it has one."""
    ends = (tokenizer.eos_token_id, tokenizer.get_vocab().get(END_OF_TURN))
    return frozenset(end for end in ends if end is not None)


def _read(folder: Path, layout: Layout, dtype: torch.dtype, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    by_file: dict[Path, list[str]] = {}
    for info in tensors_of(folder):
        by_file.setdefault(info.file, []).append(info.name)
    for file, names in by_file.items():
        try:
            with safe_open(file, framework="pt", device=str(device)) as tensors:
                for name in names:
                    tensor = tensors.get_tensor(name).to(dtype)
                    _check_finite(folder, file, name, tensor)
                    yield module_name(name, layout), tensor
        except (SafetensorError, OSError) as error:
            raise UserError(f"checkpoint {folder}: {file.name} cannot be read ({error}); {advice(folder)}") from error


def _check_finite(folder: Path, file: Path, name: str, tensor: Tensor) -> None:
    """One sum over a tensor, where it is: a sum of finite numbers in float32 is finite but for rare overflow."""
    if not torch.isfinite(tensor.sum(dtype=torch.float32)) and not torch.isfinite(tensor).all():
        raise BrokenProtocolError(
            f"checkpoint {folder}: {file.name} holds numbers that are not finite (NaN or infinity) in {name}:"
            " give a sound checkpoint"
        )


def _check_logits(folder: Path, model: LanguageModel) -> None:
    """One pass over a few tokens: finite weights can still overflow on the way."""
    tokens_1L = torch.arange(min(PROBE_TOKENS, model.vocabulary), device=model.device)[None]
    with torch.inference_mode():
        hidden_1LD = model.body(input_ids=tokens_1L, use_cache=False).last_hidden_state
        if not torch.isfinite(model.head(hidden_1LD)).all():
            raise BrokenProtocolError(
                f"checkpoint {folder}: its logits are not finite (NaN or infinity) in {model.head.weight.dtype}:"
                " give a sound checkpoint, or try precision=float32"
            )
