"""The Tigrinya normaliser: what it folds, what it never folds, clitics and punctuation."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruach_lang_ti.hooks import ruach_normalizer
from ruach_lang_ti.normalizer import build_normalizer

from ruach_core.manifest import load_manifest
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.text.normalization import ChainNormalizer
from ruach_core.text.unicode import is_letter, normalize_form

SERIES = ("ሠሡሢሣሤሥሦሧ", "ፀፁፂፃፄፅፆ")
CANONICAL = ("ሰሱሲሳሴስሶሷ", "ጸጹጺጻጼጽጾ")
FOLDS = dict(zip("".join(SERIES), "".join(CANONICAL), strict=True))

NORMALIZERS = [
    build_normalizer({"numbers": numbers, "alef": alef})
    for numbers, alef in itertools.product(("keep", "words"), ("keep", "fold"))
]
TIGRINYA_LIKE = st.lists(
    st.sampled_from(
        [*"ሠፀሰኣአሐሀዐኸቐብንይ012345፩፲፻፡።፣፤፥፦፧ .,:;/-'’ʼ\"%()«÷…a", "፡፡", "፡-", "5.50 ናቕፋ", "2,016",
         " ካብ", "3ይቲ", "ሚልዮን", "ሰላም", "0911234567", "12/05/2016", "\u200d", "\u135f", "\u0301"]
    ),
    max_size=16,
).map("".join)  # fmt: skip


def _target(text: str) -> str:
    return build_normalizer({}).normalize(text, purpose="target")


def _score(text: str, **options: str) -> str:
    return build_normalizer(options).normalize(text, purpose="score")


def _ethiopic_letters() -> list[str]:
    blocks = (range(0x1200, 0x135B), range(0x1380, 0x1390), range(0x2D80, 0x2DDF))
    return [chr(c) for block in blocks for c in block if is_letter(chr(c))]


def test_normalizer_is_for_tigrinya_alone() -> None:
    assert ruach_normalizer(lang="am", options={}) is None
    assert ruach_normalizer(lang="ti", options={}) is not None


def test_manifest_borrows_amharic_with_a_reason() -> None:
    manifest = load_manifest(find_pack("ti"))
    assert manifest.whisper_language == "am"
    assert "Amharic" in manifest.whisper_language_reason
    letters = set(manifest.letters)
    assert set("ሀሐኀዐአኣቐቝዀዅኸፀጸሠሰጐ") <= letters
    assert not set("ሇቇኇኯዏዯጏፇዸጘ") & letters


def test_two_series_fold_and_nothing_else() -> None:
    for letter in _ethiopic_letters():
        assert _score(f"ብ{letter}ብ") == f"ብ{FOLDS.get(letter, letter)}ብ"
        assert _target(f"ብ{letter}ብ") == f"ብ{letter}ብ"


def test_alef_is_folded_on_demand_in_score_alone() -> None:
    assert _score("አብ") != _score("ኣብ")
    assert _score("አብ", alef="fold") == _score("ኣብ", alef="fold")
    assert build_normalizer({"alef": "fold"}).normalize("አብ", purpose="target") == "አብ"
    for letter in _ethiopic_letters():
        folded = "ኣ" if letter == "አ" else FOLDS.get(letter, letter)
        assert _score(f"ብ{letter}ብ", alef="fold") == f"ብ{folded}ብ"


@pytest.mark.parametrize(
    ("one", "other"), [("ሓዊ", "ሃዊ"), ("ዓይኒ", "ኣይኒ"), ("ኸልቢ", "ከልቢ"), ("ቐትሪ", "ቀትሪ"), ("ኃይሊ", "ሓይሊ")]
)
def test_sounds_are_kept_apart(one: str, other: str) -> None:
    assert _score(one) != _score(other)


@pytest.mark.parametrize("apostrophe", "'’‘‛ʼ＇´`′")
def test_clitics_stay_in_their_word(apostrophe: str) -> None:
    text = f"ንሱ{apostrophe}ውን ጽቡቕ{apostrophe}ዩ"
    assert _target(text) == _score(text) == "ንሱ'ውን ጽቡቕ'ዩ"


@pytest.mark.parametrize(
    ("text", "target", "score"),
    [
        ("ኣነ፡ከይደ፡፡", "ኣነ ከይደ።", "ኣነ ከይደ"),
        ("ጸባ፡ ቡን፡ማይ", "ጸባ፣ ቡን ማይ", "ጸባ ቡን ማይ"),
        ("እንታይ፧", "እንታይ?", "እንታይ"),
        ("‘ሰላም’ በለ", "'ሰላም' በለ", "ሰላም በለ"),
        ("«ሰላም» በለ.", '"ሰላም" በለ.', "ሰላም በለ"),
        ("መጺኡ.", "መጺኡ።", "መጺኡ"),
        ("ቤት-ጽሕፈት/ቤት", "ቤት-ጽሕፈት/ቤት", "ቤት ጽሕፈት ቤት"),
        ("ሕ.ግ.ደ.ፍ.", "ሕ.ግ.ደ.ፍ.", "ሕግደፍ"),
        ("Don’t STOP", "Don't STOP", "don't stop"),
        ("በጺ\u135fሑ", "በጺሑ", "በጺሑ"),
        ("ሰ\u1390ላም", "ሰ\u1390ላም", "ሰላም"),
        ("ሰላም \ud83d", "ሰላም \ufffd", "ሰላም"),
    ],
)
def test_surface(text: str, target: str, score: str) -> None:
    assert _target(text) == target
    assert _score(text) == score
    assert _score(target) == score


@given(TIGRINYA_LIKE)
def test_invariants_hold_under_each_option(text: str) -> None:
    for normalizer in NORMALIZERS:
        target = normalizer.normalize(text, purpose="target")
        score = normalizer.normalize(text, purpose="score")
        assert normalizer.normalize(target, purpose="target") == target
        assert normalizer.normalize(score, purpose="score") == score
        assert normalizer.normalize(target, purpose="score") == score
        for output in (target, score):
            assert normalize_form(output, "NFC") == output == " ".join(output.split())


@given(st.text(st.sampled_from("ሠፀሰኣአሐሀዐኸቐብንይ፡። ,'ʼ\"-"), max_size=40))
def test_target_keeps_every_letter(text: str) -> None:
    kept = [char for char in text if is_letter(char) and char != "ʼ"]
    assert [char for char in _target(text) if is_letter(char)] == kept


@pytest.mark.parametrize("unit", ["5", "ብ5", "፩ ", "፩.", "5'", "ን5ን ", "5.50 ናቕፋ "])
def test_time_is_linear_in_numerals(unit: str) -> None:
    def seconds(n_characters: int) -> float:
        text = (unit * n_characters)[:n_characters]
        laps: list[float] = []
        for _ in range(3):
            start = time.process_time()
            NORMALIZERS[2].normalize(text, purpose="score")
            laps.append(time.process_time() - start)
        return min(laps)

    # Linear is 8, quadratic 64; the constant keeps noise on quick runs from mattering.
    assert seconds(16_000) < 24 * seconds(2_000) + 0.05


def test_names_its_version_and_options() -> None:
    assert NORMALIZERS[0].name.startswith("ruach-lang-ti 0.")
    assert len({normalizer.name for normalizer in NORMALIZERS}) == 4


def test_explain_names_the_rules() -> None:
    normalizer: ChainNormalizer = build_normalizer({})
    steps = normalizer.explain("ፀሓይ፡25", purpose="score")
    assert [name for name, _ in steps] == ["wordspace", "numbers", "one sound"]


def test_hook_checks_its_options() -> None:
    plugins = Plugins.load("ti")
    assert plugins.normalizer({"numbers": "keep"}).normalize("25", purpose="target") == "25"
    assert plugins.normalizer().normalize("25", purpose="target") == "ዕስራን ሓሙሽተን"
