"""A run that fits a language model, and what the commands do with the file that it leaves."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.cli import main
from ruach_core.config import build_config
from ruach_core.errors import DataError, UserError
from ruach_core.evaluation import rescoring as rescoring_module
from ruach_core.evaluation.ctc import CTC_HEAD
from ruach_core.evaluation.rescoring import RESCORING, read_rescorer
from ruach_core.training import rescoring as training_rescoring
from ruach_core.training.console import Console
from ruach_core.training.run import train

pytestmark = pytest.mark.slow

N_TRAIN, N_TEST = 60, 4
SENTENCES = [f"{a} {b}." for a in ("Ba", "Bo", "Be") for b in ("ba", "bi", "be", "bo", "na", "nu")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones, enough of them for a validation split that weights can be tuned on."""
    folder = tmp_path_factory.mktemp("many") / "data"
    for split, n in (("train", N_TRAIN), ("test", N_TEST)):
        (folder / split).mkdir(parents=True)
        rows = [("file_name", "transcription")]
        for i in range(n):
            times = np.arange(5_000 + 40 * i) / 16_000
            wave = 0.3 * np.sin(2 * np.pi * (200 + 20 * i + (split == "test")) * times)
            soundfile.write(folder / split / f"{i}.wav", wave, 16_000)
            rows.append((f"{i}.wav", SENTENCES[i % len(SENTENCES)] + " " + SENTENCES[i // 7]))
        with (folder / split / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return folder


def settings(data: Path, model: Path, output: Path, **flags: object):
    return build_config(
        {},
        {
            "lang": "qaa", "data": str(data), "model": str(model), "output": str(output),
            "dataset.validation_share": 0.4, "training.max_steps": 1, "training.epochs": 1,
            "training.precision": "float32", "training.learning_rate": 1e-4,
            "evaluation.zero_shot_clips": 0, "evaluation.max_new_tokens": 8,
            "export.parity_clips": 2, "export.parity_threshold": 9,
            "evaluation.rescoring_beam_size": 4, "lm.enabled": "true",
            "training.ctc_weight": 0.0,
            **{name.replace("__", "."): value for name, value in flags.items()},
        },
    )  # fmt: skip


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch):
    """Makes tuning come out as a test needs it: a random model gains nothing by itself."""

    def decide(**found: object) -> list[list[str]]:
        seen: list[list[str]] = []

        def tune(lists, references, model, *, hypotheses):
            seen.append(list(references))
            real = rescoring_module.tune(lists, references, model, hypotheses=hypotheses)
            return replace(real, **found)

        monkeypatch.setattr(training_rescoring, "tune", tune)
        return seen

    return decide


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    return [*captured.out.splitlines(), *captured.err.splitlines()]


def test_a_model_that_pays_stands_beside_the_export(
    data, tiny_whisper, tmp_path, decided, capsys
) -> None:
    seen = decided(weight=0.3, word_bonus=-0.5, is_kept=True)
    text = tmp_path / "more text.txt"
    held_out = next(csv.DictReader((data / "test" / "metadata.csv").open(encoding="utf-8")))
    text.write_text(f"\ufeffNa na na!\r\n\n{held_out['transcription']}\n", encoding="utf-8")
    config = settings(data, tiny_whisper, tmp_path / "m", lm__text=str(text))
    result = train(config, Console())
    out = lines_of(capsys)
    assert any("1 sentences of more text.txt (1 left out" in line for line in out)
    assert any("cross-validated" in line and line.endswith("kept") for line in out)

    rescorer = read_rescorer(result.export)
    assert rescorer is not None
    assert (rescorer.weight, rescorer.word_bonus, rescorer.beam_size) == (0.3, -0.5, 4)
    # It was fitted on the added text too.
    assert rescorer.model.log_probs(["Na na na!"])[0] > rescorer.model.log_probs(["Xi xi xi!"])[0]
    assert not (result.model / RESCORING).exists()

    record = json.loads((result.export / "run.json").read_text(encoding="utf-8"))
    assert record["rescoring"]["weight"] == 0.3
    splits = record["data"]["splits"]
    assert len(seen[0]) == splits["validation"]["n_utterances"] >= 20
    assert record["rescoring"]["n_sentences"] == splits["train"]["n_utterances"] + 1
    assert record["rescoring"]["report"]["beam_size"] == 4
    assert record["test"]["rescoring"] == ""
    assert record["settings"]["lm"]["text"] == "more text.txt"
    card = (result.export / "README.md").read_text(encoding="utf-8")
    assert "| beam 5 |" in card
    assert "| beam 4, rescored (language model 0.3, -0.5 a word) |" in card
    assert "faster-whisper, gives the row above it" in card
    assert str(tmp_path) not in card + json.dumps(record)

    evaluate = ["evaluate", str(result.export), "--data", str(data)]
    assert main([*evaluate, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["rescoring"] == rescorer.describe()
    assert measured["beam_size"] == 4
    assert measured["wer"]["rate"] == record["rescoring"]["report"]["wer"]["rate"]
    assert main([*evaluate, "--no-rescoring"]) == 0
    assert "beam 5" in (plain := capsys.readouterr().out)
    assert "rescored" not in plain
    assert main([*evaluate, "--beam-size", "1"]) == 0
    assert "rescored" not in capsys.readouterr().out

    transcribe = ["transcribe", str(data / "test" / "0.wav"), "--model", str(result.export)]
    assert main(transcribe) == 0
    assert "rescored (language model 0.3" in capsys.readouterr().err
    assert main([*transcribe, "--no-rescoring"]) == 0
    assert "rescored" not in capsys.readouterr().err


def test_a_model_that_does_not_pay_leaves_no_file(
    data, tiny_whisper, tmp_path, decided, capsys
) -> None:
    decided(is_kept=False)
    result = train(settings(data, tiny_whisper, tmp_path / "m"), Console())
    assert any("no sure gain, so the beam's own choice stays" in line for line in lines_of(capsys))
    assert not (result.export / RESCORING).exists()
    assert "didn't pay" in (result.export / "README.md").read_text(encoding="utf-8")
    record = json.loads((result.export / "run.json").read_text(encoding="utf-8"))
    assert record["rescoring"]["report"] is None
    assert main(["evaluate", str(result.export), "--data", str(data)]) == 0
    assert "beam 5" in capsys.readouterr().out


def test_the_ctc_head_goes_with_the_export_and_counts_without_weight_do_not(
    data, tiny_whisper, tmp_path, decided, capsys
) -> None:
    decided(ctc_weight=0.3, weight=0.0, word_bonus=-1.0, is_kept=True)
    config = settings(data, tiny_whisper, tmp_path / "m", training__ctc_weight=0.5)
    result = train(config, Console(is_quiet=True))
    rescorer = read_rescorer(result.export)
    assert rescorer is not None
    assert rescorer.describe() == "rescored (CTC 0.3, -1 a word)"
    assert rescorer.model is None
    assert (result.export / CTC_HEAD).read_bytes() == (result.model / CTC_HEAD).read_bytes()
    record = json.loads((result.export / "run.json").read_text(encoding="utf-8"))
    assert main(["evaluate", str(result.export), "--data", str(data), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["rescoring"] == rescorer.describe()
    assert measured["cer"]["rate"] == record["rescoring"]["report"]["cer"]["rate"]


def test_few_validation_clips_or_no_wish_tune_nothing(
    data, tiny_whisper, tmp_path, decided, capsys
) -> None:
    seen = decided(is_kept=True)
    few = {"dataset__validation_share": 0.1}
    result = train(settings(data, tiny_whisper, tmp_path / "m", **few), Console())
    assert any("at least 20 validation clips" in line for line in lines_of(capsys))
    assert not (result.export / RESCORING).exists()
    result = train(settings(data, tiny_whisper, tmp_path / "n", lm__enabled="false"), Console())
    assert "rescor" not in (result.export / "README.md").read_text(encoding="utf-8")
    assert not seen


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [(None, UserError, r"lm\.text.*can't be read"), (b"\xff\n", DataError, "line 1: not UTF-8")],
)
def test_a_text_that_cannot_be_read_costs_no_training(
    data, tmp_path, content, error, message
) -> None:
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    config = settings(data, tmp_path / "no-model-yet", tmp_path / "m", lm__text=str(text))
    with pytest.raises(error, match=message):
        train(config, Console(is_quiet=True))
    assert not (tmp_path / "m.run").exists()
