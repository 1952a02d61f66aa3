"""The recipe from top to bottom: text, tokenizers, prompts, models, evaluation, card."""

import time
from pathlib import Path

from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from training.card import Report, describe_hardware, write_card
from training.curves import write_curves
from training.evaluation import Continuations, Judge, Likelihood, held_out_likelihood, samplers_of
from training.loop import Point, train
from training.model import load_model, save_model
from training.settings import DOCUMENT_CHARACTERS, DOCUMENT_TOKENS, Model, Recipe
from training.text import Corpus, cut_documents, write_prompts
from training.tokenizer import encode_stream, save_tokenizer, train_tokenizer

Tokenizers = dict[str, PreTrainedTokenizerFast]


def make(recipe: Recipe, corpus: Corpus, folder: Path, device: str) -> None:
    """Fill `folder` with the prompts, the three models, their loss curves and their card."""
    started = time.monotonic()
    tokenizers = make_tokenizers(recipe, corpus)
    pair = tokenizers[recipe.causal.name]
    documents = list(cut_documents(corpus.held_out, pair, tokens=DOCUMENT_TOKENS, characters=DOCUMENT_CHARACTERS))
    write_prompts(folder / "prompts" / "austen.jsonl", documents)
    curves = {spec.name: train_and_save(spec, tokenizers[spec.name], corpus, folder, device) for spec in recipe.models}
    write_curves(folder, curves)
    models = {
        spec.name: load_model(spec.architecture, spec.objective, folder / spec.name, device) for spec in recipe.models
    }
    samplers = samplers_of(models[recipe.causal.name], models[recipe.diffusion.name], recipe.steps)
    continuations = Continuations(
        documents=documents,
        count=recipe.prompts,
        tokenizer=pair,
        judge=Judge(model=models[recipe.judge.name], tokenizer=tokenizers[recipe.judge.name]),
    )
    report = Report(
        recipe=recipe,
        curves=curves,
        likelihoods=score_held_out(recipe, models, tokenizers, corpus.held_out),
        judged=continuations.compare(samplers, recipe.temperatures),
        prompts=continuations.prompts(),
        hardware=describe_hardware(device),
        elapsed_s=time.monotonic() - started,
    )
    write_card(folder, report)


def make_tokenizers(recipe: Recipe, corpus: Corpus) -> Tokenizers:
    """One tokenizer for the pair and another for the judge, by the model's name."""
    pair = train_tokenizer(corpus.training, recipe.causal.architecture.vocabulary)
    judge = train_tokenizer(corpus.training, recipe.judge.architecture.vocabulary)
    return {recipe.causal.name: pair, recipe.diffusion.name: pair, recipe.judge.name: judge}


def train_and_save(
    spec: Model, tokenizer: PreTrainedTokenizerFast, corpus: Corpus, folder: Path, device: str
) -> list[Point]:
    """Train one model, write it with its tokenizer, and return its loss curve."""
    training = encode_stream(tokenizer, corpus.training)
    validation = encode_stream(tokenizer, corpus.validation)
    model, curve = train(spec, training, validation, device)
    save_model(model, spec.architecture, spec.objective, folder / spec.name)
    save_tokenizer(tokenizer, folder / spec.name)
    return curve


def score_held_out(
    recipe: Recipe, models: dict[str, LlamaForCausalLM], tokenizers: Tokenizers, chapters: tuple[str, ...]
) -> dict[str, Likelihood]:
    """The likelihood of the held-out novel under each model."""
    return {
        spec.name: held_out_likelihood(
            models[spec.name], tokenizers[spec.name], spec.objective, chapters, recipe.bound_draws
        )
        for spec in recipe.models
    }
