import pytest

from benchmark.config.convert import to_run
from benchmark.config.sampling import to_diffusion
from crossover.errors import UserError
from crossover.records.run import Run
from tests.composition import config


def run(*overrides: str) -> Run:
    return to_run(config(*overrides), lambda: 0)


def test_a_policy_that_follows_the_text_ignores_the_steps() -> None:
    made = run("policy=threshold", "policy.threshold=0.7", "steps=7", "block_length=16", "cache=dual")
    assert made.name == "tiny_llada B=1 N=128 block=16 threshold=0.7 cache=dual (lossy)"
    assert made.infeasible is None
    assert made.key == run("policy=threshold", "policy.threshold=0.7", "block_length=16", "cache=dual").key


def test_knobs_of_other_policies_are_ignored_so_that_a_sweep_may_mix_them() -> None:
    assert run("policy.threshold=0.7", "policy.factor=2").key == run().key
    assert run("policy=factor", "policy.threshold=0.7").key == run("policy=factor").key
    assert run("policy=factor", "policy.factor_rule=fast_dllm").key != run("policy=factor").key


@pytest.mark.parametrize("word", ["policy.gamma=-7", "policy.top_p=2", "policy.transfers=0", "policy.eps=1"])
def test_a_wrong_value_of_a_knob_is_refused_also_where_another_policy_reads_it(word: str) -> None:
    with pytest.raises(UserError, match=f"{word}.* is not allowed"):
        run(word)


def test_a_context_that_holds_no_prompt_and_output_is_refused() -> None:
    with pytest.raises(UserError, match=r"model\.context=-7"):
        run("model.context=-7")


def test_a_policy_of_ones_own_reads_the_knobs_that_its_file_names() -> None:
    given = config("policy.pace=text", "policy.knobs='gamma,threshold'")
    given.policy.name = "mine"
    policy = to_diffusion(given).policy
    assert (policy.name, policy.pace, policy.gamma, policy.threshold, policy.factor) == ("mine", "text", 0.1, 0.9, None)
    given.policy.knobs = "gamma,thresold"
    with pytest.raises(UserError, match=r"policy.knobs has 'thresold', which is none: give some of threshold, factor"):
        to_diffusion(given)


def test_dreams_policies_have_steps_that_may_be_more_than_the_tokens_and_one_block() -> None:
    made = run("policy=maskgit_plus", "steps=200", "policy.top_p=0.9", "policy.alg_temp=0.1")
    assert made.name == "tiny_llada K=200 B=1 N=128 maskgit_plus alg_temp=0.1 top_p=0.9"
    assert made.infeasible is None
    assert made.is_random
    assert "one schedule for the whole output" in str(run("policy=origin", "block_length=16").infeasible)


def test_the_strategies_of_block_diffusion_go_by_their_published_names() -> None:
    assert run("policy=low_confidence_static").key == run().key
    dynamic = run("policy=low_confidence_dynamic", "policy.threshold=0.85", "steps=16")
    assert dynamic.name == "tiny_llada K=16 B=1 N=128 low_confidence_dynamic=0.85"


def test_orders_of_blocks_are_asked_for_by_name() -> None:
    blocks = ("model.block_length=16", "policy=threshold")
    kept = run(*blocks, "cache=sub_block", "sub_block_length=8")
    assert kept.name == "tiny_llada B=1 N=128 block=16 sub_block=8 threshold=0.9 cache=sub_block (lossy)"
    assert run(*blocks, "cache=sub_block", "sub_block_length=8", "staleness=true").staleness
    causal = run(*blocks, "cache=exact", "causal_context=true")
    assert causal.diffusion is not None
    assert causal.diffusion.causal_context
    assert len({each.key for each in (kept, causal, run(*blocks, "cache=exact"))}) == 3


def test_random_order_is_one_setting_whichever_key_says_it() -> None:
    assert run("policy=random").key == run("model.remasking=random").key


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("policy.name=best",), "policy.name=best is not allowed: give one of quota, threshold"),
        (("policy.knobs=gamma",), "policy.knobs=gamma is for a policy of your own: leave it out of policy=quota"),
        (("policy.pace=text",), "policy.pace=text is for a policy of your own: leave it out of policy=quota"),
        (("cache.refresh=4",), "cache.refresh=4 needs a cache"),
        (("policy=margin", "engine=published"), "engine=published is the published loops"),
        (("cache=dual", "cache.refresh=2", "engine=published"), "engine=published is the published loops"),
        (("cache.name=exact",), "cache=exact is for block-causal models"),
        (("policy=editing",), "policy=editing is for block-causal models"),
        (("policy=maskgit_plus", "cache=dual"), "has the whole output as its block: use cache=none"),
        (("policy=maskgit_plus", "policy.eps=1"), "policy.eps=1.0 is not allowed: give a number from 0 to below 1"),
        (("policy=delayed_threshold", "rows=independent"), "rows=independent is for policy=threshold"),
    ],
)
def test_policies_and_caches_that_cannot_be_are_refused(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        run(*overrides)
