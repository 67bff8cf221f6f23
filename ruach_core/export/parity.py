"""The parity gate: the export must write what the trained model writes.

Both decode the same clips, in trimmed and in 30 s windows, and the export in each compute type
that a user would load it in. The measure is the difference of the strict WERs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruach_core.errors import UserError
from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.export_info import Window
from ruach_core.evaluation.metrics import compare_systems
from ruach_core.evaluation.report import count_strict_edits
from ruach_core.types import Hypothesis, TextNormalizer, Utterance

MAX_P_VALUE = 0.05
"""Of the paired test, for a loss to count as more than chance: one word of few clips is points."""
WINDOWS: tuple[Window, ...] = ("trim", "full")
Decode = Callable[[Window], Sequence[Hypothesis]]


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One comparison; WERs are strict fractions over the same clips.

    `differing` is the share of clips whose text isn't the same to the letter; `p_value` that of
    the paired test between the two WERs.
    """

    window: Window
    compute_type: str
    n_utterances: int
    model_wer: float
    export_wer: float
    differing: float
    p_value: float

    @property
    def difference(self) -> float:
        """How much worse the export is (negative: better)."""
        return self.export_wer - self.model_wer

    @property
    def is_chance(self) -> bool:
        """Whether a loss may be chance; one of most words in most clips isn't, however few."""
        is_broken = self.difference > 0.5 and self.differing > 0.5
        return self.p_value >= MAX_P_VALUE and not is_broken


def compute_types(quantization: str) -> tuple[str, ...]:
    """What an export in this quantization is loaded as: its own type, and int8 for CPUs."""
    return ("default",) if quantization.startswith("int8") else ("default", "int8")


def measure_parity(
    utterances: Sequence[Utterance],
    *,
    model_decode: Decode,
    export_dir: Path,
    language: str,
    quantization: str,
    max_new_tokens: int,
    window_margin_s: float,
    normalizer: TextNormalizer,
) -> list[ParityRow]:
    """Decode the clips with the model and with its export, in every window and compute type.

    Args:
        utterances: the clips, at most 30 s each.
        model_decode: the trained model's hypotheses in a window.
        export_dir: the export.
        language: Whisper's own code in the prompt.
        quantization: what the export was saved in.
        max_new_tokens: as the model's.
        window_margin_s: as the model's.
        normalizer: of the language; strict WER compares its `target` forms.
    """
    expected = {window: [h.text for h in model_decode(window)] for window in WINDOWS}
    of_model = {
        window: count_strict_edits(utterances, texts, normalizer=normalizer)
        for window, texts in expected.items()
    }
    rows = []
    for compute_type in compute_types(quantization):
        recognizer = Ct2Recognizer(
            export_dir,
            language=language,
            compute_type=compute_type,
            max_new_tokens=max_new_tokens,
            window_margin_s=window_margin_s,
        )
        for window in WINDOWS:
            texts = [h.text for h in recognizer.decode_utterances(utterances, window=window)]
            pairs = list(zip(texts, expected[window], strict=True))
            of_export = count_strict_edits(utterances, texts, normalizer=normalizer)
            compared = compare_systems(of_model[window], of_export)
            rows.append(
                ParityRow(
                    window=window,
                    compute_type=recognizer.compute_type,
                    n_utterances=len(utterances),
                    model_wer=compared.first_rate,
                    export_wer=compared.second_rate,
                    differing=sum(a != b for a, b in pairs) / len(pairs),
                    p_value=compared.p_value,
                )
            )
    return rows


def check_parity(rows: Sequence[ParityRow], threshold: float) -> str:
    """Refuse an export that is worse than the model by more than `threshold` (a fraction).

    Returns:
        A line for people where a row is, but on so few clips that it may be chance; else nothing.

    Raises:
        UserError: a row is, and it isn't chance; names the worst and what to do.
    """
    worse = [row for row in rows if row.difference > threshold]
    sure = [row for row in worse if not row.is_chance]
    if not worse:
        return ""
    worst = max(sure or worse, key=lambda row: row.difference)
    found = (
        f"computed in {worst.compute_type}, {worst.window} window, its WER is "
        f"{100 * worst.difference:.1f} points above the model's on {worst.n_utterances} clips"
    )
    if not sure:
        return f"Export: {found}, which may be chance; --export.parity_clips compares on more"
    raise UserError(
        f"export refused: {found} (at most {100 * threshold:.1f}); try --export.quantization "
        "float32, or raise --export.parity_threshold if that loss is acceptable"
    )


def parity_lines(rows: Sequence[ParityRow]) -> list[str]:
    """The comparison as a table."""
    lines = [
        f"{'window':<7}{'computed in':<15}{'model WER':>10}{'export WER':>11}{'diff':>7}  texts"
    ]
    for row in rows:
        lines.append(
            f"{row.window:<7}{row.compute_type:<15}{100 * row.model_wer:>8.1f} %"
            f"{100 * row.export_wer:>9.1f} %{100 * row.difference:>+7.1f}  "
            f"{100 * (1 - row.differing):.0f} % identical"
        )
    return lines
