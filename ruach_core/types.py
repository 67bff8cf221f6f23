"""What flows through the pipeline, and the protocols for what plugins return.

Only the standard library is imported here. Frozen dataclasses inside, pydantic at files only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

Purpose = Literal["target", "score"]
"""`target`: what the model is taught to write. `score`: what WER and CER compare."""

Split = Literal["train", "validation", "test"]
Severity = Literal["info", "warning", "error"]

HOOK_API = 1
"""Raised when a hook or an argument is removed or renamed; packs state the one they were made for.
Here, not in `hookspecs`, so that packs can be listed without pluggy."""

SAMPLING_RATE = 16_000
"""Hz; every waveform inside Ruach is mono float32 at this rate."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One clip and its text.

    Attributes:
        id: unique within its source; the audio path relative to the source's folder.
        audio: path of the audio file.
        transcript: the text as the source wrote it.
        split: the split that the source put it in; `validation` once it is held out of train.
        speaker_id: who speaks, or None where the source doesn't say.
        start_s: where the clip starts in the file, in seconds; None for the whole file.
        end_s: where it ends, in seconds; None for the whole file.
        row: where the source describes it, for messages ("train/metadata.csv row 12").
        duration_s: length in seconds, once the audio has been read.
        reference: the `target` form of the transcript, once it has been normalised.
        attributes: what else the source says of the clip, by its own column names (votes, age).
        source: the source's name in a run with several; empty where there is one.
        weight: how often training draws the clip in an epoch, on the average.
    """

    id: str
    audio: Path
    transcript: str
    split: Split
    speaker_id: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    row: str = ""
    duration_s: float | None = None
    reference: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What a corpus says of itself, as far as it does.

    Attributes:
        title: its name and version ("Common Voice 17.0, Amharic").
        license: an SPDX identifier, or the licence in the corpus' own words.
        url: where it comes from.
    """

    title: str | None = None
    license: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the model said for one utterance."""

    utterance_id: str
    text: str


SetAsideReason = Literal[
    "missing", "unreadable", "empty", "silent", "too-long", "too-short", "no-transcript",
    "label-too-long", "outside-folder", "bad-row", "split-conflict", "dropped",
]  # fmt: skip
"""`split-conflict`: a speaker held out for validation says a sentence that is in train or test.
`dropped`: a person decided so, in a review."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A clip that takes no part in the run, and why. `reason` is a short stable code."""

    utterance_id: str
    split: str
    reason: SetAsideReason
    detail: str
    row: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found in a set of texts.

    Attributes:
        check: name of the check.
        severity: `error` stops a run, `warning` is printed, `info` is listed.
        message: what was found, in one line, with its number.
        remedy: what to do about it.
        n: how many cases.
        example: one case.
    """

    check: str
    severity: Severity
    message: str
    remedy: str = ""
    n: int = 0
    example: str = ""


@runtime_checkable
class TextNormalizer(Protocol):
    """Normalises text of one language; total and idempotent for both purposes."""

    @property
    def name(self) -> str:
        """Name and version, as reports show it."""
        ...

    def normalize(self, text: str, *, purpose: Purpose) -> str:
        """The text in its `target` or `score` form; never raises, whatever the input."""
        ...


class TextTokenizer(Protocol):
    """The part of a tokenizer that a check may use."""

    def encode(self, text: str) -> Sequence[int]:
        """Token ids of the bare text, without special tokens."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids."""
        ...


@runtime_checkable
class TokenizationCheck(Protocol):
    """Looks at references as Whisper's tokenizer sees them."""

    @property
    def name(self) -> str:
        """Short name, unique among checks."""
        ...

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> Iterable[Finding]:
        """Findings on the utterances; each has its `reference` filled."""
        ...


