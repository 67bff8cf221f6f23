"""One evaluation as a report: readable lines, JSON, and a table of utterances."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ruach_core.errors import DataError, UserError
from ruach_core.evaluation.metrics import (
    RESAMPLES,
    EditCounts,
    PairedComparison,
    Unit,
    compare_systems,
    count_edits,
    error_rate,
    has_loop,
    loop_rate,
    replacement_rate,
)
from ruach_core.evaluation.silence import silence_line
from ruach_core.files import write_text
from ruach_core.text.unicode import REPLACEMENT
from ruach_core.types import (
    ErrorRate,
    EvalReport,
    Hypothesis,
    Metric,
    Purpose,
    SilenceReport,
    TextNormalizer,
    Utterance,
)


@dataclass(frozen=True, slots=True)
class UtteranceRow:
    """One utterance of a report; counts and rates are strict (`target` forms)."""

    utterance_id: str
    reference: str
    hypothesis: str
    n_words: int
    word_substitutions: int
    word_deletions: int
    word_insertions: int
    wer: float
    n_characters: int
    character_errors: int
    cer: float
    wer_folded: float
    cer_folded: float
    has_loop: bool


def build_report(
    utterances: Sequence[Utterance],
    hypotheses: Sequence[str | Hypothesis],
    *,
    normalizer: TextNormalizer,
    lang: str,
    model: str,
    window: str,
    runtime_s: float,
    beam_size: int = 1,
    rescoring: str = "",
    seed: int = 0,
    resamples: int = RESAMPLES,
    metrics: Sequence[Metric] = (),
    silence: SilenceReport | None = None,
) -> EvalReport:
    """Score the hypotheses against the utterances' transcripts.

    Strict rates compare the `target` forms of both sides, folded rates the `score` forms.

    Args:
        utterances: what was decoded, all of one split.
        hypotheses: the model's output for each, in the same order.
        normalizer: of the language; applied to both sides.
        lang: the code that the user asked for.
        model: what the report calls the model.
        window: the window policy that it was decoded in.
        runtime_s: seconds that decoding took.
        beam_size: hypotheses that decoding kept at each step.
        rescoring: how one of them was chosen, if not as the beam ranks them.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        metrics: further metrics (not wer and cer), computed on the strict forms.
        silence: what the model wrote for clips without speech, if that was measured.

    Raises:
        DataError: there is no utterance.
        ValueError: the hypotheses aren't those of the utterances.
    """
    texts = _hypothesis_texts(utterances, hypotheses)
    if not utterances:
        raise DataError("nothing to evaluate: the split has no usable clip")
    strict = _normalize_pairs(utterances, texts, normalizer, "target")
    folded = _normalize_pairs(utterances, texts, normalizer, "score")

    def rate(pairs: tuple[list[str], list[str]], unit: Unit) -> ErrorRate:
        return error_rate(count_edits(*pairs, unit=unit), resamples=resamples, seed=seed)

    return EvalReport(
        lang=lang,
        model=model,
        split=utterances[0].split,
        window=window,
        n_utterances=len(utterances),
        wer=rate(strict, "word"),
        cer=rate(strict, "character"),
        wer_folded=rate(folded, "word"),
        cer_folded=rate(folded, "character"),
        loop_rate=loop_rate(texts, strict[0]),
        replacement_rate=replacement_rate(texts),
        runtime_s=runtime_s,
        normalizer=normalizer.name,
        metrics=tuple(metric.compute(*strict) for metric in metrics),
        beam_size=beam_size,
        rescoring=rescoring,
        n_replacements=sum(text.count(REPLACEMENT) for text in texts),
        silence=silence,
    )


def build_rows(
    utterances: Sequence[Utterance],
    hypotheses: Sequence[str | Hypothesis],
    *,
    normalizer: TextNormalizer,
) -> list[UtteranceRow]:
    """One row for each utterance, in order; raises ValueError as `build_report` does."""
    texts = _hypothesis_texts(utterances, hypotheses)
    strict = _normalize_pairs(utterances, texts, normalizer, "target")
    folded = _normalize_pairs(utterances, texts, normalizer, "score")
    counts = zip(
        count_edits(*strict, unit="word"),
        count_edits(*strict, unit="character"),
        count_edits(*folded, unit="word"),
        count_edits(*folded, unit="character"),
        strict=True,
    )
    return [
        _build_row(utterance.id, (reference, hypothesis), four)
        for utterance, reference, hypothesis, four in zip(utterances, *strict, counts, strict=True)
    ]


def count_strict_edits(
    utterances: Sequence[Utterance],
    hypotheses: Sequence[str | Hypothesis],
    *,
    normalizer: TextNormalizer,
    unit: Unit = "word",
) -> list[EditCounts]:
    """The edits between the `target` forms of both sides, one count for each utterance.

    Raises:
        ValueError: the hypotheses aren't those of the utterances.
    """
    texts = _hypothesis_texts(utterances, hypotheses)
    return count_edits(*_normalize_pairs(utterances, texts, normalizer, "target"), unit=unit)


@dataclass(frozen=True, slots=True)
class SourceRates:
    """Strict error rates on the clips of one of several sources."""

    source: str
    n_utterances: int
    wer: ErrorRate
    cer: ErrorRate


def rates_by_source(
    utterances: Sequence[Utterance],
    hypotheses: Sequence[str | Hypothesis],
    *,
    normalizer: TextNormalizer,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[SourceRates]:
    """The rates of each source that has some of the clips; none where there is one source.

    Args:
        utterances: what was decoded.
        hypotheses: the model's output for each, in the same order.
        normalizer: of the language; applied to both sides.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        ValueError: the hypotheses aren't those of the utterances.
    """
    sources = list(dict.fromkeys(utterance.source for utterance in utterances))
    if sources in ([], [""]):
        return []
    words = count_strict_edits(utterances, hypotheses, normalizer=normalizer)
    characters = count_strict_edits(utterances, hypotheses, normalizer=normalizer, unit="character")
    found = []
    for source in sources:
        mine = [i for i, utterance in enumerate(utterances) if utterance.source == source]
        wer, cer = (
            error_rate([edits[i] for i in mine], resamples=resamples, seed=seed)
            for edits in (words, characters)
        )
        found.append(SourceRates(source, len(mine), wer, cer))
    return found


def report_lines(report: EvalReport) -> list[str]:
    """The report as lines for people: rates in percent with their 95 % interval."""
    words = report.wer
    n_words = words.substitutions + words.deletions + words.hits
    speed = report.n_utterances / report.runtime_s if report.runtime_s > 0 else 0.0
    rates = (
        ("WER", report.wer, report.wer_folded),
        ("CER", report.cer, report.cer_folded),
    )
    lines = [
        f"{report.n_utterances} {report.split} clips, {n_words} words; {report.model}, "
        f"{report.window} window, {decoding(report)}",
        f"     {'strict':24}  folded",
        *(f"{name}  {_interval(strict):24}  {_interval(folded)}" for name, strict, folded in rates),
        f"words: {words.hits} right, {words.substitutions} substituted, {words.deletions} deleted, "
        f"{words.insertions} inserted",
        f"loops in {percent(report.loop_rate)} of the clips, broken characters in "
        f"{percent(report.replacement_rate)} ({report.n_replacements} in all)",
        *([silence_line(report.silence)] if report.silence else []),
        f"{report.runtime_s:.1f} s, {speed:.1f} clips a second; normalizer {report.normalizer}",
    ]
    lines.extend(f"{metric.name} {metric.value:.4g}" for metric in report.metrics)
    return lines


def source_line(rates: SourceRates) -> str:
    """The rates of one of several sources, for people."""
    return (
        f"of these, {rates.n_utterances} clips from {rates.source}: WER {percent(rates.wer.rate)} "
        f"strict, CER {percent(rates.cer.rate)}"
    )


def decoding(report: EvalReport) -> str:
    """How decoding went: `greedy`, `beam 5`, or `beam 10, rescored (...)`."""
    search = f"beam {report.beam_size}" if report.beam_size > 1 else "greedy"
    return f"{search}, {report.rescoring}" if report.rescoring else search


def report_to_dict(report: EvalReport) -> dict[str, object]:
    """The report as plain data for JSON; rates stay fractions."""
    return asdict(report)


def percent(fraction: float) -> str:
    """A fraction as people read it: 0.572 -> "57.2 %"."""
    return f"{100 * fraction:.1f} %"


def write_rows(rows: Sequence[UtteranceRow], path: Path) -> None:
    """Write the rows as CSV, or as JSON lines where the name ends in .jsonl; atomically.

    Raises:
        UserError: the name ends otherwise, or the file can't be written.
    """
    names = list(UtteranceRow.__dataclass_fields__)
    out = io.StringIO()
    if path.suffix.lower() == ".csv":
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    elif path.suffix.lower() == ".jsonl":
        out.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    else:
        raise UserError(f"{path}: the name of the table must end in .csv or .jsonl")
    write_text(path, out.getvalue())


def read_rows(path: Path) -> list[UtteranceRow]:
    """Read a table that `write_rows` wrote.

    Raises:
        UserError: the file is missing or isn't such a table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".jsonl":
            cells = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            cells = list(csv.DictReader(io.StringIO(text)))
        return [_parse_row(row) for row in cells]
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not a table of utterances ({error!r}); give one that --output wrote"
        ) from error


