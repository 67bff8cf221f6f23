"""A whole run through the command line, with no network: what it says and what it leaves."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ruach_core.data.audio import load_audio
from ruach_core.evaluation.ct2_decode import Ct2Recognizer

pytestmark = pytest.mark.slow


def test_first_line_names_the_sample(whole_run):
    first = whole_run.finished.out.splitlines()[0]
    assert "SAMPLE" in first
    assert "ruach-lang-qaa" in first
    assert "synthetic" in first


def test_folders_are_complete_and_nothing_else_is_left(whole_run):
    assert whole_run.ruach.written() == {"whisper-qaa-sample", "whisper-qaa-sample-ct2"}
    assert {p.name for p in whole_run.model.iterdir()} == {
        "README.md", "config.json", "generation_config.json", "hypotheses.csv",
        "model.safetensors", "preprocessor_config.json", "run.json", "set_aside.csv",
        "suspicious.csv", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert {p.name for p in whole_run.export.iterdir()} == {
        "README.md", "config.json", "model.bin", "preprocessor_config.json",
        "run.json", "tokenizer.json", "vocabulary.json",
    }  # fmt: skip
    for folder in (whole_run.model, whole_run.export):
        for path in folder.iterdir():
            assert path.stat().st_size > 0, path
            assert path.stat().st_mode & 0o044 == 0o044, path


def test_a_line_of_figures_every_five_updates_and_every_epoch(whole_run):
    figures = whole_run.finished.figures
    assert [list(f) for f in figures] == [
        ["loss", "grad_norm", "learning_rate", "epoch"],
        ["eval_loss", "eval_wer", "eval_cer", "eval_runtime", "epoch"],
    ] * 3
    assert [f["epoch"] for f in figures] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    losses = [f["loss"] for f in figures if "loss" in f]
    assert losses == sorted(set(losses), reverse=True)
    assert all(0 < f["learning_rate"] <= 3e-4 for f in figures if "learning_rate" in f)


def test_output_shows_the_first_batch_as_it_is_taught(whole_run):
    out = whole_run.finished.out
    # The tiny tokenizer has no token of a space and a letter, so the text begins without a space.
    assert "<|startoftranscript|><|en|><|transcribe|><|notimestamps|>B" in out
    assert ".<|endoftext|>" in out
    assert "borrowed" in out
    assert "generation length 32" in out
    assert "<- best" in out
    assert "zero-shot" in out


def test_run_json_tells_programs_what_they_need(whole_run):
    record = whole_run.record
    assert record["lang"] == "qaa"
    assert record["whisper_language"] == "en"
    assert record["window_margin_s"] == 0.3
    assert record["generation_length"] == 32
    assert record["is_sample"] is True
    splits = record["data"]["splits"]
    assert [splits[name]["n_utterances"] for name in ("train", "validation", "test")] == [5, 1, 3]
    assert len(record["data"]["fingerprint"]) == 64
    assert record["settings"]["training"]["epochs"] == 3
    assert record["chosen"]["learning_rate"] == 3e-4
    assert record["test"]["n_utterances"] == 3
    assert record["test"]["split"] == "test"
    assert record["test"]["silence"]["n_clips"] == 2
    # One validation clip can't show that the model tells silence from speech.
    assert record["hears_silence"] is False
    assert record["zero_shot"]["silence"] is None
    assert record["zero_shot"]["window"] == "full"
    assert record["test"]["beam_size"] == record["zero_shot"]["beam_size"] == 5
    assert {(row["window"], row["n_utterances"]) for row in record["parity"]} == {
        ("trim", 3), ("full", 3),
    }  # fmt: skip
    assert record["versions"]["ruach-lang-qaa"]
    assert "torch" in record["versions"]
    printed = [f for f in whole_run.finished.figures if "eval_wer" in f]
    kept = [f for f in record["history"] if "eval_wer" in f]
    assert [{k: f[k] for k in p} for f, p in zip(kept, printed, strict=True)] == printed
    exported = json.loads((whole_run.export / "run.json").read_text(encoding="utf-8"))
    assert {**exported, "parity": None} == {**record, "parity": None}


def test_no_path_of_this_machine_is_published(whole_run):
    """The folders are made to be given away."""
    private = [str(whole_run.ruach.folder.parent), str(Path.home())]
    for folder in (whole_run.model, whole_run.export):
        for path in folder.iterdir():
            if path.suffix in (".json", ".md", ".csv"):
                text = path.read_text(encoding="utf-8")
                assert not [p for p in private if p in text], path


def test_card_says_what_it_is(whole_run):
    for folder in (whole_run.model, whole_run.export):
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert card.startswith('---\nlanguage: "qaa"\n')
        assert "demonstration" in card
        assert "tones" in card
        assert whole_run.record["data"]["fingerprint"] in card
        assert "| window | computed in |" in card
        assert "| beam 5 |" in card
        assert " invented in 7 s without speech" in card


def test_set_aside_is_a_table_even_when_empty(whole_run):
    with (whole_run.model / "set_aside.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["utterance_id", "split", "reason", "detail", "row"]]


def test_hypotheses_are_listed(whole_run):
    with (whole_run.model / "hypotheses.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reference"] for row in rows] == ["Ba bi.", "Bo be na.", "Bu be."]


@pytest.fixture(scope="module")
def test_clips(whole_run):
    from ruach_core.packs import find_pack

    directory = find_pack("qaa").directory
    assert directory is not None
    return sorted((directory / "sample" / "test" / "audio").iterdir())


@pytest.fixture(scope="module")
def full_window_texts(whole_run, test_clips) -> list[str]:
    """The trained model's own texts in the 30 s window, by transformers' stock encoder."""
    import torch
    from transformers import WhisperForConditionalGeneration

    from ruach_core.features import MAX_SAMPLES, log_mel, pad_waveform
    from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer

    model = WhisperForConditionalGeneration.from_pretrained(whole_run.model, local_files_only=True)
    tokenizer = WhisperTokenizer.read(whole_run.model)
    end = tokenizer.end
    texts = []
    for path in test_clips:
        mel = log_mel(pad_waveform(load_audio(path), MAX_SAMPLES))
        ids = list(SpecialTokens.of(tokenizer, "en").prompt)
        with torch.inference_mode():
            encoded = model.get_encoder()(torch.from_numpy(mel[None]))
            for n in range(32):
                logits = model(
                    encoder_outputs=encoded, decoder_input_ids=torch.tensor([ids])
                ).logits[0, -1]
                logits[model.generation_config.suppress_tokens] = -torch.inf
                if n == 0:
                    logits[model.generation_config.begin_suppress_tokens] = -torch.inf
                ids.append(int(logits.argmax()))
                if ids[-1] == end:
                    break
        texts.append(tokenizer.decode(ids[4:]).strip())
    return texts


def test_the_model_writes_something(full_window_texts):
    """Else the comparisons below would compare nothing with nothing."""
    assert all(full_window_texts)


def test_ctranslate2_decodes_the_export(whole_run, test_clips, full_window_texts):
    recognizer = Ct2Recognizer(whole_run.export, language="en", compute_type="float32")
    found = recognizer.decode([load_audio(path) for path in test_clips], window="full")
    assert found == full_window_texts
    assert len(recognizer.decode([load_audio(path) for path in test_clips], window="trim")) == 3


def test_stock_faster_whisper_decodes_the_export(whole_run, test_clips, full_window_texts):
    """No code of Ruach's: its own features, in its own 30 s window."""
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(whole_run.export), device="cpu", compute_type="float32", local_files_only=True
    )
    run = json.loads((whole_run.export / "run.json").read_text(encoding="utf-8"))
    # CTranslate2 generates half of the positions that it is given, the prompt's 4 included.
    max_new_tokens = 2 * run["generation_length"] - 4
    for path, expected in zip(test_clips, full_window_texts, strict=True):
        segments, info = model.transcribe(
            np.asarray(load_audio(path)), language="en", beam_size=1, temperature=0.0,
            without_timestamps=True, condition_on_previous_text=False,
            max_new_tokens=max_new_tokens,
            no_speech_threshold=None, log_prob_threshold=None, compression_ratio_threshold=None,
        )  # fmt: skip
        assert info.language == "en"
        assert "".join(segment.text for segment in segments).strip() == expected


def test_the_model_can_be_trained_further(whole_run, ruach):
    """A Ruach model's folder, and its export too, is a base model for the next run."""
    finished = ruach.run("--model", str(whole_run.export), "--epochs", "1",
                         "--training.max_steps", "1", "--evaluation.zero_shot_clips", "0",
                         "--export.parity_threshold", "9")  # fmt: skip
    assert finished.status == 0, finished.err
    assert (ruach.models / "whisper-qaa-sample-ct2" / "model.bin").is_file()


def test_a_finished_run_is_neither_repeated_nor_resumed(whole_run):
    before = {p: p.stat().st_mtime_ns for p in whole_run.ruach.models.rglob("*")}
    again = whole_run.ruach.run(*whole_run.settings)
    assert again.status == 1
    assert "already there" in again.error
    resumed = whole_run.ruach.run(*whole_run.settings, "--resume")
    assert resumed.status == 1
    assert "nothing to resume" in resumed.error
    assert {p: p.stat().st_mtime_ns for p in whole_run.ruach.models.rglob("*")} == before
