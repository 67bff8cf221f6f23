"""`ruach transcribe`: audio files of any length to text and subtitles, without torch."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.beam_options import beam_options
from ruach_core.cli.language import find_token
from ruach_core.cli.messages import complain
from ruach_core.errors import RuachError, UserError

if TYPE_CHECKING:
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer
    from ruach_core.evaluation.export_info import Window
    from ruach_core.transcription.subtitles import TextFormat
    from ruach_core.transcription.transcribe import Transcription, TranscriptionSettings

_PATH: Any = click.Path(path_type=Path)
_FORMATS = ("text", "json", "srt", "vtt")


@dataclass(frozen=True, slots=True)
class _Request:
    """The command's arguments; see the options' help."""

    files: tuple[Path, ...]
    model: Path
    lang: str | None
    formats: tuple[str, ...]
    output_dir: Path | None
    no_vad: bool
    beam_size: int | None
    no_rescoring: bool
    compute_type: str
    window: Window | None
    max_segment: float
    batch_s: float
    word_timestamps: bool
    threads: int


@click.command()
@click.argument("files", nargs=-1, required=True, type=_PATH)
@click.option("--model", required=True, type=_PATH, help="The folder of an export.")
@click.option("--lang", help="Language code; by default the one that the model was trained for.")
@click.option(
    "--format",
    "formats",
    type=click.Choice([*_FORMATS, "all"]),
    multiple=True,
    help="Repeatable [default: text].",
)
@click.option("--output-dir", type=_PATH, help="Write files there; otherwise to standard output.")
@click.option("--no-vad", is_flag=True, help="Decode everything, not only what sounds like speech.")
@beam_options
@click.option("--compute-type", default="default", help="CTranslate2's: int8, float16, float32 ...")
@click.option(
    "--window",
    type=click.Choice(["trim", "full"]),
    help="trim: as long as the speech. full: Whisper's 30 s. By default as the model was trained.",
)
@click.option(
    "--max-segment",
    type=click.FloatRange(2, 28),
    default=15.0,
    show_default=True,
    help="Most seconds of audio in one segment.",
)
@click.option(
    "--batch-s",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds of window decoded at once; bounds memory.",
)
@click.option("--word-timestamps", is_flag=True, help="Find the times of single words too.")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="CPU threads.")
def transcribe(**arguments: Any) -> int:
    """Turn audio FILES into text or subtitles; a folder stands for the audio files in it.

    A file that can't be read is reported, the others are done, and the exit status is 1.
    """
    return _run(_Request(**arguments))


def _run(request: _Request) -> int:
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer
    from ruach_core.evaluation.export_info import ExportInfo
    from ruach_core.evaluation.rescoring import choose_beam_size, read_rescorer
    from ruach_core.transcription.transcribe import TranscriptionSettings

    formats = _choose_formats(request.formats)
    paths, n_failed = _find_paths(request.files)
    if request.output_dir is None:
        _check_stdout(paths, formats)
    if not request.model.is_dir():
        raise UserError(f"{request.model}: no such folder; --model is the folder of an export")
    info = ExportInfo.read(request.model)
    rescorer = None if request.no_rescoring else read_rescorer(request.model)
    recognizer = Ct2Recognizer(
        request.model,
        language=find_token(request.lang, info),
        compute_type=request.compute_type,
        beam_size=choose_beam_size(request.beam_size, rescorer),
        rescorer=rescorer,
        threads=request.threads,
    )
    if recognizer.rescoring:
        click.echo(f"{recognizer.rescoring}; --no-rescoring takes the beam's own choice", err=True)
    settings = TranscriptionSettings(
        use_vad=not request.no_vad,
        max_chunk_s=request.max_segment,
        window=request.window or info.window,
        batch_s=request.batch_s,
        word_timestamps=request.word_timestamps,
    )
    writer = _Writer(paths, formats, request.output_dir, request.lang or info.lang)
    for path in paths:
        try:
            writer.write(_transcribe(path, recognizer, settings))
        except RuachError as error:
            n_failed += 1
            complain(error)
    writer.close()
    return 1 if n_failed else 0


def _choose_formats(names: Sequence[str]) -> list[TextFormat]:
    if "all" in names:
        names = _FORMATS
    chosen: list[Any] = list(dict.fromkeys(names)) or ["text"]
    return chosen


def _find_paths(files: Sequence[Path]) -> tuple[list[Path], int]:
    """The audio files, each once, and how many arguments gave none."""
    from ruach_core.transcription.reading import find_audio_files

    paths: list[Path] = []
    n_failed = 0
    for file in files:
        try:
            paths.extend(find_audio_files(file))
        except UserError as error:
            n_failed += 1
            complain(error)
    return list(dict.fromkeys(paths)), n_failed


def _check_stdout(paths: Sequence[Path], formats: Sequence[str]) -> None:
    if len(formats) > 1:
        raise UserError("several formats at once need a folder to go to: give --output-dir DIR")
    if len(paths) > 1 and formats[0] in ("srt", "vtt"):
        raise UserError("subtitles of several files need a folder to go to: give --output-dir DIR")


def _transcribe(
    path: Path, recognizer: Ct2Recognizer, settings: TranscriptionSettings
) -> Transcription:
    from ruach_core.transcription.reading import read_duration_s
    from ruach_core.transcription.transcribe import transcribe_file

    if not sys.stderr.isatty():
        return transcribe_file(path, recognizer, settings=settings)
    duration_s = read_duration_s(path) or 0.0
    with click.progressbar(
        length=max(1, round(1000 * duration_s)), label=path.name, file=sys.stderr
    ) as bar:
        return transcribe_file(
            path,
            recognizer,
            settings=settings,
            on_progress=lambda seconds: bar.update(round(1000 * seconds)),
        )


class _Writer:
    """Writes transcriptions where they belong: files of their own, or standard output."""

    def __init__(
        self,
        paths: Sequence[Path],
        formats: Sequence[TextFormat],
        output_dir: Path | None,
        lang: str | None,
    ) -> None:
        self._formats = formats
        self._output_dir = output_dir
        self._lang = lang
        self._names = _choose_names(paths)
        self._contents: list[dict[str, object]] = []

    def write(self, transcription: Transcription) -> None:
        """Write one file's transcription; raises UserError where that fails."""
        from ruach_core.files import write_text
        from ruach_core.transcription.subtitles import (
            SUFFIXES,
            format_transcription,
            transcription_to_dict,
        )

        for text_format in self._formats:
            text = format_transcription(transcription, text_format, lang=self._lang)
            if self._output_dir is not None:
                name = self._names[transcription.path] + SUFFIXES[text_format]
                write_text(self._output_dir / name, text)
            elif len(self._names) == 1:
                click.echo(text, nl=False)
            elif text_format == "json":
                self._contents.append(transcription_to_dict(transcription, lang=self._lang))
            else:
                click.echo(f"==> {transcription.path} <==\n{text}")

    def close(self) -> None:
        """Write what is only whole once all files are done: the JSON of several files."""
        if self._contents:
            click.echo(json.dumps(self._contents, ensure_ascii=False, indent=1))


def _choose_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each path's results: its stem, and more where two would be the same."""
    stems = Counter(path.stem for path in paths)
    names: dict[Path, str] = {}
    for path in paths:
        name = base = path.stem if stems[path.stem] == 1 else path.name
        number = 2
        while name in names.values():
            name = f"{base}-{number}"
            number += 1
        names[path] = name
    return names
