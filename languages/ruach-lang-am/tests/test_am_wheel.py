from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "ruach_lang_am"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling isn't installed")
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = builder.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(path)


def test_wheel_holds_all_of_the_pack(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    files = [
        path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {"pack.toml", "samples.tsv", "homophones.tsv"} <= {path.name for path in files}
    for path in files:
        assert f"ruach_lang_am/{path.relative_to(PACKAGE).as_posix()}" in names


def test_wheel_is_small_and_has_its_entry_point(wheel: zipfile.ZipFile) -> None:
    (points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "am = ruach_lang_am.hooks" in wheel.read(points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert sum(entry.compress_size for entry in wheel.infolist()) < 4_000_000
