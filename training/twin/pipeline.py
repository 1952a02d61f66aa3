"""The twin's recipe from top to bottom: text, tokenizer, training, weights, evaluation, card."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from training.card import describe_hardware
from training.evaluation import Continuations, Judge
from training.model import load_model as load_llama
from training.settings import JUDGE, Objective
from training.text import Corpus
from training.tokenizer import encode_stream
from training.twin.card import Report, draw_curve, read_curve, write_card, write_curve
from training.twin.evaluation import likelihoods_of, samplers_of
from training.twin.loop import Training
from training.twin.model import load_model, save_model
from training.twin.settings import JUDGE_NAME, NAME, TOKENIZER_OF, Twin

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def make(twin: Twin, corpus: Corpus, assets: Path, folder: Path, device: str, *, compiled: bool) -> None:
    """Fill `folder`/tiny_twin; tokenizer, judge and prompts are those of `assets`. The weights are written first."""
    target = folder / NAME
    target.mkdir(parents=True, exist_ok=True)
    for file in TOKENIZER_FILES:
        shutil.copyfile(assets / TOKENIZER_OF / file, target / file)
    tokenizer = read_tokenizer(target)
    training = Training(
        twin,
        encode_stream(tokenizer, corpus.training),
        encode_stream(tokenizer, corpus.validation),
        torch.device(device),
        compiled=compiled,
    )
    curve = training.run()
    save_model(training.model, twin, target)
    write_curve(target, curve)
    evaluate(twin, corpus, assets, folder, device, trained_on=describe_hardware(device))


def evaluate(twin: Twin, corpus: Corpus, assets: Path, folder: Path, device: str, *, trained_on: str) -> None:
    """Write the card and the picture of the loss curves of the weights in `folder`/tiny_twin."""
    target = folder / NAME
    curve = read_curve(target)
    draw_curve(target, curve)
    model, tokenizer = load_model(twin.architecture, target, device), read_tokenizer(target)
    continuations = Continuations(
        documents=list(read_documents(assets / "prompts" / "austen.jsonl")),
        count=twin.prompts,
        tokenizer=tokenizer,
        judge=Judge(
            model=load_llama(JUDGE, Objective.CAUSAL, assets / JUDGE_NAME, device),
            tokenizer=read_tokenizer(assets / JUDGE_NAME),
        ),
    )
    report = Report(
        twin=twin,
        curve=curve,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        likelihoods=likelihoods_of(twin, model, tokenizer, corpus.held_out),
        judged=continuations.compare(samplers_of(twin, model), twin.temperatures),
        prompts=continuations.prompts(),
        chapters=len(corpus.held_out),
        trained_on=trained_on,
        evaluated_on=describe_hardware(device),
    )
    write_card(target, report)


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder among the assets."""
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    return tokenizer


def read_documents(path: Path) -> Iterator[str]:
    """The texts of a file with one JSON object a line."""
    for line in path.read_text().splitlines():
        yield json.loads(line)["text"]
