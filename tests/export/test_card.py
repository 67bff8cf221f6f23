from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ruach_core.config import build_config
from ruach_core.data.corpus import Corpus, CorpusPart
from ruach_core.evaluation.report import build_report
from ruach_core.export.card import RunRecord, model_card, run_json
from ruach_core.export.parity import ParityRow
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.plugins import Plugins
from ruach_core.testing.tiny import write_tiny_tokenizer
from ruach_core.text.token_budget import token_budget
from ruach_core.training.checkpoint import Progress
from ruach_core.training.collate import Collator
from ruach_core.training.language import RunLanguage
from ruach_core.training.loop import Plan
from ruach_core.training.preparation import Prepared
from ruach_core.types import CorpusInfo, SetAside, Utterance

PARITY = (ParityRow("full", "int8_float32", 3, 0.25, 0.5, 1 / 3, 0.5),)


def clips(split: Any, n: int) -> tuple[Utterance, ...]:
    return tuple(
        Utterance(f"{split}{i}", Path(f"/secret/{i}.wav"), "Ba be", split, speaker_id=f"s{i % 2}",
                  duration_s=1800.0, reference="Ba be")
        for i in range(n)
    )  # fmt: skip


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """A run on a dataset of the user's, made of real parts."""
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tiny_tokenizer(folder)
    tokenizer = WhisperTokenizer.read(folder)
    tokens = SpecialTokens.of(tokenizer, "en")
    plugins = Plugins.load("qaa")
    assert plugins.manifest is not None
    config = build_config({}, {"lang": "qaa", "data": "/secret/recordings",
                               "output": "/secret/out", "model": "/secret/model"})  # fmt: skip
    train, validation, test = clips("train", 4), clips("validation", 2), clips("test", 3)
    aside = (SetAside("x.wav", "train", "missing", "no such file"),)
    prepared = Prepared(
        corpus=Corpus(
            config.data, (CorpusPart("", 1.0, "folder", CorpusInfo(), ("train", "test")),), train,
            validation, test, aside, "f" * 64, ("a note on the data",),
        ),
        train=train, validation=validation, test=test, set_aside=aside, text_ids=[[1]] * 4,
        budget=token_budget(["Ba be"], [1.0], tokenizer), max_new_tokens=77, tokenizer=tokenizer,
        tokens=tokens, normalizer=plugins.normalizer({}), heard={},
        language=RunLanguage("qaa", plugins.manifest.name, "en",
                             plugins.manifest.whisper_language_reason),
    )  # fmt: skip
    report = build_report(
        test, ["Ba be", "Ba bo", "ba be"], normalizer=prepared.normalizer, lang="qaa",
        model="whisper-qaa", window="trim", runtime_s=1.0,
    )  # fmt: skip
    plan = Plan(
        config=config, train=train,
        collator=Collator(train, prepared.text_ids, tokens, n_mels=80), learning_rate=3e-5,
        batch_size=4, micro_batch_s=60.0, precision="bf16", checkpoint_dir=Path("/secret/c"),
        identity={}, evaluate=lambda _: {},
    )  # fmt: skip
    progress = Progress(epoch=5, update=10, best_epoch=2, history=[{"eval_wer": 0.5, "epoch": 1.0}])
    return RunRecord(
        config=config, pack=plugins.pack, base_model="whisper-base",
        is_sample=False, sample_note="nine clips of tones", data_license="CC0-1.0",
        prepared=prepared, plan=plan, progress=progress, report=report, base_report=None,
        verdict="", hears_silence=False,
    )  # fmt: skip


def test_run_json_is_json_with_fractions(record):
    content = json.loads(run_json(record, PARITY))
    assert content["generation_length"] == 77
    assert content["window"] == "trim"
    # 6 words, 2 of them wrong by letter or case; folding the case leaves one.
    assert content["test"]["wer"]["rate"] == pytest.approx(2 / 6)
    assert content["test"]["wer_folded"]["rate"] == pytest.approx(1 / 6)
    assert content["data"]["splits"]["train"] == {
        "n_utterances": 4, "hours": 2.0, "n_speakers": 2,
    }  # fmt: skip
    assert content["data"]["n_set_aside"] == 1
    assert content["data"]["notes"] == ["a note on the data"]
    assert content["parity"][0]["export_wer"] == 0.5
    assert content["best_epoch"] == 2
    assert content["zero_shot"] is None


def test_nothing_private_is_published(record):
    assert "secret" not in run_json(record, PARITY)
    assert "secret" not in model_card(record, PARITY)


def test_header_is_what_hubs_read(record):
    yaml = pytest.importorskip("yaml")
    _, header, _ = model_card(record, PARITY).split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["language"] == "qaa"
    assert metadata["base_model"] == "whisper-base"
    assert metadata["pipeline_tag"] == "automatic-speech-recognition"
    assert metadata["metrics"] == ["wer", "cer"]


def test_norwegian_is_a_language_not_a_truth_value(record):
    yaml = pytest.importorskip("yaml")
    norwegian = replace(record, config=build_config({}, {"lang": "no"}))
    _, header, _ = model_card(norwegian, PARITY).split("---\n", 2)
    assert yaml.safe_load(header)["language"] == "no"


def test_card_shows_both_figures_and_their_interval(record):
    card = model_card(record, PARITY)
    (row,) = [line for line in card.splitlines() if line.startswith("| whisper-qaa |")]
    assert "33.3 %" in row
    assert "16.7 %" in row
    assert " to " in row
    assert "3 test" in row


def test_card_says_what_happened_to_the_data(record):
    card = model_card(record, PARITY)
    for part in ("f" * 64, "CC0-1.0", "1 clips were set aside", "Note: a note on the data",
                 "| train | 4 | 2.00 | 2 |", "5 run, the best was 2"):  # fmt: skip
        assert part in card
    unknown = model_card(replace(record, data_license=None), PARITY)
    assert "not given" in unknown


def test_only_a_sample_is_called_a_demonstration(record):
    assert "demonstration" not in model_card(record, PARITY)
    sample = model_card(replace(record, is_sample=True), PARITY)
    assert "demonstration" in sample
    assert "nine clips of tones" in sample


def test_card_tells_other_software_how_to_write_nothing_on_silence(record):
    assert "log_prob_threshold" not in model_card(record, PARITY)
    hearing = replace(record, hears_silence=True)
    assert "log_prob_threshold=None" in model_card(hearing, PARITY)
    assert json.loads(run_json(hearing, PARITY))["hears_silence"] is True


def test_a_borrowed_token_is_told(record):
    card = model_card(record, PARITY)
    assert "<|en|>" in card
    assert "borrowed" in card
    assert "language detection will report 'en'" in card


def test_a_model_without_a_pack_says_so(record):
    assert "without a language pack" not in model_card(record, PARITY)
    assert "without a language pack" in model_card(replace(record, pack=None), PARITY)
    assert json.loads(run_json(replace(record, pack=None), PARITY))["pack"] is None


def test_without_a_test_split_the_figures_are_called_flattering(record):
    report = replace(record.report, split="validation")
    assert "flatter" in model_card(replace(record, report=report), PARITY)
    assert "flatter" not in model_card(record, PARITY)


def test_parity_is_a_table(record):
    assert "| 30 s | int8_float32 | 3 | 25.0 % | 50.0 % | +25.0 points | 66.7 % |" in model_card(
        record, PARITY
    )
    assert "own card" in model_card(record, ())
