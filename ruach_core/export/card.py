"""What a model says of itself: `run.json` for programs, a model card for people."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ruach_core.config import RunConfig
from ruach_core.evaluation.report import (
    SourceRates,
    decoding,
    percent,
    report_to_dict,
)
from ruach_core.evaluation.rescoring import RESCORING
from ruach_core.evaluation.silence import silence_line
from ruach_core.types import ErrorRate, EvalReport, Utterance

if TYPE_CHECKING:
    from ruach_core.export.parity import ParityRow
    from ruach_core.packs import PackRecord
    from ruach_core.training.checkpoint import Progress
    from ruach_core.training.loop import Plan
    from ruach_core.training.preparation import Prepared
    from ruach_core.training.rescoring import Rescoring

_PACKAGES = (
    "ruach-core", "torch", "transformers", "accelerate", "ctranslate2", "faster-whisper", "jiwer",
    "unicodedata2",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that a finished training has to say."""

    config: RunConfig
    pack: PackRecord | None
    base_model: str
    is_sample: bool
    sample_note: str
    data_license: str | None
    prepared: Prepared
    plan: Plan
    progress: Progress
    report: EvalReport
    hears_silence: bool
    base_report: EvalReport | None
    verdict: str
    rescoring: Rescoring | None = None
    by_source: tuple[SourceRates, ...] = ()


