"""Whether an mp3 file's index is of the whole file.

An mp3 file has no length of its own. Encoders leave one in the first frame (Xing's and LAME's
index); without it, libsndfile guesses the length from the first bit rate and reads no further. Of
joined files it is the first one's, and the others are lost.
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEAD = 512
"""The index lies behind the first frame's header and side information, some 40 bytes."""
_HAS_FRAMES, _HAS_BYTES = 1, 2
_SPARE = 4_096
"""Bytes beside the audio: tags of the old kind, a cut last frame."""
_TOLERANCE = 0.01


def has_whole_index(path: Path) -> bool:
    """Whether the file's index speaks of as many bytes as the file has.

    Source: the fields of the Xing header, as LAME (VbrTag.c) and FFmpeg (mp3dec.c) have them.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        start = _skip_tag(file.read(10))
        file.seek(start)
        head = file.read(_HEAD)
        n_audio = file.seek(0, 2) - start
    place = max(head.find(b"Xing"), head.find(b"Info"))
    if place < 0 or len(head) < place + 16:
        return False
    flags, *fields = struct.unpack_from(">III", head, place + 4)
    if not flags & _HAS_BYTES:
        return False
    n_bytes: int = fields[1] if flags & _HAS_FRAMES else fields[0]
    return abs(n_audio - n_bytes) <= _SPARE + _TOLERANCE * n_audio


def _skip_tag(head: bytes) -> int:
    """Where the audio begins, behind a tag (ID3 v2: its size in four times seven bits)."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10
