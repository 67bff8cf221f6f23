from __future__ import annotations

import pytest
from ruach_data_annotations.tiers import (
    Segment,
    Tier,
    TierError,
    choose_tiers,
    join_words,
    speaker_of,
)

SENTENCES = ("Mama na ye", "a ya mbote mingi", "to kende lelo")


def tier(name, *texts, start=0.0, length_s=2.0, step_s=None, **more):
    step_s = length_s if step_s is None else step_s
    segments = [
        Segment(start + i * step_s, start + i * step_s + length_s, text, f"a{i}")
        for i, text in enumerate(texts)
    ]
    return Tier(name, segments, **more)


def chosen(*tiers):
    return [t.name for t in choose_tiers(tiers, ()).tiers]


@pytest.mark.parametrize(
    "name",
    ["tx", "tx@NK", "A_Transcription", "utterance", "K-Spch", "default", "orthT@NK", "Mary", "MB",
     "Transcripción", "words", "ref", "SPEAKER_00"],
)  # fmt: skip
def test_usual_names_of_transcriptions(name):
    others = [
        tier(other, *SENTENCES, ancestors=(name,), is_aligned=False)
        for other in ("ft@NK", "Free Translation", "gloss", "mb@NK", "notes", "Tradução")
    ]
    assert chosen(*others, tier(name, *SENTENCES)) == [name]


@pytest.mark.parametrize(
    "name", ["ft@NK", "Free Translation", "gloss", "mb", "note", "Gesture", "POS", "phones", "MAU"]
)
def test_never_a_translation_or_gloss(name):
    with pytest.raises(TierError, match=r"name the right one in tiers\.txt"):
        chosen(tier(name, *SENTENCES))


def test_the_types_name_counts_where_the_tiers_says_nothing():
    translation = tier("A", *SENTENCES, type_name="translation")
    assert chosen(translation, tier("B", *SENTENCES, type_name="utterance-lt")) == ["B"]
    assert chosen(tier("A", *SENTENCES, type_name="default-lt")) == ["A"]


def test_flex_and_toolbox_exports():
    flex = [
        tier("A_phrase-segnum-en", "1", "2", "3"),
        tier("A_phrase-gls-en", *SENTENCES, ancestors=("A_phrase-segnum-en",), is_aligned=False),
        tier("A_word-txt-qaa", *SENTENCES, ancestors=("A_phrase-segnum-en",), is_aligned=False),
        tier("A_phrase-txt-qaa", *SENTENCES, ancestors=("A_phrase-segnum-en",), is_aligned=False),
    ]
    assert chosen(*flex) == ["A_phrase-txt-qaa"]
    assert chosen(*flex[:3]) == ["A_word-txt-qaa"]
    toolbox = [
        tier(f"{name}@SP1", *SENTENCES, ancestors=("ref@SP1",), is_aligned=False)
        for name in ("mb", "ge", "ps", "ft", "tx", "mot")
    ]
    assert chosen(tier("ref@SP1", "a_01", "a_02", "a_03"), *toolbox) == ["tx@SP1"]


def test_reference_numbers_are_no_transcription():
    ref = tier("ref@NK", "NK.001", "NK.002", "NK.003")
    other = tier("oddname", *SENTENCES, ancestors=("ref@NK",), is_aligned=False)
    assert chosen(ref, other) == ["oddname"]
    with pytest.raises(TierError):
        chosen(ref)
    assert chosen(tier("A", "ka3", "nda1", "ka3", "ti14", "ve2")) == ["A"]


def test_one_tier_for_each_speaker():
    choice = choose_tiers(
        [tier("tx@A", *SENTENCES), tier("tx@B", *SENTENCES, start=7), tier("Mary", *SENTENCES)], ()
    )
    assert [t.name for t in choice.tiers] == ["tx@A", "tx@B"]
    assert [speaker_of(t, choice) for t in choice.tiers] == ["A", "B"]
    choice = choose_tiers([tier("Mary", *SENTENCES), tier("John", *SENTENCES, start=7)], ())
    assert [speaker_of(t, choice) for t in choice.tiers] == ["Mary", "John"]
    assert choice.describe() == "transcription from tier Mary, John; not used: no other"
    choice = choose_tiers([tier("Mary", *SENTENCES)], ())
    assert speaker_of(choice.tiers[0], choice) is None


def test_two_tiers_over_the_same_segments_need_the_user():
    tiers = [tier("Lingala", *SENTENCES), tier("Deux", *SENTENCES)]
    with pytest.raises(TierError, match=r"tiers Lingala, Deux have the same segments"):
        choose_tiers(tiers, ())
    assert [t.name for t in choose_tiers(tiers, ("Lingala",)).tiers] == ["Lingala"]


def test_the_parent_is_taken_not_its_copy():
    top = tier("utterance A", *SENTENCES)
    copy = tier("utterance A copy", *SENTENCES, ancestors=("utterance A",), is_aligned=False)
    assert chosen(copy, top) == ["utterance A"]


def test_phonetic_and_contact_languages_come_late():
    assert chosen(tier("IPA", *SENTENCES), tier("English", "x y"), tier("Kali", *SENTENCES)) == [
        "Kali"
    ]
    ref = tier("ref", ".001", ".002", ".003")
    assert chosen(ref, tier("ipa", *SENTENCES, ancestors=("ref",), is_aligned=False)) == ["ipa"]


def test_forced_alignment_is_joined_at_pauses():
    words = tier("words", *(["mo", "to", "", "na", "sp", "ye"] * 10), length_s=0.4)
    phones = tier("phones", *(list("moto") * 40), length_s=0.06)
    choice = choose_tiers([words, phones], ())
    assert choice.are_words
    assert "joined" in choice.describe()
    # Pauses of 0.4 s part nothing.
    joined = list(join_words(choice.tiers[0].segments))
    assert joined[0].text.startswith("mo to na ye mo to")
    assert 20 < joined[0].end_s - joined[0].start_s <= 30
    assert sum(len(segment.text.split()) for segment in joined) == 40


def test_words_parted_by_pauses_stay_apart():
    words = tier("word", "moto", "nyama", "mai", length_s=0.5, step_s=3.0)
    choice = choose_tiers([words], ())
    assert [segment.text for segment in join_words(choice.tiers[0].segments)] == [
        "moto", "nyama", "mai",
    ]  # fmt: skip


def test_short_segments_tell_words_and_phones_whatever_their_names():
    assert choose_tiers([tier("Mary", *(["moto"] * 30), length_s=0.3)], ()).are_words
    with pytest.raises(TierError):
        choose_tiers([tier("Mary", *(["m"] * 30), length_s=0.08)], ())
    webmaus = [
        tier("ORT-MAU", *(["moto"] * 5), length_s=0.4),
        tier("KAN-MAU", *(["m o t o"] * 5), length_s=0.4),
        tier("MAU", *(["m"] * 20), length_s=0.1),
    ]
    assert chosen(*webmaus) == ["ORT-MAU"]
    # Phrases in a tier that is called so are left as they are.
    assert not choose_tiers([tier("words", *SENTENCES)], ()).are_words


def test_prefer_utterances_to_words():
    words = tier("Mary - words", *(["moto"] * 30), length_s=0.3)
    choice = choose_tiers([words, tier("Mary - utterances", *SENTENCES)], ())
    assert [t.name for t in choice.tiers] == ["Mary - utterances"]
    assert speaker_of(choice.tiers[0], choice) == "Mary"


def test_only_empty_segments():
    with pytest.raises(TierError, match="no tier holds text"):
        chosen(tier("tx", "", " "))