def compare_rows(
    first: Sequence[UtteranceRow], second: Sequence[UtteranceRow], *, seed: int = 0
) -> PairedComparison:
    """Paired test of two models' strict WER on the utterances that both tables hold.

    Raises:
        UserError: they share no utterance, or a shared one has another reference in each.
    """
    earlier = {row.utterance_id: row for row in first}
    pairs = [(earlier[row.utterance_id], row) for row in second if row.utterance_id in earlier]
    if not pairs:
        raise UserError("the two tables have no utterance in common: another dataset or split")
    for one, other in pairs:
        if one.reference != other.reference:
            raise UserError(
                f"utterance {one.utterance_id!r} has another reference in each table; "
                "evaluate both models with the same --data, pack and --option"
            )
    return compare_systems(
        [_word_counts(one) for one, _ in pairs], [_word_counts(two) for _, two in pairs], seed=seed
    )


def _hypothesis_texts(
    utterances: Sequence[Utterance], hypotheses: Sequence[str | Hypothesis]
) -> list[str]:
    if len(utterances) != len(hypotheses):
        raise ValueError(f"{len(utterances)} utterances but {len(hypotheses)} hypotheses")
    texts = []
    for utterance, hypothesis in zip(utterances, hypotheses, strict=True):
        if isinstance(hypothesis, str):
            texts.append(hypothesis)
            continue
        if hypothesis.utterance_id != utterance.id:
            raise ValueError(
                f"hypothesis of {hypothesis.utterance_id!r} given for {utterance.id!r}"
            )
        texts.append(hypothesis.text)
    return texts


