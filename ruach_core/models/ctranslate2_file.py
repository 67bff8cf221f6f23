"""Reads the variables of a CTranslate2 `model.bin`, without CTranslate2.

The layout, little-endian throughout (what `ctranslate2.specs.model_spec.ModelSpec` writes, binary
version 6, which every Whisper conversion has): uint32 binary version; string spec name; uint32
spec revision; uint32 number of variables; then for each a string name, uint8 rank, uint32 per
dimension, uint8 type, uint32 number of bytes and the bytes; uint32 number of aliases; then for
each two strings, alias and variable. A string is a uint16 length that counts a closing NUL.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ruach_core.errors import UserError

BINARY_VERSION = 6
_MAX_RANK = 8
# In the order of CTranslate2's DataType; bfloat16 has no numpy type and is widened by hand.
_TYPES: tuple[tuple[str, str], ...] = (
    ("float32", "<f4"),
    ("int8", "<i1"),
    ("int16", "<i2"),
    ("int32", "<i4"),
    ("float16", "<f2"),
    ("bfloat16", "<u2"),
)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StoredVariable:
    """Where one variable lies in the file; `dtype` is CTranslate2's name of its type."""

    shape: tuple[int, ...]
    dtype: str
    offset: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Ct2File:
    """The contents of one `model.bin`; values are read from disk only when asked for.

    Attributes:
        path: the file.
        spec: name of the model's specification ("WhisperSpec").
        revision: the specification's revision.
        variables: what is stored, by name.
        aliases: further names of stored variables.
    """

    path: Path
    spec: str
    revision: int
    variables: Mapping[str, StoredVariable]
    aliases: Mapping[str, str]
    _data: npt.NDArray[np.uint8]

    @property
    def names(self) -> frozenset[str]:
        """All names, stored ones and aliases."""
        return frozenset(self.variables) | frozenset(self.aliases)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a variable.

        Raises:
            UserError: the file has no such variable.
        """
        return self._stored(name)[1].shape

    def scalar(self, name: str) -> int | None:
        """The value of an integer setting such as `encoder/num_heads`; None where absent."""
        if name not in self.names:
            return None
        return int(self._raw(self._stored(name)[1]).reshape(-1)[0])

    def array(self, name: str) -> FloatArray:
        """The values of a variable as float32, dequantised where need be.

        CTranslate2 stores an int8 weight as `round(weight * scale)` with one scale a row of the
        first dimension (127 / largest magnitude), an int16 weight with one scale in all.

        Raises:
            UserError: the file has no such variable, or a quantised one without a usable scale.
        """
        stored_name, stored = self._stored(name)
        values = self._raw(stored)
        if stored.dtype == "bfloat16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        if stored.dtype in ("int8", "int16"):
            return values.astype(np.float32) / self._scale(stored_name, stored.shape)
        if stored.dtype == "int32":
            raise _unusable(self.path, f"{name} is int32 where weights are expected")
        return values.astype(np.float32)

    def _scale(self, stored_name: str, shape: tuple[int, ...]) -> FloatArray:
        scale_name = f"{stored_name}_scale"
        if scale_name not in self.names:
            raise _unusable(self.path, f"{stored_name} is quantised but {scale_name} is missing")
        scale = self.array(scale_name)
        if not np.all(np.isfinite(scale) & (scale > 0)):
            raise _unusable(self.path, f"{scale_name} holds values that are not positive numbers")
        if scale.size == 1:
            return scale.reshape(())
        if not shape or scale.shape != shape[:1]:
            raise _unusable(self.path, f"{scale_name} has shape {scale.shape}, weight {shape}")
        return scale.reshape(-1, *(1 for _ in shape[1:]))

    def _stored(self, name: str) -> tuple[str, StoredVariable]:
        stored_name = self.aliases.get(name, name)
        stored = self.variables.get(stored_name)
        if stored is None:
            raise _unusable(self.path, f"it has no variable {name!r}")
        return stored_name, stored

    def _raw(self, stored: StoredVariable) -> npt.NDArray[Any]:
        data = self._data[stored.offset : stored.offset + stored.n_bytes]
        return np.frombuffer(data, dtype=dict(_TYPES)[stored.dtype]).reshape(stored.shape)


def read_ct2_file(path: Path) -> Ct2File:
    """Read the table of contents of a CTranslate2 `model.bin`, checking every length.

    Raises:
        UserError: the file can't be read, is cut short, or isn't a CTranslate2 model of binary
            version 6; in one line with the remedy.
    """
    try:
        if path.stat().st_size < 4:
            raise _truncated(path)
        data = np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        raise UserError(
            f"{path}: can't be read ({error.strerror}); give a folder with a CTranslate2 model.bin"
        ) from error
    cursor = _Cursor(path, data)
    version = cursor.integer("I")
    if version != BINARY_VERSION:
        raise UserError(
            f"{path}: not a CTranslate2 model of binary version {BINARY_VERSION} (it starts with "
            f"{version}); convert the model again with ctranslate2 4"
        )
    spec = cursor.string()
    revision = cursor.integer("I")
    variables = dict(cursor.variable() for _ in range(cursor.integer("I")))
    aliases = {cursor.string(): cursor.string() for _ in range(cursor.integer("I"))}
    if cursor.offset != data.size:
        raise _unusable(path, f"{data.size - cursor.offset} bytes follow the last variable")
    for alias, name in aliases.items():
        if name not in variables:
            raise _unusable(path, f"{alias!r} stands for {name!r}, which is missing")
    return Ct2File(path, spec, revision, variables, aliases, data)


class _Cursor:
    """A position in the file; each read moves it on, and none passes the end."""

    def __init__(self, path: Path, data: npt.NDArray[np.uint8]) -> None:
        self.path = path
        self.offset = 0
        self._data: npt.NDArray[np.uint8] = data

    def integer(self, code: str) -> int:
        layout = struct.Struct(f"<{code}")
        (value,) = layout.unpack(self._take(layout.size).tobytes())
        return int(value)

    def string(self) -> str:
        encoded = self._take(self.integer("H")).tobytes()
        try:
            text = encoded.decode("ascii")
        except UnicodeDecodeError as error:
            raise _unusable(self.path, "a name isn't ASCII") from error
        if not text.endswith("\0"):
            raise _unusable(self.path, "a name has no closing NUL")
        return text[:-1]

    def variable(self) -> tuple[str, StoredVariable]:
        name = self.string()
        rank = self.integer("B")
        if rank > _MAX_RANK:
            raise _unusable(self.path, f"{name} has {rank} dimensions")
        shape = tuple(self.integer("I") for _ in range(rank))
        type_id = self.integer("B")
        if type_id >= len(_TYPES):
            raise _unusable(self.path, f"{name} has the unknown type {type_id}")
        dtype, layout = _TYPES[type_id]
        n_bytes = self.integer("I")
        if n_bytes != math.prod(shape) * np.dtype(layout).itemsize:
            raise _unusable(self.path, f"{name} {shape} {dtype} is said to take {n_bytes} bytes")
        offset = self.offset
        self._take(n_bytes)
        return name, StoredVariable(shape, dtype, offset, n_bytes)

    def _take(self, n_bytes: int) -> npt.NDArray[np.uint8]:
        taken = self._data[self.offset : self.offset + n_bytes]
        if len(taken) != n_bytes:
            raise _truncated(self.path)
        self.offset += n_bytes
        return taken


def _truncated(path: Path) -> UserError:
    return UserError(f"{path}: the file is cut short; copy or export the model again")


def _unusable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: not a usable CTranslate2 Whisper model: {reason}; copy or export it again"
    )
