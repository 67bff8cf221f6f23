"""What a recording's entry in Kaldi's `wav.scp` reads: a file, or a command that is never run.

An entry is a path, or a command line that ends in `|` and writes audio
(https://kaldi-asr.org/doc/io.html, "extended filenames"). Most commands only turn one file into
wav, which the audio reader does by itself: of those the file is taken.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

_ARCHIVE = re.compile(r"\.ark:\d+(\[.*\])?$")
_SHELL = re.compile(r"[;&<>()\[\]$`*?{}~\n]|(?<!\S)#")
_RATE = re.compile(r"\d+(\.\d+)?k?$")
_WAVE_FORMATS = frozenset({"wav", "wavpcm"})
_MAX_ENTRY = 8_192
"""Characters; twice the longest path of Linux."""
_STREAM = "-"

# Options with a value that change neither what is said nor how fast, by program.
_SOX_OUTPUT = frozenset({"-t", "-r", "-b", "-c", "-e", "-L", "-B"})
_SOX_SWITCHES = frozenset({"-G", "-L", "-B", "-V", "-V0", "-V1", "-V2", "-V3", "-q", "-S", "-D"})
_FFMPEG_VALUES = frozenset(
    {"-v", "-loglevel", "-f", "-ar", "-ac", "-ab", "-b:a", "-acodec", "-c:a"}
)
_FFMPEG_SWITCHES = frozenset({"-nostdin", "-hide_banner", "-y", "-vn", "-nostats", "-bitexact"})


@dataclass(frozen=True, slots=True)
class Recording:
    """Where a recording's audio is.

    Attributes:
        file: path as the entry has it; empty where the entry can't be read.
        channel: the channel that the entry takes, from 1; None for all.
        problem: why the entry can't be read, with the remedy.
    """

    file: str = ""
    channel: int | None = None
    problem: str = ""


def parse_recording(entry: str) -> Recording:
    """What an entry of `wav.scp` reads; commands are recognised, never run.

    Recognised are `cat FILE`, `flac -c -d FILE`, `sph2pipe -f wav FILE`, `sox FILE -t wav -` and
    `ffmpeg -i FILE -f wav -`, with options that change the format alone, and pipes of them.
    """
    entry = entry.strip()
    if not entry or entry in (_STREAM, "|"):
        return Recording(problem="names no file")
    if len(entry) > _MAX_ENTRY:
        return Recording(problem=f"over {_MAX_ENTRY} characters, which isn't a path")
    if entry.startswith("|"):
        return Recording(problem="writes to a command; an entry is a file to read")
    if _ARCHIVE.search(entry):
        return Recording(
            problem="inside a Kaldi archive; write it out as wav with Kaldi's wav-copy"
        )
    if not entry.endswith("|"):
        return Recording(entry)
    found = _parse_pipe(entry[:-1])
    if found is None:
        return Recording(
            problem="needs a command, and commands are not run; run it once for each recording, "
            f"keep the output as wav files, and list those in wav.scp ({entry[:200]})"
        )
    return found


def _parse_pipe(line: str) -> Recording | None:
    stages = _split_commands(line)
    if stages is None:
        return None
    recording: Recording | None = None
    for stage in stages:
        program, *arguments = stage or [""]
        parse = _PROGRAMS.get(program.rpartition("/")[2])
        found = parse(arguments) if parse is not None else None
        if found is None or (found.file == _STREAM) != (recording is not None):
            return None
        recording = recording or found
    return recording


def _split_commands(line: str) -> list[list[str]] | None:
    """The words of each command of a pipe; None where the shell would do more than split them."""
    if not any(mark in line for mark in "\"'\\"):
        if _SHELL.search(line):
            return None
        return [command.split() for command in line.split("|")]
    # What is quoted is plain text to the shell too, save for $ and `.
    bare = re.sub(r"""'[^']*'|"[^"$`\\]*"|\\.""", "_", line)
    if _SHELL.search(bare):
        return None
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = list(lexer)
    except ValueError:
        return None
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def _one_file(arguments: Sequence[str]) -> str | None:
    """The only argument, standard input where there is none; None for more than one or options."""
    if not arguments:
        return _STREAM
    is_file = len(arguments) == 1 and (arguments[0] == _STREAM or not arguments[0].startswith("-"))
    return arguments[0] if is_file else None


