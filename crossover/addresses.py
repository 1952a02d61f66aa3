"""Addresses of stores: shown without their secrets, and used without their user and password.

A password on the command line would reach ledgers, records, messages and the errors of libraries. So it leaves the
address as soon as the address is read, for the two variables of the environment where MLflow looks for it.
"""

import os
import re
from collections.abc import MutableMapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from crossover.errors import UserError

USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
HIDDEN = "***"
SERVERS = ("http", "https")
FILE = re.compile(r"(sqlite|file):///")
"""What the address of a file begins with; a file's name may hold any character, and no password."""
SECRET = re.compile(r"pass|pwd|token|secret", re.IGNORECASE)
"""Parts of the names of a query's secret parameters."""


def masked(address: str) -> str:
    """The address without user, password, and the values of its query.

    An `@` behind the host may belong to a password that is not percent-encoded: then nothing but the scheme is left.
    """
    scheme, separator, _ = address.partition("://")
    if not separator or FILE.match(address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that belong to no IPv6 address
        return f"{scheme}://{HIDDEN}"
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return f"{scheme}://{HIDDEN}"
    _, at, host = parts.netloc.rpartition("@")
    query = re.sub(r"(^|[&;])([^=&;]*)(=?)[^&;]*", _hide_value, parts.query)
    fragment = HIDDEN if "=" in parts.fragment else parts.fragment
    return urlunsplit((scheme, f"{HIDDEN}@{host}" if at else host, parts.path, query, fragment))


def masked_text(text: str) -> str:
    """A text with each address in it masked."""
    return re.sub(r"[A-Za-z][\w+.-]*://\S+", lambda match: masked(match[0]), text)


def all_masked(data: object) -> object:
    """The same parsed JSON with each address in it masked."""
    if isinstance(data, str):
        return masked(data)
    if isinstance(data, dict):
        return {name: all_masked(value) for name, value in data.items()}
    return [all_masked(item) for item in data] if isinstance(data, list | tuple) else data


def without_credentials(address: str, key: str, environment: MutableMapping[str, str] = os.environ) -> str:
    """The address of a store without user and password.

    From now on `environment` has them under MLflow's names, for this process and those that it starts. `key` is what
    the command line calls the address.

    Raises:
        UserError: when the address has a secret that cannot be taken out, or cannot be read.
    """
    if "://" not in address or FILE.match(address):
        return address
    parts = _parsed(address, key)
    if parts.scheme not in SERVERS:
        _refuse_password(parts, address, key)
        return address
    if parts.query or parts.fragment:
        raise UserError(
            f"{key}={masked(address)} has a query, which MLflow cannot use: give http://HOST:PORT alone,"
            f" and a token in the variable {TOKEN}"
        )
    if "@" not in parts.netloc:
        return address
    if not parts.username or not parts.password:
        raise UserError(
            f"{key}={masked(address)} needs both user and password, http://USER:PASSWORD@HOST:PORT;"
            f" a token belongs in the variable {TOKEN}"
        )
    environment[USER], environment[PASSWORD] = unquote(parts.username), unquote(parts.password)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _hide_value(match: re.Match[str]) -> str:
    """A query's parameter without its value; one without a name is a value."""
    before, name, equals = match.groups()
    return f"{before}{name}={HIDDEN}" if equals else f"{before}{HIDDEN if name else ''}"


def _parsed(address: str, key: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        is_read = parts.port is None or parts.port > 0
    except ValueError:
        is_read = False
    if not is_read or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise UserError(
            f"{key}={masked(address)} cannot be read as an address: write http://HOST:PORT,"
            " and / ? # @ in user or password as %2F %3F %23 %40"
        )
    return parts


def _refuse_password(parts: SplitResult, address: str, key: str) -> None:
    """A database's address would take its password to every file that names it."""
    secret = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if SECRET.search(name)]
    if parts.password or secret:
        raise UserError(
            f"{key}={masked(address)} has a password: leave it out, and give it where the database's client looks for"
            " it (PGPASSWORD or ~/.pgpass for PostgreSQL), or give the address of an MLflow server"
        )
