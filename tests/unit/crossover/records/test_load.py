import gc
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from crossover.records.load import TOGETHER, Source, _without_texts, latest, load, read
from tests.factories import FINISHED, STARTED, a_failed_record, a_measurement, a_record, a_run

EARLY, LATE = "2026-03-01T10:00:00+00:00", "2026-03-01T11:00:00+00:00"


def test_records_come_in_the_order_of_their_start(tmp_path: Path) -> None:
    for name, started in (("a", LATE), ("b", EARLY)):
        (tmp_path / name).write_text(a_record(started_at=started).to_json(), encoding="utf-8")
    loaded = load([tmp_path / "a", tmp_path / "b"])
    assert [record.started_at for record in loaded.records] == [EARLY, LATE]
    assert loaded.rejected == ()


def test_a_file_that_is_no_record_is_named_and_left_out(tmp_path: Path) -> None:
    good = a_record().to_json()
    texts = {
        "broken": good[:100],
        "other": "{}",
        "neither": json.dumps(json.loads(good) | {"measurement": None}),
        "impossible": good.replace('"batch": 2', '"batch": 0'),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "good").write_text(good, encoding="utf-8")
    loaded = load([*sorted(tmp_path.iterdir()), tmp_path / "gone"])
    assert loaded.records == (a_record(),)
    names = [Path(line.partition(":")[0]).name for line in loaded.rejected]
    assert names == ["binary", "broken", "impossible", "neither", "other", "gone"]


def test_of_one_runs_records_the_newest_measured_one_counts() -> None:
    old, new = a_record(started_at=EARLY), a_record(started_at=LATE)
    failed = a_failed_record(started_at="2026-03-01T12:00:00+00:00")
    assert latest([old, new, failed]) == [new]
    assert latest([a_failed_record(message="first"), a_failed_record(message="second")]) == [
        a_failed_record(message="second")
    ]
    assert latest([failed, new]) == [new]


def test_runs_keep_the_order_in_which_they_first_appear() -> None:
    other = a_record(a_run(batch=1))
    assert latest([a_failed_record(), other, a_record()]) == [a_record(), other]


def test_texts_can_be_left_behind() -> None:
    record = a_record()
    assert b"nada" in record.to_json().encode()
    assert b"nada" not in _without_texts(record.to_json().encode())
    (loaded,) = read([("it", record.to_json().encode)], keep_texts=False).records
    assert loaded.measurement is not None
    assert record.measurement is not None
    assert loaded.measurement.generated == ()
    assert loaded.measurement.scores == record.measurement.scores


def test_a_text_that_looks_like_a_record_is_left_behind_whole() -> None:
    measured = a_measurement()
    strange = replace(
        measured.generated[0], continuation='"generated": [{}], "scores": [\\"], "scores": [', prompt="\\"
    )
    record = a_record(measurement=replace(measured, generated=(strange, *measured.generated)))
    (loaded,) = read([("it", record.to_json().encode)], keep_texts=False).records
    assert loaded == replace(record, measurement=replace(measured, generated=()))
    assert read([("it", record.to_json().encode)]).records == (record,)


def test_a_record_that_was_written_otherwise_loses_its_texts_too() -> None:
    text = json.dumps(json.loads(a_record().to_json()), indent=1, sort_keys=True)
    (loaded,) = read([("it", text.encode)], keep_texts=False).records
    assert loaded == replace(a_record(), measurement=replace(a_measurement(), generated=()))


STRANGE = {
    "nested": lambda text: text.replace('"sweep": "sweep-1"', '"sweep": ' + "[" * 1000 + "]" * 1000),
    "nested beyond the parser": lambda text: text.replace('"sweep": "sweep-1"', '"sweep": ' + "[" * 9000 + "]" * 9000),
    "a huge number": lambda text: text.replace('"warmup": 1', '"warmup": 1' + "0" * 400),
    "half of a surrogate": lambda text: text.replace('"sweep-1"', '"\\ud800"'),
    "a start that is no time": lambda text: text.replace(STARTED, "yesterday"),
    "a start without a time zone": lambda text: text.replace(STARTED, "2026-03-01T12:00:00"),
    "an end that is no time": lambda text: text.replace(FINISHED, "2026-13-01T12:00:00+00:00"),
    "a key that is a path": lambda text: text.replace(a_record().key, "../../elsewhere"),
}


