from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.cli import main
from ruach_core.data.audio import AudioError
from ruach_core.errors import UserError
from ruach_core.transcription import reading
from ruach_core.transcription.reading import find_audio_files, iter_audio
from ruach_core.types import SAMPLING_RATE


@pytest.mark.parametrize(
    ("suffix", "rate"), [(".wav", 16_000), (".wav", 44_100), (".flac", 8_000), (".ogg", 48_000)]
)
def test_a_long_file_streams_as_it_would_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, rate: int
) -> None:
    path = tmp_path / f"talk{suffix}"
    time_s = np.arange(12 * rate) / rate
    stereo = np.stack([np.sin(2 * np.pi * 440 * time_s), np.zeros(len(time_s))], axis=1) * 0.5
    soundfile.write(path, stereo, rate)
    whole = np.concatenate(list(iter_audio(path)))
    monkeypatch.setattr(reading, "_WHOLE_S", 1.0)
    pieces = list(iter_audio(path))
    streamed = np.concatenate(pieces)
    assert len(pieces) > 10
    assert max(map(len, pieces)) < SAMPLING_RATE
    assert streamed.dtype == np.float32
    assert len(streamed) == pytest.approx(len(whole), abs=2)
    middle = slice(SAMPLING_RATE, 11 * SAMPLING_RATE)
    assert np.abs(streamed[middle] - whole[middle]).max() < 0.01


def test_a_long_file_that_breaks_off_gives_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_WHOLE_S", 1.0)
    path = tmp_path / "talk.flac"
    generator = np.random.default_rng(0)
    soundfile.write(path, generator.normal(0, 0.1, 20 * SAMPLING_RATE), SAMPLING_RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    n_samples = sum(map(len, iter_audio(path)))
    assert 8 * SAMPLING_RATE < n_samples < 12 * SAMPLING_RATE


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "empty.mp3").write_bytes(b"")
    for name in ("text.wav", "empty.mp3", "gone.wav"):
        with pytest.raises(AudioError, match=name):
            list(iter_audio(tmp_path / name))
    with pytest.raises(AudioError):
        list(iter_audio(tmp_path))


