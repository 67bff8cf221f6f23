"""Long audio to chunks that one pass can see, in bounded memory.

Speech is found by the Silero model that faster-whisper brings. Regions close to each other share a
chunk, up to a length at which the text surely fits into the decoder: 448 token positions are less
than 20 s of speech in a script that costs Whisper two tokens and more a letter, such as Ethiopic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ruach_core.features import FloatArray
from ruach_core.types import SAMPLING_RATE

DEFAULT_MAX_CHUNK_S = 15.0
MAX_GAP_S = 1.0
"""Regions with less silence between them may share a chunk."""
JOIN_BELOW_S = 2.0
"""A region shorter than this says too little alone; it joins a neighbour."""

_BLOCK_S = 300.0
"""Seconds of audio that are searched for speech, and decoded, at a time."""
_CONTEXT_S = 1.5
"""A chunk that ends this close to a block's end may go on in the next block."""
MIN_PAUSE_S = 0.5
"""Silence of this length parts two regions."""
_MIN_SPEECH_MS = 100
_SPEECH_PAD_MS = 200
_ENERGY_FRAME_S = 0.02
_CUT_SEARCH_SHARE = 0.4
"""Without voice activity, the cut is sought in this last share of a chunk."""

Region = tuple[int, int]
"""First sample and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of audio that is decoded at once.

    Attributes:
        waveform: what the model hears, shape (n_samples,).
        start_s: where it starts in the audio, for the waveform's own times.
        speech_start_s: where the speech in it starts.
        speech_end_s: where the speech in it ends.
    """

    waveform: FloatArray
    start_s: float
    speech_start_s: float
    speech_end_s: float


def iter_chunks(
    pieces: Iterable[FloatArray],
    *,
    max_chunk_s: float = DEFAULT_MAX_CHUNK_S,
    join_below_s: float = JOIN_BELOW_S,
    min_pause_s: float = MIN_PAUSE_S,
    use_vad: bool = True,
) -> Iterator[list[Chunk]]:
    """The chunks of an audio stream, in lists that cover a few minutes each.

    Audio that is no longer than one chunk and holds one stretch of speech is decoded whole, with
    the silence at its ends, just as the clips of a data set are.

    Args:
        pieces: consecutive waveforms, mono float32 at 16 kHz, of any lengths.
        max_chunk_s: no chunk is longer, in seconds.
        join_below_s: regions of speech shorter than this share a chunk with a close neighbour.
        min_pause_s: silence of this length parts two regions.
        use_vad: find speech; otherwise everything is decoded, cut where it is quietest.
    """

    def find_regions(waveform: FloatArray) -> list[Region]:
        if not len(waveform):
            return []
        if not use_vad:
            return split_at_quiet(waveform, max_chunk_s=max_chunk_s)
        found = find_speech(waveform, max_region_s=max_chunk_s, min_pause_s=min_pause_s)
        return merge_regions(found, max_chunk_s=max_chunk_s, join_below_s=join_below_s)

    offset = 0
    rest = np.zeros(0, dtype=np.float32)
    waiting: list[FloatArray] = []
    n_waiting = 0
    for piece in pieces:
        waiting.append(piece)
        n_waiting += len(piece)
        if len(rest) + n_waiting < _BLOCK_S * SAMPLING_RATE:
            continue
        block = np.concatenate([rest, *waiting])
        waiting, n_waiting = [], 0
        regions = find_regions(block)
        kept, n_done = _hold_back(regions, len(block))
        yield [_cut(block, region, offset) for region in kept]
        rest = block[n_done:]
        offset += n_done
    block = np.concatenate([rest, *waiting])
    regions = find_regions(block)
    if offset == 0 and len(regions) == 1 and len(block) <= max_chunk_s * SAMPLING_RATE:
        start, end = regions[0]
        yield [Chunk(block, 0.0, start / SAMPLING_RATE, end / SAMPLING_RATE)]
    elif len(block):
        yield [_cut(block, region, offset) for region in regions]


def find_speech(
    waveform: FloatArray, *, max_region_s: float, min_pause_s: float = MIN_PAUSE_S
) -> list[Region]:
    """Regions of speech by voice activity, none longer than `max_region_s`, in order.

    Args:
        waveform: mono float32 at 16 kHz, shape (n_samples,).
        max_region_s: a longer region is cut at its longest pause.
        min_pause_s: silence of this length parts two regions, in seconds.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_silence_duration_ms=round(1000 * min_pause_s),
        min_speech_duration_ms=_MIN_SPEECH_MS,
        max_speech_duration_s=max_region_s,
        speech_pad_ms=_SPEECH_PAD_MS,
    )
    found = get_speech_timestamps(waveform, options, sampling_rate=SAMPLING_RATE)
    return [(int(region["start"]), int(region["end"])) for region in found]


def merge_regions(
    regions: Iterable[Region], *, max_chunk_s: float, join_below_s: float
) -> list[Region]:
    """Regions shorter than `join_below_s` joined with a neighbour that is close, up to a length.

    Longer regions stay apart: they are sentences, about as long as what models are trained on, and
    their own times are the best that subtitles can have.
    """
    merged: list[Region] = []
    for start, end in regions:
        if merged:
            first, last = merged[-1]
            is_near = start - last <= MAX_GAP_S * SAMPLING_RATE
            is_short = min(last - first, end - start) < join_below_s * SAMPLING_RATE
            if is_near and is_short and end - first <= max_chunk_s * SAMPLING_RATE:
                merged[-1] = (first, end)
                continue
        merged.append((start, end))
    return merged


def split_at_quiet(waveform: FloatArray, *, max_chunk_s: float) -> list[Region]:
    """The whole waveform as regions of at most `max_chunk_s`, cut where it is quietest."""
    n_max = round(max_chunk_s * SAMPLING_RATE)
    n_frame = round(_ENERGY_FRAME_S * SAMPLING_RATE)
    regions: list[Region] = []
    start = 0
    while len(waveform) - start > n_max:
        first = start + round(n_max * (1.0 - _CUT_SEARCH_SHARE))
        search = waveform[first : start + n_max]
        n_frames = max(1, len(search) // n_frame)
        frames = search[: n_frames * n_frame].reshape(n_frames, -1).astype(np.float64)
        cut = first + (int(np.argmin((frames**2).sum(axis=1))) * n_frame) + n_frame // 2
        regions.append((start, cut))
        start = cut
    if len(waveform) > start:
        regions.append((start, len(waveform)))
    return regions


def _hold_back(regions: list[Region], n_block: int) -> tuple[list[Region], int]:
    """The regions that are sure to be complete, and how many samples are done with."""
    context = round(_CONTEXT_S * SAMPLING_RATE)
    if regions and regions[-1][1] > n_block - context:
        return regions[:-1], regions[-1][0]
    return regions, n_block - context


def _cut(block: FloatArray, region: Region, offset: int) -> Chunk:
    start, end = region
    start_s = (offset + start) / SAMPLING_RATE
    return Chunk(block[start:end], start_s, start_s, (offset + end) / SAMPLING_RATE)
