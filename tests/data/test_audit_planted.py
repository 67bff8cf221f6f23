"""Defects planted into a clean corpus, each of which the audit must find by its own finding."""

from __future__ import annotations

import copy
import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from ruach_core.data.audit.report import AuditFinding, AuditReport
from ruach_core.data.audit.run import audit_corpus
from ruach_core.plugins import Plugins
from ruach_core.testing.plugins import site_on_path, write_pack

RATE = 16_000
N_TRAIN, N_TEST = 90, 32
N_FEW_TRAIN, N_FEW_TEST = 24, 8
"""As many as the checks need that compare a clip with all others."""
LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
PACK = {"alphabet": '"а-я ё"', "script": '"Cyrl"', "whisper_language": '"ru"'}
COLUMNS = ("file_name", "transcription", "speaker", "start_s", "end_s")
ROOM = 0.0005


class LetterTokenizer:
    """One token a letter."""

    def encode(self, text):
        return [ord(char) for char in text]

    def decode(self, ids):
        return "".join(map(chr, ids))


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def speech(duration_s: float, seed: int, rate: int = RATE) -> np.ndarray:
    """Noise that comes and goes as syllables do, in a quiet room."""
    n = round(duration_s * rate)
    t = np.arange(n) / rate
    syllables = np.clip(np.sin(2 * np.pi * 3 * t + seed), 0, None) ** 0.5
    wave = 0.1 * np.convolve(noise(n, seed), [0.5, 0.7, 0.5], "same") * syllables
    return (np.clip(wave, -0.9, 0.9) + ROOM * noise(n, seed + 1)).astype(np.float32)


def room(duration_s: float, seed: int) -> np.ndarray:
    return ROOM * noise(round(duration_s * RATE), seed)


