from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from ruach_core.data.audit.page import render_audit
from ruach_core.data.audit.report import AuditFinding, AuditReport, Example, Histogram
from ruach_core.types import CorpusInfo

EVIL = '"><script>alert(1)</script>$x ${y} \u202e'


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(8_000), 16_000)
    return path


@pytest.fixture
def report(clip):
    example = Example("a.wav", "metadata.csv row 2", "too loud", str(clip), transcript="ሰላም")
    return AuditReport(
        source="/corpora/mine",
        loader="folder",
        lang="am",
        info=CorpusInfo(title="Mine", license="CC0-1.0"),
        normalizer="n 1",
        n_rows=3,
        n_usable=2,
        hours=0.5,
        splits={"train": (2, 0.5)},
        n_speakers=1,
        findings=(
            AuditFinding("loud", "error", "loud clips: 1", "turn it down", 1, (example,)),
            AuditFinding("again", "info", "again: 1", "none", 1, (example,)),
        ),
        histograms=(Histogram("duration, s", [0.0, 1.0, 2.0], [5, 1], 0.7),),
        notes=("a note",),
        runtime_s=1.0,
    )


def test_the_page_has_all_and_needs_nothing_else(report):
    page = render_audit(report)
    for part in ("mine: what to mend", "Mine", "CC0-1.0", "loud clips: 1", "turn it down", "ሰላም"):
        assert part in page
    assert '<rect x="0.5"' in page
    assert "0 to 1: 5 clips" in page
    outside = [a for a in re.findall(r'(?:src|href)="([^"]+)"', page) if a[:5] not in ("data:",)]
    assert outside == ["#clip1"]
    assert "http:" not in page
    assert "https:" not in page


def test_a_clip_is_in_the_page_once_and_linked_again(report):
    page = render_audit(report)
    assert page.count("<audio ") == 1
    assert '<a href="#clip1">' in page
    assert re.search(r'src="data:audio/(ogg|wav);base64,[A-Za-z0-9+/]{500,}={0,2}"', page)


def test_long_audio_is_cut_and_audio_that_has_gone_is_said(report, tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.random.default_rng(0).standard_normal(16_000 * 60) * 0.1, 16_000)
    examples = tuple(Example(n, "", "", str(tmp_path / n)) for n in ("long.wav", "gone.wav"))
    page = render_audit(replace(report, findings=(replace(report.findings[0], examples=examples),)))
    assert "can't be played" in page
    assert len(page) < 400_000


def test_what_comes_from_the_corpus_is_escaped(report, clip):
    example = Example(EVIL, EVIL, EVIL, str(clip), transcript=EVIL)
    finding = AuditFinding(EVIL, "error", EVIL, EVIL, 1, (example,))
    page = render_audit(
        replace(
            report,
            source=EVIL,
            loader=EVIL,
            lang=EVIL,
            normalizer=EVIL,
            info=CorpusInfo(EVIL, EVIL),
            findings=(finding,),
            notes=(EVIL,),
        )
    )
    assert page.count("<script>") == 1
    assert "alert(1)</script>" not in page
    assert 'title="U+202E RIGHT-TO-LEFT OVERRIDE"' in page


def test_nothing_found_is_said(report):
    page = render_audit(replace(report, findings=(), histograms=()))
    assert "Nothing was found." in page
