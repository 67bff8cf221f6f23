"""What texts show, and what is chosen from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.errors import UserError
from ruach_core.scaffold.alphabet import format_alphabet, parse_alphabet
from ruach_core.scaffold.choose import choose
from ruach_core.scaffold.codes import look_up, validate_code
from ruach_core.scaffold.observe import observe, split_letters
from ruach_core.scaffold.scripts import find_script, script_of


def explain(*texts: str, **given_by_user) -> str:
    return "\n".join(map(str, choose(observe(texts), source="tests", **given_by_user).lines))


@pytest.mark.parametrize(
    ("word", "letters"),
    [
        ("dɛ́mɔ̀", ["d", "ɛ́", "m", "ɔ̀"]),
        ("g̃uahẽ", ["g̃", "u", "a", "h", "ẽ"]),
        ("हिन्दी", ["ह", "ि", "न", "्", "द", "ी"]),
        ("ड़ा", ["ड़", "ा"]),
        ("שָלום", ["ש", "ָ", "ל", "ו", "ם"]),
        ("ab-12.c", ["a", "b", "c"]),
        ("\u0301", []),
    ],
)
def test_letters_have_the_marks_that_make_them(word, letters):
    assert list(split_letters(word)) == letters


@pytest.mark.parametrize(
    ("char", "script"),
    [("a", "Latn"), ("ж", "Cyrl"), ("ሀ", "Ethi"), ("ß", "Latn"), ("ა", "Geor"), ("ω", "Grek"),
     ("ⵣ", "Tfng"), ("ߊ", "Nkoo"), ("ʼ", ""), ("1", ""), (" ", ""), ("\u0301", "")],
)  # fmt: skip
def test_script_of_a_character(char, script):
    assert script_of(char) == script


def test_a_script_that_no_table_has_gets_defaults():
    assert find_script("Zzzz").code == "Zzzz"
    assert find_script("Zzzz").donors == ()


def test_rare_letters_are_left_out_and_listed():
    choices = choose(observe(["banana " * 20_000 + "pizza"]), source="tests")
    assert choices.alphabet == ("a", "b", "n")
    left_out = next(str(line) for line in choices.lines if line.topic == "left out")
    assert "z (2)" in left_out
    assert "1 in 10,000" in left_out


def test_letters_of_another_script_are_letters_only_inside_words():
    choices = choose(observe(["sωndω nga lá", "ώbε COVID Москва"]), source="tests")
    assert {"ω", "ε", "ώ"} <= set(choices.alphabet)
    assert "м" not in choices.alphabet
    assert "м (1)" in "\n".join(map(str, choices.lines))


def test_capitals_count_as_their_small_letters():
    assert choose(observe(["ABBA İı"]), source="tests").alphabet == ("a", "b", "i", "ı")


def test_case_is_told_from_sentences():
    assert "50 % of sentences begin with one" in explain("Bana ba. bana Ba.")
    assert "no capital in the text" in explain("bana ba")
    assert "the script has none" in explain("ყველა ადამიანი")


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["l'ami d'or n'a", "ami or a"], "elision, it seems"),
        (["ng'ombe ng'oa", "nyama nzuri"], "a letter, it seems"),
    ],
)
def test_apostrophes_are_letters_or_elision(texts, says):
    assert says in explain(*texts)


def test_typed_apostrophes_are_counted_by_code_point():
    text = explain("ta'e ta’e ta’a taʼu")
    assert "4 inside words, typed as ’ U+2019 2, ' U+0027 1, ʼ U+02BC 1" in text


def test_a_letter_apostrophe_is_kept_where_it_is_the_custom_and_repaired_where_it_is_a_slip():
    kept = choose(observe(["ñeʼẽ vaʼerã haʼe heʼi, ko'a"]), source="tests")
    assert "ʼ" in kept.alphabet
    assert kept.repairs == ()
    repaired = choose(observe(["re'ee ta'e ba'e ta’u taʼa"]), source="tests")
    assert "ʼ" not in repaired.alphabet
    assert repaired.repairs == (("ʼ", "typed for the apostrophe in 1 of 5 places inside words"),)


def test_saltillo_is_one_letter_with_its_capital():
    kept = choose(observe(["naꞌa neꞌe NAꞋA"]), source="tests")
    assert "ꞌ" in kept.alphabet
    assert "Ꞌ" not in kept.alphabet
    repaired = choose(observe(["na'a ne'e ta'a ka'a naꞌa"]), source="tests")
    assert [letter for letter, _ in repaired.repairs] == ["ꞌ", "Ꞌ"]


def test_apostrophes_behind_words_are_called_elision():
    text = explain("Báa m' ísála l' obia m' ókulu", "Wa l' ibáa")
    assert "4 behind and 0 before a word" in text
    assert "elision" in text


def test_slips_of_spacing_are_mended_and_customs_are_left():
    slips = choose(observe(["ba ba , ba", *["ba ba, ba, ba."] * 5]), source="tests")
    assert slips.spacing == ","
    custom = choose(observe(["Ça va ? Oui ! Ah ? Bien."]), source="tests")
    assert custom.spacing == ""
    assert "75 % of marks" in "\n".join(map(str, custom.lines))


def test_quotes_and_brackets_have_no_spacing_to_mend():
    assert choose(observe(['a " b " ( c ) a. a. a. a. a.']), source="tests").spacing == ""


def test_digits_hyphens_and_code_points_are_reported():
    text = explain("sañ-sañ 12 ፲ a\u200bb", "e\u0323 \ud800", "e\u0323\u0301 é")
    assert "sañ-sañ" in text
    assert "ASCII 2" in text
    assert "U+200B ZERO WIDTH SPACE 1" in text
    assert "1 text with U+FFFD or surrogates" in text
    assert "NFD 1" in text


def test_joiners_are_kept_where_they_are_seen():
    assert choose(observe(["می\u200cخواهم"]), source="tests").keep_joiners
    assert not choose(observe(["banana"]), source="tests").keep_joiners
    assert not choose(observe(["ba \u200c na"]), source="tests").keep_joiners


def test_what_the_user_says_wins():
    choices = choose(observe(["banana zebra"]), alphabet=("a", "b", "n"), script="Cyrl", source="t")
    assert choices.alphabet == ("a", "b", "n")
    assert choices.script.code == "Cyrl"


def test_many_words_take_little_time():
    facts = observe(f"mot{i % 5_000} d'or l'an {i}" for i in range(50_000))
    assert facts.words.total() == 200_000


@given(st.lists(st.text(max_size=30), max_size=5))
def test_no_text_is_too_odd(texts):
    choices = choose(observe(texts), source="tests")
    assert len(set(choices.alphabet)) == len(choices.alphabet)
    for line in choices.lines:
        assert str(line).isprintable() or "\n" not in str(line)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("a b c", ("a", "b", "c")),
        ("a, b, ng'", ("a", "b", "ng'")),
        ("a-d ẽ", ("a", "b", "c", "d", "ẽ")),
        ("e\u0301 é ' -", ("é",)),
    ],
)
def test_alphabets_are_parsed(text, letters):
    assert parse_alphabet(text) == letters


@pytest.mark.parametrize("text", ["", "' , -", "d-a", "1 2"])
def test_bad_alphabets_are_errors(text):
    with pytest.raises(UserError, match="--alphabet"):
        parse_alphabet(text)


@given(st.lists(st.characters(categories=["Ll", "Lo"]), min_size=1, unique=True))
def test_alphabets_survive_the_manifest(letters):
    known = parse_alphabet(" ".join(letters))
    assert parse_alphabet(format_alphabet(known)) == known


@pytest.mark.parametrize(
    "code", ["", "x", "Zu", "zulu", "zu_ZA", "zu-", "zu\n", "../x", "zu-Latn-x"]
)
def test_bad_codes_are_errors(code):
    with pytest.raises(UserError, match="language code"):
        validate_code(code)


def test_an_installed_packs_code_is_an_error_that_names_it():
    with pytest.raises(UserError, match=r"qaa.*ruach-lang-qaa 0\.1\.0"):
        validate_code("qaa")


@pytest.mark.parametrize(
    ("code", "three", "token"),
    [("zu", "zul", ""), ("sw", "swa", "sw"), ("jv", "jav", "jw"), ("nb", "nob", "no"),
     ("sr-Latn", "srp", "sr"), ("kab", "kab", ""), ("haw", "haw", "haw"), ("swh", "swh", "sw"),
     ("gn", "grn", ""), ("jav", "jav", "jw"), ("nob", "nob", "no"), ("arb", "arb", "ar"),
     ("ekk", "ekk", "et")],
)  # fmt: skip
def test_codes_are_looked_up(code, three, token):
    known = look_up(code)
    assert (known.iso639_3, known.whisper_language) == (three, token)
    assert bool(known.reason) == (token not in ("", code))
