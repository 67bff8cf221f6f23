"""Transcripts a minute, ours and each package's, in turn on the same texts."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amharic_peers.environments import Process

_ROOT = Path(__file__).resolve().parents[2]
_SENTENCES = _ROOT / "languages" / "ruach-lang-am" / "scripts" / "sample_sentences"
_LETTERS = 60
_MINUTE_S = 60
_SLOW_S = 0.5
"""A tenth of the texts that takes longer than this is enough for a round."""

KINDS = {
    "words": "words alone",
    "marks": "with ፣ and ።",
    "numbers": "with a number and an abbreviation too",
}
"""Kinds of transcripts, and what the tables call them."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a package is.

    Attributes:
        per_minute: transcripts a minute of processor time on one core, median of the rounds.
        ratio: how many times as fast ours is: median of the rounds' ratios. Each round's two
            times were taken one after the other.
    """

    per_minute: float
    ratio: float


def build_transcripts(n: int, kind: str, *, seed: int = 0) -> list[str]:
    """Transcripts of about 60 letters out of the pack's sample sentences.

    Args:
        n: how many.
        kind: one of `KINDS`: "words" is words and spaces; "marks" has ፣ between the sentences and
            ። after the last, as an editor writes; "numbers" begins with a year or an amount.
        seed: the same seed gives the same transcripts.
    """
    chosen = random.Random(seed)
    sentences = [
        line.strip()
        for path in sorted(_SENTENCES.glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    return [_build_transcript(sentences, kind, chosen) for _ in range(n)]


def _build_transcript(sentences: Sequence[str], kind: str, chosen: random.Random) -> str:
    parts: list[str] = []
    # Letters without spaces; a sentence of the sample has a dozen or so.
    while sum(len(part.replace(" ", "")) for part in parts) < _LETTERS - 5:
        parts.append(chosen.choice(sentences))
    if kind == "words":
        return " ".join(parts)
    text = "፣ ".join(parts) + "።"
    if kind == "marks":
        return text
    number = chosen.randrange(1, 10_000)
    return f"{chosen.choice((f'በ{number} ዓ.ም.', f'ዶ/ር አበበ {number} ብር'))} {text}"


def measure(
    ours: Process, peers: Mapping[str, Process], texts: Sequence[str], *, rounds: int
) -> tuple[float, dict[str, Speed]]:
    """Our transcripts a minute, and each peer's speed.

    Args:
        ours: our process.
        peers: those of the peers, by name.
        texts: the transcripts, the same for all.
        rounds: how often each peer is timed, each time with ours right before it. A peer that
            would take seconds is timed on a tenth of the texts, and ours on the same tenth.
    """
    counts = {name: _count_texts(peer, texts) for name, peer in peers.items()}
    _count_texts(ours, texts)
    own = [ours.time(len(texts)) / len(texts)]
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            own.append(ours.time(counts[name]) / counts[name])
            pairs[name].append((own[-1], peer.time(counts[name]) / counts[name]))
    speeds = {
        name: Speed(
            _MINUTE_S / statistics.median(theirs for _, theirs in times),
            statistics.median(theirs / mine for mine, theirs in times),
        )
        for name, times in pairs.items()
    }
    return _MINUTE_S / statistics.median(own), speeds


def _count_texts(process: Process, texts: Sequence[str]) -> int:
    """Load the texts, warm up, and say how many of them the process should be timed on."""
    process.load(texts)
    tenth = max(1, len(texts) // 10)
    process.time(tenth)
    return tenth if process.time(tenth) > _SLOW_S else len(texts)
