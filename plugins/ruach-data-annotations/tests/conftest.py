from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00+03:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
"""
TAIL = """    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt"
     TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false"
     LINGUISTIC_TYPE_ID="association" TIME_ALIGNABLE="false"/>
    <CONSTRAINT DESCRIPTION="1-1 association with a parent annotation"
     STEREOTYPE="Symbolic_Association"/>
</ANNOTATION_DOCUMENT>
"""


def attributes(**values: object) -> str:
    return "".join(f" {key}={quoteattr(str(v))}" for key, v in values.items() if v is not None)


def annotation(tag: str, text: str, **values: object) -> str:
    return (
        f"<ANNOTATION><{tag}{attributes(**values)}><ANNOTATION_VALUE>{escape(text)}"
        f"</ANNOTATION_VALUE></{tag}></ANNOTATION>\n"
    )


@pytest.fixture
def write_eaf() -> Callable[..., Path]:
    """Writes an .eaf as ELAN lays it out.

    `tiers` maps a tier's name to (attributes, annotations); an annotation is (id, slot, slot,
    text) or, for one that refers to another, (id, (parent, previous), text).
    """

    def write(path, slots, tiers, *, media=(), licence="", before="", head=HEAD, units=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        content = [head.replace("<ANNOTATION_DOCUMENT", before + "<ANNOTATION_DOCUMENT")]
        if licence:
            content.append(f'<LICENSE LICENSE_URL="">{escape(licence)}</LICENSE>\n')
        content.append(f'<HEADER MEDIA_FILE="" TIME_UNITS="{units or "milliseconds"}">\n')
        for one in media:
            content.append(f"<MEDIA_DESCRIPTOR{attributes(**one)}/>\n")
        content.append('<PROPERTY NAME="lastUsedAnnotationId">9</PROPERTY></HEADER>\n<TIME_ORDER>')
        for slot, value in slots.items():
            content.append(f"<TIME_SLOT{attributes(TIME_SLOT_ID=slot, TIME_VALUE=value)}/>\n")
        content.append("</TIME_ORDER>\n")
        for name, (values, items) in tiers.items():
            values = {"LINGUISTIC_TYPE_REF": "default-lt", **values}
            content.append(f"<TIER{attributes(TIER_ID=name, **values)}>\n")
            for item in items:
                if len(item) == 4:
                    content.append(
                        annotation(
                            "ALIGNABLE_ANNOTATION", item[3], ANNOTATION_ID=item[0],
                            TIME_SLOT_REF1=item[1], TIME_SLOT_REF2=item[2],
                        )
                    )  # fmt: skip
                else:
                    content.append(
                        annotation(
                            "REF_ANNOTATION", item[2], ANNOTATION_ID=item[0],
                            ANNOTATION_REF=item[1][0], PREVIOUS_ANNOTATION=item[1][1],
                        )
                    )  # fmt: skip
            content.append("</TIER>\n")
        path.write_text("".join([*content, TAIL]), encoding="utf-8")
        return path

    return write


@pytest.fixture
def write_wav() -> Callable[..., Path]:
    def write(path: Path, duration_s: float = 0.1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(b"\x01\x10" * int(16_000 * duration_s))
        return path

    return write
