"""Small valid files of every kind that a reader takes, for the fuzzer to start from."""

from __future__ import annotations

import io
import json
import tarfile
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import soundfile

Seeds = dict[str, bytes]

_SOUND_FILES = {
    "pcm16.wav": ("WAV", "PCM_16"),
    "pcm24.wav": ("WAV", "PCM_24"),
    "u8.wav": ("WAV", "PCM_U8"),
    "float.wav": ("WAV", "FLOAT"),
    "ulaw.wav": ("WAV", "ULAW"),
    "ima-adpcm.wav": ("WAV", "IMA_ADPCM"),
    "ms-adpcm.wav": ("WAV", "MS_ADPCM"),
    "gsm.wav": ("WAV", "GSM610"),
    "extensible.wav": ("WAVEX", "PCM_16"),
    "rf64.wav": ("RF64", "PCM_16"),
    "sony.w64": ("W64", "PCM_16"),
    "sphere.wav": ("NIST", "PCM_16"),
    "pcm16.aiff": ("AIFF", "PCM_16"),
    "float.aiff": ("AIFF", "FLOAT"),
    "pcm16.au": ("AU", "PCM_16"),
    "alac.caf": ("CAF", "ALAC_16"),
    "pcm16.caf": ("CAF", "PCM_16"),
    "pcm16.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "opus.ogg": ("OGG", "OPUS"),
    "layer3.mp3": ("MP3", "MPEG_LAYER_III"),
}
_CONTAINERS = {
    "aac.m4a": ("mp4", "aac"),
    "alac.m4a": ("mp4", "alac"),
    "aac.aac": ("adts", "aac"),
    "opus.webm": ("webm", "libopus"),
    "pcm.mka": ("matroska", "pcm_s16le"),
    "flac.mka": ("matroska", "flac"),
    "pcm.mov": ("mov", "pcm_s16le"),
    "pcm.asf": ("asf", "pcm_s16le"),
    "mp2.mpg": ("mpeg", "mp2"),
    "ac3.ac3": ("ac3", "ac3"),
    "mp2.ts": ("mpegts", "mp2"),
    "flv.flv": ("flv", "pcm_s16le"),
    "pcm.avi": ("avi", "pcm_s16le"),
    "tta.tta": ("tta", "tta"),
    "wv.wv": ("wv", "wavpack"),
}


def audio() -> Seeds:
    """Noise of 60 ms at 16 kHz, in mono and stereo, as every format that can be written here."""
    rng = np.random.default_rng(0)
    noise = (0.2 * rng.standard_normal((960, 2))).astype(np.float32).clip(-1, 1)
    found: Seeds = {}
    for name, (form, subtype) in _SOUND_FILES.items():
        channels = 1 if subtype == "GSM610" else 2
        buffer = io.BytesIO()
        rate = 48_000 if "OPUS" in subtype else 16_000
        soundfile.write(buffer, noise[:, :channels], rate, format=form, subtype=subtype)
        found[name] = buffer.getvalue()
    with TemporaryDirectory() as folder:
        for name, (form, codec) in _CONTAINERS.items():
            found[name] = _encode(Path(folder, name), noise[:, :1].T, form, codec)
    return found