@runtime_checkable
class DatasetLoader(Protocol):
    """Reads one corpus layout.

    A `source` is what the user gave: mostly a folder or a file, or else a name that only this
    loader knows. Audio inside an archive or a table is handed out as a file of the cache (see
    `ruach_core.data.extraction`), so that everything behind a loader sees files.
    """

    @property
    def name(self) -> str:
        """Short name, unique among loaders."""
        ...

    def detect(self, source: Path) -> bool:
        """Whether the source has this layout; cheap, never raises on a readable path."""
        ...

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that the source brings; train alone where it has none of its own."""
        ...

    def info(self, source: Path) -> CorpusInfo:
        """What the corpus says of itself; cheap."""
        ...

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances, lazily; a row that can't be used comes as a SetAside.

        Raises:
            DataError: the split as a whole can't be read; names file, row and remedy.
        """
        ...


@runtime_checkable
class BaseModelSource(Protocol):
    """Resolves a base model's name to a local folder in transformers' layout."""

    @property
    def name(self) -> str:
        """Short name, unique among sources ("hub", "whisper-base-offline")."""
        ...

    def resolve(self, model: str, *, progress: bool = True) -> Path | None:
        """The folder, fetched or built if need be; None where this source has no such model.

        Nothing may be fetched from a network while `ruach_core.models.downloads` forbids
        it, as `ruach plan` does.

        Raises:
            UserError: the source has the model but can't give it now; names the remedy.
        """
        ...


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric over a set of pairs; `value` is a fraction, percent only when printed."""

    name: str
    value: float
    details: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Metric(Protocol):
    """Compares references with hypotheses."""

    @property
    def name(self) -> str:
        """Short name, unique among metrics ("wer")."""
        ...

    def compute(self, references: Sequence[str], hypotheses: Sequence[str]) -> MetricResult:
        """The metric over the pairs; both sides are already normalised."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """Turns a trained model's folder into one that some run time loads."""

    @property
    def name(self) -> str:
        """Short name, unique among exporters ("ctranslate2")."""
        ...

    def export(self, model_dir: Path, output_dir: Path, *, quantization: str) -> None:
        """Write the export into `output_dir`, an empty existing folder.

        Raises:
            UserError: the quantization isn't one of this exporter's.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What `ruach_before_train` is told: the run, just before its first step."""

    lang: str
    base_model: str
    output_dir: Path
    n_train: int
    n_validation: int
    n_test: int
    train_hours: float
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Pooled edit counts over a set of pairs, with a bootstrap confidence interval.

    All rates are fractions. `low` and `high` bound the 95 % interval of `rate`, resampled over
    utterances.
    """

    rate: float
    low: float
    high: float
    substitutions: int
    deletions: int
    insertions: int
    hits: int


@dataclass(frozen=True, slots=True)
class SilenceReport:
    """What a model wrote for clips without speech.

    Attributes:
        n_clips: how many there were.
        duration_s: seconds of all of them.
        n_words: words that it invented.
        texts: what it wrote, `score` forms, without the clips for which it wrote no word.
    """

    n_clips: int
    duration_s: float
    n_words: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvalReport:
    """An evaluation of one model on one split.

    `wer` and `cer` are strict (compare the `target` forms); `wer_folded` and `cer_folded` compare
    the `score` forms. `loop_rate` is the share of hypotheses with a repetition loop;
    `metrics` are those of plugins, beside wer and cer, on the strict forms. `beam_size` is how many
    hypotheses decoding kept at each step; 1 is greedy. `replacement_rate` is the share of
    hypotheses with broken characters (U+FFFD: a letter's last token never came), `n_replacements`
    the number of such characters. `rescoring` says how one of the beam's hypotheses was chosen, and
    is empty where it was the beam's own first. `silence` is what the model wrote where nobody
    speaks, or None where that wasn't measured.
    """

    lang: str
    model: str
    split: str
    window: str
    n_utterances: int
    wer: ErrorRate
    cer: ErrorRate
    wer_folded: ErrorRate
    cer_folded: ErrorRate
    loop_rate: float
    replacement_rate: float
    runtime_s: float
    normalizer: str
    metrics: tuple[MetricResult, ...] = ()
    beam_size: int = 1
    n_replacements: int = 0
    rescoring: str = ""
    silence: SilenceReport | None = None
