"""The worked example of docs/how-we-score.md says what the code gives."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from ruach_core.evaluation.metrics import Unit, count_edits
from ruach_core.evaluation.report import percent
from ruach_core.plugins import Plugins
from ruach_core.types import Purpose, TextNormalizer

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "how-we-score.md"
FORMS: tuple[Purpose, ...] = ("target", "score")

if not DOCUMENT.is_file():
    pytest.skip("not in a checkout of the repository", allow_module_level=True)
try:
    distribution("ruach-lang-am")
except PackageNotFoundError:
    pytest.skip("the Amharic pack isn't installed", allow_module_level=True)


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    """The rows of the example's two tables, by their first cell, backticks off."""
    text = DOCUMENT.read_text(encoding="utf-8")
    example = text.partition("### An example")[2].partition("\n#")[0]
    cells = [line.strip("|").split("|") for line in example.splitlines() if line.startswith("|")]
    return {first.strip(" `"): [cell.strip(" `") for cell in rest] for first, *rest in cells}


@pytest.fixture(scope="module")
def normalizer() -> TextNormalizer:
    return Plugins.load("am").normalizer()


@pytest.mark.parametrize("purpose", FORMS)
def test_forms_are_what_the_pack_gives(
    rows: dict[str, list[str]], normalizer: TextNormalizer, purpose: Purpose
) -> None:
    given = [normalizer.normalize(text, purpose=purpose) for text in rows["as written"]]
    assert rows[purpose] == given


@pytest.mark.parametrize(("figure", "purpose"), [("strict", "target"), ("folded", "score")])
def test_figures_are_what_the_metrics_give(
    rows: dict[str, list[str]], normalizer: TextNormalizer, figure: str, purpose: Purpose
) -> None:
    reference, hypothesis = (
        normalizer.normalize(text, purpose=purpose) for text in rows["as written"]
    )
    units: tuple[tuple[Unit, str], ...] = (("word", "words"), ("character", "characters"))
    expected = []
    for unit, name in units:
        (counts,) = count_edits([reference], [hypothesis], unit=unit)
        expected.append(f"{counts.errors} of {counts.n_reference} {name}, {percent(counts.rate)}")
    assert rows[figure] == expected


def test_letters_that_the_text_names_are_folded(normalizer: TextNormalizer) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    pairs = re.findall(r"([\u1200-\u137f]) as ([\u1200-\u137f])", text)
    assert len(pairs) == 3
    for letter, folded in pairs:
        assert normalizer.normalize(letter, purpose="score") == folded
        assert normalizer.normalize(letter, purpose="target") == letter
