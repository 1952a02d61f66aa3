"""The training recipe: its losses, its export, and a run of seconds that makes every artefact."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaForCausalLM

from training.__main__ import main
from training.likelihood import bits_per_byte
from training.losses import causal_loss, corrupt, diffusion_loss, prompt_lengths, stratified_times
from training.model import build_model, load_model, save_model
from training.optimizer import orthogonalise, rate_factor
from training.sampling import sample_causal, sample_diffusion
from training.settings import FULL, Architecture, Objective, shorten
from training.text import cut_documents, read_corpus
from training.tokenizer import END_OF_TEXT_ID, MASK_ID, encode_stream, train_tokenizer

SMALL = Architecture(vocabulary=32, hidden=16, layers=2, heads=2, mlp=24)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_diffusion_loss_of_a_uniform_guess_is_log_vocabulary() -> None:
    """With every token masked (t = 1) the bound is the plain mean, prompt or not."""
    clean_BL = torch.randint(2, 32, (4, 10), generator=generator())
    corruption = corrupt(clean_BL, torch.ones(4), torch.tensor([0, 3, 0, 9]), MASK_ID, generator())
    loss = diffusion_loss(torch.zeros(4, 10, 32), clean_BL, corruption.weight_BL)
    assert loss.item() == pytest.approx(math.log(32))
    assert (corruption.noisy_BL[1, :3] == clean_BL[1, :3]).all()
    assert (corruption.noisy_BL[1, 3:] == MASK_ID).all()


def test_diffusion_loss_by_hand() -> None:
    """Two of four tokens masked at t = 1/2, each given probability 1/4: (2 log 4 / 0.5) / 4 = log 4."""
    clean_BL = torch.tensor([[2, 3, 2, 3]])
    weight_BL = torch.tensor([[1.0, 0.0, 0.0, 1.0]]) / (0.5 * 4)
    logits_BLV = torch.zeros(1, 4, 4)
    logits_BLV[:, 1:3] = torch.tensor([9.0, 0, 0, 0])  # positions that are not masked do not count
    assert diffusion_loss(logits_BLV, clean_BL, weight_BL).item() == pytest.approx(math.log(4))


def test_diffusion_bound_is_unbiased_over_mask_probabilities() -> None:
    """The mean over many stratified draws comes to the loss that does not depend on the masks."""
    clean_BL = torch.full((4096, 32), 5)
    time_B = stratified_times(4096, generator())
    corruption = corrupt(clean_BL, time_B, torch.zeros(4096, dtype=torch.int64), MASK_ID, generator())
    assert corruption.weight_BL.sum().item() == pytest.approx(1, abs=0.03)


def test_times_are_one_to_a_slice() -> None:
    """Sorted, the k-th of B mask probabilities lies in the k-th of B slices."""
    sorted_B = stratified_times(8, generator()).sort().values
    assert ((sorted_B * 8).floor() == torch.arange(8)).all()


def test_prompts_cover_at_most_half_a_window() -> None:
    """About half of the rows have none."""
    lengths_B = prompt_lengths(1000, 64, generator())
    assert lengths_B.max() <= 32
    assert 400 < (lengths_B == 0).sum() < 600


def test_causal_loss_of_a_uniform_guess_is_log_vocabulary() -> None:
    """Nats a token."""
    assert causal_loss(torch.zeros(2, 5, 8), torch.zeros(2, 5, dtype=torch.int64)).item() == pytest.approx(math.log(8))


def test_one_bit_a_byte() -> None:
    """Eight nats of log 2 in one token of eight bytes."""
    assert bits_per_byte(8 * math.log(2), tokens=1, text_bytes=8) == pytest.approx(1)


def test_muon_flattens_singular_values() -> None:
    """Tall and wide alike, each comes near 1."""
    for shape in ((2, 12, 5), (2, 5, 12)):
        singular_N5 = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=generator())))
        assert singular_N5.min() > 0.4
        assert singular_N5.max() < 1.4


def test_rate_rises_and_falls() -> None:
    """To one at 2% of the steps, to zero at the last."""
    assert rate_factor(0, 1000) == pytest.approx(0.05)
    assert rate_factor(19, 1000) == pytest.approx(1)
    assert rate_factor(999, 1000) == 0


@pytest.mark.parametrize("objective", Objective)
def test_saved_weights_come_back(objective: Objective, tmp_path: Path) -> None:
    """The logits survive the layout of either family, but for bfloat16."""
    model = build_model(SMALL, objective).bfloat16().float().eval()
    save_model(model, SMALL, objective, tmp_path)
    ids_BL = torch.randint(2, 32, (2, 6), generator=generator())
    loaded = load_model(SMALL, objective, tmp_path)
    torch.testing.assert_close(loaded(input_ids=ids_BL).logits, model(input_ids=ids_BL).logits)


def test_llada_layout(tmp_path: Path) -> None:
    """Names and config are LLaDA's: MLP gate ff_proj, MLP output ff_out, the head ff_out outside the blocks."""
    model = build_model(SMALL, Objective.DIFFUSION)
    save_model(model, SMALL, Objective.DIFFUSION, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert len(weights) == 2 * 9 + 3
    assert weights["model.transformer.blocks.1.ff_proj.weight"].shape == (24, 16)
    assert weights["model.transformer.blocks.1.ff_out.weight"].shape == (16, 24)
    assert weights["model.transformer.ff_out.weight"].shape == (32, 16)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["d_model"], config["n_layers"], config["mask_token_id"]) == (16, 2, MASK_ID)


