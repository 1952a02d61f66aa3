import json
from collections.abc import Callable
from typing import Any

import pytest

from crossover.records.record import Failure, FailureKind, Record
from crossover.records.settings import Device, Encoder
from tests.factories import (
    a_document,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    a_score,
    an_autoregressive_run,
    from_json,
)

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> str:
    data = json.loads(a_record().to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    "record",
    [
        a_record(),
        a_record(an_autoregressive_run()),
        a_record(measurement=a_measurement(samples=(a_sample(prefill_s=0.25, step_s=()),))),
        a_record(environment=None),
        a_record(a_run(encoder=Encoder(checkpoint="./encoder", revision=None, layer=2, device=Device.cpu))),
        a_record(measurement=a_measurement(likelihood=(a_document(), a_document(nats_se=None)))),
        a_record(measurement=a_measurement(scores=(a_score(bertscore_f1=0.5, characters=3, ended=True),))),
        a_record(measurement=a_measurement(scores=(a_score(figures={"rhymes": 2.0, "feet": 5.0}),))),
        a_record(rescored_from="0123456789abcdef-20260301T120000.000000"),
        a_failed_record(kind=FailureKind.error, message='"quoted"\nand ünïcode'),
    ],
)
def test_a_record_comes_back_from_json_as_it_was(record: Record) -> None:
    assert from_json(record.to_json()) == record


def test_the_run_that_comes_back_has_the_same_key() -> None:
    record = a_record(an_autoregressive_run(temperature=0.1))
    assert from_json(record.to_json()).run.key == record.key


def test_text_is_written_as_it_is_read() -> None:
    assert "Él dijo" in a_record().to_json()


@pytest.mark.parametrize("text", ["[]", "null", "{}", changed(lambda data: data.update(schema=2))])
def test_what_has_another_schema_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match="not a record of schema 1"):
        from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("sweep"), r"Record: missing or unknown fields \['sweep'\]"),
        (lambda data: data.update(colour="red"), r"Record: missing or unknown fields \['colour'\]"),
        (lambda data: data["run"]["diffusion"].pop("steps"), r"Diffusion: missing or unknown fields \['steps'\]"),
        (lambda data: data["run"].update(batch="2"), "Run.batch: expected int, found str"),
        (lambda data: data["run"].update(batch=True), "Run.batch: expected int, found bool"),
        (lambda data: data["run"].update(temperature=True), "Run.temperature: expected float, found bool"),
        (lambda data: data["run"].update(device="tpu"), "Run.device: 'tpu' is not a valid Device"),
        (lambda data: data["run"].update(model=3), "Model: expected an object, found int"),
        (lambda data: data["measurement"].update(samples={}), "Measurement.samples: expected a list, found dict"),
        (lambda data: data["measurement"]["samples"][0].update(step_s=[None]), "Sample.step_s: expected float"),
        (
            lambda data: data["measurement"]["scores"][0].update(figures=[]),
            "Score.figures: expected an object, found list",
        ),
        (lambda data: data["measurement"]["scores"][0].update(figures={"a": "b"}), "Score.figures.a: expected float"),
        (lambda data: data.update(key=None), "Record.key: expected str, found NoneType"),
        (lambda data: data["run"].update(batch=0), "Run: batch=0 is not allowed"),
        (lambda data: data.update(measurement=None), "a record holds a measurement or a failure"),
        (
            lambda data: data.update(failure={"kind": "error", "message": ""}),
            "a record holds a measurement or a failure",
        ),
    ],
)
def test_a_field_that_is_missing_unknown_or_of_another_type_is_named(change: Change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(changed(change))


def test_a_whole_number_is_read_as_a_float_where_one_is_meant() -> None:
    record = from_json(changed(lambda data: data["run"].update(temperature=0)))
    assert isinstance(record.run.temperature, float)


LATER: dict[str, tuple[str, ...]] = {
    "run": ("encoder", "likelihood", "engine", "attention", "weights", "stopping", "profile", "gpu", "strict"),
    "sample": ("labels", "conditions"),
    "environment": ("dirty", "cudnn", "flash_attn", "variables", "card"),
    "judge": ("device",),
    "measurement": (
        "likelihood",
        "stopped_by",
        "interval_share",
        "warmup_too_short",
        "prompts_digest",
        "watched",
        "limits",
        "profile",
    ),
    "score": ("bertscore_precision", "bertscore_recall", "bertscore_f1", "characters", "ended", "figures"),
    "record": ("rescored_from", "fingerprint", "prediction"),
}


def test_an_older_record_without_later_fields_is_read_and_keeps_its_key() -> None:
    def age(data: dict[str, Any]) -> None:
        run, measured = data["run"], data["measurement"]
        holders = {
            "run": [run],
            "judge": [run["judge"]],
            "measurement": [measured],
            "record": [data],
            "sample": measured["samples"],
            "environment": [data["environment"]],
        }
        for kind, names in LATER.items():
            for holder in holders.get(kind, measured["scores"]):
                for name in names:
                    del holder[name]

    read = from_json(changed(age))
    assert read == a_record()
    assert read.run.key == read.key


def test_what_older_records_do_not_say_is_what_their_version_did() -> None:
    """Their texts were not cut at their end, no pass was spare or an edit, and each time is of one generation."""

    def age(data: dict[str, Any]) -> None:
        measured = data["measurement"]
        del measured["judged_until_end"], measured["human"]
        forwards = {"computed": [16], "written": [16], "of_rows": [1, 1]}
        timed = {"planned": 4, "index": [0], "computed": [16], "kept": [16], "read": [8]}
        measured["samples"][0].update(conditions={}, forwards=forwards, timed=timed)

    measured = from_json(changed(age)).measurement
    assert measured is not None
    assert (measured.judged_until_end, measured.human) == (False, ())
    sample = measured.samples[0]
    assert sample.conditions is not None
    assert sample.forwards is not None
    assert sample.timed is not None
    assert (sample.conditions.readings, sample.forwards.spare, sample.forwards.edited) == (0, 0, ())
    assert (sample.timed.generations, sample.timed.composed_share) == (1, 0.75)


def test_half_a_file_is_no_record() -> None:
    text = a_record().to_json()
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        from_json(text[: len(text) // 2])


def test_a_measurement_has_a_sample() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        a_measurement(samples=())


def test_a_record_is_a_measurement_or_a_failure() -> None:
    with pytest.raises(ValueError, match="never neither"):
        a_record(measurement=None)
    with pytest.raises(ValueError, match="never both"):
        a_record(failure=Failure(kind=FailureKind.error, message=""))
