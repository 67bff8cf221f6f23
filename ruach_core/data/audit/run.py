"""Audits a source in one pass: texts here, audio in threads, and then what all clips show."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from ruach_core.blame import split_source
from ruach_core.data.audio import AudioError
from ruach_core.data.audio_names import is_audio_name
from ruach_core.data.audit.audio_rules import UNLISTED, AudioRules
from ruach_core.data.audit.casebook import CaseBook, sort_findings
from ruach_core.data.audit.measures import AudioMeasures, header_duration_s, measure
from ruach_core.data.audit.records import SPLITS, Records, RecordStore
from ruach_core.data.audit.relations import Relations
from ruach_core.data.audit.report import AuditFinding, AuditReport, Example, Histogram
from ruach_core.data.audit.text_rules import TextRules
from ruach_core.data.parallel import in_parallel, usable_threads
from ruach_core.data.review.decisions import Review
from ruach_core.errors import DataError
from ruach_core.sources import DataSources
from ruach_core.text.token_budget import ANY_SCRIPT, fast_chars_per_second
from ruach_core.text.unicode import normalize_form
from ruach_core.types import SetAside, TextNormalizer, TextTokenizer, Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins

_WITHOUT_PACK = "no language pack: alphabet and script aren't checked"
_MAX_THREADS = 8
_MAX_CHARS = 20_000
"""Of a text; what is longer is another thing than a clip's transcript."""
_N_BINS = 40
_REACH = 4.0
"""Interquartile ranges beyond the quartiles that a histogram shows; its last bins have the rest."""

OnProgress = Callable[[int], None]
"""Told how many rows are done."""


def audit_corpus(
    source: Path,
    plugins: Plugins,
    *,
    normalizer: TextNormalizer,
    tokenizer: TextTokenizer | None = None,
    on_progress: OnProgress | None = None,
) -> AuditReport:
    """Read every row and every clip of a source once, and say what is wrong.

    Memory doesn't grow with the corpus: some 80 bytes a clip and a line of its table go to a
    temporary folder, texts and audio are forgotten at once.

    Args:
        source: the folder (or whatever a loader knows).
        plugins: gives the loader, and the pack with its alphabet.
        normalizer: of the language.
        tokenizer: counts the tokens of the texts; without one that is left out.
        on_progress: called after each row.

    Raises:
        DataError: the source can't be read as a whole, or has no rows.
    """
    started = time.monotonic()
    with RecordStore() as store:
        audit = _Audit(plugins, normalizer, tokenizer, store)
        loader = plugins.find_dataset_loader(source)
        splits = loader.splits(source)
        review = Review.of(source, DataSources.of(source).names[0])
        rows = review.apply(
            itertools.chain.from_iterable(loader.read(source, split) for split in splits)
        )
        for n_done, _ in enumerate(audit.run(rows), start=1):
            if on_progress is not None:
                on_progress(n_done)
        if not audit.n_rows:
            raise DataError(f"{source}: has no rows; nothing to check")
        audit.find_unlisted(split_source(source)[1])
        records = store.records()
        manifest = plugins.manifest
        script = manifest.script if manifest else ANY_SCRIPT
        relations = Relations(store, fast_chars_per_second(script))
        is_usable = np.asarray(records["is_usable"])
        hours: dict[str, tuple[int, float]] = {
            split: _split_size(records, is_usable & (records["split"] == code))
            for code, split in enumerate(SPLITS)
            if split in splits
        }
        speakers = np.unique(records["speaker"])
        return AuditReport(
            source=str(source),
            loader=loader.name,
            lang=plugins.lang or "",
            info=loader.info(source),
            normalizer=normalizer.name,
            n_rows=audit.n_rows,
            n_usable=int(is_usable.sum()),
            hours=sum(h for _, h in hours.values()),
            splits=hours,
            n_speakers=int(np.count_nonzero(speakers)),
            findings=sort_findings([*audit.findings(), *relations.findings()]),
            histograms=tuple(_histograms(records[is_usable])),
            notes=(*review.notes(), *(() if manifest else (_WITHOUT_PACK,))),
            runtime_s=time.monotonic() - started,
        )