def _encode(path: Path, noise: np.ndarray, form: str, codec: str) -> bytes:
    with av.open(str(path), "w", format=form) as container:
        rate = 48_000 if codec in ("libopus", "ac3") else 44_100
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fifo = av.AudioFifo()
        for part in av.AudioResampler(stream.format, "mono", rate).resample(frame):
            fifo.write(part)
        size = stream.codec_context.frame_size or 480
        while piece := fifo.read(size, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path.read_bytes()


SRT = """1
00:00:01,000 --> 00:00:02,500
ሰላም ነው።
- Second <i>line</i> {\\an8}&amp;\\N(laughs)

2
100:00:03,5 --> 100:00:04,25 X1:40 X2:600
[music] <font color="#fff">Mr&nbsp;X</font>
"""
VTT = """WEBVTT - a title

STYLE
::cue { color: red }

NOTE a comment

intro
00:01.000 --> 00:02.500 align:start
<v.loud Esther>Hi <00:01.200><c.yellow>there</c></v>

00:02.500 --> 01:01:04.000
there
<v Abeba>two &lt;b&gt; &#65;&#x42;</v>
"""


def subtitles() -> Seeds:
    """SubRip and WebVTT, in the encodings and with the line ends that they come in."""
    return {
        "srt": SRT.encode(),
        "vtt": VTT.encode(),
        "crlf": SRT.replace("\n", "\r\n").encode("utf-8-sig"),
        "utf-16": VTT.encode("utf-16"),
        "no-blank-lines": b"1\n0:00:01.000 -> 0:00:02.000\na\n2\n0:00:03.000 -> 0:00:04.000\nb\n",
    }


TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1.25
            text = "say ""hi"" now"
        intervals [2]:
            xmin = 1.25
            xmax = 2.5
            text = ""
    item [2]:
        class = "TextTier"
        name = "points"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.0
            mark = "x"
"""
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2020-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
<LICENSE LICENSE_URL="https://example.org/cc">CC-BY</LICENSE>
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/a.wav" MIME_TYPE="audio/x-wav"
 RELATIVE_MEDIA_URL="./a.wav" TIME_ORIGIN="500"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2500"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="t" TIER_ID="tx@A" PARTICIPANT="A"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>one &amp; two</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>three</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER LINGUISTIC_TYPE_REF="w" PARENT_REF="tx@A" TIER_ID="ft@A"><ANNOTATION>
<REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1"><ANNOTATION_VALUE>x</ANNOTATION_VALUE>
</REF_ANNOTATION></ANNOTATION><ANNOTATION>
<REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a3">
<ANNOTATION_VALUE>y</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""


def textgrids() -> Seeds:
    """Praat's long and short format, in its encodings."""
    short = 'File type = "ooTextFile"\n"TextGrid"\n\n0\n1\n<exists>\n1\n"IntervalTier"\n"w"\n0\n1\n'
    return {
        "long": TEXTGRID.encode(),
        "utf-16": TEXTGRID.encode("utf-16"),
        "short": (short + '1\n0\n1\n"caf\xe9"\n').encode("latin-1"),
    }


def eafs() -> Seeds:
    """ELAN's format, in two encodings."""
    utf16 = EAF.replace("UTF-8", "UTF-16", 1).encode("utf-16")
    return {"utf-8": EAF.encode(), "utf-16": utf16}


def tables() -> Seeds:
    """Tables of clips; the first byte chooses the kind, as `targets.check_table` reads it."""
    rows = [("file_name", "transcription", "note"), ("a.wav", 'say "hi", then', "x"), ("b.wav",)]
    csv = '"file_name",transcription,note\r\na.wav,"say ""hi"",\r\nthen",x\r\nb.wav,"open\r\n'
    objects = "\n".join(json.dumps(dict(zip(rows[0], row, strict=False))) for row in rows[1:])
    return {
        "csv": b"c" + csv.encode("utf-8-sig"),
        "csv-utf-16": b"c" + csv.encode("utf-16"),
        "tsv": b"t" + "\n".join("\t".join(row) for row in rows).encode(),
        "jsonl": b"j" + objects.encode(),
        "bars": b"b" + "a|été|x\nb|two\n".encode("latin-1"),
        "kaldi": b"k" + "a 1 ሰላም\nb\tx.wav\nb twice\n".encode(),
    }


def archives() -> Seeds:
    """Tar archives, plain and compressed, with each kind of member."""
    found: Seeds = {}
    for mode in ("w", "w:gz"):
        for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode=mode, format=form) as tar:
                for name, content in (("a.wav", b"RIFF"), ("long/" * 30 + "é.txt", b"text")):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                link = tarfile.TarInfo("link")
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(link)
            found[f"{mode.replace(':', '-')}-{form}"] = buffer.getvalue()
    return found
