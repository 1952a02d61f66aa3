import gzip
import json
import re
from pathlib import Path

import pytest

from benchmark.decoders.documents import Document, documents, found_in
from crossover.errors import UserError

TEXTS = ("One café.\nTwo.", "Three")
LINES = "\n".join(json.dumps({"text": text}) for text in TEXTS)
ARRAY = json.dumps([{"text": text} for text in TEXTS])
PLAIN = "\n\n".join(TEXTS)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def texts(file: Path) -> tuple[str, ...]:
    return tuple(document.text for document in documents(file, 1))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        *[(f"a{suffix}", LINES) for suffix in (".jsonl", ".ndjson", ".json", ".JSONL", ".txt", ".dat", "")],
        *[(f"a{suffix}", ARRAY) for suffix in (".json", ".JSON", ".jsonl", ".txt", "")],
        ("a.json", json.dumps([{"text": text} for text in TEXTS], indent=1)),
        *[(f"a{suffix}", PLAIN) for suffix in (".txt", ".TXT", ".md", "")],
    ],
)
def test_a_file_is_read_by_what_it_is(tmp_path: Path, name: str, content: str, newline: str, mark: bytes) -> None:
    assert texts(write(tmp_path, name, mark + content.replace("\n", newline).encode())) == TEXTS


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", LINES), ("a.txt", PLAIN)])
def test_a_carriage_return_alone_ends_a_line(tmp_path: Path, name: str, content: str) -> None:
    assert texts(write(tmp_path, name, content.replace("\n", "\r"))) == TEXTS


def test_names_and_places_are_given_or_counted(tmp_path: Path) -> None:
    lines = write(tmp_path, "a.jsonl", '\n{"text": "x", "id": 7}\n{"text": "y", "id": null}')
    assert list(documents(lines, 1)) == [
        Document(name="7", text="x", location="line 2"),
        Document(name="3", text="y", location="line 3"),
    ]
    array = write(tmp_path, "a.json", '[{"text": "x", "id": "q"}, {"text": "y"}]')
    assert [(one.name, one.location) for one in documents(array, 1)] == [("q", "entry 1"), ("2", "entry 2")]


def test_a_document_may_name_what_it_shares_with_others(tmp_path: Path) -> None:
    lines = write(tmp_path, "a.jsonl", '{"text": "x", "cluster": "book"}\n{"text": "y"}\n{"text": "z", "cluster": 7}')
    assert [one.cluster for one in documents(lines, 1)] == ["book", None, "7"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a", "cluster": ["b"]}', "line 1: its cluster is a list: give a text or a number"),
        ("a.jsonl", '{"text": "a"}\n{"text": "\\ud800b"}', r"line 2: its text holds \\ud800, half of a surrogate pair"),
        ("a.jsonl", '{"text": "a", "id": "\\udc00"}', r"line 1: its id holds \\udc00, half of a surrogate pair"),
        ("a.txt", b"a\n\nb\xed\xa0\x80", "line 3: it cannot be read as UTF-8 text (byte 0xed"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xe9"}', "line 2: it cannot be read as UTF-8 text (byte 0xe9"),
        ("a.json", b'[{"text": "a"},\n{"text": "\xe9"}]', "line 2: it cannot be read as UTF-8 text (byte 0xe9"),
        ("a.txt", "a\nb\0", "line 2: it holds a NUL byte"),
        ("a.jsonl", '{"text": "a\\u0000"}', r"line 1: its text holds the NUL character"),
        ("a.jsonl", '{"text": "a"}\n' + "[" * 100_000, "line 2: .* found brackets nested too deeply"),
        ("a.json", "[" * 100_000, "line 1: .* found brackets nested too deeply"),
        ("a.json", '[{"text": "a"},\n{"text": }]', r"line 2: .* found text that is no JSON \(Expecting value at char"),
        ("a.json", '[{"text": "a"}, 3]', "entry 2: .* found a number"),
        ("a.jsonl", '{"text": null}', "line 1: .* found null as its text"),
        ("a.jsonl", '{"text": ["a"]}', "line 1: .* found a list as its text"),
        ("a.jsonl", '{"prompt": "a", "n": 1}', "line 1: .* found an object that holds 'prompt', 'n'"),
        ("a.json", '{\n"data": []\n}', "entry 1: .* found an object that holds 'data'"),
        ("a.jsonl", '{"text": "a", "id": true}', "line 1: its id is true or false: give a text or a number"),
        ("a.jsonl", '{"text": "a", "id": NaN}', "line 1: its id is nan, which is no number"),
        ("a.jsonl", '{"text": "a", "id": 1e999}', "line 1: its id is inf, which is no number"),
        ("a.jsonl", '{"text": "a", "id": ["b"]}', "line 1: its id is a list: give a text or a number"),
        ("a.csv", "text\na", ".csv files are not read: give JSON lines"),
        ("a.txt.gz", gzip.compress(b"a", mtime=0), "the file is compressed by gzip: give JSON lines"),
        ("a.txt", gzip.compress(b"a", mtime=0), "the file is compressed by gzip: give JSON lines"),
        ("a.txt", "text".encode("utf-16"), "the file is in UTF-16: give JSON lines"),
    ],
)
def test_what_is_no_document_is_refused_in_one_line_that_names_file_and_place(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    pattern = message.replace("(byte", r"\(byte")
    with pytest.raises(UserError, match=rf"prompts\.source={re.escape(str(tmp_path))}/{name}.*{pattern}") as refused:
        texts(write(tmp_path, name, content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt", "a"])
def test_an_empty_file_holds_nothing(tmp_path: Path, name: str, content: str) -> None:
    assert texts(write(tmp_path, name, content)) == ()


def test_text_may_begin_with_a_bracket(tmp_path: Path) -> None:
    assert texts(write(tmp_path, "a.txt", "[Illustration]\n\n{No} JSON")) == ("[Illustration]", "{No} JSON")


def test_the_rule_of_plain_text_is_said_with_what_was_found(tmp_path: Path) -> None:
    assert "found 1 paragraph in 3 lines: for one document a line, part" in found_in(write(tmp_path, "a", "x\ny\nz\n"))
    assert found_in(write(tmp_path, "b", "x\n\nz")).endswith("found 2 paragraphs in 3 lines")
    assert found_in(write(tmp_path, "c.jsonl", LINES)) == ""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", "\n".join(f"\ufeff{line}" for line in LINES.splitlines())),
        ("a.jsonl", f"\ufeff\ufeff{LINES}"),
        ("a.json", f"\ufeff\ufeff{ARRAY}"),
        ("a.txt", "\n\n".join(f"\ufeff{text}" for text in TEXTS)),
    ],
)
def test_marks_of_files_that_were_joined_are_no_text(tmp_path: Path, name: str, content: str) -> None:
    assert texts(write(tmp_path, name, content)) == TEXTS


@pytest.mark.parametrize("content", ['{"text": "a", "text": "b"}', '[{"text": "a", "id": 1, "id": 2}]'])
def test_of_a_key_that_is_there_twice_no_value_is_taken(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match=r"line 1: .*the key '(text|id)' is there twice"):
        texts(write(tmp_path, "a.json", content))


def test_utf_32_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in UTF-32"):
        texts(write(tmp_path, "a.txt", PLAIN.encode("utf-32")))