def sentence(n_chars: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    text = ""
    while len(text) < n_chars:
        text += "".join(rng.choice(list(LETTERS), rng.integers(3, 8))) + " "
    # The short i makes a text differ by Unicode form.
    return f"й{text[1:n_chars].rstrip()}о"


@dataclass
class Corpus:
    """A folder with its rows, to be spoilt and then written."""

    folder: Path
    rows: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def path(self, i: int, split: str = "train") -> Path:
        return self.folder / split / self.rows[split][i]["file_name"]

    def wave(self, i: int) -> np.ndarray:
        return soundfile.read(self.path(i), dtype="float32")[0]

    def put(self, i: int, wave: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> None:
        soundfile.write(self.path(i), wave, rate, subtype=subtype)

    def text(self, i: int, split: str = "train") -> str:
        return self.rows[split][i]["transcription"]

    def say(self, i: int, text: str) -> None:
        self.rows["train"][i]["transcription"] = text

    def add_word(self, i: int, word: str) -> None:
        words = self.text(i).split()
        self.say(i, " ".join([*words[:-1], word]))

    def append(self, name: str, text: str, split: str = "train") -> Path:
        row = {"file_name": f"audio/{name}", "transcription": text, "speaker": f"{split}-speaker"}
        self.rows[split].append(row)
        return self.folder / split / "audio" / name

    def write(self) -> None:
        for split, rows in self.rows.items():
            with (self.folder / split / "metadata.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)


def write_clean(folder: Path, n_train: int = N_TRAIN, n_test: int = N_TEST) -> Corpus:
    corpus = Corpus(folder)
    for split, n_clips in (("train", n_train), ("test", n_test)):
        (folder / split / "audio").mkdir(parents=True)
        corpus.rows[split] = []
        for i in range(n_clips):
            seed = 10 * (i + n_train * (split == "test"))
            wave = speech(0.8 + 0.05 * (i % 7), seed)
            text = sentence(round(10 * len(wave) / RATE), seed)
            soundfile.write(corpus.append(f"c{i:03}.wav", text, split), wave, RATE)
    corpus.write()
    return corpus


# Plants a defect into clip i of train; returns the name that the finding must cite, if another.
Plant = Callable[[Corpus, int], object]
DEFECTS: dict[str, Plant] = {}


def defect(check: str) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        DEFECTS[check] = plant
        return plant

    return register


def defects_of_words(words: dict[str, str]) -> None:
    for check, word in words.items():
        DEFECTS[check] = lambda corpus, i, word=word: corpus.add_word(i, word)


defects_of_words(
    {
        "outside-alphabet": "ў",
        "foreign-letters": "λόγος",
        "latin-words": "hello",
        "mixed-script-words": "привеτ",
        "digits": "12",
        "symbols": "да%",
        "lost-characters": "при\ufffdет",
        "control-characters": "при\x07ет",
        "invisible-characters": "при\u200bвет",
        "line-breaks": "один\nдва",
        "odd-spaces": "один\u00a0два",
        "markup": "<i>да</i>",
        "annotations": "[шум]",
        "web-addresses": "https://да",
        "repeated-words": "да да да да",
        "mixed-unicode-forms": "и\u0306од",
    }
)
DEFECTS |= {
    "missing-audio": lambda corpus, i: corpus.path(i).unlink(),
    "empty-audio": lambda corpus, i: corpus.path(i).write_text(""),
    "undecodable-audio": lambda corpus, i: corpus.path(i).write_text("no audio\n" * 500),
    "silent-audio": lambda corpus, i: corpus.put(i, np.zeros(RATE)),
    "offset-audio": lambda corpus, i: corpus.put(i, corpus.wave(i) + 0.1),
    "clipped-audio": lambda corpus, i: corpus.put(i, np.clip(corpus.wave(i), -0.08, 0.08)),
    "noisy-audio": lambda corpus, i: corpus.put(
        i, corpus.wave(i) + 0.1 * noise(len(corpus.wave(i)), i)
    ),
    "quiet-audio": lambda corpus, i: corpus.put(i, corpus.wave(i) * 0.01, subtype="FLOAT"),
    "several-channels": lambda corpus, i: corpus.put(i, np.stack([corpus.wave(i)] * 2, 1)),
    "dead-channel": lambda corpus, i: corpus.put(i, np.outer(corpus.wave(i), [1, 0])),
    "opposite-channels": lambda corpus, i: corpus.put(i, np.outer(corpus.wave(i), [1, -1])),
    "too-long": lambda corpus, i: corpus.put(i, speech(31, i)),
    "empty-transcript": lambda corpus, i: corpus.say(i, " "),
    "nothing-left": lambda corpus, i: corpus.say(i, "... !"),
    "all-capitals": lambda corpus, i: corpus.say(i, corpus.text(i).upper()),
    "file-name-as-text": lambda corpus, i: corpus.say(i, Path(corpus.path(i)).stem),
    "slow-speech": lambda corpus, i: corpus.say(i, "я"),
    "text-cannot-fit": lambda corpus, i: corpus.say(i, sentence(100, i)),
    "fast-speech": lambda corpus, i: corpus.say(i, sentence(25, i)),
}  # fmt: skip


@defect("truncated-audio")
def _(corpus, i):
    content = corpus.path(i).read_bytes()
    corpus.path(i).write_bytes(content[: len(content) // 2])


@defect("not-finite-audio")
def _(corpus, i):
    wave = corpus.wave(i)
    wave[100] = np.nan
    corpus.put(i, wave, subtype="FLOAT")


@defect("unlisted-audio")
def _(corpus, i):
    shutil.copy(corpus.path(i), corpus.folder / "train" / "audio" / "extra.wav")
    return "extra.wav"


@defect("too-short")
def _(corpus, i):
    corpus.put(i, speech(0.15, i))
    corpus.say(i, "я")


@defect("mostly-pause")
def _(corpus, i):
    corpus.put(i, np.concatenate([speech(0.3, i), room(4, i), speech(0.3, i)]))
    corpus.say(i, sentence(40, i))


@defect("long-edge-pause")
def _(corpus, i):
    corpus.put(i, np.concatenate([room(2.5, i), speech(1.5, i)]))
    corpus.say(i, sentence(40, i))


@defect("dropouts")
def _(corpus, i):
    wave = corpus.wave(i)
    wave[4_000:8_000] = 0
    corpus.put(i, wave)


@defect("low-rate")
def _(corpus, i):
    corpus.put(i, soxr.resample(corpus.wave(i), RATE, 8_000), 8_000)


@defect("mixed-rates")
def _(corpus, i):
    corpus.put(i, soxr.resample(corpus.wave(i), RATE, 48_000), 48_000)


@defect("band-limited")
def _(corpus, i):
    corpus.put(i, soxr.resample(soxr.resample(corpus.wave(i), RATE, 8_000), 8_000, RATE))


@defect("duplicate-audio")
def _(corpus, i):
    shutil.copy(corpus.path(i), corpus.append("copy.wav", corpus.text(i)))
    return "copy.wav"


@defect("same-audio-other-text")
def _(corpus, i):
    soundfile.write(corpus.append("same.flac", sentence(10, 7_001)), corpus.wave(i), RATE)
    return "same.flac"


@defect("audio-in-two-splits")
def _(corpus, i):
    shutil.copy(corpus.path(i), corpus.append("leak.wav", sentence(10, 7_002), "test"))
    return "leak.wav"


@defect("sentence-overlap")
def _(corpus, i):
    corpus.rows["test"][1]["transcription"] = corpus.text(i)
    return "test/audio/c001.wav"


@defect("speaker-overlap")
def _(corpus, i):
    corpus.rows["test"][2]["speaker"] = "train-speaker"
    return "test/audio/c002.wav"


@defect("duplicate-sentences")
def _(corpus, i):
    corpus.rows["test"][3]["transcription"] = corpus.text(4, "test")
    return "test/audio/c004.wav"


@defect("unnamed-speakers")
def _(corpus, i):
    corpus.rows["train"][i]["speaker"] = ""


@defect("label-too-long")
def _(corpus, i):
    corpus.put(i, speech(29, i))
    corpus.say(i, sentence(450, i))


@defect("label-over-224")
def _(corpus, i):
    corpus.put(i, speech(24, i))
    corpus.say(i, sentence(250, i))


@defect("wrong-encoding")
def _(corpus, i):
    corpus.say(i, "да нет".encode().decode("cp1252"))


@defect("bad-row")
def _(corpus, i):
    corpus.rows["train"][i] |= {"start_s": "2", "end_s": "1"}
    return f"c{i:03}.wav"


@defect("outside-folder")
def _(corpus, i):
    corpus.rows["train"][i]["file_name"] = "../../secret.wav"
    return "secret.wav"


@defect("segment-outside-audio")
def _(corpus, i):
    corpus.rows["train"][i] |= {"start_s": "100", "end_s": "101"}


@defect("names-differ-in-case")
def _(corpus, i):
    name = corpus.path(i).name.upper()
    soundfile.write(corpus.append(name, sentence(10, 7_003)), speech(1, 7_003), RATE, format="WAV")
    return name


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    write_pack(site, "qtc", keys=PACK)
    with site_on_path(site):
        yield Plugins.load("qtc")


def audit(plugins: Plugins, folder: Path) -> AuditReport:
    normalizer = plugins.normalizer()
    return audit_corpus(folder, plugins, normalizer=normalizer, tokenizer=LetterTokenizer())


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Corpus:
    return write_clean(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Corpus:
    return write_clean(tmp_path_factory.mktemp("few"), N_FEW_TRAIN, N_FEW_TEST)


@pytest.fixture(scope="module")
def planted(tmp_path_factory, plugins) -> dict[str, tuple[AuditFinding | None, str]]:
    """Of each defect, its finding in a corpus that has them all, and what that must cite."""
    corpus = write_clean(tmp_path_factory.mktemp("planted"))
    cited = {}
    for i, (check, plant) in enumerate(DEFECTS.items()):
        name = plant(corpus, i)
        cited[check] = name if isinstance(name, str) else f"train/audio/c{i:03}.wav"
    corpus.write()
    findings = {finding.check: finding for finding in audit(plugins, corpus.folder).findings}
    return {check: (findings.get(check), name) for check, name in cited.items()}


def test_nothing_is_found_in_a_clean_corpus(clean, plugins):
    report = audit(plugins, clean.folder)
    assert report.findings == ()
    assert report.n_usable == report.n_rows == N_TRAIN + N_TEST
    assert report.splits["test"][0] == N_TEST


def test_nothing_is_found_in_a_few_clean_clips(few, plugins):
    (finding,) = audit(plugins, few.folder).findings
    assert (finding.check, finding.n) == ("small-split", N_FEW_TEST)


def test_more_than_40_kinds_are_planted():
    assert len(DEFECTS) > 40


@pytest.mark.parametrize("check", DEFECTS)
def test_each_of_all_planted_defects_has_its_finding(planted, check):
    finding, name = planted[check]
    assert finding is not None
    assert any(name in example.id or name in example.row for example in finding.examples), finding
    assert finding.remedy
    assert finding.severity in ("error", "warning", "info")


# What else is true of a clip with the defect.
ALSO = {
    "control-characters": {"symbols"},
    "mixed-script-words": {"foreign-letters"},
    "markup": {"latin-words", "mixed-script-words", "symbols"},
    "web-addresses": {"latin-words", "mixed-script-words"},
    "wrong-encoding": {"foreign-letters", "latin-words", "digits", "symbols"},
    "file-name-as-text": {"latin-words", "digits", "slow-speech"},
    "low-rate": {"mixed-rates"},
    "outside-folder": {"unlisted-audio"},
    "dead-channel": {"several-channels"},
    "opposite-channels": {"several-channels"},
}


@pytest.mark.slow
@pytest.mark.parametrize("check", DEFECTS)
def test_a_single_defect_is_found_and_nothing_else(check, tmp_path, few, plugins):
    folder = shutil.copytree(few.folder, tmp_path / "data")
    corpus = Corpus(folder, copy.deepcopy(few.rows))
    DEFECTS[check](corpus, 5)
    corpus.write()
    found = {finding.check: finding.n for finding in audit(plugins, corpus.folder).findings}
    assert found.pop(check) >= 1
    assert found.keys() <= ALSO.get(check, set()) | {"small-split"}


@pytest.mark.parametrize("check", DEFECTS)
def test_each_check_is_documented(check):
    page = Path(__file__).parents[2] / "docs" / "data-check.md"
    assert f"`{check}`" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_real_corpus_has_no_error():
    shared = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("RUACH_TEST_DATA", shared)) / "mboshi"
    if not folder.is_dir():
        pytest.skip("no Mboshi corpus: set RUACH_TEST_DATA to the folder that has mboshi/")
    pytest.importorskip("ruach_lang_mdw")
    report = audit(Plugins.load("mdw"), folder)
    assert report.n_usable == report.n_rows == 920
    assert report.n_errors == 0