def _normalize_pairs(
    utterances: Sequence[Utterance],
    texts: Sequence[str],
    normalizer: TextNormalizer,
    purpose: Purpose,
) -> tuple[list[str], list[str]]:
    references = [normalizer.normalize(u.transcript, purpose=purpose) for u in utterances]
    hypotheses = [normalizer.normalize(text, purpose=purpose) for text in texts]
    return references, hypotheses


def _build_row(
    utterance_id: str,
    texts: tuple[str, str],
    counts: tuple[EditCounts, EditCounts, EditCounts, EditCounts],
) -> UtteranceRow:
    words, characters, folded_words, folded_characters = counts
    return UtteranceRow(
        utterance_id=utterance_id,
        reference=texts[0],
        hypothesis=texts[1],
        n_words=words.n_reference,
        word_substitutions=words.substitutions,
        word_deletions=words.deletions,
        word_insertions=words.insertions,
        wer=round(words.rate, 4),
        n_characters=characters.n_reference,
        character_errors=characters.errors,
        cer=round(characters.rate, 4),
        wer_folded=round(folded_words.rate, 4),
        cer_folded=round(folded_characters.rate, 4),
        has_loop=has_loop(texts[1]),
    )


def _parse_row(cells: Mapping[str, object]) -> UtteranceRow:
    parsers = {"str": str, "int": int, "float": float, "bool": lambda cell: str(cell) == "True"}
    values = {
        name: parsers[str(column.type)](cells[name])  # type: ignore[operator]
        for name, column in UtteranceRow.__dataclass_fields__.items()
    }
    return UtteranceRow(**values)


def _word_counts(row: UtteranceRow) -> EditCounts:
    hits = row.n_words - row.word_substitutions - row.word_deletions
    return EditCounts(row.word_substitutions, row.word_deletions, row.word_insertions, hits)


def _interval(rate: ErrorRate) -> str:
    return f"{percent(rate.rate)} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"
