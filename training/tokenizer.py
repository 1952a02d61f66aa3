"""Byte-level BPE tokenizers, and chapters turned into one stream of token ids."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from torch import Tensor
from transformers import PreTrainedTokenizerFast

END_OF_TEXT, END_OF_TEXT_ID = "<|endoftext|>", 0
MASK, MASK_ID = "<|mdm_mask|>", 1


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `vocabulary` entries in all, specials and the 256 bytes included; adds no BOS."""
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = ByteLevel(add_prefix_space=False)
    bpe.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, MASK],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        mask_token=MASK,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write it so that `AutoTokenizer` of transformers 4 and 5 alike reads it without a network."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that both major versions know
    path.write_text(json.dumps(config, indent=2) + "\n")


def encode_stream(tokenizer: PreTrainedTokenizerFast, chapters: Sequence[str]) -> Tensor:
    """Token ids of all chapters, each closed by end-of-text: int64 of shape [tokens]."""
    ids: list[int] = []
    for chapter in chapters:
        ids += [*tokenizer.encode(chapter), END_OF_TEXT_ID]
    return torch.tensor(ids)
