import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.util.files import make_file, replace_file


def no_links(*_: object) -> None:
    raise PermissionError


@pytest.fixture(params=["with links", "without links"], autouse=True)
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without links":
        monkeypatch.setattr(os, "link", no_links)


@pytest.mark.parametrize("write", [make_file, replace_file])
def test_a_file_is_there_whole_and_nothing_beside_it(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    write(tmp_path / "a.json", "täxt")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "täxt"
    assert len(list(tmp_path.iterdir())) == 1


def test_of_two_who_make_it_one_succeeds(tmp_path: Path) -> None:
    make_file(tmp_path / "a", "first")
    with pytest.raises(FileExistsError):
        make_file(tmp_path / "a", "second")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["first"]


def test_replacing_leaves_the_later_text(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", "first")
    replace_file(tmp_path / "a", "second")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["second"]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        make_file(tmp_path / "a", "half of a pair: \ud800")
    assert not list(tmp_path.iterdir())


def test_permissions_are_those_that_the_user_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        make_file(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
