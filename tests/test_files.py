from __future__ import annotations

from pathlib import Path

import pytest

from ruach_core.errors import UserError
from ruach_core.files import write_aside, write_text


def test_a_text_is_written_whole_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a/b.txt"
    write_text(path, "ሰላም\nx\udce9\r\n")
    assert path.read_bytes() == "ሰላም\nx\\udce9\r\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def write(beside: Path) -> None:
        beside.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_aside(path, write)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(UserError, match=r"a\.txt/b\.txt: can't be written"):
        write_text(path / "b.txt", "new")
