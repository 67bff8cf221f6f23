"""Where a comparison's clips come from: the data given, the test data, or a pack's sample."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer

from ruach_core.config import DataConfig
from ruach_core.data.read import read_corpus
from ruach_core.errors import UserError
from ruach_core.plugins import Plugins
from ruach_core.training.randomness import pick
from ruach_core.types import Split, TextNormalizer, Utterance

ROOT = Path(__file__).resolve().parents[2]
TEST_DATA, TEST_LANG, SAMPLE_LANG = "mboshi", "mdw", "am"
SEED = 0


@dataclass(frozen=True)
class Source:
    """A folder of clips, the language that they are in, and what to tell of them."""

    path: Path
    lang: str
    note: str


@dataclass(frozen=True)
class Clips:
    """Clips of one split, with the language's normaliser."""

    source: Source
    split: Split
    utterances: tuple[Utterance, ...]
    plugins: Plugins
    normalizer: TextNormalizer

    @property
    def seconds(self) -> float:
        """Of speech, all together."""
        return sum(u.duration_s or 0.0 for u in self.utterances)

    def describe(self) -> str:
        """`60 test clips of mboshi (mdw), 3.1 s each`."""
        n = len(self.utterances)
        about = f"{n} {self.split} clips of {self.source.note} ({self.source.lang})"
        return f"{about}, {self.seconds / n:.1f} s each"

    def wer(self, texts: Sequence[str]) -> float:
        """Strict WER of texts in the clips' order: both sides in the pack's `target` form."""
        return strict_wer([u.reference or "" for u in self.utterances], texts, self.normalizer)


def strict_wer(
    references: Sequence[str], texts: Sequence[str], normalizer: TextNormalizer
) -> float:
    """WER, as a fraction, of texts in their `target` form."""
    written = [normalizer.normalize(text, purpose="target") for text in texts]
    return float(jiwer.wer(list(references), written))


def find_source(data: Path | None, lang: str | None) -> Source:
    """The folder that was asked for, else the test data, else a sample that a pack brings.

    Args:
        data: a folder, or None to look for the test data (the folder that RUACH_TEST_DATA names,
            else `shared/data` beside the repository).
        lang: the clips' language; by default that of what is found.

    Raises:
        UserError: the folder isn't there.
        PackError: no pack of the language is installed.
    """
    if data is not None:
        if not data.is_dir():
            raise UserError(f"--data {data}: no such folder")
        return Source(data, lang or TEST_LANG, data.name)
    folder = os.environ.get("RUACH_TEST_DATA") or ROOT.parent / "shared" / "data"
    found = Path(folder) / TEST_DATA
    if lang in (None, TEST_LANG) and found.is_dir():
        return Source(found, TEST_LANG, found.name)
    sample = _find_sample(lang) if lang else None
    if sample is None:
        sample = _find_sample(SAMPLE_LANG)
    if sample is None:
        raise UserError(f"no {found}, and no pack brings a sample: give --data DIR")
    return sample


def _find_sample(lang: str) -> Source | None:
    sample = Plugins.load(lang).sample
    if sample is None:
        return None
    return Source(sample.folder, lang, f"{sample.distribution}'s sample, {sample.kind}")


def read_clips(source: Source, n: int, *, split: Split = "test", below_s: float = 30.0) -> Clips:
    """At most `n` clips shorter than `below_s`, the same ones each time.

    Another split serves where the source hasn't the one wanted.

    Raises:
        DataError: the source can't be read.
        UserError: it holds no such clip.
    """
    plugins = Plugins.load(source.lang)
    splits = plugins.find_dataset_loader(source.path).splits(source.path)
    chosen = split if split in splits else splits[0]
    normalizer = plugins.normalizer()
    corpus = read_corpus(
        source.path, plugins, normalizer=normalizer, settings=DataConfig(), seed=SEED,
        splits=[chosen],
    )  # fmt: skip
    short = [u for u in getattr(corpus, chosen) if (u.duration_s or 0.0) < below_s and u.reference]
    if not short:
        raise UserError(f"{source.path}: no {chosen} clip below {below_s:g} s")
    return Clips(source, chosen, tuple(pick(short, n, seed=SEED)), plugins, normalizer)
