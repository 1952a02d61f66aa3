import pytest

from benchmark.harness.arguments import Likelihood, arguments_of
from crossover.errors import UserError
from crossover.records.settings import Device


def test_the_harnesses_words_and_this_programs_keys_describe_one_model() -> None:
    found = arguments_of(
        {
            "model": "tiny_llada",
            "policy": "threshold",
            "policy.threshold": 0.5,
            "batch_size": 4,
            "max_batch_size": None,
            "device": "cpu",
            "max_gen_toks": "32",
            "loglikelihood": "bound",
        }
    )
    assert (found.config.batch, found.max_gen_toks, found.likelihood) == (4, 32, Likelihood.bound)
    run = found.run(rows=2, prompt_tokens=7, output_tokens=32)
    assert (run.batch, run.prompt_tokens, run.output_tokens, run.device, run.judge) == (2, 7, 32, Device.cpu, None)
    assert run.diffusion is not None
    assert (run.diffusion.policy.threshold, run.diffusion.steps, run.diffusion.block_length) == (0.5, 32, 32)


def test_no_more_steps_are_asked_of_a_short_continuation_than_it_has_tokens() -> None:
    found = arguments_of({"model": "tiny_llada", "steps": 16, "block_length": 8})
    run = found.for_output(3).run(rows=1, prompt_tokens=5, output_tokens=3)
    assert run.diffusion is not None
    assert (run.diffusion.steps, run.diffusion.block_length) == (3, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loglikelihood": "exact"}, "loglikelihood=exact is not allowed: give one of sampler, bound"),
        ({"max_gen_toks": "many"}, "max_gen_toks=many is not allowed: give a whole number of at least 1"),
    ],
)
def test_what_is_not_allowed_is_told_in_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        arguments_of(given)


def test_a_request_that_no_schedule_fits_is_refused_with_its_length() -> None:
    found = arguments_of({"model": "tiny_llada", "steps": 64})
    with pytest.raises(UserError, match=r"steps=64 is more than the 8 masked tokens.*request of 8 output tokens"):
        found.run(rows=1, prompt_tokens=4, output_tokens=8)
