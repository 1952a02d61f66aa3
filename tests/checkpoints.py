"""Tiny random checkpoints in the official layouts, with a tokenizer of plain words."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor

from benchmark.models.loading import LanguageModel, load_model
from crossover.records.settings import Family
from tests.factories import CONTEXT

CPU = torch.device("cpu")
END_ID, MASK_ID = 0, 1
VOCABULARY = 24
LAYERS, HIDDEN, MLP, HEADS = 2, 16, 24, 2


def llama_settings(**changes: Any) -> dict[str, Any]:
    """An autoregressive checkpoint's config.json."""
    return {
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": MLP,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": END_ID,
    } | changes


def llada_settings(**changes: Any) -> dict[str, Any]:
    """A diffusion checkpoint's config.json."""
    return {
        "model_type": "llada",
        "vocab_size": VOCABULARY,
        "embedding_size": VOCABULARY,
        "d_model": HIDDEN,
        "mlp_hidden_size": MLP,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "n_kv_heads": HEADS,
        "max_sequence_length": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "weight_tying": False,
        "mask_token_id": MASK_ID,
        "eos_token_id": END_ID,
        "pad_token_id": END_ID,
    } | changes


def llama_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the names of a Llama checkpoint, its second head group shared."""
    head = HIDDEN // HEADS
    layer = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (head, HIDDEN),
        "self_attn.v_proj": (head, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (MLP, HIDDEN),
        "mlp.up_proj": (MLP, HIDDEN),
        "mlp.down_proj": (HIDDEN, MLP),
        "input_layernorm": (HIDDEN,),
        "post_attention_layernorm": (HIDDEN,),
    }
    outer = {"model.embed_tokens": (VOCABULARY, HIDDEN), "model.norm": (HIDDEN,), "lm_head": (VOCABULARY, HIDDEN)}
    return _random(
        outer, {f"model.layers.{i}.{name}": shape for i in range(LAYERS) for name, shape in layer.items()}, seed
    )


def llada_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the names of a LLaDA checkpoint."""
    layer = {
        "q_proj": (HIDDEN, HIDDEN),
        "k_proj": (HIDDEN, HIDDEN),
        "v_proj": (HIDDEN, HIDDEN),
        "attn_out": (HIDDEN, HIDDEN),
        "ff_proj": (MLP, HIDDEN),
        "up_proj": (MLP, HIDDEN),
        "ff_out": (HIDDEN, MLP),
        "attn_norm": (HIDDEN,),
        "ff_norm": (HIDDEN,),
    }
    outer = {"wte": (VOCABULARY, HIDDEN), "ln_f": (HIDDEN,), "ff_out": (VOCABULARY, HIDDEN)}
    blocks = {f"model.transformer.blocks.{i}.{name}": shape for i in range(LAYERS) for name, shape in layer.items()}
    return _random({f"model.transformer.{name}": shape for name, shape in outer.items()}, blocks, seed)


def _random(outer: dict[str, tuple[int, ...]], inner: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Matrices so large that predictions differ from place to place; norms near one."""
    generator = torch.Generator().manual_seed(seed)
    draw = {name: torch.randn(shape, generator=generator) for name, shape in (outer | inner).items()}
    return {f"{name}.weight": 1 + 0.1 * x if x.dim() == 1 else 0.5 * x for name, x in draw.items()}


def write_checkpoint(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor], *, shards: int = 1) -> Path:
    """A checkpoint in its official layout, with a tokenizer of one word an entry: w2, w3 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))
    _write_tokenizer(folder)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    names = {name: f"model-{1 + i % shards:05}-of-{shards:05}.safetensors" for i, name in enumerate(sorted(tensors))}
    for file in set(names.values()):
        save_file({name: tensors[name] for name in names if names[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return folder


def write_llama(folder: Path, *, shards: int = 1, seed: int = 0, **changes: Any) -> Path:
    return write_checkpoint(folder, llama_settings(**changes), llama_tensors(seed), shards=shards)


def write_llada(folder: Path, *, shards: int = 1, seed: int = 0, **changes: Any) -> Path:
    return write_checkpoint(folder, llada_settings(**changes), llada_tensors(seed), shards=shards)


def write_encoder(folder: Path, *, seed: int = 0, kind: str = "bert", positions: int = 512) -> Path:
    """A random BERT or RoBERTa of two layers, whose tokenizer of plain words knows no longest text."""
    from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": MLP,
        "num_hidden_layers": LAYERS,
    }
    sizes |= {"num_attention_heads": HEADS, "max_position_embeddings": positions, "pad_token_id": MASK_ID}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(BertConfig(**sizes)) if kind == "bert" else RobertaModel(RobertaConfig(**sizes))
        model.save_pretrained(folder)
    _write_tokenizer(folder)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[end]", "sep_token": "[end]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": "[mask]"}))
    return folder


def _write_tokenizer(folder: Path) -> None:
    words = {"[end]": END_ID, "[mask]": MASK_ID} | {f"w{i}": i for i in range(2, VOCABULARY)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="w2"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "[end]", "mask_token": "[mask]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@cache
def random_model(family: Family) -> LanguageModel:
    """A random model in float64, whose rounding is far below the distance of any two predictions."""
    with TemporaryDirectory() as folder:
        write = write_llama if family is Family.autoregressive else write_llada
        return load_model(write(Path(folder)), family, dtype=torch.float64, device=CPU)