@pytest.mark.parametrize("objective", Objective)
def test_only_the_diffusion_model_looks_ahead(objective: Objective) -> None:
    """A change of the last token reaches the first position's logits, or does not."""
    model = build_model(SMALL, objective).eval()
    one_BL, other_BL = torch.tensor([[4, 5, 6]]), torch.tensor([[4, 5, 7]])
    same = torch.equal(model(input_ids=one_BL).logits[:, 0], model(input_ids=other_BL).logits[:, 0])
    assert same is (objective is Objective.CAUSAL)


def test_samplers_fill_the_output() -> None:
    """Exactly as many tokens as asked for, also when the steps do not divide them."""
    prompt_BP = torch.randint(2, 32, (3, 4), generator=generator())
    causal = build_model(SMALL, Objective.CAUSAL).eval()
    assert sample_causal(causal, prompt_BP, 7, 1.0, generator()).shape == (3, 7)
    diffusion = build_model(SMALL, Objective.DIFFUSION).eval()
    with torch.no_grad():
        diffusion.lm_head.weight[MASK_ID] = 0
    output_BN = sample_diffusion(diffusion, prompt_BP, 7, 0.0, generator(), steps=3)
    assert output_BN.shape == (3, 7)


def test_the_held_out_novel_is_held_out() -> None:
    """None of its chapters is among the others, and documents neither overlap nor fall short."""
    corpus = read_corpus()
    assert not set(corpus.held_out) & {*corpus.training, *corpus.validation}
    assert "Dashwood" not in "".join(corpus.training)
    tokenizer = train_tokenizer(corpus.training[:20], 512)
    chapters = corpus.held_out[:4]
    documents = list(cut_documents(chapters, tokenizer, tokens=100, characters=500))
    assert "\n\n".join(chapters).startswith("\n\n".join(documents))
    assert min(len(document) for document in documents) > 500


def test_chapters_end_in_end_of_text() -> None:
    """And nothing else stands between them."""
    tokenizer = train_tokenizer(["one two", "three"], 300)
    stream = encode_stream(tokenizer, ["one two", "three"])
    assert (stream == END_OF_TEXT_ID).sum() == 2
    assert tokenizer.decode(stream, skip_special_tokens=True) == "one twothree"


@pytest.mark.recipe
def test_quick_run_makes_everything(tmp_path: Path) -> None:
    """Prompts, curves, card, and three models with tokenizers that transformers loads."""
    main(["--quick", "--device", "cpu", "--output", str(tmp_path)])
    for name in ("MODEL_CARD.md", "loss_curves.csv", "loss_curves.png", "prompts/austen.jsonl"):
        assert (tmp_path / name).stat().st_size > 0
    recipe = shorten(FULL)
    for model in recipe.models:
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / model.name)
        assert len(tokenizer) == model.architecture.vocabulary
        assert (tokenizer.eos_token_id, tokenizer.mask_token_id) == (END_OF_TEXT_ID, MASK_ID)
    judge = LlamaForCausalLM.from_pretrained(tmp_path / recipe.judge.name)
    assert judge.config.num_hidden_layers == recipe.judge.architecture.layers
