"""`ruach evaluate`: WER and CER of a model on one split of a dataset."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.beam_options import beam_options
from ruach_core.cli.language import choose_token, describe_token, pack_option, parse_options
from ruach_core.errors import DataError, UserError

if TYPE_CHECKING:
    from ruach_core.data.corpus import Corpus
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer
    from ruach_core.evaluation.export_info import ExportInfo, Window
    from ruach_core.evaluation.metrics import PairedComparison
    from ruach_core.evaluation.report import SourceRates, UtteranceRow
    from ruach_core.plugins import Plugins
    from ruach_core.sources import DataSources
    from ruach_core.types import EvalReport, Hypothesis, SetAside, Split, TextNormalizer, Utterance

_PATH: Any = click.Path(path_type=Path)
_SHOWN_SET_ASIDE = 5


@dataclass(frozen=True, slots=True)
class _Request:
    """The command's arguments; see the options' help."""

    model: Path
    lang: str | None
    data: tuple[str, ...]
    split: Split
    window: Window | None
    compute_type: str
    max_new_tokens: int | None
    beam_size: int | None
    no_rescoring: bool
    batch_s: float
    threads: int
    output: Path | None
    compare: Path | None
    settings: tuple[str, ...]
    no_pack: bool
    as_json: bool


@click.command()
@click.argument("model", type=_PATH)
@click.option("--lang", help="Language code; by default the one that the model was trained for.")
@click.option(
    "--data",
    multiple=True,
    metavar="DIR",
    help="The dataset's folder, by default dataset/data, or else the pack's bundled sample; may be "
    "repeated.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which part of the dataset.",
)
@click.option(
    "--window",
    type=click.Choice(["trim", "full"]),
    help="trim: as long as the clips. full: Whisper's 30 s. By default as the model was trained.",
)
@click.option("--compute-type", default="default", help="CTranslate2's: int8, float16, float32 ...")
@click.option(
    "--max-new-tokens", type=click.IntRange(1, 444), help="Most tokens in the text of a clip."
)
@beam_options
@click.option(
    "--batch-s",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds of window decoded at once; bounds memory.",
)
@click.option("--threads", type=click.IntRange(min=0), default=0, help="CPU threads.")
@click.option("--output", type=_PATH, help="Write a table of the clips: a .csv or .jsonl file.")
@click.option(
    "--compare", type=_PATH, help="Paired test against another model's table (its --output)."
)
@pack_option
@click.option(
    "--no-pack",
    is_flag=True,
    help="Score by core's safe normaliser; a model that was trained without a pack needs no flag.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
def evaluate(**arguments: Any) -> None:
    """Measure WER and CER of MODEL, an export's folder, on one split of a dataset.

    A folder in transformers' layout is converted first, which needs the train extra.
    """
    _run(_Request(**arguments))


def _run(request: _Request) -> None:
    from ruach_core.evaluation.export_info import ExportInfo
    from ruach_core.evaluation.report import build_rows, compare_rows, read_rows, write_rows
    from ruach_core.plugins import Plugins

    if request.output and request.output.suffix.lower() not in (".csv", ".jsonl"):
        raise UserError(f"--output {request.output}: the name must end in .csv or .jsonl")
    earlier = read_rows(request.compare) if request.compare else None
    _check_model(request.model)
    info = ExportInfo.read(request.model)
    lang = request.lang or info.lang
    if lang is None:
        raise UserError(f"{request.model} doesn't say its language: give it with --lang CODE")
    without_pack = request.no_pack or (info.no_pack and lang == info.lang)
    plugins = Plugins.load(lang, use_pack=not without_pack)
    normalizer = plugins.normalizer(parse_options(request.settings))
    measured = _measure(request, info, plugins, normalizer)
    plugins.after_evaluate(measured.report)
    rows = build_rows(measured.utterances, measured.hypotheses, normalizer=normalizer)
    if request.output:
        write_rows(rows, request.output)
    comparison = compare_rows(earlier, rows) if earlier is not None else None
    if request.as_json:
        click.echo(_to_json(request, measured, comparison))
    else:
        click.echo("\n".join(_to_lines(request, measured, rows, comparison)))


@dataclass(frozen=True, slots=True)
class _Measured:
    report: EvalReport
    utterances: tuple[Utterance, ...]
    hypotheses: list[Hypothesis]
    set_aside: tuple[SetAside, ...]
    by_source: list[SourceRates]
    notes: list[str]
    whisper_language: str
    compute_type: str
    device: str


def _measure(
    request: _Request, info: ExportInfo, plugins: Plugins, normalizer: TextNormalizer
) -> _Measured:
    from ruach_core.evaluation.report import build_report, rates_by_source
    from ruach_core.evaluation.silence import build_silence_report, write_silent_clips

    corpus = _read_split(request, plugins, normalizer)
    utterances: tuple[Utterance, ...] = getattr(corpus, request.split)
    if not utterances:
        first = corpus.set_aside[:1]
        why = f"; the first is set aside: {_describe(first[0])}" if first else ""
        raise DataError(f"{corpus.source}: no usable clip in {request.split}{why}")
    lang = plugins.lang or ""
    token = choose_token(lang, info, plugins.manifest)
    window = request.window or info.window
    with _open_recognizer(request, info, token, plugins) as recognizer:
        began = time.perf_counter()
        with _progress(len(utterances), "decoding") as advance:
            hypotheses = recognizer.decode_utterances(
                utterances, window=window, batch_s=request.batch_s, on_progress=advance
            )
        runtime_s = time.perf_counter() - began
        with tempfile.TemporaryDirectory(prefix="ruach-") as temporary:
            silent = write_silent_clips(utterances, Path(temporary))
            written = recognizer.decode_utterances(silent, window=window, batch_s=request.batch_s)
        computed = recognizer.compute_type, recognizer.device
    report = build_report(
        utterances,
        hypotheses,
        normalizer=normalizer,
        lang=lang,
        model=str(request.model),
        window=window,
        beam_size=recognizer.beam_size,
        rescoring=recognizer.rescoring,
        runtime_s=runtime_s,
        metrics=[metric for metric in plugins.metrics() if metric.name not in ("wer", "cer")],
        silence=build_silence_report(silent, written, normalizer=normalizer),
    )
    notes = [*describe_token(lang, token, info, plugins.manifest), *corpus.notes]
    by_source = rates_by_source(utterances, hypotheses, normalizer=normalizer)
    return _Measured(
        report, utterances, hypotheses, corpus.set_aside, by_source, notes, token, *computed
    )


def _read_split(request: _Request, plugins: Plugins, normalizer: TextNormalizer) -> Corpus:
    from ruach_core.config import DataConfig
    from ruach_core.data.read import read_corpus

    return read_corpus(
        _find_sources(request.data, plugins),
        plugins,
        normalizer=normalizer,
        settings=DataConfig(),  # type: ignore[call-arg]
        seed=0,
        splits=[request.split],
    )


@contextmanager
def _progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where a person looks on; gives what advances it."""
    if not sys.stderr.isatty():
        yield lambda _n: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def _check_model(model: Path) -> None:
    from ruach_core.evaluation.ct2_decode import is_export

    example = "MODEL is the folder of an export, such as models/whisper-am-ct2"
    if not model.is_dir():
        raise UserError(f"{model}: no such folder; {example}")
    if not is_export(model) and not (model / "config.json").is_file():
        raise UserError(f"{model}: no model in it; {example}")


