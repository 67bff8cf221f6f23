"""What the scripts of the comparison count, tried with normalisers whose result is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def unchanged(texts: Sequence[str]) -> list[str | None]:
    return list(texts)


def emptied(texts: Sequence[str]) -> list[str | None]:
    return ["" for _ in texts]


def raising(texts: Sequence[str]) -> list[str | None]:
    return [None for _ in texts]


def test_the_checks_are_thirty_and_none_is_for_nothing(load: Any) -> None:
    module = load("amharic_peers.checks")
    checks = module.read_checks()
    assert sorted({check.number for check in checks}) == list(range(1, 31))
    kept = {c.number for c in checks if c.kind in ("differ", "same")}
    held = module.run_checks(checks, unchanged)
    assert {number for number, is_ok in held.items() if is_ok} == kept
    same_text = module.run_checks(checks, emptied)
    assert not any(same_text[c.number] for c in checks if c.kind in ("differ", "same"))
    assert not any(module.run_checks(checks, raising).values())


def test_what_must_stay_is_asked_of_the_forms_that_keep(load: Any) -> None:
    module = load("amharic_peers.checks")
    checks = [module.Check(1, "same", ("3.14",), ""), module.Check(2, "gives", ("ሀ፡፡",), "ሀ።")]
    target = {"3.14": "3.14", "ሀ፡፡": "ሀ።"}.__getitem__
    keeping = [unchanged, lambda texts: [target(text) for text in texts]]
    assert module.run_checks(checks, emptied, keeping=keeping) == {1: True, 2: True}
    assert module.run_checks(checks, emptied, keeping=[unchanged]) == {1: True, 2: False}


def test_transcripts_are_the_same_every_time(load: Any) -> None:
    speed = load("amharic_peers.speed")
    for kind in speed.KINDS:
        texts = speed.build_transcripts(50, kind)
        assert texts == speed.build_transcripts(50, kind)
        assert len(set(texts)) > 40
    lengths = [len(text.replace(" ", "")) for text in speed.build_transcripts(50, "words")]
    assert 55 <= sum(lengths) / 50 <= 68


def test_forms_side_by_side_are_levelled_and_no_more(load: Any) -> None:
    level = load("number_words").level
    assert level("አንድ መቶ አምሳ ሦስት ሺሕ") == level("መቶ ሃምሳ ሶስት ሺ")
    assert level("ሃምሳ") != level("ስልሳ")
    assert level("አሥራ አንድ መቶ") != level("አሥራ መቶ ሺህ")


def test_a_vector_is_right_with_all_its_spellings(load: Any) -> None:
    judge = load("vectors").judge
    vector = {"expected": "ሀ", "accept": ["ለ"]}
    assert judge(vector, ["ሀ"])
    assert judge(vector, ["ለ", "ለ"])
    assert not judge(vector, ["ለ", "ሀ"])
    assert not judge(vector, ["መ"])
