"""The adapter inside lm-evaluation-harness itself, which takes seconds to import."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.models.checkpoint import ASSETS
from tests.paths import ROOT

pytest.importorskip("lm_eval")
pytest.importorskip("accelerate")  # which the harness's own model needs
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]

ITEMS = 24


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated and a ranked task over the shipped prompts."""
    folder = tmp_path_factory.mktemp("tasks")
    data = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(ASSETS / "prompts" / "collocations.jsonl")}},
        "test_split": "test",
        "doc_to_text": "{{prompt}}",
    }
    (folder / "written.yaml").write_text(
        json.dumps(
            {
                **data,
                "task": "written",
                "output_type": "generate_until",
                "doc_to_target": "{{answer}}",
                "generation_kwargs": {"until": ["."], "max_gen_toks": 8, "do_sample": False},
                "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
            }
        )
    )
    (folder / "ranked.yaml").write_text(
        json.dumps(
            {
                **data,
                "task": "ranked",
                "output_type": "multiple_choice",
                "doc_to_choice": ["no means", "of the", "to be"],
                "doc_to_target": 1,
                "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
            }
        )
    )
    return folder


def evaluate(tasks: Path, kind: str, **given: Any) -> dict[str, list[dict[str, Any]]]:
    """The samples of each task, as the harness logs them."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    from crossover.harness_hook import register

    register()
    found = simple_evaluate(
        model=kind,
        model_args=given,
        tasks=["written", "ranked"],
        task_manager=TaskManager(include_path=str(tasks)),
        batch_size=8,
        device="cpu",
        limit=ITEMS,
        bootstrap_iters=0,
    )
    samples: dict[str, list[dict[str, Any]]] = found["samples"]
    return samples


def test_an_autoregressive_model_answers_as_the_harnesses_own_item_by_item(tasks: Path, tmp_path: Path) -> None:
    ours = evaluate(tasks, "crossover", model="tiny_llama", output_dir=str(tmp_path))
    theirs = evaluate(tasks, "hf", pretrained=str(ASSETS / "tiny_llama"), dtype="float32")
    for name in ("written", "ranked"):
        assert len(ours[name]) == len(theirs[name]) == ITEMS
    assert [each["resps"] for each in ours["written"]] == [each["resps"] for each in theirs["written"]]
    for one, other in zip(ours["ranked"], theirs["ranked"], strict=True):
        assert one["acc"] == other["acc"]
        for (mine, greedy), (its, its_greedy) in zip(one["filtered_resps"], other["filtered_resps"], strict=True):
            assert float(mine) == pytest.approx(float(its), abs=1e-3)
            assert greedy == its_greedy
    (log,) = (tmp_path / "lm_eval").glob("requests-*.jsonl")
    model, *lines = map(json.loads, log.read_text().splitlines())
    requests = [line for line in lines if "task" in line]
    scored = [line for line in lines if "likelihood" in line]
    assert len(scored) == 3 * ITEMS
    assert all(line["forwards"] == 1 and line["latency_s"] > 0 for line in scored)
    assert model["model"] == "tiny_llama"
    assert sorted(each["doc_id"] for each in requests) == list(range(ITEMS))
    assert all(each["task"] == "written" and each["forwards"] == 8 and each["latency_s"] > 0 for each in requests)


def test_a_diffusion_model_answers_both_kinds_of_request(tasks: Path, tmp_path: Path) -> None:
    ours = evaluate(tasks, "crossover", model="tiny_llada", steps=4, output_dir=str(tmp_path))
    assert all("." not in each["resps"][0][0] for each in ours["written"])
    assert all(float(log) < 0 for each in ours["ranked"] for log, _ in each["filtered_resps"])


def test_whole_texts_are_as_likely_as_the_harnesses_own_model_finds_them(tmp_path: Path) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from benchmark.harness.language_model import CrossoverLM

    lines = (ASSETS / "prompts" / "austen.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"][:3000] for line in lines[:2]]
    requests = [Instance("loglikelihood_rolling", {}, (text,), index) for index, text in enumerate(texts)]
    ours = CrossoverLM(model="tiny_llama", batch_size=2, output_dir=str(tmp_path)).loglikelihood_rolling(requests)
    theirs = HFLM(
        pretrained=str(ASSETS / "tiny_llama"), dtype="float32", device="cpu", max_length=511
    ).loglikelihood_rolling(requests)
    assert ours == pytest.approx(theirs, abs=0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from benchmark.harness.language_model import CrossoverLM

    arguments = f"model=tiny_llama,output_dir={tmp_path_factory.mktemp('model')}"
    given = {"batch_size": None, "max_batch_size": None, "device": None}
    return CrossoverLM.create_from_arg_string(arguments, given)


def scores(model: Any, *pairs: tuple[str, str]) -> list[tuple[float, bool]]:
    from lm_eval.api.instance import Instance

    found: list[tuple[float, bool]] = model.loglikelihood(
        [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)]
    )
    return found


def test_a_context_that_is_empty_or_white_space_is_no_context(model: Any) -> None:
    """The harness promises that models handle them, and moves white space to the continuation."""
    (empty, _), (space, _), (newline, _) = scores(model, ("", " the sea"), (" ", "the sea"), ("\n", "the sea"))
    assert empty == pytest.approx(space, abs=1e-4)
    assert newline < 0


def test_a_token_across_the_end_of_a_context_leaves_something_to_score(model: Any) -> None:
    whole = model.tok_encode("Mr. Darcy")
    ((log, _),) = model._loglikelihood_tokens([(("Mr. Darcy", "cy"), whole, [])])
    assert log < 0


def test_what_is_asked_again_is_answered_alike_in_any_company(model: Any) -> None:
    pairs = [("She was not", " able"), ("He", " was"), ("It is a truth universally", " acknowledged")]
    together = scores(model, *pairs)
    for pair, (log, greedy) in zip(pairs, together, strict=True):
        ((alone, alone_greedy),) = scores(model, pair)
        assert alone == pytest.approx(log, abs=1e-4)
        assert alone_greedy == greedy


def test_what_leads_a_text_is_not_put_there_twice(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_leading", [0])
    start = model.tokenizer.decode([0])
    assert model.tok_encode("the sea")[:1] == [0]
    assert model.tok_encode(f"{start}the sea") == model.tok_encode("the sea")
    assert model.tok_encode("the sea", add_special_tokens=False)[:1] != [0]


def test_the_harnesses_cache_is_filled_and_read(model: Any, tmp_path: Path) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import CachingLM

    requests = [Instance("generate_until", {}, ("She was", {"until": ["."], "max_gen_toks": 4}), 0, ("t", 0, 1))]
    first = CachingLM(model, str(tmp_path / "cache.db")).generate_until(requests)
    calls = model.log.file.read_text().count("\n")
    assert CachingLM(model, str(tmp_path / "cache.db")).generate_until(requests) == first
    assert model.log.file.read_text().count("\n") == calls, "nothing was decoded again"


def test_the_harnesses_own_command_knows_the_model_where_the_package_is_installed(tmp_path: Path) -> None:
    """The installed file of paths is read when Python starts; here by hand, in a process of its own."""
    folder = tmp_path / "installed"
    folder.mkdir()
    shutil.copy(ROOT / "crossover" / "crossover_lm_eval.pth", folder)
    code = (
        f"import site; site.addsitedir({str(folder)!r}); import sys; print('lm_eval' in sys.modules);"
        " from lm_eval.api.registry import get_model; print(get_model('crossover').__module__)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "benchmark.harness.language_model"], found.stderr
