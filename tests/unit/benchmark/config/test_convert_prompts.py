import pytest

from benchmark.config.convert import config_of, to_run
from crossover.errors import UserError
from crossover.records.run import Run


def run_of(*overrides: str) -> Run:
    return to_run(config_of(overrides), lambda: 0)


def test_a_task_of_the_harness_stands_in_the_place_of_a_source_and_its_rule() -> None:
    prompts = run_of("tasks=gsm8k", "prompts=collocations", "prompts.count=7").prompts
    assert (prompts.source, prompts.rule, prompts.count) == ("lm_eval:gsm8k", None, 7)


def test_prompts_that_are_written_otherwise_are_another_point_under_another_name() -> None:
    plain = run_of("prompts=collocations")
    chat, shown = (
        run_of("prompts=collocations", "prompts.chat=true"),
        run_of("prompts=collocations", "prompts.shots=a/b.jsonl"),
    )
    assert len({plain.key, chat.key, shown.key}) == 3
    assert chat.name.endswith("chat")
    assert shown.name.endswith("shots=b")


def test_prompts_that_are_texts_keep_the_keys_that_they_had() -> None:
    run = run_of("judge=none")
    assert "rule" not in run.name
    assert run.key == run_of("judge=none", "prompts.rule=null", "prompts.chat=false", "prompts.shots=null").key


@pytest.mark.parametrize("rule", ["exakt", "'regex:('"])
def test_a_rule_that_is_none_is_refused_before_anything_is_read(rule: str) -> None:
    with pytest.raises(UserError, match=r"prompts\.rule: .*(is no rule: give exact|is no regular expression)"):
        run_of(f"prompts.rule={rule}")
