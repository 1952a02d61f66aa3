"""The twin's recipe: who sees whom, the loss, the layout on disk, the sampler, and a run of seconds."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3ForCausalLM

from training.settings import Architecture
from training.tokenizer import MASK_ID
from training.twin.__main__ import main
from training.twin.attention import block_causal, noisy_beside_clean, two_causal_windows
from training.twin.evaluation import ways
from training.twin.loop import Training, batch_losses, lay_out
from training.twin.losses import corrupt_blocks, mask_counts
from training.twin.model import build_model, load_model, masked_logits, save_model
from training.twin.sampling import sample_blocks
from training.twin.settings import FULL, shorten

SMALL = replace(shorten(FULL), architecture=Architecture(vocabulary=32, hidden=16, layers=2, heads=2, mlp=24))
CPU = torch.device("cpu")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def small_model() -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    model = build_model(SMALL.architecture)
    model.eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)  # else every logit is near zero
    return model


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(2, 32, shape, generator=generator())


def test_a_noisy_block_is_computed_as_while_decoding() -> None:
    """Its logits in training are those under a block-causal mask after the clean blocks, with nothing behind it."""
    model, clean_BL = small_model(), tokens(3, 12)
    noisy_BL = clean_BL.clone()
    noisy_BL[:, [1, 5, 6, 9]] = MASK_ID
    position_C = torch.arange(12).repeat(2)
    both_BC = torch.cat([noisy_BL, clean_BL], dim=1)
    trained_BLV = masked_logits(model, both_BC, noisy_beside_clean(12, 4, CPU), position_C)[:, :12]
    for first in (0, 4, 8):
        canvas_BL = torch.cat([clean_BL[:, :first], noisy_BL[:, first : first + 4]], dim=1)
        decoded_BLV = masked_logits(model, canvas_BL, block_causal(first + 4, 4, CPU))
        torch.testing.assert_close(trained_BLV[:, first : first + 4], decoded_BLV[:, first:])


def test_the_causal_rows_are_computed_as_qwen3_is() -> None:
    """Two windows of one row give what each gives alone without any mask of ours."""
    model, window_BL = small_model(), tokens(2, 12)
    logits_BCV = masked_logits(model, window_BL.reshape(1, 24), two_causal_windows(12, CPU), torch.arange(12).repeat(2))
    torch.testing.assert_close(logits_BCV.reshape(2, 12, -1), model(input_ids=window_BL).logits)


def test_every_number_of_masks_is_as_frequent_as_the_others() -> None:
    """1 to 4 of four, each for two of eight blocks."""
    assert mask_counts(8, 4, generator()).bincount().tolist() == [0, 2, 2, 2, 2]


def test_the_weights_of_a_masked_block_sum_to_its_share() -> None:
    """Each of six blocks weighs a sixth, over masked positions alone; so a uniform guess costs log V."""
    clean_BL = tokens(2, 12)
    corruption = corrupt_blocks(clean_BL, 4, generator())
    masked_BL = corruption.noisy_BL == MASK_ID
    torch.testing.assert_close(corruption.weight_BL.view(6, 4).sum(1), torch.full((6,), 1 / 6))
    assert ((corruption.weight_BL > 0) == masked_BL).all()
    assert (corruption.noisy_BL == clean_BL)[~masked_BL].all()


def test_both_losses_of_a_uniform_guess_are_log_vocabulary() -> None:
    """Over rows of every block length."""
    model = small_model()
    with torch.no_grad():
        model.model.norm.weight.zero_()
    for loss in batch_losses(model, tokens(500), lay_out(SMALL, 32, CPU), generator()):
        assert loss.item() == pytest.approx(math.log(32))


def test_every_block_length_has_its_rows() -> None:
    """An eighth of 64 rows is causal; of the others half have blocks of 16."""
    layout = lay_out(FULL, 512, torch.device("meta"))
    assert layout.causal_rows == 8
    assert [layout.lengths.count(block) for block in (4, 8, 16)] == [14, 14, 28]


def test_sdar_layout(tmp_path: Path) -> None:
    """Qwen3's names without the tied head, and SDAR's config.json; the logits survive but for bfloat16."""
    model = small_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.bfloat16())
    save_model(model, SMALL, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert len(weights) == 2 * 11 + 2
    assert weights["model.layers.1.self_attn.q_norm.weight"].shape == (8,)
    config = json.loads((tmp_path / "config.json").read_text())
    wanted = {"model_type": "sdar", "block_size": 16, "mask_token_id": 1, "head_dim": 8, "tie_word_embeddings": True}
    assert {key: config[key] for key in wanted} == wanted
    ids_BL = tokens(2, 6)
    torch.testing.assert_close(load_model(SMALL.architecture, tmp_path)(ids_BL).logits, model(ids_BL).logits)


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_the_sampler_fills_the_output_and_writes_no_mask(steps: int) -> None:
    """Also when the prompt ends inside a block and the output does."""
    model = small_model()
    output_BN = sample_blocks(model, tokens(3, 6), 9, 1.0, generator(), block=4, steps=steps)
    assert output_BN.shape == (3, 9)
    assert (output_BN != MASK_ID).all()


def test_one_token_a_forward_from_the_left_in_blocks_of_one() -> None:
    """With blocks of one token the order is the text's; logits are those of the masked position itself."""
    model, prompt_BP = small_model(), tokens(2, 3)
    output_BN = sample_blocks(model, prompt_BP, 2, 0.0, generator(), block=1, steps=1)
    canvas_BL = torch.cat([prompt_BP, output_BN[:, :1], torch.full((2, 1), MASK_ID)], dim=1)
    logits_BV = masked_logits(model, canvas_BL, block_causal(5, 1, CPU))[:, -1]
    logits_BV[:, MASK_ID] = -torch.inf
    assert logits_BV.argmax(-1).tolist() == output_BN[:, 1].tolist()


def test_the_ways_compared_have_whole_steps_in_every_block() -> None:
    """64 tokens are four blocks of 16, or eight of 8, which four steps do not divide."""
    assert [(way.block, way.steps) for way in ways(FULL)] == [(16, steps) for steps in (4, 8, 16, 32, 64)]
    assert [way.steps for way in ways(replace(FULL, block_length=8))] == [8, 16, 32, 64]


def test_the_best_weights_are_kept_and_a_limit_ends_the_training() -> None:
    """A stream of one repeated token is learnt at once; an hour's schedule ends after its first step."""
    spec = replace(SMALL, limit_s=1e-9, schedule=replace(SMALL.schedule, steps=100_000))
    training = Training(spec, torch.full((2000,), 5), torch.full((512,), 5), CPU, compiled=False)
    curve = training.run()
    assert [point.step for point in curve] == [1]
    assert training.best == curve[0].causal_validation_loss + curve[0].block_validation_loss
    torch.testing.assert_close(dict(training.model.state_dict()), training.best_weights)


@pytest.mark.recipe
def test_quick_run_makes_everything(tmp_path: Path) -> None:
    """Weights, tokenizer, curves and card."""
    main(["--quick", "--device", "cpu", "--output", str(tmp_path)])
    made = {path.name: path.stat().st_size for path in (tmp_path / "tiny_twin").iterdir()}
    assert made.keys() == {
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *("MODEL_CARD.md", "loss_curves.csv", "loss_curves.png"),
    }
    assert min(made.values()) > 0
