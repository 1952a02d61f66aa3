import re

import pytest

from analysis.parity.ladder import setting
from crossover.errors import UserError
from crossover.records.policies import Blocks, Cache, CacheName, FactorRule, Pace, Policy, PolicyName, Rows
from crossover.records.run import Run
from crossover.records.settings import Remasking
from tests.factories import a_diffusion, a_record, a_run, from_json

DUAL = Cache(name=CacheName.dual)
THRESHOLD = Policy(name=PolicyName.threshold, threshold=0.9)


def a_policy_run(**changes: object) -> Run:
    return a_run(diffusion=a_diffusion(**changes))


def test_the_published_policy_without_a_cache_has_the_key_from_before_there_were_others() -> None:
    assert a_run().key == "2b39c11136d3da66"
    assert a_policy_run(policy=Policy(), cache=None, rows=Rows.together).key == a_run().key


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": THRESHOLD},
        {"policy": Policy(name=PolicyName.margin)},
        {"policy": Policy(name="mine", pace=Pace.steps)},
        {"policy": Policy(name="mine", pace=Pace.text, threshold=0.9)},
        {"cache": DUAL},
        {"policy": THRESHOLD, "rows": Rows.independent},
    ],
)
def test_each_setting_changes_the_key_and_survives_the_record(changes: dict[str, object]) -> None:
    run = a_policy_run(**changes)
    assert run.key != a_run().key
    assert from_json(a_record(run).to_json()).run == run


@pytest.mark.parametrize(
    ("pace", "facts", "rule", "turned"),
    [
        (Pace.steps, (True, False), "mine=0.5", 0.5),
        (Pace.both, (True, True), "mine=0.5", 0.5),
        (Pace.text, (False, True), "mine", 0.7),
    ],
)
def test_a_policy_of_ones_own_says_its_pace(pace: Pace, facts: tuple[bool, bool], rule: str, turned: float) -> None:
    made = Policy(name="mine", pace=pace, gamma=0.5)
    assert (made.has_steps, made.is_self_paced) == facts
    assert (made.label, made.rule) == ("mine=0.5", rule)
    assert made.turned(0.7).gamma == turned
    with pytest.raises(UserError, match=r"policy=mine says no pace: give policy.pace=steps, both, text"):
        Policy(name="mine")
    with pytest.raises(UserError, match=r"policy.gamma=-1 is not allowed"):
        Policy(name="mine", pace=pace, gamma=-1)


def test_the_pace_of_a_known_policy_is_known() -> None:
    with pytest.raises(UserError, match=r"policy.pace=text is for a policy of your own: leave it out of policy=quota"):
        Policy(pace=Pace.text)


def test_knobs_and_refresh_change_the_key() -> None:
    other = Policy(name=PolicyName.threshold, threshold=0.8)
    assert a_policy_run(policy=THRESHOLD).key != a_policy_run(policy=other).key
    assert a_policy_run(cache=DUAL).key != a_policy_run(cache=Cache(name=CacheName.dual, refresh=4)).key


def test_a_record_from_before_there_were_policies_still_loads() -> None:
    text = a_record().to_json()
    for later in ('"policy": {', '"cache": null', '"rows": "together"'):
        assert later in text
    older = re.sub(
        ', "policy": {"name": "quota"[^}]*}, "cache": null, "rows": "together", "blocks": "output"', "", text
    )
    assert older != text
    assert from_json(older) == a_record()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"policy": THRESHOLD}, "small B=2 N=16 threshold=0.9"),
        ({"policy": Policy(name=PolicyName.margin)}, "small K=4 B=2 N=16 margin"),
        (
            {"policy": Policy(name=PolicyName.factor, factor=1.0, factor_rule=FactorRule.fast_dllm), "cache": DUAL},
            "small B=2 N=16 factor=1 (fast_dllm) cache=dual (lossy)",
        ),
        (
            {"cache": Cache(name=CacheName.prefix, refresh=4), "block_length": 4},
            "small K=4 B=2 N=16 block=4 cache=prefix refresh=4 (lossy)",
        ),
        ({"policy": THRESHOLD, "rows": Rows.independent}, "small B=2 N=16 threshold=0.9 rows=independent"),
    ],
)
def test_the_name_tells_policy_and_cache_and_calls_it_lossy(changes: dict[str, object], name: str) -> None:
    assert a_policy_run(**changes).name == name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": PolicyName.threshold}, "policy.threshold has no value under policy=threshold"),
        ({"threshold": 0.9}, "policy.threshold has 0.9 under policy=quota: it is a knob of policy=threshold"),
        ({"name": PolicyName.threshold, "threshold": 1.5}, "policy.threshold=1.5 is not allowed"),
        ({"name": PolicyName.factor, "factor": -1.0, "factor_rule": FactorRule.plain}, "policy.factor=-1.0"),
        ({"name": PolicyName.entropy_bounded, "gamma": float("nan")}, "policy.gamma=nan"),
        ({"name": PolicyName.maskgit_plus, "eps": 1.0}, "policy.eps=1.0 is not allowed"),
        ({"name": PolicyName.maskgit_plus, "eps": -0.1}, "policy.eps=-0.1 is not allowed"),
    ],
)
def test_a_policy_without_its_knob_or_with_anothers_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Policy(**changes)  # type: ignore[arg-type]


def test_a_policy_may_have_neither_steps_nor_a_knob() -> None:
    policy = Policy(name="mine", pace=Pace.text)
    assert (policy.knob, policy.turned(0.5), policy.rule, policy.label) == (None, policy, "mine", "mine")
    assert setting(a_diffusion(policy=policy)) == "mine", "a ladder names it by its rule, since it has no steps"


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(UserError, match=r"policy=quota waits never"):
        a_diffusion(rows=Rows.independent)
    with pytest.raises(UserError, match="use cache=none"):
        a_diffusion(policy=THRESHOLD, cache=DUAL, rows=Rows.independent)
    with pytest.raises(UserError, match="that is not block-causal: use rows=together"):
        a_diffusion(policy=THRESHOLD, blocks=Blocks.sequence, rows=Rows.independent)
    with pytest.raises(UserError, match="random is a policy of its own"):
        a_diffusion(policy=THRESHOLD, remasking=Remasking.random)
    with pytest.raises(UserError, match="use cache=none"):
        a_diffusion(cache=DUAL, guidance_scale=1.0)
    with pytest.raises(UserError, match=r"cache\.refresh=0 is not allowed"):
        Cache(name=CacheName.dual, refresh=0)
