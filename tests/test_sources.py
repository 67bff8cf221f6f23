"""Which data a run takes: names, weights, and what the settings make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.config import RunConfig, build_config, read_config_file
from ruach_core.errors import UserError
from ruach_core.sources import DataSources, Source


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [
        ("a", "a", 1.0), ("a:0.5", "a", 0.5), ("b:2", "b", 2.0),
        ("kaldi:dir:.25", "kaldi:dir", 0.25),
        ("hf:owner/corpus@am:1e-1", "hf:owner/corpus@am", 0.1), ("hf:owner/corpus", None, 1.0),
        ("C:\\data", None, 1.0), ("a:b", None, 1.0), ("a:", None, 1.0), ("a:nan", None, 1.0),
        ("a:1_0", None, 1.0), ("a:\u0663", None, 1.0), (":5", None, 1.0),
    ],
)  # fmt: skip
def test_a_source_and_its_weight(text: str, path: str | None, weight: float) -> None:
    assert Source.parse(text) == Source(Path(path or text), weight)


@pytest.mark.parametrize("text", ["a:0", "a:-1", "a:1000", "a:1e999", "a:0.0001", " "])
def test_weights_out_of_range(text: str) -> None:
    with pytest.raises(UserError, match=r"^--data"):
        Source.parse(text)


def test_what_exists_has_no_weight(tmp_path: Path) -> None:
    (tmp_path / "take:2").mkdir()
    assert Source.parse(str(tmp_path / "take:2")).weight == 1.0
    assert Source.parse(f"{tmp_path / 'take:2'}:3") == Source(tmp_path / "take:2", 3.0)


@given(st.text())
def test_any_text_is_a_source_or_one_line(text: str) -> None:
    try:
        source = Source.parse(text)
    except UserError:
        return
    assert 0 < source.weight <= 100


def test_names_tell_sources_apart() -> None:
    sources = DataSources.parse(["x/data", "y/data", "data-2", "hf:owner/data", "/"])
    assert len(set(sources.names)) == 5
    assert sources.names[:3] == ("data", "data-2", "data-2-2")
    assert not any(":" in name or "/" in name for name in sources.names)


def test_the_same_source_twice(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="given twice"):
        DataSources.parse(["a", "a:0.5"])
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UserError, match="given twice"):
        DataSources.parse([str(tmp_path / "a"), str(tmp_path / "b")])


def config(**flags: Any) -> RunConfig:
    return build_config({}, {"lang": "am", **flags})


def test_by_flag_and_by_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('lang = "am"\ndata = ["a", "b:0.5"]\n', encoding="utf-8")
    from_file = build_config(read_config_file(file), {})
    assert from_file == config(data=("a", "b:0.5"))
    assert from_file.data.weights == (1.0, 0.5)
    assert str(from_file.data) == "a + b:0.5"
    # Flags win as a whole.
    assert str(build_config(read_config_file(file), {"data": ("c",)}).data) == "c"


def test_settings_are_written_as_they_were_given() -> None:
    one, two = config(data="a"), config(data=("a", "b:0.5"))
    assert one.model_dump(mode="json")["data"] == "a"
    assert two.model_dump(mode="json")["data"] == ["a", "b:0.5"]
    for each in (one, two):
        assert RunConfig.model_validate_json(each.model_dump_json()) == each


@pytest.mark.parametrize("value", [3, [], [3], {"a": 1}])
def test_what_is_no_source(value: object) -> None:
    with pytest.raises(UserError) as caught:
        build_config({"lang": "am", "data": value}, {})
    assert "data" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_are_in_the_digest_and_folders_are_not() -> None:
    base = config().digest()
    assert config(data="x").digest() == base
    assert config(data=("x", "y")).digest() == base
    weighted = config(data=("x", "y:0.5")).digest()
    assert weighted != base
    assert config(data=("v", "w:0.5")).digest() == weighted
    assert config(data=("x:0.5", "y")).digest() != weighted
    assert config(data="x:0.5").digest() != base