def _parse_cat(arguments: Sequence[str]) -> Recording | None:
    file = _one_file(arguments)
    return Recording(file) if file is not None else None


def _parse_flac(arguments: Sequence[str]) -> Recording | None:
    """`flac -c -d -s FILE`: decoding to standard output."""
    long_names = {"--stdout": "c", "--decode": "d", "--silent": "s"}
    switches = ""
    while arguments and arguments[0].startswith("-") and arguments[0] != _STREAM:
        switches += long_names.get(arguments[0], arguments[0][1:])
        arguments = arguments[1:]
    file = _one_file(arguments)
    is_decoding = {"c", "d"} <= set(switches) <= set("cds")
    return Recording(file) if is_decoding and file is not None else None


def _parse_sph2pipe(arguments: Sequence[str]) -> Recording | None:
    """`sph2pipe -f wav [-p] [-c 1|2] FILE`; -t and -s would cut a piece out."""
    channel: int | None = None
    while arguments and arguments[0].startswith("-") and arguments[0] != _STREAM:
        option, value = arguments[0], arguments[1] if len(arguments) > 1 else ""
        if option in ("-p", "-u", "-a"):
            arguments = arguments[1:]
            continue
        if option == "-c" and value in ("1", "2"):
            channel = int(value)
        elif option != "-f" or value not in ("wav", "rif", "riff"):
            return None
        arguments = arguments[2:]
    file = _one_file(arguments)
    return Recording(file, channel) if file is not None else None


def _parse_sox(arguments: Sequence[str]) -> Recording | None:
    """`sox FILE -t wav -`, with a sampling rate and mixing to one channel; effects are refused."""
    files: list[str] = []
    output_format = ""
    rest = list(arguments)
    while rest and len(files) < 2:
        word = rest.pop(0)
        if word == _STREAM or not word.startswith("-"):
            files.append(word)
        elif word in _SOX_SWITCHES:
            continue
        elif word in _SOX_OUTPUT and rest:
            value = rest.pop(0)
            if word == "-t" and files:
                output_format = value
            # Raw samples need what the file itself doesn't say.
            elif not files and not (word == "-t" and value not in ("raw", "sw", "s16", "ul", "al")):
                return None
        else:
            return None
    if rest[:1] == ["rate"]:
        rest = [word for word in rest[1:] if not word.startswith("-") and not _RATE.match(word)]
    elif rest == ["channels", "1"]:
        rest = []
    is_copy = len(files) == 2 and files[1] == _STREAM and output_format in _WAVE_FORMATS
    return Recording(files[0]) if is_copy and not rest else None


def _parse_ffmpeg(arguments: Sequence[str]) -> Recording | None:
    """`ffmpeg -i FILE -f wav -ar 16000 -`; whatever cuts, maps or filters is refused."""
    file = output = ""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "-i" and rest and not file:
            file = rest.pop(0)
        elif word in ("-", "pipe:1", "pipe:") and not rest:
            output = word
        elif word in _FFMPEG_VALUES and rest and (file or word in ("-v", "-loglevel")):
            value = rest.pop(0)
            if word == "-f" and value != "wav":
                return None
        elif word not in _FFMPEG_SWITCHES:
            return None
    file = _STREAM if file in ("pipe:0", "pipe:") else file
    return Recording(file) if file and output and "://" not in file else None


_PROGRAMS = {
    "cat": _parse_cat,
    "flac": _parse_flac,
    "sph2pipe": _parse_sph2pipe,
    "sox": _parse_sox,
    "ffmpeg": _parse_ffmpeg,
}