def test_a_folder_stands_for_its_audio_files(tmp_path: Path) -> None:
    for name in ("b.wav", "a.MP3", ".hidden.wav", "notes.txt", "c.opus"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deeper.wav").mkdir()
    assert [p.name for p in find_audio_files(tmp_path)] == ["a.MP3", "b.wav", "c.opus"]
    with pytest.raises(UserError, match="no audio files"):
        find_audio_files(tmp_path / "deeper.wav")
    # A file named by itself may end in anything, or be missing; that is for the reader to say.
    assert find_audio_files(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]


@pytest.fixture
def recording(spoken: list[tuple[str, Path]], waveforms: list[np.ndarray], tmp_path: Path) -> Path:
    pause = np.zeros(2 * SAMPLING_RATE, dtype=np.float32)
    path = tmp_path / "recording.flac"
    parts = [part for i in range(9) for part in (pause, waveforms[i % 3])]
    soundfile.write(path, np.concatenate(parts), SAMPLING_RATE)
    return path


@pytest.fixture
def export(whisper_base_export: Path, tmp_path: Path) -> Path:
    """The export with a run.json, as Ruach's own exports have, but for 30 s windows."""
    folder = tmp_path / "model-ct2"
    folder.mkdir()
    for path in whisper_base_export.iterdir():
        (folder / path.name).symlink_to(path)
    about = {
        "lang": "en", "whisper_language": "en", "window": "full", "window_margin_s": 1.0,
        "generation_length": 100,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def _transcribe(*arguments: object) -> int:
    fast = ["--compute-type", "int8", "--threads", "1"]
    return main(["transcribe", *map(str, arguments), *fast])


@pytest.mark.slow
def test_transcribe_long_audio_with_times(
    export: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _transcribe(recording, "--model", export, "--format", "json", "--max-segment", 8) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["duration"] == pytest.approx(soundfile.info(recording).duration, abs=0.01)
    said = content["segments"]
    assert [("river" in s["text"]) for s in said] == [i % 3 == 1 for i in range(9)]
    assert all(s["start"] < s["end"] for s in said)
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(said))
    assert said[0]["start"] == pytest.approx(2.0, abs=0.4)


@pytest.mark.slow
def test_transcribe_without_voice_activity_hears_everything(
    export: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _transcribe(recording, "--model", export, "--no-vad") == 0
    text = capsys.readouterr().out
    assert text.count("river") == 3


@pytest.mark.slow
def test_transcribe_goes_on_after_a_bad_file(
    export: Path,
    spoken: list[tuple[str, Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.wav").write_text("not audio")
    out = tmp_path / "out"
    files = [tmp_path / "gone.wav", tmp_path / "bad.wav", spoken[1][1]]
    status = _transcribe(*files, "--model", export, "--format", "all", "--output-dir", out)
    captured = capsys.readouterr()
    assert status == 1
    assert captured.out == ""
    assert captured.err.count("ruach: error: ") == 2
    assert "gone.wav: no such file" in captured.err
    assert "bad.wav" in captured.err
    names = {path.name for path in out.iterdir()}
    assert names == {"clip1.txt", "clip1.json", "clip1.srt", "clip1.vtt"}
    assert "river" in (out / "clip1.vtt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_transcribe_a_folder_and_files_of_one_name(
    export: Path,
    spoken: list[tuple[str, Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for folder, number in (("one", 0), ("two", 1)):
        (tmp_path / folder).mkdir()
        shutil.copy(spoken[number][1], tmp_path / folder / "clip.wav")
    out = tmp_path / "out"
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "one" / "clip.wav"]
    assert _transcribe(*folders, "--model", export, "--output-dir", out) == 0
    texts = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}
    assert set(texts) == {"clip.wav.txt", "clip.wav-2.txt"}
    assert "river" in texts["clip.wav-2.txt"]
    assert _transcribe(*folders, "--model", export) == 0
    assert capsys.readouterr().out.count("==> ") == 2
    assert _transcribe(*folders, "--model", export, "--format", "json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.slow
def test_transcribe_finds_the_times_of_words(
    export: Path, spoken: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (spoken[1][1], "--model", export, "--format", "json", "--word-timestamps")
    assert _transcribe(*arguments) == 0
    (segment,) = json.loads(capsys.readouterr().out)["segments"]
    words = segment["words"]
    assert [word["word"] for word in words] == segment["text"].split()
    assert all(a["end"] <= b["start"] + 0.001 for a, b in itertools.pairwise(words))
    assert words[0]["start"] < 0.5
    assert words[-1]["end"] == pytest.approx(segment["end"], abs=0.6)
    assert sum(word["start"] < word["end"] for word in words) >= len(words) - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "srt", "--format", "vtt"), "--output-dir"),
        (("--lang", "xx"), "no language pack for 'xx'"),
        (("--compute-type", "int3"), "int3"),
    ],
)
def test_faults_are_one_line(
    export: Path,
    spoken: list[tuple[str, Path]],
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    status = main(["transcribe", str(spoken[0][1]), "--model", str(export), *arguments])
    captured = capsys.readouterr()
    assert status == 1
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.slow
def test_a_model_that_does_not_say_its_language_needs_the_flag(
    whisper_base_export: Path,
    spoken: list[tuple[str, Path]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _transcribe(spoken[1][1], "--model", whisper_base_export) == 1
    assert "--lang CODE" in capsys.readouterr().err
    assert _transcribe(spoken[1][1], "--model", whisper_base_export, "--lang", "en") == 0
    assert "river" in capsys.readouterr().out


def test_a_missing_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _transcribe("x.wav", "--model", tmp_path / "gone") == 1
    assert "gone: no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_transcribe_loads_neither_torch_nor_transformers(
    export: Path, spoken: list[tuple[str, Path]]
) -> None:
    code = (
        "import sys; from ruach_core.cli import main\n"
        "status = main(sys.argv[1:])\n"
        "heavy = {'torch', 'transformers', 'datasets', 'accelerate'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else status)\n"
    )
    command = [sys.executable, "-c", code, "transcribe", str(spoken[1][1]), "--model", str(export)]
    result = subprocess.run(
        [*command, "--format", "vtt", "--word-timestamps"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("WEBVTT\n\n00:00:")
    assert result.stderr == ""
