"""What is wrong with a clip's audio: limits, and the rules that its measures are held against."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ruach_core.data.audio import AudioError
from ruach_core.data.audit.casebook import CaseBook, Rule, cite
from ruach_core.data.audit.measures import MAX_CLIP_S, AudioMeasures
from ruach_core.data.audit.report import AuditFinding, Example
from ruach_core.data.audit.text_rules import EMPTY
from ruach_core.data.read import SILENCE_DBFS
from ruach_core.types import SAMPLING_RATE, SetAside, Utterance

MIN_CLIP_S = 0.2
NOISY_DB = 10.0
QUIET_DB = -45.0
CLIPPED_SHARE = 5e-4
MAX_OFFSET = 0.02
MIN_SPEECH_SHARE = 0.2
LONG_EDGE_S = 2.0
LONG_GAP_S = 0.1
CLIFF_DB = 30.0

_REPLACE = "get the file again from its source, or drop the row"
MISSING = Rule(
    "missing-audio", "error", "rows whose audio file isn't there",
    "put the files where the rows say, or drop the rows",
)  # fmt: skip
UNLISTED = Rule(
    "unlisted-audio", "warning", "audio files that no row names",
    "add rows for them, or move them away",
)  # fmt: skip
_EMPTY = Rule("empty-audio", "error", "clips without any samples", _REPLACE)
_TRUNCATED = Rule("truncated-audio", "error", "files shorter than their header says", _REPLACE)
_SEGMENT = Rule(
    "segment-outside-audio", "error", "segments that end or start after their recording",
    "correct start and end; they may belong to another recording",
)  # fmt: skip
_NOT_FINITE = Rule(
    "not-finite-audio", "error", "clips with samples that are NaN or infinite",
    "write the file again from the original; a program spoilt it",
)  # fmt: skip
_UNDECODABLE = Rule("undecodable-audio", "error", "files that can't be decoded", _REPLACE)
_TOO_LONG = Rule(
    "too-long", "warning", f"clips longer than {MAX_CLIP_S:g} s, which training sets aside",
    "let `ruach data segment` cut them at pauses and find the text of each piece",
)  # fmt: skip
_TOO_SHORT = Rule(
    "too-short", "warning", f"clips shorter than {MIN_CLIP_S:g} s, which training sets aside",
    "drop them; the cut is probably wrong",
)  # fmt: skip
_SILENT = Rule(
    "silent-audio", "error", f"clips without sound (no sample above {SILENCE_DBFS:g} dBFS)",
    "record them again, or drop the rows",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Limit:
    """A rule on measures; `excess` is above 0 for a case, and the higher the worse."""

    rule: Rule
    excess: Callable[[AudioMeasures], float]
    detail: Callable[[AudioMeasures], str]


_LIMITS = (
    _Limit(
        Rule(
            "clipped-audio", "warning", "clips with flattened peaks (clipping)",
            "record with less gain, or use the original; clipped speech teaches the wrong sounds",
        ),
        lambda m: m.clipped_share - CLIPPED_SHARE,
        lambda m: f"{m.clipped_share:.2%} of its samples",
    ),
    _Limit(
        Rule(
            "noisy-audio", "warning",
            f"clips with an estimated signal-to-noise ratio under {NOISY_DB:g} dB",
            "listen to the worst; drop those that you can't understand yourself",
        ),
        lambda m: NOISY_DB - m.snr_db,
        lambda m: f"about {m.snr_db:.0f} dB",
    ),
    _Limit(
        Rule(
            "quiet-audio", "warning", f"clips whose speech is below {QUIET_DB:g} dBFS",
            "turn them up before they are stored with 16 bits, or record closer",
        ),
        lambda m: QUIET_DB - m.level_db,
        lambda m: f"speech at {m.level_db:.0f} dBFS",
    ),
    _Limit(
        Rule(
            "offset-audio", "info", "clips whose samples are off center (DC offset)",
            "none for Ruach; other software may need a high-pass filter",
        ),
        lambda m: abs(m.offset) - MAX_OFFSET,
        lambda m: f"mean at {m.offset:+.3f} of full scale",
    ),
    _Limit(
        Rule(
            "mostly-pause", "warning", f"clips with speech in under {MIN_SPEECH_SHARE:.0%} of them",
            "cut the pauses off; check that the text isn't another clip's",
        ),
        lambda m: MIN_SPEECH_SHARE - m.speech_share,
        lambda m: f"{m.speech_share:.0%} of {m.duration_s:.1f} s",
    ),
    _Limit(
        Rule(
            "long-edge-pause", "info",
            f"clips that begin or end with more than {LONG_EDGE_S:g} s of pause",
            "cut the pauses off: training is faster",
        ),
        lambda m: m.edge_s - LONG_EDGE_S,
        lambda m: f"{m.edge_s:.1f} s",
    ),
    _Limit(
        Rule(
            "dropouts", "info", f"clips with more than {LONG_GAP_S:g} s of exact zeros in them",
            "listen: either a noise gate, which is harmless, or audio that was lost",
        ),
        lambda m: m.gap_s - LONG_GAP_S,
        lambda m: f"{m.gap_s:.2f} s of zeros",
    ),
    _Limit(
        Rule(
            "low-rate", "warning", f"clips recorded below {SAMPLING_RATE / 1000:g} kHz",
            "use the originals if there are any; consonants are lost at lower rates",
        ),
        lambda m: SAMPLING_RATE - m.rate,
        lambda m: f"{m.rate} Hz",
    ),
    _Limit(
        Rule(
            "band-limited", "warning",
            "clips without sound above 4 kHz, though their rate would allow it",
            "use the originals if there are any: these were at 8 kHz once, as telephones are",
        ),
        lambda m: m.cliff_db - CLIFF_DB,
        lambda m: f"{m.cliff_db:.0f} dB lower above 4 kHz",
    ),
    _Limit(
        Rule(
            "several-channels", "info", "clips with more than one channel, which are averaged",
            "check that both channels hold the same speaker",
        ),
        lambda m: m.n_channels - 1,
        lambda m: f"{m.n_channels} channels",
    ),
    _Limit(
        Rule(
            "dead-channel", "warning", "clips with a silent channel beside a good one",
            "keep the good channel alone: the average is 6 dB too quiet",
        ),
        lambda m: float(m.is_dead),
        lambda m: f"one of {m.n_channels} channels is silent",
    ),
    _Limit(
        Rule(
            "opposite-channels", "error", "clips whose two channels cancel each other",
            "keep one channel: of the average little is left",
        ),
        lambda m: float(m.is_opposite),
        lambda m: "the second channel is the first one upside down",
    ),
)  # fmt: skip
_N_OF_CHANNELS = 3
"""The last so many limits are on the channels."""

_BY_REASON = {
    "missing": MISSING,
    "empty": _EMPTY,
    "silent": _SILENT,
    "too-long": _TOO_LONG,
    "too-short": _TOO_SHORT,
    "unreadable": _UNDECODABLE,
    "outside-folder": Rule(
        "outside-folder", "error", "rows that name a file outside the corpus' folder",
        "move the files into it and name them relative to the table",
    ),
    "bad-row": Rule(
        "bad-row", "error", "rows that can't be read", "correct the rows; each says what is wrong"
    ),
    "no-transcript": EMPTY,
    "dropped": Rule(
        "dropped-in-review", "info", "clips that were dropped in a review",
        "none; to have one back, delete its row in review.csv",
    ),
}  # fmt: skip


class AudioRules:
    """Holds each clip's measures, or the reason why there are none, against the rules."""

    def __init__(self, book: CaseBook) -> None:
        self._book = book
        self._rates: Counter[int] = Counter()
        self._first: dict[int, Example] = {}

    def add_measures(self, utterance: Utterance, measures: AudioMeasures) -> None:
        """Judge a clip that could be decoded."""
        rate = measures.rate
        self._rates[rate] += 1
        if rate not in self._first:
            self._first[rate] = cite(utterance, f"{rate} Hz")
        if measures.duration_s < MIN_CLIP_S:
            self._book.add(_TOO_SHORT, cite(utterance, f"{measures.duration_s:.3f} s"))
        # What is left of two channels that cancel each other says nothing of the recording.
        limits = _LIMITS[-_N_OF_CHANNELS:] if measures.is_opposite else _LIMITS
        if measures.peak_db < SILENCE_DBFS and not measures.is_opposite:
            detail = f"highest sample at {measures.peak_db:.0f} dBFS"
            self._book.add(_SILENT, cite(utterance, detail))
            return
        for limit in limits:
            excess = limit.excess(measures)
            if not math.isnan(excess) and excess > 0:
                self._book.add(limit.rule, cite(utterance, limit.detail(measures)), badness=excess)

    def add_error(self, utterance: Utterance, error: AudioError) -> None:
        """Note a clip whose audio can't be used."""
        rule = _BY_REASON[error.reason]
        if error.detail.startswith("truncated"):
            rule = _TRUNCATED
        elif error.detail.startswith(("the segment", "no audio between")):
            rule = _SEGMENT
        elif "NaN or infinite" in error.detail:
            rule = _NOT_FINITE
        can_be_heard = rule in (_TOO_LONG,)
        self._book.add(rule, cite(utterance, error.detail, has_audio=can_be_heard))

    def add_set_aside(self, item: SetAside) -> None:
        """Note a row that the loader couldn't use."""
        rule = _BY_REASON.get(item.reason) or Rule(
            f"set-aside-{item.reason}", "warning", f"rows set aside as {item.reason}",
            "see the examples",
        )  # fmt: skip
        self._book.add(rule, Example(item.utterance_id, item.row, item.detail))

    def findings(self) -> Iterator[AuditFinding]:
        """What the clips say together."""
        if len(self._rates) > 1:
            rates = self._rates.most_common()
            listed = ", ".join(f"{rate} Hz ({n})" for rate, n in rates[:8])
            yield AuditFinding(
                "mixed-rates", "info", f"clips have {len(rates)} sampling rates: {listed}",
                "none for Ruach, which resamples; see that the rare ones aren't mistakes",
                sum(n for _, n in rates[1:]),
                tuple(self._first[rate] for rate, _ in rates[:-6:-1] if rate != rates[0][0]),
            )  # fmt: skip