class _Audit:
    """The pass over the rows."""

    def __init__(
        self,
        plugins: Plugins,
        normalizer: TextNormalizer,
        tokenizer: TextTokenizer | None,
        store: RecordStore,
    ) -> None:
        self._normalizer = normalizer
        self._tokenizer = tokenizer
        self._store = store
        self._book = CaseBook()
        self._audio = AudioRules(self._book)
        self._texts = TextRules(self._book, plugins.lang or "", plugins.manifest)
        self._set_aside: set[int] = set()
        self.n_rows = 0

    def run(self, rows: Iterator[Utterance | SetAside]) -> Iterator[None]:
        """Take in all rows; yields once for each that is done."""
        n_threads = usable_threads(_MAX_THREADS)
        for item in in_parallel(_listen, rows, n_threads=n_threads):
            self.n_rows += 1
            if isinstance(item, SetAside):
                self._audio.add_set_aside(item)
                self._set_aside.add(_digest(PurePath(item.utterance_id).name))
            else:
                self._take(*item)
            yield

    def find_unlisted(self, source: Path) -> None:
        """Look for audio files in the source's folder that no row names."""
        if not source.is_dir():
            return
        named = np.unique(self._store.records()["path"])
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = Path(folder, name)
                if not is_audio_name(name) or _digest(name) in self._set_aside:
                    continue
                if path.is_file() and not _holds(named, _path_digest(path)):
                    shown = path.relative_to(source).as_posix()
                    self._book.add(UNLISTED, Example(shown, "", "no row names it", str(path)))

    def findings(self) -> list[AuditFinding]:
        """What was found clip by clip."""
        single = self._book.findings(self.n_rows)
        return [*single, *self._audio.findings(), *self._texts.findings()]

    def _take(self, utterance: Utterance, result: AudioMeasures | AudioError) -> None:
        """Judge a clip's text and what was heard."""
        text = utterance.transcript[:_MAX_CHARS]
        reference = self._normalizer.normalize(text, purpose="target")
        sentence = self._normalizer.normalize(text, purpose="score").strip()
        n_tokens = len(self._tokenizer.encode(reference)) if self._tokenizer else 0
        self._texts.add(utterance, reference, sentence, n_tokens)
        if isinstance(result, AudioError):
            self._audio.add_error(utterance, result)
            duration_s, level, snr, audio = header_duration_s(utterance), math.nan, math.nan, 0
        else:
            self._audio.add_measures(utterance, result)
            duration_s, snr, audio = result.duration_s, result.snr_db, result.digest
            level = result.level_db if audio else math.nan
        self._store.add(
            line=self._store.write_line(utterance),
            audio=audio,
            sentence=_digest(sentence),
            speaker=_digest(utterance.speaker_id or ""),
            path=_path_digest(utterance.audio),
            folded=_digest(normalize_form(str(utterance.audio).casefold(), "NFC")),
            duration_s=duration_s,
            level_db=level,
            snr_db=snr,
            n_chars=len(reference.strip()) if sentence else 0,
            n_tokens=n_tokens,
            split=SPLITS.index(utterance.split),
            is_usable=not isinstance(result, AudioError),
        )


Heard = tuple[Utterance, AudioMeasures | AudioError]


def _listen(row: Utterance | SetAside) -> Heard | SetAside:
    """Measure a clip's audio, in a thread of its own."""
    return row if isinstance(row, SetAside) else (row, _measure(row))


def _measure(utterance: Utterance) -> AudioMeasures | AudioError:
    try:
        return measure(utterance)
    except AudioError as error:
        # With its traceback a fault would keep the frames, and the audio in them.
        return error.with_traceback(None)
    except OSError as error:
        return AudioError(utterance.audio, "unreadable", f"can't be read: {error.strerror}")


def _digest(text: str) -> int:
    """64 bits of a text; 0 for none."""
    if not text:
        return 0
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") or 1


def _path_digest(path: Path) -> int:
    return _digest(os.path.realpath(path))


def _holds(ascending: Records, value: int) -> bool:
    place = int(np.searchsorted(ascending, np.uint64(value)))
    return place < len(ascending) and int(ascending[place]) == value


def _split_size(records: Records, mask: Records) -> tuple[int, float]:
    return int(mask.sum()), float(records["duration_s"][mask].sum(dtype=np.float64)) / 3600


def _histograms(records: Records) -> Iterator[Histogram]:
    """How the usable clips are spread."""
    rates = records["n_chars"] / np.maximum(records["duration_s"], 1e-3)
    measures = (
        ("duration, s", records["duration_s"], 0.5),
        ("level of speech, dBFS", records["level_db"], 1.0),
        ("estimated signal-to-noise ratio, dB", records["snr_db"], 2.0),
        ("characters a second", rates[records["n_chars"] > 0], 0.5),
        ("tokens of a text", records["n_tokens"][records["n_tokens"] > 0], 4.0),
    )
    for title, values, step in measures:
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        # A few outliers must not squeeze all others into one bin.
        least, low, high, most = np.quantile(known, (0, 0.25, 0.75, 1))
        reach = _REACH * max(float(high - low), step)
        low, high = max(least, low - reach), min(most, high + reach)
        first = math.floor(low / step)
        width = max(1, math.ceil((math.floor(high / step) + 1 - first) / _N_BINS))
        n_bins = math.ceil((math.floor(high / step) + 1 - first) / width)
        edges = [step * (first + width * i) for i in range(n_bins + 1)]
        places = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, n_bins - 1)
        counts = np.bincount(places, minlength=n_bins)
        yield Histogram(title, edges, [int(n) for n in counts], float(np.median(known)))
