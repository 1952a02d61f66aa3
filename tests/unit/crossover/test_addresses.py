import pytest

from crossover.addresses import all_masked, masked, masked_text, without_credentials
from crossover.errors import UserError


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://host:5000/path", "http://host:5000/path"),
        ("http://me:pw@host:5000", "http://***@host:5000"),
        ("https://me:p@ss@host", "https://***@host"),
        ("http://me:a/b@host", "http://***"),
        ("http://me:a?b@host", "http://***"),
        ("http://me:a#b@host", "http://***"),
        ("http://me:[@host", "http://***"),
        ("http://host/?token=abc", "http://host/?token=***"),
        ("http://host/?a=b&token=x@y", "http://***"),
        ("http://host/?abc", "http://host/?***"),
        ("http://host/#token=x", "http://host/#***"),
        ("http://host/page#how-to", "http://host/page#how-to"),
        ("http://token@host", "http://***@host"),
        ("postgresql+psycopg://me:pw@host/db?password=x", "postgresql+psycopg://***@host/db?password=***"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("sqlite:///a?b#c.db", "sqlite:///a?b#c.db"),
        ("me@work", "me@work"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, expected: str) -> None:
    assert masked(address) == expected
    assert masked(expected) == expected
    assert all_masked({"a": [address, 1, None], "b": {"c": address}}) == {
        "a": [expected, 1, None],
        "b": {"c": expected},
    }


def test_addresses_in_a_text_are_masked_and_the_rest_stays() -> None:
    assert masked_text("tracking.uri=http://me:p@ss@host: a@b is there") == "tracking.uri=http://***@host: a@b is there"
    assert masked_text("request to 'http://me:a/b@host/api' failed") == "request to 'http://*** failed"


@pytest.mark.parametrize("password", ["pw", "p@ss", "p%40ss", "{p}", "p,q", "p:q", "p=q"])
def test_user_and_password_go_to_mlflows_variables(password: str) -> None:
    environment: dict[str, str] = {}
    assert without_credentials(f"http://me:{password}@host:5000/x", "tracking.uri", environment) == "http://host:5000/x"
    assert environment == {
        "MLFLOW_TRACKING_USERNAME": "me",
        "MLFLOW_TRACKING_PASSWORD": password.replace("%40", "@"),
    }


@pytest.mark.parametrize(
    "address",
    ["http://host:5000", "sqlite:////home/me:pw@work/mlflow.db", "postgresql://me@host/db?sslmode=require", "nope://x"],
)
def test_an_address_without_secrets_stays_as_it_is(address: str) -> None:
    environment: dict[str, str] = {}
    assert without_credentials(address, "tracking.uri", environment) == address
    assert not environment


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("http://me:s3/cret@host", "%2F"),
        ("http://me:s3?cret@host", "%3F"),
        ("http://me:[s3cret@host", "%40"),
        ("http://s3cret@host", "USER:PASSWORD@"),
        ("http://host/?token=s3cret", "MLFLOW_TRACKING_TOKEN"),
        ("postgresql://me:s3cret@host/db", "PGPASSWORD"),
        ("postgresql://host/db?user=me&password=s3cret", "PGPASSWORD"),
    ],
)
def test_a_secret_that_cannot_be_taken_out_is_refused_and_not_shown(address: str, advice: str) -> None:
    with pytest.raises(UserError, match=r"^tracking\.uri=") as refused:
        without_credentials(address, "tracking.uri", {})
    assert advice in str(refused.value)
    assert "cret" not in str(refused.value)
