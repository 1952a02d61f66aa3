import json
from dataclasses import replace

from benchmark.store.mlflow_fields import as_markdown, labels, parameters, view
from crossover.records.machine import Card, Verdict, Watched
from crossover.records.record import Fingerprint, StoppedBy
from crossover.records.settings import Encoder, HeldOut
from tests.factories import (
    a_diffusion,
    a_measurement,
    a_record,
    a_run,
    an_autoregressive_run,
    an_environment,
)


def test_params_leave_out_what_the_run_does_not_have() -> None:
    names = parameters(a_record(an_autoregressive_run(judge=None)))
    assert not {"steps", "block_length", "remasking", "guidance_scale", "judge"} & set(names)
    guided = parameters(a_record(a_run(diffusion=a_diffusion(guidance_scale=0.5))))
    assert (guided["guidance_scale"], guided["remasking"]) == (0.5, "low_confidence")


def test_who_scores_is_a_parameter_each() -> None:
    encoder = Encoder(checkpoint="./encoder", revision=None, layer=2)
    names = parameters(a_record(a_run(encoder=encoder, likelihood=HeldOut(documents=4, samples=2, orders=1))))
    assert (names["judge"], names["encoder"], names["encoder_layer"]) == ("./judge", "./encoder", 2)
    assert (names["likelihood_documents"], names["likelihood_samples"], names["likelihood_orders"]) == (4, 2, 1)
    assert not {"encoder", "encoder_layer", "likelihood", "likelihood_documents"} & parameters(a_record()).keys()


def test_a_record_that_was_scored_again_says_from_which() -> None:
    assert labels(a_record(rescored_from="key-start"))["rescored_from"] == "key-start"
    assert "rescored_from" not in labels(a_record())


def test_labels_say_where_it_ran_and_leave_out_what_is_unknown() -> None:
    tags = labels(a_record())
    assert (tags["host"], tags["cpu_threads"], tags["sweep"]) == ("node", "2", "sweep-1")
    assert not {"gpu", "commit", "failure"} & set(tags)


def test_texts_are_shown_beside_the_authors_own() -> None:
    shown = as_markdown(a_measurement().generated)
    assert "## a\n\n**Prompt:** Él dijo\n\n**Generated:** nada\n\n**Reference:** algo\n\n## b" in shown


def test_labels_have_the_fingerprint_and_the_verdict() -> None:
    card = Card(form="SXM", power_limit_w=400.0)
    environment = replace(an_environment(), variables=("OMP_NUM_THREADS=1", "MKL_X=2"), card=card, dirty=False)
    watched = Watched(verdict=Verdict.disturbed, why="a busy CPU", labelled=())
    tags = labels(
        a_record(
            environment=environment,
            measurement=a_measurement(watched=watched, stopped_by=StoppedBy.budget),
            fingerprint=Fingerprint(config="{}" * 4000, weights_sha256="abc"),
        )
    )
    assert (tags["card.form"], tags["card.power_limit_w"]) == ("SXM", "400.0")
    assert tags["variables"] == "OMP_NUM_THREADS=1 MKL_X=2"
    assert tags["dirty"] == "False"
    assert (tags["verdict"], tags["why"], tags["stopped_by"]) == ("disturbed", "a busy CPU", "budget")
    assert tags["weights_sha256"] == "abc"
    assert len(tags["config"]) == 5000
    assert "revision" not in tags
    assert "card.ecc" not in tags


def test_a_fallback_is_a_tag_and_the_saved_view_shows_it_beside_the_verdict() -> None:
    assert labels(a_record(measurement=a_measurement(fallback="no compiler")))["fallback"] == "no compiler"
    assert "fallback" not in labels(a_record())
    columns = json.loads(json.loads(view())["state"])["selectedColumns"]
    assert {"tags.`verdict`", "tags.`fallback`"} <= {*columns}
