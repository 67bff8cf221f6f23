"""`ruach data segment`: long recordings and their texts as clips to train from."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.data_options import load_language, pack_options
from ruach_core.cli.messages import complain

if TYPE_CHECKING:
    from ruach_core.alignment.corpus import Aligner, RecordingJob, SegmentingReport
    from ruach_core.alignment.recordings import AlignedRecording, OnProgress
    from ruach_core.plugins import Plugins
    from ruach_core.types import TextNormalizer

_PATH: Any = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class _Request:
    """The command's arguments; see the options' help."""

    audio: Path
    lang: str
    model: Path | None
    text: Path | None
    subtitles: Path | None
    output: Path
    max_score: float | None
    max_segment: float
    speaker: str
    compute_type: str
    threads: int
    settings: tuple[str, ...]
    no_pack: bool
    as_json: bool


@click.command("segment", short_help="Cut long recordings with known texts into clips.")
@click.argument("audio", type=_PATH)
@click.option("--lang", required=True, metavar="CODE", help="Language; see ruach langs list.")
@click.option("--model", type=_PATH, metavar="DIR",
              help="The folder of an export.  [default: models/whisper-CODE-ct2, else "
              "whisper-base]")  # fmt: skip
@click.option("--text", type=_PATH, metavar="FILE", help="What is said, as plain text.")
@click.option("--subtitles", type=_PATH, metavar="FILE", help="What is said, as .srt or .vtt.")
@click.option("--output", required=True, type=_PATH, metavar="DIR", help="A new folder to write.")
@click.option("--max-score", type=click.FloatRange(0, 1), metavar="RATE",
              help="Keep what differs from what the model hears in at most this share of its "
              "characters.  [default: twice the recording's median, 0.2 to 0.5]")  # fmt: skip
@click.option("--max-segment", type=click.FloatRange(2, 28), default=15.0, show_default=True,
              metavar="SECONDS", help="The longest segment.")  # fmt: skip
@click.option("--speaker", default="", metavar="NAME",
              help="Who speaks, where the subtitles don't say.")  # fmt: skip
@click.option("--compute-type", default="default", help="CTranslate2's: int8, float16, float32 ...")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="CPU threads.")
@pack_options
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def data_segment(**arguments: Any) -> int:
    """Cut the recording AUDIO at pauses, find each stretch's words in the known text, and keep
    what is sure.

    AUDIO may be of any length. It may also be a folder: each recording's text is then the .vtt,
    .srt or .txt file of the same name beside it. The text may have parts that aren't read, and
    the recording may have parts that aren't in the text.

    \b
    DIR/train/metadata.csv, DIR/train/audio/*.wav      what is sure, ready for ruach train
    DIR/review/metadata.csv, DIR/review/audio/*.wav    what a person should decide, and why

    A model hears what is said; the better it knows the language, the more is kept. A recording
    that fails, or has no text, is reported, the others are done, and the exit status is 1.

    \b
    Examples:
        ruach data segment sermon.mp3 --lang am --text sermon.txt --output sermon
        ruach data segment films --lang sw --model models/whisper-sw-ct2 --output clips
    """
    return _run(_Request(**arguments))


def _run(request: _Request) -> int:
    from ruach_core.alignment.corpus import check_output, find_jobs, segment_recordings

    if request.text is not None and request.subtitles is not None:
        raise click.UsageError("--text and --subtitles: give one of them")
    jobs = find_jobs(request.audio, request.text, request.subtitles)
    check_output(request.output)
    plugins, normalizer = load_language(request.lang, request.settings, no_pack=request.no_pack)
    with ExitStack() as stack:
        aligner = _open_aligner(request, plugins, normalizer, stack)
        with _Bars() as bars:
            report = segment_recordings(
                jobs, request.output, plugins, aligner,
                name=request.audio.resolve().name, speaker=request.speaker, show=bars.show,
                complain=complain,
            )  # fmt: skip
    if request.as_json:
        click.echo(json.dumps(_to_dict(report), ensure_ascii=False, indent=2))
    else:
        for line in _lines(report):
            click.echo(line)
    return 1 if report.failures else 0


def _open_aligner(
    request: _Request, plugins: Plugins, normalizer: TextNormalizer, stack: ExitStack
) -> Aligner:
    from ruach_core.alignment.corpus import Aligner
    from ruach_core.alignment.recordings import decoding_settings
    from ruach_core.cli.language import choose_token, find_token
    from ruach_core.cli.models import find_export
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer
    from ruach_core.evaluation.export_info import ExportInfo

    export = stack.enter_context(find_export(request.model, request.lang, plugins))
    info = ExportInfo.read(export)
    recognizer = Ct2Recognizer(
        export,
        language=(
            choose_token(request.lang, info, None)
            if request.no_pack
            else find_token(request.lang, info)
        ),
        compute_type=request.compute_type,
        threads=request.threads,
    )
    settings = decoding_settings(info.window, max_segment_s=request.max_segment)
    return Aligner(recognizer, normalizer, settings, request.max_score)


class _Bars:
    """A bar on standard error for each recording, where a person looks on."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show(self, job: RecordingJob) -> OnProgress | None:
        from ruach_core.transcription.reading import read_duration_s

        self._stack.close()
        if not sys.stderr.isatty():
            return None
        length = max(1, round(1000 * (read_duration_s(job.audio) or 0.0)))
        bar = self._stack.enter_context(
            click.progressbar(length=length, label=job.audio.name, file=sys.stderr)
        )
        return lambda seconds: bar.update(round(1000 * seconds))


def _lines(report: SegmentingReport) -> Iterator[str]:
    for recording in report.recordings:
        kept, doubtful = recording.kept, recording.doubtful
        yield (
            f"{recording.path}: {recording.duration_s / 60:.1f} min; kept {len(kept)} segments, "
            f"{_minutes(kept)} min; for review {len(doubtful)}, {_minutes(doubtful)} min; "
            f"{recording.unheld_s / 60:.1f} min in no segment"
        )
        yield (
            f"  words: {recording.n_words} in the text, {sum(s.n_words for s in kept)} kept, "
            f"{sum(s.n_words for s in doubtful)} for review, {recording.n_unplaced} in no segment"
        )
        yield from (f"  {n} x {reason}" for reason, n in _count_reasons(recording))
        yield from (f"  note: {note}" for note in recording.notes)
    yield (
        f"{report.output}: {report.n_clips} clips, {report.hours:.2f} h"
        + (f"; {report.n_rejected} rejected, see rejected.csv" if report.n_rejected else "")
    )
    if any(recording.doubtful for recording in report.recordings):
        yield (
            f"to decide: {report.output / 'review'}; listen, mend or delete rows of its "
            "metadata.csv, then give it as --data too"
        )


def _minutes(segments: list[Any]) -> str:
    return f"{sum(segment.duration_s for segment in segments) / 60:.1f}"


def _count_reasons(recording: AlignedRecording) -> list[tuple[str, int]]:
    """How often each reason for review, most first."""
    return Counter(segment.reason for segment in recording.doubtful).most_common()


def _to_dict(report: SegmentingReport) -> dict[str, Any]:
    return {
        "output": str(report.output),
        "clips": report.n_clips,
        "hours": report.hours,
        "rejected": report.n_rejected,
        "failures": list(report.failures),
        "recordings": [_recording_to_dict(recording) for recording in report.recordings],
    }


def _recording_to_dict(recording: AlignedRecording) -> dict[str, Any]:
    kept, doubtful = recording.kept, recording.doubtful
    return {
        "recording": str(recording.path),
        "duration_s": round(recording.duration_s, 3),
        "kept": {"segments": len(kept), "seconds": round(sum(s.duration_s for s in kept), 3),
                 "words": sum(s.n_words for s in kept)},
        "review": {"segments": len(doubtful),
                   "seconds": round(sum(s.duration_s for s in doubtful), 3),
                   "words": sum(s.n_words for s in doubtful),
                   "reasons": dict(_count_reasons(recording))},
        "in_no_segment": {"words": recording.n_unplaced,
                          "seconds": round(recording.unheld_s, 3)},
        "words": recording.n_words,
        "shift_s": None if recording.shift_s is None else round(recording.shift_s, 3),
        "notes": list(recording.notes),
    }  # fmt: skip
