from __future__ import annotations

from ruach_core.text.excerpt import excerpt


def test_short_texts_are_whole():
    assert excerpt("ሰላም") == "'ሰላም'"
    assert excerpt("") == "''"
    assert excerpt("a\nb\x00") == "'a\\nb\\x00'"


def test_the_part_that_matters_shows():
    text = "a" * 200 + "♪" + "b" * 200
    shown = excerpt(text, around="♪")
    assert "♪" in shown
    assert len(shown) == 60 + len("......''")
    assert excerpt(text) == "'" + "a" * 60 + "'..."
    assert excerpt(text, around="bbb" * 66).endswith("...")
    assert excerpt("b" * 99 + "♪", around="♪").endswith("♪'")
    assert excerpt(text, around="zz") == excerpt(text)
