"""What a normaliser changes in a text, and how that is shown."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.blame import Blame, BlamedNormalizer
from ruach_core.errors import PluginError
from ruach_core.text.diff import (
    OTHER,
    Piece,
    compare_line,
    compare_texts,
    find_changes,
    review_text,
    show_text,
)
from ruach_core.text.diff_html import ReviewHeading, render_review
from ruach_core.text.normalization import (
    ChainNormalizer,
    Rule,
    clean_rules,
    replace_characters,
    surface_folds,
)

BLAME = Blame("xx", "ruach-lang-xx 1.0", "ruach_normalizer")


def shout(text: str) -> str:
    """Capitals only.

    More that a reader of one line needn't know.
    """
    return text.upper()


CHAIN = ChainNormalizer(
    "chain 1",
    target=(*clean_rules("NFC"), replace_characters("b is p", {"b": "p"}), Rule("loud", shout)),
    score=(*clean_rules("NFC"), *surface_folds("NFC")),
)


class Plain:
    name = "plain 1"

    def normalize(self, text, *, purpose):
        return text.strip()


class Liar(Plain):
    def explain(self, text, *, purpose):
        return [("lie", text + "!")]


def changes(before: str, after: str) -> list[tuple[str, str]]:
    return [(p.before, p.after) for p in compare_texts(before, after) if p.is_changed]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a b", "a b", []),
        ("one two", "one too", [("two", "too")]),
        ("ኃይለ ሥላሴ", "ሀይለ ስላሴ", [("ኃይለ", "ሀይለ"), ("ሥላሴ", "ስላሴ")]),
        ("ከ8:ዐዐ 9", "ከስምንት ሰዓት 9", [("ከ8:ዐዐ", "ከስምንት ሰዓት")]),
        ("a  b", "a b", [(" ", "")]),
        ("x", "", [("x", "")]),
        ("", "x", [("", "x")]),
    ],
)
def test_texts_are_compared_word_by_word(before, after, expected):
    assert changes(before, after) == expected


def test_words_that_are_alike_are_compared_letter_by_letter():
    (piece,) = compare_texts("አውሮኘላን", "አውሮፕላን")
    assert piece.parts == (Piece("አውሮ", "አውሮ"), Piece("ኘ", "ፕ"), Piece("ላን", "ላን"))
    (piece,) = compare_texts("ሺ", "ሚሊዮን")
    assert piece.parts == ()


def test_a_letter_and_its_marks_are_one():
    assert list(find_changes("we\u0323\u0301le", "wele")) == [("e\u0323\u0301", "e")]
    assert list(find_changes("ገ\u135dና", "ገና")) == [("ገ\u135d", "ገ")]


@given(st.text(max_size=60), st.text(max_size=60))
def test_pieces_make_up_both_texts(before, after):
    pieces = compare_texts(before, after)
    for side in ("before", "after"):
        text = before if side == "before" else after
        assert "".join(getattr(piece, side) for piece in pieces) == text
        for piece in pieces:
            if piece.parts:
                joined = "".join(getattr(part, side) for part in piece.parts)
                assert joined == getattr(piece, side)


def test_a_line_of_a_whole_book_is_compared_in_time():
    words = [f"w{i}" for i in range(5_000)]
    before, after = " ".join(words), " ".join(reversed(words))
    pieces = compare_texts(before, after)
    assert "".join(piece.after for piece in pieces) == after


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", "a b"),
        ("a\u200bb", "a<U+200B ZERO WIDTH SPACE>b"),
        ("\u00a0", "<U+00A0 NO-BREAK SPACE>"),
        ("\t\n", "<U+0009><U+000A>"),
        ("\u202eabc", "<U+202E RIGHT-TO-LEFT OVERRIDE>abc"),
        ("\ud800", "<U+D800>"),
        ("\u0301a\u0301", "\u25cc\u0301a\u0301"),
        ("a\ufe0f", "a<U+FE0F VARIATION SELECTOR-16>"),
        ("\u3164", "<U+3164 HANGUL FILLER>"),
    ],
)
def test_what_cannot_be_seen_is_spelt_out(text, shown):
    assert show_text(text) == shown


def test_rules_are_named_in_order():
    change = compare_line(CHAIN, " ab\u200b ", purpose="target")
    assert change.rules == ("invisible", "spaces", "b is p", "loud")
    assert [step.after for step in change.steps][-1] == change.after == "AP"
    assert compare_line(CHAIN, "A", purpose="target").steps == ()


@pytest.mark.parametrize("normalizer", [Plain(), BlamedNormalizer(Plain(), BLAME)])
def test_a_normalizer_without_explain_shows_before_and_after(normalizer):
    review = review_text(normalizer, [" a ", "b"], purposes=("target",))
    assert [(c.before, c.after, c.steps) for c in review.changes] == [(" a ", "a", ())]
    assert review.rules == {}


def test_an_explanation_that_leads_elsewhere_is_completed():
    change = compare_line(Liar(), " a", purpose="target")
    assert change.rules == ("lie", OTHER)
    assert change.steps[-1].after == change.after == "a"


@pytest.mark.parametrize("told", [[("rule",)], ["rule"], [("rule", 1)], None, 3])
def test_a_wrong_explanation_names_the_plugin(told):
    class Wrong(Plain):
        def explain(self, text, *, purpose):
            return told

    with pytest.raises(PluginError, match=r"ruach_normalizer\.explain"):
        BlamedNormalizer(Wrong(), BLAME).explain("a", purpose="target")


def test_both_purposes_show_what_score_adds():
    review = review_text(CHAIN, ["ab.", "A", "x"], purposes=("target", "score"))
    assert (review.n_lines, dict(review.n_changed)) == (3, {"target": 2, "score": 3})
    score = [change for change in review.changes if change.purpose == "score"]
    assert [(change.before, change.after) for change in score] == [
        ("AP.", "ap"),
        ("A", "a"),
        ("X", "x"),
    ]


def test_rules_are_counted_and_explained():
    lines = ["xbx", "b", "x", "X"]
    review = review_text(BlamedNormalizer(CHAIN, BLAME), lines, purposes=("target",), limit=1)
    assert len(review.changes) == 1
    rules = {rule.rule: rule for rule in review.sorted_rules()}
    assert list(rules) == ["loud", "b is p"]
    assert (rules["loud"].n_lines, rules["loud"].explanation) == (3, "Capitals only.")
    assert rules["b is p"].explanation == ""
    assert rules["b is p"].examples == [("b", "p", 2)]


# The page

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    '"><b onmouseover="alert(1)">',
    "&lt;script&gt; &amp;",
    "$title ${rows} $$",
    "]]><!-- --> \u2028 \ud800 \u202e",
)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def render(lines, *, title="T", lang="he") -> str:
    class Hostile(Plain):
        def normalize(self, text, *, purpose):
            return f"{text}'x"

        def explain(self, text, *, purpose):
            return [(text, f"{text}'x")]

    review = review_text(Hostile(), lines, purposes=("target", "score"))
    heading = ReviewHeading(title=title, lang=lang, about=title, notes=[title])
    return render_review(review, heading)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_escapes_everything(text):
    tags = Tags()
    tags.feed(render([text], title=text, lang=text))
    assert not [tag for tag, _ in tags.found if tag in ("img", "iframe", "a", "form", "link")]
    assert [tag for tag, _ in tags.found].count("script") == 1
    handlers = [a for _, attributes in tags.found for a in attributes if a.startswith("on")]
    assert handlers == []
    shown = re.sub("<U[^>]*>", "", show_text(text)).split(" ")[0]
    assert shown in "".join(tags.text)


def test_the_page_needs_nothing_else_and_lets_nothing_else_run():
    page = render(["abc"])
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", policy[1])


def test_the_page_marks_words_language_and_direction():
    tags = Tags()
    page = render(["שלום עולם"])
    tags.feed(page)
    cells = [attributes for tag, attributes in tags.found if attributes.get("dir") == "auto"]
    assert len(cells) == 4
    assert {cell["lang"] for cell in cells} == {"he"}
    assert '<ins class="whole">&#x27;x</ins>' in page
    assert "1 changes for target" in page


def test_the_same_review_gives_the_same_page():
    assert render(["a", "b"]) == render(["a", "b"])
    assert render(["a"]) != render(["b"])
