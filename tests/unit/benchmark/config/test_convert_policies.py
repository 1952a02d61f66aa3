import pytest

from benchmark.config.convert import to_run
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


def test_random_order_is_one_setting_whichever_key_says_it() -> None:
    assert run("policy=random").key == run("model.remasking=random").key


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("policy.name=best",), "policy.name=best is not allowed: give one of quota, threshold"),
        (("cache.refresh=4",), "cache.refresh=4 needs a cache"),
        (("policy=margin", "engine=published"), "engine=published is the published loops"),
        (("cache=dual", "cache.refresh=2", "engine=published"), "engine=published is the published loops"),
    ],
)
def test_policies_and_caches_that_cannot_be_are_refused(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        run(*overrides)