def run_json(record: RunRecord, parity: Sequence[ParityRow]) -> str:
    """The run as JSON; rates are fractions.

    `lang`, `whisper_language`, `window`, `window_margin_s`, `generation_length` and `hears_silence`
    are what `ruach evaluate` and `ruach transcribe` read.
    """
    prepared, plan, progress = record.prepared, record.plan, record.progress
    content: dict[str, Any] = {
        "lang": record.config.lang,
        "whisper_language": prepared.language.whisper_language,
        "whisper_language_reason": prepared.language.reason,
        "pack": record.pack.distribution if record.pack else None,
        "window": record.report.window,
        "window_margin_s": record.config.window.margin_s,
        "generation_length": prepared.max_new_tokens,
        "hears_silence": record.hears_silence,
        "base_model": record.base_model,
        "is_sample": record.is_sample,
        "data": {
            "source": _source_name(record),
            "license": record.data_license,
            "fingerprint": prepared.corpus.fingerprint,
            "splits": {
                "train": _split_facts(prepared.train),
                "validation": _split_facts(prepared.validation),
                "test": _split_facts(prepared.test),
            },
            "sources": _source_facts(record),
            "n_set_aside": len(prepared.set_aside),
            "notes": list(prepared.corpus.notes),
        },
        "tokens": asdict(prepared.budget),
        "chosen": {
            "learning_rate": plan.learning_rate,
            "batch_size": plan.batch_size,
            "micro_batch_s": plan.micro_batch_s,
            "precision": plan.precision,
            "heard": {code: round(share, 4) for code, share in prepared.heard.items()},
        },
        "settings": _settings(record.config),
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "weights": progress.weights,
        "training_seconds": round(progress.seconds, 1),
        "data_wait_seconds": round(progress.waited_s, 1),
        "test": report_to_dict(record.report),
        "zero_shot": report_to_dict(record.base_report) if record.base_report else None,
        "comparison": record.verdict,
        "rescoring": _rescoring_facts(record),
        "parity": [asdict(row) for row in parity],
        "versions": versions(record),
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _source_name(record: RunRecord) -> str:
    return "bundled sample" if record.is_sample else " + ".join(record.config.data.names)


def _source_facts(record: RunRecord) -> list[dict[str, Any]]:
    """What is known of each source, without the folders of this machine."""
    prepared = record.prepared
    splits = {
        "train": prepared.train, "validation": prepared.validation, "test": prepared.test
    }  # fmt: skip
    rates = {rates.source: rates for rates in record.by_source}
    return [
        {
            "name": part.name or _source_name(record),
            "weight": part.weight,
            "loader": part.loader,
            "title": part.info.title,
            "license": part.info.license,
            "url": part.info.url,
            "splits": {
                name: _split_facts([u for u in split if u.source == part.name])
                for name, split in splits.items()
            },
            f"{record.report.split}_wer": rates[part.name].wer.rate if part.name in rates else None,
            f"{record.report.split}_cer": rates[part.name].cer.rate if part.name in rates else None,
        }
        for part in prepared.corpus.parts
    ]


def _settings(config: RunConfig) -> dict[str, Any]:
    """All settings but the folders of this machine."""
    settings = config.model_dump(mode="json", exclude={"data", "output", "model"})
    if config.lm.text is not None:
        settings["lm"]["text"] = config.lm.text.name
    return settings


def _rescoring_facts(record: RunRecord) -> dict[str, Any] | None:
    rescoring = record.rescoring
    if rescoring is None:
        return None
    return {
        **asdict(rescoring.tuning),
        "n_sentences": rescoring.n_sentences,
        "report": report_to_dict(rescoring.report) if rescoring.report else None,
        "comparison": rescoring.verdict,
    }


def versions(record: RunRecord) -> dict[str, str]:
    """Versions of what made the model."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if record.pack is not None:
        found[record.pack.distribution] = record.pack.version
    return found


def model_card(record: RunRecord, parity: Sequence[ParityRow]) -> str:
    """The model card, in Markdown with the metadata header that model hubs read."""
    config, language = record.config, record.prepared.language
    sections = [
        _header(record),
        _title(record),
        _warning(record),
        f"`{record.base_model}` fine-tuned for {language.name} with Ruach. Language token: "
        f"{language.describe()}.",
        _without_pack(record),
        "## Results",
        _results_table(record),
        record.verdict and f"On the clips that both decoded: {record.verdict}.",
        _rescoring_note(record),
        _reading_note(record),
        "## Export and parity",
        "Checkpoint and export decode the same clips greedily, in both windows.",
        _parity_table(parity),
        "## Data",
        _data_section(record),
        "## Settings",
        _settings_table(record),
        "## Versions",
        ", ".join(f"{name} {number}" for name, number in versions(record).items()),
        "## Use",
        f"```\nruach transcribe recording.wav --model FOLDER --lang {config.lang}\n```",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _header(record: RunRecord) -> str:
    rate = record.report.wer.rate
    lines = [
        "---",
        f"language: {json.dumps(record.config.lang)}",  # bare, Norwegian (no) would be false
        "library_name: transformers",
        "pipeline_tag: automatic-speech-recognition",
        f"base_model: {json.dumps(record.base_model)}",
        "license: other",
        "license_name: to-be-chosen",
        "tags: [whisper, ruach]",
        "metrics: [wer, cer]",
        f"# strict {record.report.split} WER: {rate:.4f}",
        "---",
    ]
    return "\n".join(lines)


def _warning(record: RunRecord) -> str:
    if not record.is_sample:
        return ""
    return (
        f"> **A demonstration, not a recognizer.** Trained on the sample that comes with the "
        f"language pack ({record.sample_note}); the figures below are on that sample and say "
        "nothing about real speech."
    )


def _title(record: RunRecord) -> str:
    language = record.prepared.language
    suffix = f" ({language.code})" if language.code != language.name else ""
    return f"# Whisper for {language.name}{suffix}"


def _without_pack(record: RunRecord) -> str:
    if record.pack is not None:
        return ""
    return (
        "Trained without a language pack: the folded figures forgive case and punctuation alone, "
        "and nobody has said how this language is written."
    )


def _results_table(record: RunRecord) -> str:
    rows = [
        "| model | window | decoding | clips | WER strict | WER folded | CER strict | CER folded |"
    ]
    rows.append("|---|---|---|---|---|---|---|---|")
    rescored = record.rescoring.report if record.rescoring else None
    for report in (record.base_report, record.report, rescored):
        if report is not None:
            cells = [
                report.model,
                "30 s" if report.window == "full" else "trimmed",
                decoding(report),
                f"{report.n_utterances} {report.split}",
                _interval(report.wer),
                _interval(report.wer_folded),
                _interval(report.cer),
                _interval(report.cer_folded),
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _interval(rate: ErrorRate) -> str:
    return f"{percent(rate.rate)} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _rescoring_note(record: RunRecord) -> str:
    rescoring = record.rescoring
    if rescoring is None:
        return ""
    tuning = rescoring.tuning
    validation = (
        f"validation WER {percent(tuning.plain_wer)} without, {percent(tuning.validated_wer)} with "
        f"it (cross-validated over {tuning.n_utterances} clips, p = {tuning.p_value:.2g})"
    )
    if rescoring.report is None:
        return f"Choosing among the beam's hypotheses anew didn't pay: {validation}."
    note = (
        "The last row is what `ruach transcribe` and `ruach evaluate` give with the export: they "
        "choose among the beam's hypotheses by the numbers in "
        f"`{RESCORING}`, tuned on validation ({validation}). Software that doesn't know that "
        "file, such as faster-whisper, gives the row above it, as does `--no-rescoring`."
    )
    if rescoring.verdict:
        note += f" On these clips: {rescoring.verdict}."
    return note


def _reading_note(record: RunRecord) -> str:
    note = (
        "In brackets: 95 % bootstrap interval over clips. *Strict* compares the text as the model "
        "is taught to write it; *folded* also treats spelling variants, punctuation and case that "
        f"are one word to a reader as equal. Normaliser: {record.report.normalizer}. "
        f"Repetition loops in {percent(record.report.loop_rate)} of the clips, "
        f"{record.report.n_replacements} broken characters (U+FFFD) in all."
    )
    if record.report.silence is not None:
        note += f" Silence: {silence_line(record.report.silence)}."
    if record.hears_silence:
        note += " Where it holds silence for likely it writes nothing, however sure of its words; "
        note += "in faster-whisper that is `log_prob_threshold=None`."
    if record.report.split != "test":
        note += " There was no test split: this is the split that chose the best epoch, so the "
        note += "figures flatter the model."
    return note


def _parity_table(parity: Sequence[ParityRow]) -> str:
    if not parity:
        return "The export has its own card."
    rows = ["| window | computed in | clips | model WER | export WER | difference | same text |"]
    rows.append("|---|---|---|---|---|---|---|")
    for row in parity:
        window = "30 s" if row.window == "full" else "trimmed"
        rows.append(
            f"| {window} | {row.compute_type} | {row.n_utterances} | {percent(row.model_wer)} | "
            f"{percent(row.export_wer)} | {100 * row.difference:+.1f} points | "
            f"{percent(1 - row.differing)} |"
        )
    return "\n".join(rows)


def _data_section(record: RunRecord) -> str:
    prepared = record.prepared
    rows = ["| split | clips | hours | speakers |", "|---|---|---|---|"]
    for name in ("train", "validation", "test"):
        facts = _split_facts(getattr(prepared, name))
        rows.append(
            f"| {name} | {facts['n_utterances']} | {facts['hours']:.2f} | "
            f"{facts['n_speakers'] or 'not given'} |"
        )
    rows += _sources_table(record)
    rows.append(f"\nFingerprint (texts, splits, audio): `{prepared.corpus.fingerprint}`")
    given = record.data_license or "**not given** (set dataset.license before publishing)"
    rows.append(f"\nLicence of the data: {given}")
    if prepared.set_aside:
        rows.append(f"\n{len(prepared.set_aside)} clips were set aside; see `set_aside.csv`.")
    rows += [f"\nNote: {note}" for note in prepared.corpus.notes]
    return "\n".join(rows)


def _sources_table(record: RunRecord) -> list[str]:
    """The sources with what each gives; nothing where one is all there is to say."""
    parts = record.prepared.corpus.parts
    titled = [part.info.title for part in parts if part.info.title]
    if len(parts) == 1 and parts[0].weight == 1.0:
        return [f"\nCorpus: {titled[0]}"] if titled else []
    name = record.report.split
    rows = [
        f"\n| source | weight | train | validation | test | {name} WER strict | licence |",
        "|---|---|---|---|---|---|---|",
    ]
    for facts in _source_facts(record):
        wer = facts[f"{name}_wer"]
        cells = [
            f"{facts['name']} ({facts['title']})" if facts["title"] else facts["name"],
            f"{facts['weight']:g}",
            *(str(split["n_utterances"]) for split in facts["splits"].values()),
            "-" if wer is None else percent(wer),
            facts["license"] or "not given",
        ]
        rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    rows.append(
        "\nWeight: how often each train clip of the source is drawn in an epoch, on the average."
    )
    return rows


def _settings_table(record: RunRecord) -> str:
    config, plan = record.config, record.plan
    facts: Mapping[str, object] = {
        "epochs": f"{record.progress.epoch} run, the best was {record.progress.best_epoch}",
        "weights": record.progress.weights,
        "learning rate": f"{plan.learning_rate:g}",
        "clips per update": plan.batch_size,
        "updates": record.progress.update,
        "precision": plan.precision,
        "window": f"{config.window.policy}: {percent(config.window.packed_share)} of clips packed, "
        f"{percent(config.window.full_share)} alone at 30 s",
        "seed": config.seed,
        "longest text decoded": f"{record.prepared.max_new_tokens} tokens",
        "pack options": config.options or "defaults",
        "seconds": round(record.progress.seconds),
    }
    return "\n".join(
        ["| setting | value |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts.items())]
    )


def _split_facts(utterances: Sequence[Utterance]) -> dict[str, Any]:
    return {
        "n_utterances": len(utterances),
        "hours": round(sum(u.duration_s or 0.0 for u in utterances) / 3600, 4),
        "n_speakers": len({u.speaker_id for u in utterances if u.speaker_id}),
    }
