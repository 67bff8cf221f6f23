"""Several clips in one 30 s window, with Whisper's timestamps between their texts.

Short clips alone never show the model the later positions of its window, nor a text that goes on
after a pause; a window full of silence shows the positions and nothing in them. Packed clips show
every position with speech in it, and keep the skills that long recordings need: timestamps, and the
text so far as a prompt (arXiv 2212.04356, section 2.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ruach_core.features import MAX_WINDOW_S
from ruach_core.models.special_tokens import MAX_TARGET_POSITIONS, PROMPT_LENGTH
from ruach_core.types import SAMPLING_RATE, Utterance

TIME_STEP_S = 0.02
"""What one timestamp token is."""
STEP_SAMPLES = round(TIME_STEP_S * SAMPLING_RATE)
_GAP_STEPS = (5, 25)
"""Silence between two packed clips: 0.1 to 0.5 s."""


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """What one encoder pass is shown: clips one behind the other.

    Attributes:
        indices: the clips, in their order.
        starts: where each begins, in timestamp steps of 20 ms.
        ends: where each ends, likewise; empty where the text is taught without timestamps.
        previous: a clip whose text stands before this one's as a prompt, or None.
        silence: in a window without speech, what its noise is drawn by; else None.
    """

    indices: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...] = ()
    previous: int | None = None
    silence: int | None = None

    @classmethod
    def of_clip(cls, index: int, duration_s: float = 0.0, is_timed: bool = False) -> TrainingWindow:
        """A clip of its own, from the window's start; `is_timed` teaches its timestamps."""
        ends = (steps(duration_s),) if is_timed else ()
        return cls((index,), (0,), ends)

    def text(self, utterances: Sequence[Utterance]) -> str:
        """What is said in the window; `utterances` are all training clips."""
        return " ".join(utterances[i].reference or "" for i in self.indices)


def steps(duration_s: float) -> int:
    """Whole timestamp steps that hold a duration, at most a window's."""
    return min(round(MAX_WINDOW_S / TIME_STEP_S), int(np.ceil(duration_s / TIME_STEP_S - 1e-9)))


def pack_clips(
    indices: Sequence[int],
    utterances: Sequence[Utterance],
    durations_s: Mapping[int, float],
    n_tokens: Sequence[int],
    *,
    rng: np.random.Generator,
    max_clips: int,
    timed_share: float,
    prompt_share: float,
) -> list[TrainingWindow]:
    """Fill windows of 30 s with the clips, those of one speaker together.

    Args:
        indices: the clips to pack, in the epoch's random order.
        utterances: all training clips.
        durations_s: of each clip as it is played.
        n_tokens: of each utterance's text.
        rng: draws the gaps and the prompts.
        max_clips: in one window.
        timed_share: share of windows taught with timestamps; the others' texts are joined. A model
            that is taught with them alone can't write without: on Mboshi it never found the end.
        prompt_share: share of windows with a previous text before them.

    Returns:
        Windows that hold every clip once, each within 30 s and Whisper's 448 decoder positions.
    """
    order = sorted(indices, key=lambda i: utterances[i].speaker_id or "")  # stable: stays random
    windows: list[TrainingWindow] = []
    before: int | None = None
    for placed in _fill(order, durations_s, n_tokens, rng=rng, max_clips=max_clips):
        members = tuple(i for i, _ in placed)
        starts = tuple(start for _, start in placed)
        ends = tuple(start + steps(durations_s[i]) for i, start in placed)
        n_positions = sum(n_timed_positions(n_tokens[i]) for i in members)
        # One clip may have a text as long as Whisper can write: no room for its times.
        if not has_room(n_positions) or rng.random() >= timed_share:
            ends = ()
        wants_prompt = rng.random() < prompt_share
        previous = None
        if wants_prompt and before is not None:
            is_same = utterances[before].speaker_id == utterances[members[0]].speaker_id
            # A clip that is drawn twice must not be told its own text.
            if is_same and before not in members and has_room(n_positions + n_tokens[before] + 1):
                previous = before
        windows.append(TrainingWindow(members, starts, ends, previous))
        before = members[-1]
    return windows


def n_timed_positions(n_tokens: int) -> int:
    """Decoder positions of a text between its two timestamps."""
    return n_tokens + 2


def has_room(n_positions: int) -> bool:
    """Whether so many positions behind the task's own tokens fit Whisper's decoder."""
    return PROMPT_LENGTH + n_positions <= MAX_TARGET_POSITIONS


def _fill(
    order: Sequence[int],
    durations_s: Mapping[int, float],
    n_tokens: Sequence[int],
    *,
    rng: np.random.Generator,
    max_clips: int,
) -> list[list[tuple[int, int]]]:
    """Groups of clips that fit one window, each clip with its start in timestamp steps."""
    groups: list[list[tuple[int, int]]] = []
    limit, end, n_positions = steps(MAX_WINDOW_S), 0, 0
    for i in order:
        gap = int(rng.integers(*_GAP_STEPS, endpoint=True))
        length, positions = steps(durations_s[i]), n_timed_positions(n_tokens[i])
        fits = (
            groups
            and len(groups[-1]) < max_clips
            and end + gap + length <= limit
            and has_room(n_positions + positions)
        )
        if not fits:
            groups.append([])
            gap, end, n_positions = 0, 0, 0
        groups[-1].append((i, end + gap))
        end += gap + length
        n_positions += positions
    return groups
