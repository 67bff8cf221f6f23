"""The rules that every normaliser holds, on text that is rich in numbers and abbreviations."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruach_lang_am.normalizer import build_normalizer

from ruach_core.text.unicode import normalize_form

OPTIONS = [
    dict(zip(("numbers", "abbreviations", "number_variants", "labialised_sixth"), v, strict=True))
    for v in product(("words", "keep"), ("expand", "keep"), ("keep", "level"), ("keep", "fold"))
]

_WORDS = """
0 5 9 10 12 100 2016 1,234 1,23 3.14 .5 007 5-9 3:15 3:30 3:00 12/05/2016 0911234567 +251 -5 25% %
፩ ፪ ፲ ፻ ፼ ፪፡፴ ፩፪ ٣ ३ ７ ² ½ ኛ ኛው ቱ ኙ ው ዋ ዎቹ ን ም ና በ ከ የ ለ እስከ ብር ሰዓት ሰአት ሰዓቱ ቀኑ ሺ ሺህ ሚሊየን አምሳ
ዓ.ም ዓ.ም. ዓ. ት/ቤት ት/ቤቱ ወ/ሮ አ.አ ገ/ መድህን ኢ.ፌ.ዴ.ሪ ኃ/ ሰላም ሉዓ ዐ ኘ ሮ ት ቱዋ ትዋ ህዋ A K kg COVID-19 ß ŉ
$ . , : ; / - – ' ’ ʼ " « » ( ) ፡ ። ፣ ፥ ፠ … ... :: _ + *
"""
_UNSEEN = " \n\u00a0\u0301\ufe0f\u135f\u1390\u200b\ud800"
_PIECES = [*_WORDS.split(), *_UNSEEN]

_texts = st.lists(st.sampled_from(_PIECES), max_size=10).map("".join)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.values()))
@given(text=_texts)
@settings(max_examples=120, deadline=None)
def test_invariants_hold_under_all_options(options: dict[str, str], text: str) -> None:
    normalizer = build_normalizer(options)
    target = normalizer.normalize(text, purpose="target")
    score = normalizer.normalize(text, purpose="score")
    for output in (target, score):
        assert output == " ".join(output.split())
        assert normalize_form(output, "NFC") == output
        output.encode("utf-8")
    assert normalizer.normalize(target, purpose="target") == target
    assert normalizer.normalize(score, purpose="score") == score
    assert normalizer.normalize(target, purpose="score") == score


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.values()))
def test_target_depends_on_numbers_and_abbreviations_alone(options: dict[str, str]) -> None:
    text = "በ2016 ዓ.ም. ቤትዋ አምሳ ሺ፣ ኃይለ ሥላሴ ቍጥር"
    plain = {name: options[name] for name in ("numbers", "abbreviations")}
    expected = build_normalizer(plain).normalize(text, purpose="target")
    assert build_normalizer(options).normalize(text, purpose="target") == expected
