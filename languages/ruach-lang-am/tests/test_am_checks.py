from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ruach_lang_am.checks import LettersCheck, NumbersCheck, read_alphabet
from ruach_lang_am.hooks import ruach_tokenization_checks

from ruach_core.types import Utterance


class ByteTokenizer:
    def encode(self, text: str) -> Sequence[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode()


def _utterances(*transcripts: str) -> list[Utterance]:
    return [
        Utterance(id=str(n), audio=Path(f"{n}.wav"), transcript=transcript, split="train")
        for n, transcript in enumerate(transcripts)
    ]


def test_plain_amharic_passes() -> None:
    utterances = _utterances("ሰላም ለዓለም።", "ኃይለ ሥላሴ በጐንደር", "Facebook ላይ 25% 😀")
    assert list(LettersCheck().check(utterances, ByteTokenizer())) == []


def test_broken_conversions_are_found() -> None:
    utterances = _utterances("ሰላም", "ጎበ\x97ቸው", "ሰ\u13a5ም")
    (finding,) = LettersCheck().check(utterances, ByteTokenizer())
    assert (finding.n, finding.severity) == (2, "warning")
    assert "\\x97" in finding.example
    assert finding.remedy


def test_foreign_letters_are_counted_and_named() -> None:
    utterances = _utterances("ቐይሕ", "ዀነ ዀኑ", "ሰላም")
    (finding,) = LettersCheck().check(utterances, ByteTokenizer())
    assert finding.n == 2
    assert "U+12C0 ETHIOPIC SYLLABLE KXWA" in finding.message


def test_alphabet_is_clrds() -> None:
    alphabet = read_alphabet()
    assert set("ሀሆለቆቈቋኋጕፗ") <= alphabet
    assert not set("ሇቇቐኇኯዀዏዯዸጏጘፇ") & alphabet


def test_check_is_for_amharic_alone() -> None:
    assert ruach_tokenization_checks(lang="ti") == []
    assert [check.name for check in ruach_tokenization_checks(lang="am")] == [
        "am-letters",
        "am-numbers",
    ]


def test_numerals_with_one_reading_pass() -> None:
    utterances = _utterances("ሰላም", "በ2016 ዓ.ም. 25% ከ3፡30 ሰዓት ፲ሺ", "2.45 ብር")
    assert list(NumbersCheck().check(utterances, ByteTokenizer())) == []


def test_numerals_with_several_readings_are_counted_and_shown() -> None:
    utterances = _utterances(
        "5 ሰዎች", "ቀኑ 12/05/2016 ነው", "ስልክ 0911234567 ወይም +251911234567", "ከ5-9", "-5 ዲግሪ", "፩፪"
    )
    (finding,) = NumbersCheck().check(utterances, ByteTokenizer())
    assert (finding.check, finding.severity, finding.n) == ("am-numbers", "warning", 5)
    assert "6 in all" in finding.message
    assert finding.example == "1: 12/05/2016 in ቀኑ 12/05/2016 ነው"
    assert finding.remedy