@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize("keep_texts", [True, False])
def test_what_no_run_writes_is_named_and_left_out(tmp_path: Path, what: str, *, keep_texts: bool) -> None:
    strange, whole = tmp_path / "strange.json", tmp_path / "whole.json"
    text = a_record().to_json()
    strange.write_text(STRANGE[what](text), encoding="utf-8")
    assert strange.read_text(encoding="utf-8") != text
    whole.write_text(text, encoding="utf-8")
    loaded = load([strange, whole], keep_texts=keep_texts)
    assert [record.key for record in loaded.records] == [a_record().key]
    assert [line.startswith(str(strange)) for line in loaded.rejected] == [True]


def test_nested_values_that_a_terminal_might_obey_are_named_and_left_out(tmp_path: Path) -> None:
    """They are looked through, level by level."""
    file = tmp_path / "strange.json"
    file.write_text(a_record().to_json().replace('"sweep-1"', "[" * 1000 + '"\\u001b"' + "]" * 1000), encoding="utf-8")
    assert len(load([file], keep_texts=False).rejected) == 1


@pytest.mark.parametrize("obeyed", ["\x7f", "\x1b", "\x9b", "\u202e"], ids=ascii)
def test_what_a_terminal_obeys_is_spelled_out_in_records_that_are_to_be_shown(obeyed: str) -> None:
    content = a_record(name=f"a{obeyed}b").to_json().encode()
    (shown,), (kept,) = (read([("it", lambda: content)], keep_texts=keep).records for keep in (False, True))
    assert (shown.name, kept.name) == ("a" + obeyed.encode("unicode_escape").decode() + "b", f"a{obeyed}b")


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_while_records_are_read_and_is_left_as_it_was(*, enabled: bool) -> None:
    was_enabled, seen = gc.isenabled(), []

    def content() -> bytes:
        seen.append(gc.isenabled())
        return a_record().to_json().encode()

    try:
        (gc.enable if enabled else gc.disable)()
        assert read([("it", content)]).records == (a_record(),)
        assert (seen, gc.isenabled()) == ([False], enabled)
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    loaded = load([tmp_path / "a.json"])
    assert (loaded.records, loaded.rejected) == ((), (f"{tmp_path / 'a.json'}: it is no regular file",))


def test_a_record_that_an_editor_saved_with_a_mark_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(a_record().to_json(), encoding="utf-8-sig")
    for keep_texts in (True, False):
        assert len(load([tmp_path / "a.json"], keep_texts=keep_texts).records) == 1


def test_records_that_are_read_together_keep_their_order_and_their_reasons() -> None:
    """A file with an unknown field, and one that is no JSON, among many: the others are read, both are named."""
    texts = [a_record(a_run(seed=seed)).to_json() for seed in range(3 * TOGETHER)]
    texts[1] = texts[1].replace('"batch": 2', '"bach": 2')
    texts[TOGETHER + 1] = "{"
    texts[TOGETHER + 2] = texts[TOGETHER + 2].replace('"nll_nats": ', '"nll_nats": "x", "more": ')
    loaded = read([(f"file {index}", text.encode) for index, text in enumerate(texts)])
    left = [index for index in range(len(texts)) if index not in {1, TOGETHER + 1, TOGETHER + 2}]
    assert [record.run.seed for record in loaded.records] == left
    first, second, third = loaded.rejected
    assert first == "file 1: Run: missing or unknown fields ['bach', 'batch']"
    assert second.startswith(f"file {TOGETHER + 1}: ")
    assert third == f"file {TOGETHER + 2}: Score: missing or unknown fields ['more']"


def test_what_is_kept_of_a_record_takes_its_place() -> None:
    record, failed = a_record(), a_failed_record()
    sources: list[Source] = [("one", record.to_json().encode), ("none", "{".encode), ("two", failed.to_json().encode)]
    loaded = read(sources, keep=lambda each: replace(each, sweep="kept"))
    assert loaded.records == (replace(record, sweep="kept"), replace(failed, sweep="kept"))
    assert len(loaded.rejected) == 1