def _find_sources(data: tuple[str, ...], plugins: Plugins) -> DataSources:
    """The data that was asked for, or the default, or the pack's sample, with a note.

    Raises:
        UserError: there is none, or a weight is given, which a measurement has no use for.
    """
    from ruach_core.config import DEFAULT_DATA
    from ruach_core.sources import DataSources

    if data:
        sources = DataSources.parse(data)
        if any(weight != 1.0 for weight in sources.weights):
            raise UserError(f"--data {sources}: weights are for training; measured is every clip")
        return sources
    if DEFAULT_DATA.exists():
        return DataSources.of(DEFAULT_DATA)
    sample = plugins.sample
    if sample is None:
        raise UserError(f"{DEFAULT_DATA}: no such dataset; give its folder with --data DIR")
    click.echo(
        f"no {DEFAULT_DATA} here: measuring on the sample bundled with {sample.distribution} "
        f"({sample.kind})",
        err=True,
    )
    return DataSources.of(sample.folder)


@contextmanager
def _open_recognizer(
    request: _Request, info: ExportInfo, token: str, plugins: Plugins
) -> Iterator[Ct2Recognizer]:
    """The model, converted into a temporary folder first where it isn't an export."""
    from ruach_core.cli.models import convert_model
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer, is_export
    from ruach_core.evaluation.rescoring import choose_beam_size, read_rescorer

    rescorer = None if request.no_rescoring else read_rescorer(request.model)
    with tempfile.TemporaryDirectory(prefix="ruach-") as temporary:
        model = request.model
        if not is_export(model) and (model / "config.json").is_file():
            model = Path(temporary)
            convert_model(request.model, model, plugins, quantization="float32")
        yield Ct2Recognizer(
            model,
            language=token,
            compute_type=request.compute_type,
            max_new_tokens=request.max_new_tokens or info.max_new_tokens,
            window_margin_s=info.window_margin_s,
            hears_silence=info.hears_silence,
            beam_size=choose_beam_size(request.beam_size, rescorer),
            rescorer=rescorer,
            threads=request.threads,
        )


def _to_lines(
    request: _Request,
    measured: _Measured,
    rows: Sequence[UtteranceRow],
    comparison: PairedComparison | None,
) -> Iterator[str]:
    from ruach_core.evaluation.report import percent, report_lines, source_line

    yield from measured.notes
    yield from report_lines(measured.report)
    yield from (source_line(rates) for rates in measured.by_source)
    yield f"computed in {measured.compute_type} on {measured.device}"
    if measured.set_aside:
        yield f"{len(measured.set_aside)} clips set aside:"
        yield from (f"  {_describe(clip)}" for clip in measured.set_aside[:_SHOWN_SET_ASIDE])
        if len(measured.set_aside) > _SHOWN_SET_ASIDE:
            yield f"  and {len(measured.set_aside) - _SHOWN_SET_ASIDE} more"
    if request.output:
        yield f"table of {len(rows)} clips: {request.output}"
    if comparison is not None:
        yield (
            f"WER {percent(comparison.first_rate)} in {request.compare}, "
            f"{percent(comparison.second_rate)} here: "
            f"{comparison.verdict('that model', 'this model')}"
        )


def _to_json(request: _Request, measured: _Measured, comparison: PairedComparison | None) -> str:
    from ruach_core.evaluation.report import report_to_dict

    content = {
        **report_to_dict(measured.report),
        "whisper_language": measured.whisper_language,
        "compute_type": measured.compute_type,
        "device": measured.device,
        "notes": measured.notes,
        "by_source": [asdict(rates) for rates in measured.by_source],
        "set_aside": [asdict(clip) for clip in measured.set_aside],
    }
    if comparison is not None:
        verdict = comparison.verdict(str(request.compare), str(request.model))
        content["comparison"] = {**asdict(comparison), "verdict": verdict}
    return json.dumps(content, ensure_ascii=False, indent=2)


def _describe(clip: SetAside) -> str:
    return f"{clip.utterance_id}: {clip.reason}, {clip.detail}" + (
        f" ({clip.row})" if clip.row else ""
    )
