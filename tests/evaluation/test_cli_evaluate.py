from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from ruach_core.cli import main
from ruach_core.hookspecs import hookimpl
from ruach_core.testing.plugins import plugin_registered
from ruach_core.types import EvalReport, MetricResult

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _toy_pack() -> None:
    try:
        distribution("ruach-lang-qaa")
    except PackageNotFoundError:
        pytest.skip("the toy pack isn't installed: pip install -e tests/packs/ruach-lang-qaa")


@pytest.fixture
def export(whisper_base_export: Path, tmp_path: Path) -> Path:
    """whisper-base as an export for the toy language, which borrows English's token."""
    folder = tmp_path / "model-ct2"
    folder.mkdir()
    for path in whisper_base_export.iterdir():
        (folder / path.name).symlink_to(path)
    about = {
        "lang": "qaa", "whisper_language": "en", "window": "full", "window_margin_s": 1.0,
        "generation_length": 100,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def data(spoken: list[tuple[str, Path]], tmp_path: Path) -> Path:
    """Three spoken clips in the default layout, and two that can't be used."""
    folder = tmp_path / "data" / "test"
    (folder / "audio").mkdir(parents=True)
    rows = []
    for text, path in spoken:
        shutil.copy(path, folder / "audio" / path.name)
        rows.append((f"audio/{path.name}", text))
    (folder / "audio" / "noise.wav").write_text("not audio")
    rows += [("audio/noise.wav", "broken"), ("audio/gone.wav", "missing")]
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file_name", "transcription"), *rows])
    return tmp_path / "data"


def _evaluate(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments), "--compute-type", "int8", "--threads", "1"])


def test_evaluate_prints_a_table(
    export: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _evaluate(export, "--data", data) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0].startswith("language token <|en|>, borrowed for qaa")
    assert "reports en" in lines[0]
    assert any(line.startswith("3 test clips, ") and "full window" in line for line in lines)
    assert any(line.startswith("WER ") for line in lines)
    assert "2 clips set aside:" in lines
    assert any("audio/gone.wav: missing" in line for line in lines)
    assert any(" invented in 7 s without speech" in line for line in lines)
    assert "computed in int8_float32 on cpu" in lines


def test_evaluate_as_json_tells_plugins_and_takes_their_metrics(
    export: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class _Metric:
        name = "n_clips"

        def compute(self, references: list[str], hypotheses: list[str]) -> MetricResult:
            return MetricResult(self.name, float(len(references)))

    class _Plugin:
        told: list[EvalReport]

        def __init__(self) -> None:
            self.told = []

        @hookimpl
        def ruach_metrics(self) -> list[_Metric]:
            return [_Metric()]

        @hookimpl
        def ruach_after_evaluate(self, report: EvalReport) -> None:
            self.told.append(report)

    plugin = _Plugin()
    with plugin_registered(plugin, "counter"):
        assert _evaluate(export, "--lang", "qaa", "--data", data, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["wer_folded"]["rate"] < 0.2
    assert content["wer_folded"]["rate"] <= content["wer"]["rate"]
    assert content["metrics"] == [{"name": "n_clips", "value": 3.0, "details": {}}]
    assert content["silence"]["n_clips"] == 2
    assert content["whisper_language"] == "en"
    assert {clip["reason"] for clip in content["set_aside"]} == {"missing", "unreadable"}
    assert [report.n_utterances for report in plugin.told] == [3]


def test_evaluate_writes_a_table_and_compares_with_another(
    export: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "rows.csv"
    assert _evaluate(export, "--data", data, "--output", table) == 0
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(row["hypothesis"] for row in rows)
    assert _evaluate(export, "--data", data, "--compare", table) == 0
    assert "can't tell with 3 clips" in capsys.readouterr().out


def test_several_sources_are_measured_together(
    export: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other" / "test"
    other.mkdir(parents=True)
    clip = next((data / "test" / "audio").glob("clip0*"))
    shutil.copy(clip, other / clip.name)
    (other / "metadata.csv").write_text(f"file_name,transcription\n{clip.name},one text\n")
    assert _evaluate(export, "--data", data, "--data", other.parent) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("4 test clips, ") for line in lines)
    assert any(line.startswith("of these, 3 clips from data: WER ") for line in lines)
    assert any(line.startswith("of these, 1 clips from other: WER ") for line in lines)


def test_options_of_the_pack_reach_the_normalizer(
    export: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _evaluate(export, "--data", data, "--json", "--option", "case=lower") == 0
    lowered = json.loads(capsys.readouterr().out)
    assert lowered["cer"]["rate"] <= 0.2
    assert _evaluate(export, "--data", data, "--option", "case=upper") == 1
    assert "case is one of keep, lower" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--split", "validation"), "validation"),
        (("--output", "rows.xlsx"), r".csv or .jsonl"),
        (("--lang", "xx"), "no language pack for 'xx'"),
        (("--option", "case"), "NAME=VALUE"),
        (("--compare", "gone.csv"), "gone.csv"),
        (("--data", "elsewhere:0.5"), "weights are for training"),
    ],
)
def test_faults_are_one_line(
    export: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert _evaluate(export, "--data", data, *arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_no_usable_clip_and_no_model_are_one_line(
    export: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(data / "test" / "audio")
    assert _evaluate(export, "--data", data) == 1
    assert "no usable clip in test" in capsys.readouterr().err
    assert _evaluate(tmp_path / "gone", "--lang", "qaa", "--data", data) == 1
    assert "gone: no such folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert _evaluate(tmp_path / "empty", "--lang", "qaa", "--data", data) == 1
    (export / "run.json").unlink()
    assert _evaluate(export, "--data", data) == 1
    assert "--lang CODE" in capsys.readouterr().err


def test_evaluate_measures_on_the_sample_where_there_is_no_dataset(
    export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _evaluate(export, "--json", "--max-new-tokens", 5) == 0
    captured = capsys.readouterr()
    assert "sample bundled with ruach-lang-qaa (synthetic speech)" in captured.err
    assert json.loads(captured.out)["split"] == "test"


def test_evaluate_of_an_export_loads_neither_torch_nor_transformers(
    export: Path, data: Path
) -> None:
    code = (
        "import sys; from ruach_core.cli import main\n"
        "status = main(sys.argv[1:])\n"
        "heavy = {'torch', 'transformers', 'datasets', 'accelerate'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else status)\n"
    )
    command = [sys.executable, "-c", code, "evaluate", str(export), "--data", str(data)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_folder_in_the_layout_of_transformers_is_converted(
    whisper_base_export: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=51865, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config.lang_to_id = {"<|en|>": 50259}
    model.generation_config.suppress_tokens = []
    folder = tmp_path / "tiny"
    model.save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    shutil.copy(whisper_base_export / "tokenizer.json", folder)
    capsys.readouterr()
    arguments = (folder, "--lang", "qaa", "--data", data, "--max-new-tokens", 8, "--json")
    assert main(["evaluate", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert "converting" in captured.err
    report = json.loads(captured.out)
    assert report["n_utterances"] == 3
    assert report["wer"]["rate"] > 0.5
    assert not (folder / "model.bin").exists()
