from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def corpus(tmp_path):
    """Thirty clips of noise that comes and goes, in a folder of its own."""
    folder = tmp_path / "corpus"
    (folder / "audio").mkdir(parents=True)
    rows = [("file_name", "transcription", "speaker")]
    for i in range(30):
        rng = np.random.default_rng(i)
        room = 0.001 + 0.1 * np.clip(np.sin(np.arange(8_000) / 800 + i), 0, None)
        soundfile.write(folder / f"audio/{i}.wav", rng.standard_normal(8_000) * room, 16_000)
        rows.append((f"audio/{i}.wav", "".join(rng.choice(list("abcxyz"), 6)), "s"))

    def write(*changed):
        with (folder / "metadata.csv").open("w", newline="") as file:
            csv.writer(file).writerows([*rows, *changed])
        return str(folder)

    write()
    return write


def test_a_clean_corpus_is_ok(ruach, pack, corpus):
    done = ruach("data", "check", corpus(), "--lang", "qta")
    assert (done.status, done.error) == (0, "")
    assert "30 rows (folder), 30 usable clips" in done.output
    assert done.output.splitlines()[-1].startswith("0 errors, 0 warnings, 0 for information")


def test_a_language_without_a_pack_is_checked_too(ruach, corpus):
    assert "--no-pack" in ruach("data", "check", corpus(), "--lang", "xyz").error
    done = ruach("data", "check", corpus(), "--lang", "xyz", "--no-pack")
    assert (done.status, done.error) == (0, "")
    assert "30 usable clips" in done.output


def test_an_error_names_file_and_row_and_makes_the_exit_status_1(ruach, pack, corpus):
    done = ruach("data", "check", corpus(("audio/none.wav", "abc", "s")), "--lang", "qta")
    assert done.status == 1
    heading = next(line for line in done.output.splitlines() if line.startswith("SEVERITY"))
    assert heading.split() == ["SEVERITY", "CHECK", "NUMBER", "FINDING"]
    assert "error     missing-audio  1" in done.output
    assert "metadata.csv row 32, audio/none.wav: no such file" in done.output
    assert "remedy: put the files" in done.output
    assert "1 error, 0 warnings" in done.output


def test_json_has_every_finding_with_its_examples(ruach, pack, corpus):
    done = ruach("data", "check", corpus(("audio/none.wav", "ሰ", "")), "--lang", "qta", "--json")
    about = json.loads(done.output)
    assert (done.status, about["ok"]) == (1, False)
    assert about["splits"]["train"]["n_clips"] == 30
    checks = {finding["check"]: finding for finding in about["findings"]}
    assert checks["missing-audio"]["examples"][0]["row"] == "metadata.csv row 32"
    assert checks["foreign-letters"]["examples"][0]["detail"].startswith("U+1230 ETHIOPIC SYLL")
    assert checks["unnamed-speakers"]["severity"] == "warning"


def test_segments_of_an_mp3_file_that_lie_outside_it(ruach, pack, corpus):
    folder = Path(corpus())
    noise = np.random.default_rng(0).standard_normal(4 * 16_000) / 10
    soundfile.write(folder / "talk.mp3", noise, 16_000, format="MP3")
    rows = ["talk.mp3,abc,s,1,3", "talk.mp3,abx,s,3,9", "talk.mp3,aby,s,8,9"]
    with (folder / "metadata.csv").open(newline="") as file:
        old = [f"{line.strip()},," for line in file][1:]
    text = "\n".join(["file_name,transcription,speaker,start_s,end_s", *old, *rows])
    (folder / "metadata.csv").write_text(text)
    done = ruach("data", "check", str(folder), "--lang", "qta", "--json")
    checks = {finding["check"]: finding for finding in json.loads(done.output)["findings"]}
    assert "undecodable-audio" not in checks
    details = [example["detail"] for example in checks["segment-outside-audio"]["examples"]]
    assert sorted(details) == [
        "the segment ends at 9 s, the file at 4.00 s",
        "the segment starts at 8 s, the file ends at 4.00 s",
    ]


def test_the_page_is_written_whole(ruach, pack, corpus, tmp_path):
    page = tmp_path / "page.html"
    done = ruach("data", "check", corpus(), "--lang", "qta", "--html", str(page))
    assert done.status == 0
    assert page.read_text(encoding="utf-8").endswith("</html>\n")
    assert [path.name for path in tmp_path.glob(".page*")] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--lang", "qta"], "nowhere: no such dataset"),
        ([".", "--lang", "qtz"], "qtz"),
        (["CORPUS", "--lang", "qta", "--model", "none-such"], "none-such"),
        (["CORPUS", "--lang", "qta", "--html", "no/such/page.html"], "its folder doesn't exist"),
        (["CORPUS", "--lang", "qta", "--option", "case"], "NAME=VALUE"),
    ],
)
def test_a_wrong_argument_is_one_line(ruach, pack, corpus, arguments, message):
    done = ruach("data", "check", *(corpus() if a == "CORPUS" else a for a in arguments))
    assert done.status == 1
    assert message in done.error_line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(ruach, pack, corpus, tmp_path):
    os.mkfifo(tmp_path / "corpus/audio/pipe.wav")
    os.mkfifo(tmp_path / "corpus/audio/other.wav")
    arguments = (corpus(("audio/pipe.wav", "abc", "s")), "--lang", "qta", "--json")
    page = str(tmp_path / "page.html")
    about = json.loads(ruach("data", "check", *arguments, "--html", page).output)
    assert [finding["check"] for finding in about["findings"]] == ["missing-audio"]


def test_hostile_rows_are_findings(ruach, pack, corpus):
    rows = [
        ("../../etc/passwd", "abc", "s"),
        ("/etc/passwd", "abc", "s"),
        ("audio/1.wav", "abc", "s"),
        ("audio/none.wav", "a" * 100_000, "s"),
        ("audio", "\x00\x07", "s"),
    ]
    done = ruach("data", "check", corpus(*rows), "--lang", "qta", "--json")
    about = json.loads(done.output)
    checks = {finding["check"]: finding["n"] for finding in about["findings"]}
    assert done.status == 1
    assert checks["outside-folder"] == 2
    assert checks["bad-row"] >= 1
    assert checks["missing-audio"] >= 1
