from __future__ import annotations

import json

import pytest

CHAIN = """
from ruach_core import hookimpl
from ruach_core.text.normalization import ChainNormalizer, clean_rules, replace_characters
from ruach_core.text.normalization import surface_folds

@hookimpl
def ruach_normalizer(lang, options):
    target = (*clean_rules("NFC"), replace_characters("b is p", {"b": "p"}))
    if options.get("case") == "lower":
        target = clean_rules("NFC")
    return ChainNormalizer("chain 1", target=target, score=(*target, *surface_folds("NFC")))
"""
SAMPLES = "target\ta\\u200bb\tap\nscore\ta\\u200bb\tap\ntarget\ta\ta\n"


@pytest.fixture
def chain(write_case_pack):
    """The pack `qta` with a chain of rules for its normaliser."""
    write_case_pack(hooks=CHAIN, samples=SAMPLES)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfABC b\r\nx\n\nA.\n")
    return str(path)


def test_langs_diff_shows_lines_with_their_rules(ruach, chain, text):
    done = ruach("langs", "diff", "qta", text)
    assert done.status == 0
    assert done.output.splitlines() == [
        f"chain 1, {text}: 4 lines, changed: 1 for target, 2 for score",
        "target: 1 changed, 3 as they were",
        "  1: ABC [-b-]{+p+}  (b is p)",
        "score: 2 changed, 2 as they were",
        "  1: [-ABC-]{+abc+} p  (case)",
        "  4: [-A.-]{+a+}  (case, punctuation)",
        "case (score): 2 lines",
        "b is p (target): 1 line",
        "punctuation (score): 1 line",
        "Lines for score begin with the target form of the line.",
    ]
    assert "\x1b" not in done.output


def test_langs_diff_takes_the_samples_where_no_text_is_given(ruach, chain):
    done = ruach("langs", "diff", "qta", "--purpose", "target")
    assert "the inputs of the pack's samples.tsv: 2 lines" in done.output
    assert "[-a<U+200B ZERO WIDTH SPACE>b-]{+ap+}  (invisible, b is p)" in done.output


def test_langs_diff_reads_standard_input(ruach, chain):
    done = ruach("langs", "diff", "qta", "-", "--purpose", "score", text="B.\nb\n")
    assert "  1: [-B.-]{+b+}  (case, punctuation)" in done.output
    assert "  2: [-b-]{+p+}  (b is p)" in done.output


def test_langs_diff_takes_options(ruach, chain, text):
    done = ruach("langs", "diff", "qta", text, "--option", "case=lower", "--purpose", "target")
    assert "changed: none" in done.output
    assert ruach("langs", "diff", "qta", text, "--option", "case=odd").status == 1


def test_langs_diff_without_explain_shows_before_and_after(ruach, pack, text):
    done = ruach("langs", "diff", "qta", text, "--purpose", "score")
    assert "  1: [-ABC-]{+abc+} b\n" in done.output
    assert "doesn't tell which of its rules" in done.output


def test_langs_diff_writes_json(ruach, chain, text):
    data = json.loads(ruach("langs", "diff", "qta", text, "--json").output)
    assert (data["code"], data["n_lines"], data["n_changed"]) == (
        "qta",
        4,
        {"target": 1, "score": 2},
    )
    assert data["changes"][0] == {
        "line": 1,
        "purpose": "target",
        "before": "ABC b",
        "after": "ABC p",
        "steps": [{"rule": "b is p", "after": "ABC p"}],
    }
    assert data["rules"][0]["rule"] == "case"


def test_langs_diff_limits_what_it_shows_and_counts_all(ruach, chain, text):
    done = ruach("langs", "diff", "qta", text, "--purpose", "score", "--limit", "1")
    assert "changed: 2 for score" in done.output
    assert "  4:" not in done.output
    assert "1 more changed lines aren't shown" in done.output


def test_langs_diff_writes_a_page(ruach, chain, text, tmp_path):
    page = tmp_path / "review.html"
    done = ruach("langs", "diff", "qta", text, "--html", str(page))
    assert done.output == f"{page}: 4 lines, changed: 1 for target, 2 for score\n"
    written = page.read_text(encoding="utf-8")
    assert "<title>Toy (Toyish): what ruach-lang-qta 1.0 changes</title>" in written
    assert 'lang="qta" dir="auto"' in written
    assert [file.name for file in tmp_path.iterdir() if "review" in file.name] == ["review.html"]


def test_langs_diff_page_and_json_together(ruach, chain, text, tmp_path):
    page = tmp_path / "review.html"
    done = ruach("langs", "diff", "qta", text, "--html", str(page), "--json")
    assert json.loads(done.output)["n_lines"] == 4
    assert page.is_file()


def test_langs_diff_says_what_it_cannot_read_or_write(ruach, chain, text, tmp_path):
    done = ruach("langs", "diff", "qta", str(tmp_path / "none.txt"))
    assert done.status == 1
    assert done.error_line.endswith("none.txt: can't be read: No such file or directory")
    done = ruach("langs", "diff", "qta", text, "--html", f"{text}/page.html")
    assert done.status == 1
    assert "page.html: can't be written" in done.error_line
    (tmp_path / "bad.txt").write_bytes(b"a\n\xff\n")
    done = ruach("langs", "diff", "qta", str(tmp_path / "bad.txt"))
    assert "bad.txt line 2: not UTF-8 at byte 0" in done.error_line


def test_langs_diff_colors_a_terminal_only(ruach, chain, text, monkeypatch):
    monkeypatch.setattr("ruach_core.cli.langs_diff.has_color", lambda: True)
    assert "\x1b[31m[-b-]" in ruach("langs", "diff", "qta", text).output
