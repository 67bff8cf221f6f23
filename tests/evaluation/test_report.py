from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ruach_core.errors import DataError, UserError
from ruach_core.evaluation.report import (
    build_report,
    build_rows,
    compare_rows,
    read_rows,
    report_lines,
    report_to_dict,
    write_rows,
)
from ruach_core.types import Hypothesis, MetricResult, Purpose, Utterance


class _Normalizer:
    """Folds case and full stops for scoring only, so that strict and folded differ."""

    name = "toy 1"

    def normalize(self, text: str, *, purpose: Purpose) -> str:
        text = " ".join(text.split())
        return text.lower().replace(".", "") if purpose == "score" else text


class _Lengths:
    name = "length_ratio"

    def compute(self, references: list[str], hypotheses: list[str]) -> MetricResult:
        ratio = sum(map(len, hypotheses)) / sum(map(len, references))
        return MetricResult(self.name, ratio)


def _utterances() -> list[Utterance]:
    texts = ["Good  morning.", 'we go, "now"\nhome', "ሰላም ነው"]
    return [Utterance(f"clip{i}.wav", Path("x.wav"), t, "test") for i, t in enumerate(texts)]


HYPOTHESES = ["good morning", 'we go, "now" home', "ሰላም \ufffd\ufffd ሰላም ሰላም ሰላም ሰላም"]


def _report(**changes: object):  # type: ignore[no-untyped-def]
    settings = {
        "normalizer": _Normalizer(), "lang": "qaa", "model": "m-ct2", "window": "trim",
        "runtime_s": 2.0, **changes,
    }  # fmt: skip
    return build_report(_utterances(), HYPOTHESES, **settings)  # type: ignore[arg-type]


def test_report_has_strict_and_folded_rates() -> None:
    report = _report()
    assert (report.n_utterances, report.split, report.normalizer) == (3, "test", "toy 1")
    # Strict: both words of the first clip are wrong; the third has 1 substituted, 4 inserted.
    assert report.wer.substitutions == 3
    assert report.wer.insertions == 4
    assert report.wer.rate == pytest.approx(7 / 8)
    assert report.wer_folded.rate == pytest.approx(5 / 8)
    assert report.cer_folded.rate < report.cer.rate
    assert report.loop_rate == pytest.approx(1 / 3)
    assert report.replacement_rate == pytest.approx(1 / 3)
    assert report.n_replacements == "".join(HYPOTHESES).count("\ufffd") > 0


def test_report_takes_hypotheses_by_id_and_refuses_others() -> None:
    utterances = _utterances()
    named = [Hypothesis(u.id, t) for u, t in zip(utterances, HYPOTHESES, strict=True)]
    settings = {
        "normalizer": _Normalizer(), "lang": "qaa", "model": "m", "window": "trim", "runtime_s": 1.0
    }  # fmt: skip
    assert build_report(utterances, named, **settings).wer == _report().wer  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"clip2\.wav. given for .clip0\.wav"):
        build_report(utterances, named[::-1], **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="3 utterances but 2"):
        build_report(utterances, named[:2], **settings)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no usable clip"):
        build_report([], [], **settings)  # type: ignore[arg-type]


def test_report_holds_further_metrics() -> None:
    report = _report(metrics=[_Lengths()])
    assert [metric.name for metric in report.metrics] == ["length_ratio"]
    assert any(line.startswith("length_ratio ") for line in report_lines(report))


def test_report_lines_show_percent_with_interval_side_by_side() -> None:
    lines = report_lines(_report())
    wer = next(line for line in lines if line.startswith("WER"))
    assert "87.5 % (" in wer
    assert "62.5 % (" in wer
    assert " to " in wer
    heading = lines[lines.index(wer) - 1]
    assert heading.index("folded") == wer.index("62.5")
    assert any("1.5 clips a second" in line for line in lines)


def test_report_as_json_keeps_fractions() -> None:
    content = json.loads(json.dumps(report_to_dict(_report(metrics=[_Lengths()]))))
    assert content["wer"]["rate"] == pytest.approx(7 / 8)
    assert content["wer"]["substitutions"] == 3
    assert content["metrics"][0]["name"] == "length_ratio"


@pytest.mark.parametrize("name", ["rows.csv", "deep/er/rows.jsonl"])
def test_rows_are_written_whole_and_read_again(tmp_path: Path, name: str) -> None:
    rows = build_rows(_utterances(), HYPOTHESES, normalizer=_Normalizer())
    path = tmp_path / name
    write_rows(rows, path)
    assert read_rows(path) == rows
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert rows[0].wer == 1.0
    assert rows[0].wer_folded == 0.0
    assert rows[2].has_loop
    assert rows[1].reference == 'we go, "now" home'


def test_rows_in_csv_have_one_column_each(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(build_rows(_utterances(), HYPOTHESES, normalizer=_Normalizer()), path)
    with path.open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert cells[2]["utterance_id"] == "clip2.wav"
    assert cells[2]["reference"] == "ሰላም ነው"
    assert int(cells[2]["word_insertions"]) == 4


def test_rows_need_a_known_ending_and_a_writable_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.csv or \.jsonl"):
        write_rows([], tmp_path / "rows.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        write_rows([], tmp_path / "file" / "rows.csv")


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.mkdir()
    with pytest.raises(UserError, match="can't be written"):
        write_rows([], path)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "utterance_id\nx\n"])
def test_read_rows_refuses_another_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    if not text:
        assert read_rows(path) == []
        return
    with pytest.raises(UserError, match="not a table of utterances"):
        read_rows(path)


def test_read_rows_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.csv"):
        read_rows(tmp_path / "gone.csv")


def test_compare_rows_pairs_by_id() -> None:
    first = build_rows(_utterances(), HYPOTHESES, normalizer=_Normalizer())
    right = [u.transcript for u in _utterances()]
    second = build_rows(_utterances(), right, normalizer=_Normalizer())
    comparison = compare_rows(first, second[::-1])
    assert comparison.first_rate == pytest.approx(7 / 8)
    assert comparison.second_rate == 0.0
    with pytest.raises(UserError, match="in common"):
        compare_rows(first[:1], second[1:])
    other = [Utterance("clip0.wav", Path("x.wav"), "another text", "test")]
    with pytest.raises(UserError, match="another reference"):
        compare_rows(first, build_rows(other, ["x"], normalizer=_Normalizer()))
