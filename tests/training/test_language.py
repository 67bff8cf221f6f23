from __future__ import annotations

import json
from pathlib import Path

import pytest
import ruach_lang_qaa

from ruach_core.cli import main
from ruach_core.config import build_config
from ruach_core.errors import UserError
from ruach_core.manifest import WHISPER_LANGUAGES
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.plugins import Plugins
from ruach_core.training.language import (
    RunLanguage,
    blend_language_embedding,
    hear_languages,
    heard_line,
    known_language,
    language_by_ear,
)
from ruach_core.training.preparation import load_model

SAMPLE = Path(ruach_lang_qaa.__file__).parent / "sample"


def known(lang: str, *, use_pack: bool = True, **flags: str) -> RunLanguage | None:
    config = build_config({}, {"lang": lang, **flags})
    return known_language(config, Plugins.load(lang, use_pack=use_pack))


def test_pack_chooses_the_token_and_says_why():
    found = known("qaa")
    assert found is not None
    assert (found.whisper_language, found.name) == ("en", "Toy")
    assert found.reason
    assert "borrowed" in found.describe()
    assert "will report 'en'" in found.describe()


def test_setting_goes_before_the_pack():
    found = known("qaa", whisper_language="sw")
    assert found is not None
    assert found.whisper_language == "sw"
    assert "--whisper-language" in found.reason


def test_without_a_pack_the_own_token_serves_where_there_is_one():
    assert known("sw", use_pack=False) == RunLanguage("sw", "sw", "sw")
    assert known("sw", use_pack=False).describe() == "<|sw|>"  # type: ignore[union-attr]
    assert known("xyz", use_pack=False) is None


def test_unknown_token_is_refused():
    with pytest.raises(UserError, match="Whisper has no such language"):
        known("qaa", whisper_language="xx")


def test_most_heard_language_lends_its_token():
    found = language_by_ear("xyz", {"ln": 0.2, "sw": 0.7, "en": 0.1})
    assert found.whisper_language == "sw"
    assert "70%" in found.describe()
    assert heard_line({"sw": 0.7, "ln": 0.2}) == "Whisper hears sw 70%, ln 20%"


@pytest.fixture
def heard(tiny_whisper, tone):
    tokenizer = WhisperTokenizer.read(tiny_whisper)
    model = load_model(tiny_whisper, SpecialTokens.of(tokenizer, "en"), [])
    return model, tokenizer, hear_languages(model, [tone(i) for i in range(5)], tokenizer)


def test_what_is_heard_is_a_distribution_over_whispers_languages(heard):
    _, tokenizer, shares = heard
    assert set(shares) == set(tokenizer.languages) <= WHISPER_LANGUAGES
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_what_is_heard_is_the_mean_over_clips(heard, tone):
    model, tokenizer, shares = heard
    single = [hear_languages(model, [tone(i)], tokenizer) for i in range(5)]
    for code, share in shares.items():
        assert share == pytest.approx(sum(s[code] for s in single) / 5, abs=1e-5)


def test_blended_row_is_the_weighted_sum_and_the_output_layer_shares_it(heard):
    import torch

    model, tokenizer, shares = heard
    weight = model.get_input_embeddings().weight
    before = weight.detach().clone()
    wanted = sum(share * before[tokenizer.languages[code]] for code, share in shares.items())
    blend_language_embedding(model, tokenizer, "sw", shares)
    row = tokenizer.languages["sw"]
    torch.testing.assert_close(weight[row], wanted)
    torch.testing.assert_close(model.proj_out.weight[row], wanted)
    others = [i for i in range(len(before)) if i != row]
    assert torch.equal(weight[others], before[others])


@pytest.mark.slow
def test_training_without_a_pack(ruach, capsys):
    finished = ruach.run(
        "--no-pack", "--data", str(SAMPLE), "--epochs", "1", "--training.learning_rate", "1e-3",
        "--training.precision", "float32", "--language-init", "detect", lang="xyz",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    assert "No language pack" in finished.out
    assert "ruach langs new xyz" in finished.out
    assert "Whisper hears" in finished.out
    record = json.loads((ruach.models / "whisper-xyz" / "run.json").read_text(encoding="utf-8"))
    heard = record["chosen"]["heard"]
    assert record["pack"] is None
    assert record["whisper_language"] == max(heard, key=heard.get)
    assert "hears most" in record["whisper_language_reason"]
    card = (ruach.models / "whisper-xyz-ct2" / "README.md").read_text(encoding="utf-8")
    assert "without a language pack" in card
    assert "hears most" in card
    # Evaluating it needs no flag: the model says that there was no pack.
    export = str(ruach.models / "whisper-xyz-ct2")
    assert main(["evaluate", export, "--data", str(SAMPLE), "--compute-type", "float32"]) == 0
    said = capsys.readouterr().out
    assert "borrowed for xyz (what Whisper hears most" in said
    assert "normalizer core" in said


def test_language_without_a_pack_is_one_line(ruach):
    error = ruach.run("--data", str(SAMPLE), lang="xyz").error
    assert "--no-pack" in error
