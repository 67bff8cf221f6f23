"""ELAN's annotation format (.eaf), read from a stream of XML without DTD or entities.

The format is described by its schema (EAFv3.0.xsd) and by "EAF Annotation Format" (H. Sloetjes,
Max Planck Institute for Psycholinguistics): times are milliseconds in TIME_SLOTs that annotations
refer to; an annotation without slots refers to another one and has that one's times.

TIME_ORIGIN is where in a recording the annotations' time 0 is, in milliseconds: ELAN seeks to an
annotation's time plus the origin (its sources, `setMediaTime` in `JavaSoundPlayer.java`), and
NZILBB's elan-media-trimmer does without it by cutting that much off the recording's start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.parsers import expat

from ruach_core.errors import DataError
from ruach_data_annotations.tiers import MAX_NAME, Segment, Tier

MAX_BYTES = 256 << 20
"""A larger .eaf isn't one recording's annotations; ELAN itself would not open it."""
MAX_TEXT = 100_000
"""Characters of one annotation."""
_CHUNK = 1 << 20
_MAX_TOKEN = 16 << 20
"""Bytes without any element or text: expat reads an unfinished tag again with each chunk."""
_MAX_DEPTH = 32
_MAX_LEVELS = 20
_MAX_MEDIA = 50
_MAX_TIME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Media:
    """A recording that the annotations belong to.

    Attributes:
        links: addresses of it, the relative one first.
        origin_s: time in the recording at which the annotations' time line starts, in seconds.
        is_video: by its MIME type.
    """

    links: tuple[str, ...]
    origin_s: float
    is_video: bool


@dataclass(frozen=True, slots=True)
class Eaf:
    """One .eaf file."""

    media: tuple[Media, ...]
    tiers: tuple[Tier, ...]
    license: str


@dataclass(slots=True)
class _Annotation:
    id: str
    slots: tuple[str, str] | None
    parent: str
    previous: str
    text: str = ""
    is_cut: bool = False


@dataclass(slots=True)
class _TierData:
    attributes: Mapping[str, str]
    annotations: list[_Annotation] = field(default_factory=list)


class _HeadRead(Exception):  # noqa: N818
    """Not a fault: all that was asked for has been read."""


def read_eaf(path: Path, name: str) -> Eaf:
    """All of an .eaf file.

    Args:
        path: the file.
        name: what messages call it.

    Raises:
        DataError: it can't be read, isn't well-formed, isn't ELAN's, declares a document type or
            entities, or is larger than `MAX_BYTES`.
    """
    reader = _read(path, name, head_only=False)
    return Eaf(tuple(reader.media), _build_tiers(reader), reader.license)


def read_license(path: Path, name: str) -> str:
    """The licence that an .eaf file states, from its first lines alone; empty without one.

    Raises:
        DataError: as in `read_eaf`.
    """
    return _read(path, name, head_only=True).license


def _read(path: Path, name: str, *, head_only: bool) -> _Reader:
    reader = _Reader(name, head_only=head_only)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"{name}: over {MAX_BYTES >> 20} MiB; save each recording's annotations to a file "
                "of its own"
            )
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                reader.feed(chunk)
            reader.feed(b"", is_last=True)
    except _HeadRead:
        pass
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(
            f"{name} line {error.lineno}: not well-formed XML ({reason}); save it anew from ELAN"
        ) from error
    except OSError as error:
        raise DataError(f"{name}: can't be read: {error.strerror or error}") from error
    # An encoding that Python lacks, or can't give expat as a table.
    except (ValueError, LookupError) as error:
        raise DataError(f"{name}: not XML in a known encoding; save it anew from ELAN") from error
    return reader


class _Reader:
    """Takes what matters out of the XML as it comes."""

    def __init__(self, name: str, *, head_only: bool) -> None:
        self.media: list[Media] = []
        self.slots: dict[str, int | None] = {}
        self.tiers: list[_TierData] = []
        self.license = ""
        self._name = name
        self._head_only = head_only
        self._depth = 0
        self._text: list[str] | None = None
        self._n_text = 0
        self._annotation: _Annotation | None = None
        self._license_url = ""
        self._n_since_event = 0
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype
        self._parser = parser

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Parse some more bytes."""
        self._n_since_event += len(chunk)
        self._parser.Parse(chunk, is_last)
        if self._n_since_event > _MAX_TOKEN:
            raise DataError(f"{self._name}: a tag or comment of over {_MAX_TOKEN >> 20} MiB")

    def _refuse_doctype(self, *_: object) -> None:
        raise DataError(
            f"{self._name} line {self._parser.CurrentLineNumber}: declares a document type, which "
            "ELAN never does; it is not read, since entities can be harmful"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._n_since_event = 0
        self._depth += 1
        if self._depth == 1 and tag != "ANNOTATION_DOCUMENT":
            raise DataError(f"{self._name}: not ELAN's: its root is <{tag[:40]}>")
        if self._depth > _MAX_DEPTH:
            raise DataError(f"{self._name}: elements within elements, {_MAX_DEPTH} deep")
        get = attributes.get
        if tag == "TIME_SLOT":
            self.slots.setdefault(get("TIME_SLOT_ID", ""), _milliseconds(get("TIME_VALUE", "")))
        elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            slots = None
            if tag == "ALIGNABLE_ANNOTATION":
                slots = (get("TIME_SLOT_REF1", ""), get("TIME_SLOT_REF2", ""))
            self._annotation = _Annotation(
                get("ANNOTATION_ID", "")[:MAX_NAME], slots,
                get("ANNOTATION_REF", ""), get("PREVIOUS_ANNOTATION", ""),
            )  # fmt: skip
        elif tag in ("ANNOTATION_VALUE", "LICENSE"):
            self._text, self._n_text = [], 0
            self._license_url = get("LICENSE_URL", "")
        elif tag == "TIER":
            self.tiers.append(_TierData(attributes))
        else:
            self._start_other(tag, attributes)

    def _start_other(self, tag: str, attributes: dict[str, str]) -> None:
        get = attributes.get
        if tag == "HEADER" and get("TIME_UNITS", "milliseconds") != "milliseconds":
            units = get("TIME_UNITS", "")[:40]
            raise DataError(f"{self._name}: times in {units}; save it from ELAN, in milliseconds")
        if tag == "MEDIA_DESCRIPTOR" and len(self.media) < _MAX_MEDIA:
            links = (get("RELATIVE_MEDIA_URL", ""), get("MEDIA_URL", ""))
            origin_s = (_milliseconds(get("TIME_ORIGIN", "")) or 0) / 1000
            is_video = get("MIME_TYPE", "").startswith("video")
            self.media.append(Media(tuple(link for link in links if link), origin_s, is_video))
        elif tag == "TIME_ORDER" and self._head_only:
            raise _HeadRead

    def _characters(self, data: str) -> None:
        self._n_since_event = 0
        if self._text is not None and self._n_text <= MAX_TEXT:
            self._text.append(data)
            self._n_text += len(data)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag in ("ANNOTATION_VALUE", "LICENSE"):
            text = "".join(self._text or ())
            self._text = None
            if tag == "LICENSE":
                found = " ".join((text.strip() or self._license_url).split())[:200]
                self.license = self.license or found
            elif self._annotation is not None:
                self._annotation.text = text[:MAX_TEXT]
                self._annotation.is_cut = len(text) > MAX_TEXT
        elif self._annotation is not None and tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            if self.tiers:
                self.tiers[-1].annotations.append(self._annotation)
            self._annotation = None


def _milliseconds(value: str) -> int | None:
    digits = value.strip()
    is_number = digits.removeprefix("-").isdecimal() and len(digits) <= _MAX_TIME_DIGITS
    return int(digits) if is_number else None


def _build_tiers(reader: _Reader) -> tuple[Tier, ...]:
    parents = {t.attributes.get("TIER_ID", ""): t for t in reader.tiers}
    ancestors = [_ancestors(t, parents) for t in reader.tiers]
    # A subdivision's slots may lie between those of its parent's, so parents come first.
    order = sorted(range(len(reader.tiers)), key=lambda i: len(ancestors[i]))
    times = _interpolate(reader.slots, [reader.tiers[i].annotations for i in order])
    by_id = {a.id: a for tier in reader.tiers for a in tier.annotations}
    return tuple(
        Tier(
            name=tier.attributes.get("TIER_ID", "")[:MAX_NAME],
            segments=_build_segments(tier.annotations, by_id, times),
            type_name=tier.attributes.get("LINGUISTIC_TYPE_REF", ""),
            ancestors=tuple(name[:MAX_NAME] for name in above),
            is_aligned=any(a.slots is not None for a in tier.annotations),
            speaker=_inherited("PARTICIPANT", tier, above, parents),
            annotator=tier.attributes.get("ANNOTATOR", "").strip()[:MAX_NAME],
        )
        for tier, above in zip(reader.tiers, ancestors, strict=True)
    )


def _ancestors(tier: _TierData, parents: Mapping[str, _TierData]) -> tuple[str, ...]:
    found: list[str] = []
    name = tier.attributes.get("PARENT_REF", "")
    while name in parents and name not in found and len(found) < _MAX_LEVELS:
        found.append(name)
        name = parents[name].attributes.get("PARENT_REF", "")
    return tuple(found)


def _inherited(
    attribute: str, tier: _TierData, above: Sequence[str], parents: Mapping[str, _TierData]
) -> str | None:
    for one in (tier, *(parents[name] for name in above)):
        if value := one.attributes.get(attribute, "").strip():
            return value[:MAX_NAME]
    return None


def _interpolate(
    slots: Mapping[str, int | None], tiers: Iterable[Sequence[_Annotation]]
) -> dict[str, float]:
    """Times of all slots, in ms; those without one are spread evenly.

    First along annotations that touch one another, between the nearest two slots with a time, as
    ELAN draws a subdivided annotation (in TIME_ORDER such slots may stand between two others of
    one and the same time); what is left, between its neighbours in TIME_ORDER.
    """
    times = {slot: float(time) for slot, time in slots.items() if time is not None}
    if len(times) == len(slots):
        return times
    for tier in tiers:
        chain: list[str] = []
        for annotation in tier:
            if annotation.slots is None:
                continue
            first, last = annotation.slots
            if not chain or chain[-1] != first:
                _spread(chain, times)
                chain = [first]
            chain.append(last)
        _spread(chain, times)
    _spread(list(slots), times)
    return times


def _spread(chain: Sequence[str], times: dict[str, float]) -> None:
    known = [i for i, slot in enumerate(chain) if slot in times]
    for left, right in pairwise(known):
        start, step = times[chain[left]], (times[chain[right]] - times[chain[left]])
        for i in range(left + 1, right):
            times.setdefault(chain[i], start + step * (i - left) / (right - left))


def _build_segments(
    annotations: Sequence[_Annotation],
    by_id: Mapping[str, _Annotation],
    times: Mapping[str, float],
) -> list[Segment]:
    """One segment for each annotation with times; the others are joined under theirs."""
    groups: dict[str, list[_Annotation]] = {}
    segments: list[Segment] = []
    for annotation in annotations:
        if annotation.slots is not None:
            segments.append(_segment(annotation, annotation.text, times, is_cut=annotation.is_cut))
            continue
        base = _base(annotation, by_id)
        if base is None:
            problem = "refers to no annotation that has times"
            segments.append(Segment(0, 0, annotation.text, annotation.id, problem))
        else:
            groups.setdefault(base.id, []).append(annotation)
    for base_id, group in groups.items():
        text = " ".join(t for a in _in_order(group) if (t := a.text.strip()))
        is_cut = any(a.is_cut for a in group)
        segments.append(_segment(by_id[base_id], text, times, is_cut=is_cut))
    return segments


def _base(annotation: _Annotation, by_id: Mapping[str, _Annotation]) -> _Annotation | None:
    """The annotation with times that this one refers to, over others if need be."""
    for _ in range(_MAX_LEVELS):
        found = by_id.get(annotation.parent)
        if found is None or found.slots is not None:
            return found
        annotation = found
    return None


def _in_order(group: list[_Annotation]) -> list[_Annotation]:
    """As PREVIOUS_ANNOTATION has it, which need not be the file's order."""
    following = {a.previous: a for a in group if a.previous}
    ids = {a.id for a in group}
    ordered: list[_Annotation] = []
    seen: set[str] = set()
    for first in [a for a in group if a.previous not in ids]:
        current: _Annotation | None = first
        while current is not None and current.id not in seen:
            seen.add(current.id)
            ordered.append(current)
            current = following.get(current.id)
    return ordered + [a for a in group if a.id not in seen]


def _segment(
    annotation: _Annotation, text: str, times: Mapping[str, float], *, is_cut: bool
) -> Segment:
    first, last = annotation.slots or ("", "")
    if first not in times or last not in times:
        return Segment(0, 0, text, annotation.id, "its time slots have no times")
    problem = f"over {MAX_TEXT} characters" if is_cut else ""
    return Segment(times[first] / 1000, times[last] / 1000, text, annotation.id, problem)
