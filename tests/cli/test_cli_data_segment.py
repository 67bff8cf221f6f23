"""`ruach data segment`: its refusals without a model, and whole runs on speech with a real one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.cli import main
from ruach_core.plugins import Plugins
from ruach_core.types import SAMPLING_RATE, Utterance

PREFACE = "This is a note by the publisher that nobody reads aloud in front of other people.\n"
PAGE = "Here a whole page was turned over by mistake and so it was never heard by anybody at all.\n"
OTHER = "Buy two pounds of flour, a dozen eggs and some sugar; bake it at medium heat. " * 4


def segment(*arguments: object, output: Path) -> int:
    words = ["data", "segment", *map(str, arguments), "--lang", "en", "--no-pack"]
    return main([*words, "--output", str(output)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["talk.wav"], "talk.wav: there is no .vtt, .srt or .txt of the same name beside it"),
        (["talk.wav", "--text", "gone.txt"], "gone.txt: no such file"),
        (["talk.wav", "--text", "a.txt", "--subtitles", "a.srt"], "give one of them"),
        ([".", "--text", "a.txt"], "is the text of one recording"),
        (["."], "none of its recordings has a .vtt, .srt or .txt"),
        (["gone.wav", "--text", "a.txt"], "gone.wav: no such file or folder"),
        (["a.txt"], "a.txt: a text, not a recording"),
        (["talk.wav", "--text", "a.txt", "--model", "gone"], "gone: no model in it"),
        (["talk.wav", "--text", "a.txt", "--output", "full"], "holds files already"),
        (["talk.wav", "--text", "a.txt", "--output", "a.txt"], "is not a folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, monkeypatch, capsys, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("talk.wav", "a.txt", "a.srt"):
        Path(name).write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    output = [] if "--output" in arguments else ["--output", "out"]
    status = main(["data", "segment", *arguments, "--lang", "en", "--no-pack", *output])
    captured = capsys.readouterr()
    assert status in (1, 2)
    assert message.replace(": it has", ": ") in captured.err.replace(": it has", ": ")
    assert captured.err.rstrip().splitlines()[-1].count("rror") == 1
    assert not Path("out").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.fixture(scope="module")
def recording(spoken, tmp_path_factory) -> tuple[Path, list[str]]:
    """Two sentences in 22.05 kHz stereo, a second and more apart."""
    parts = []
    for _, path in spoken[1:]:
        sound, rate = soundfile.read(path, dtype="float32")
        parts += [np.zeros(round(1.2 * rate), dtype=np.float32), sound]
    folder = tmp_path_factory.mktemp("long")
    sound = np.concatenate(parts)
    soundfile.write(folder / "talk.flac", np.stack([sound, sound], axis=1), rate)
    return folder / "talk.flac", [text for text, _ in spoken[1:]]


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_folder_of_recordings_becomes_a_corpus(
    recording, spoken, whisper_base_export, tmp_path, capsys
) -> None:
    path, sentences = recording
    source = tmp_path / "talks"
    source.mkdir()
    (source / "good.flac").write_bytes(path.read_bytes())
    (source / "other.wav").write_bytes(spoken[0][1].read_bytes())
    text = PREFACE + sentences[0] + "\r\n" + PAGE + sentences[1]
    (source / "good.txt").write_text(f"\ufeff{text}", encoding="utf-8")
    (source / "other.txt").write_text(OTHER, encoding="utf-8")
    soundfile.write(source / "silent.wav", np.zeros(3 * SAMPLING_RATE), SAMPLING_RATE)
    (source / "silent.txt").write_text("not said", encoding="utf-8")
    (source / "empty.wav").write_bytes((source / "silent.wav").read_bytes())
    (source / "empty.txt").write_text(" \n", encoding="utf-8")
    # In another format again: cut once. Without a text: said first.
    soundfile.write(source / "good.ogg", np.zeros(SAMPLING_RATE), SAMPLING_RATE)
    (source / "untold.wav").write_bytes((source / "silent.wav").read_bytes())
    output = tmp_path / "out"
    status = segment(
        source, "--model", whisper_base_export, "--max-segment", 6, "--speaker", "Ann",
        "--compute-type", "int8", "--threads", 1, output=output,
    )  # fmt: skip
    captured = capsys.readouterr()
    assert status == 1
    faults = [line for line in captured.err.splitlines() if line.startswith("ruach: error: ")]
    assert len(faults) == 4
    assert ["untold.wav: no .vtt, .srt or .txt of this name beside it" in faults[0],
            "has no word" in faults[1], "nothing matches" in faults[2],
            "no speech" in faults[3]] == [True] * 4  # fmt: skip
    rows = read_table(output / "train")
    assert [row["transcription"] for row in rows] == sentences
    assert {row["speaker"] for row in rows} == {"Ann"}
    assert {row["recording"] for row in rows} == {"good.flac"}
    assert all(float(row["score"]) <= 0.5 for row in rows)
    start_s = 1.2
    for row, sentence in zip(rows, sentences, strict=True):
        length_s = soundfile.info(output / "train" / row["file_name"]).duration
        assert float(row["recording_start_s"]) == pytest.approx(start_s, abs=0.4), sentence
        assert length_s == pytest.approx(
            float(row["recording_end_s"]) - float(row["recording_start_s"]), abs=0.01
        )
        start_s = float(row["recording_end_s"]) + 1.2
    assert not (output / "review").exists()
    assert "words are in no segment" in captured.out
    loader = Plugins.load("en", use_pack=False).find_dataset_loader(output)
    assert all(isinstance(item, Utterance) for item in loader.read(output, "train"))
    assert json.loads((output / "dataset.json").read_text())["provenance"]["source"] == "talks"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out", "talks"]


@pytest.mark.slow
def test_subtitles_that_are_shifted_are_said_so(
    recording, whisper_base_export, tmp_path, capsys
) -> None:
    path, sentences = recording
    sound = soundfile.info(path)
    cues, start_s = [], 1.2
    for sentence in sentences:
        length_s = len(sentence) / sum(map(len, sentences)) * (sound.duration - 2.4)
        half = sentence.rfind(" ", 0, len(sentence) // 2)
        # Cues that cut in speech, five seconds late, and overlap.
        for part, a, b in ((sentence[:half], 0.0, 0.5), (sentence[half:], 0.4, 1.0)):
            times = [5.0 + start_s + share * length_s for share in (a, b)]
            clock = " --> ".join(f"00:00:{seconds:06.3f}" for seconds in times)
            cues.append(f"{clock}\n<i>{part}</i>\n")
        start_s += length_s + 1.2
    subtitles = tmp_path / "talk.vtt"
    subtitles.write_text("\ufeffWEBVTT\n\n" + "\n".join(cues), encoding="utf-8")
    output = tmp_path / "out"
    status = segment(
        path, "--subtitles", subtitles, "--model", whisper_base_export, "--max-segment", 6,
        "--compute-type", "int8", "--threads", 1, "--json", output=output,
    )  # fmt: skip
    captured = capsys.readouterr()
    assert status == 0, captured.err
    report = json.loads(captured.out)
    (about,) = report["recordings"]
    assert about["shift_s"] == pytest.approx(-5.0, abs=0.6)
    assert any("shifted" in note for note in about["notes"])
    assert (
        about["kept"]["words"] + about["review"]["words"] + about["in_no_segment"]["words"]
        == (about["words"])
    )
    assert [row["transcription"] for row in read_table(output / "train")] == sentences
