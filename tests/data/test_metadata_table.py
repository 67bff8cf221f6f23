from __future__ import annotations

import csv
import io
import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.data.table import BadRow, TableRow, read_columns, read_table
from ruach_core.errors import DataError

FIELDS = {"file": ("file_name", "path", "audio"), "text": ("transcription", "sentence", "text")}


def read(path):
    return list(read_table(path, fields=FIELDS, required=("file", "text"), name="t"))


def write(tmp_path, content, name="metadata.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def pairs(rows):
    return [(r.cells["file"], r.cells["text"]) for r in rows if isinstance(r, TableRow)]


def bad(rows):
    return [(r.number, r.detail) for r in rows if isinstance(r, BadRow)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("metadata.csv", ","), ("metadata.csv", ";"), ("metadata.csv", "\t"), ("metadata.tsv", "\t")],
)
def test_delimiters_line_ends_and_mark(tmp_path, newline, mark, name, delimiter):
    lines = [["File_Name", " SENTENCE "], ["a.wav", "ሰላም ለዓለም"], ["b.wav", "second"]]
    content = mark + newline.join(delimiter.join(line) for line in lines)
    rows = read(write(tmp_path, content, name))
    assert pairs(rows) == [("a.wav", "ሰላም ለዓለም"), ("b.wav", "second")]
    assert [r.number for r in rows] == [2, 3]


def test_comma_in_the_text_of_a_semicolon_table(tmp_path):
    rows = read(write(tmp_path, "path;text\na.wav;one, two\n"))
    assert pairs(rows) == [("a.wav", "one, two")]


def test_quotes_line_breaks_and_doubled_quotes(tmp_path):
    content = 'audio,text\na.wav,"he said ""no"", then\nleft"\nb.wav,5" disk\nc.wav,x\n'
    rows = read(write(tmp_path, content))
    assert pairs(rows) == [
        ("a.wav", 'he said "no", then\nleft'), ("b.wav", '5" disk'), ("c.wav", "x"),
    ]  # fmt: skip
    assert [r.number for r in rows] == [2, 4, 5]


@pytest.mark.parametrize(
    "content",
    [
        'path,text\na.wav,"open\nb.wav,two\nc.wav,three\n',
        # The next stray mark closes the quotation: the rows between must not be swallowed.
        'path,text\na.wav,"open\nb.wav,two\nc.wav,three"\n',
        'path,text\na.wav,"shut" up\nb.wav,two\nc.wav,three\n',
    ],
)
def test_stray_quote_costs_one_row(tmp_path, content):
    rows = read(write(tmp_path, content))
    assert [number for number, _ in bad(rows)][:1] == [2]
    assert "quotation mark" in bad(rows)[0][1]
    assert ("b.wav", "two") in pairs(rows)
    assert pairs(rows)[-1][0] == "c.wav"


def test_tsv_keeps_bare_quotes(tmp_path):
    content = 'path\ttext\na.wav\t"Yes" he said\nb.wav\t"all ""quoted"""\nc.wav\t"open\n'
    assert pairs(read(write(tmp_path, content, "metadata.tsv"))) == [
        ("a.wav", '"Yes" he said'), ("b.wav", 'all "quoted"'), ("c.wav", '"open'),
    ]  # fmt: skip


@pytest.mark.parametrize("delimiter", ["\t", "|"])
@pytest.mark.parametrize("rest", ['second line"', 'line"<>x', '\n\nlast"'])
def test_text_that_goes_on_in_the_next_line_is_no_row(tmp_path, delimiter, rest):
    lines = ["path<>text<>note", "a.wav<>one<>", f'b.wav<>"first\n{rest}', "c.wav<>three<>"]
    content = "\n".join(lines).replace("<>", delimiter)
    rows = read(write(tmp_path, content, "metadata.tsv"))
    assert [name for name, _ in pairs(rows) if name.endswith(".wav")] == ["a.wav", "c.wav"]
    number, detail = bad(rows)[0]
    assert number == 3
    assert detail == (
        "a quotation mark opens and the text goes on in the next line; put it on one line"
    )


def test_a_bare_quotation_mark_at_the_start_is_text(tmp_path):
    lines = ["path\ttext\tnote", 'a.wav\t"one', 'b.wav\t"two', "", 'c\t"three\t', 'd\tx\t"', ""]
    rows = read(write(tmp_path, "\n".join(lines), "metadata.tsv"))
    assert [text for _, text in pairs(rows)] == ['"one', '"two', '"three', "x"]
    assert not bad(rows)


def test_bad_rows_are_numbered_and_cost_only_themselves(tmp_path):
    content = (
        b"path,text,x\na.wav,one,\nb.wav\nc.wav,a,b,c\n\nd.wav,nu\0l,\ne.wav,last\nf.wav,z,,,\n"
    )
    rows = read(write(tmp_path, content))
    assert pairs(rows) == [("a.wav", "one"), ("e.wav", "last"), ("f.wav", "z")]
    assert [number for number, _ in bad(rows)] == [3, 4, 6]
    assert "lacks text" in bad(rows)[0][1]
    assert "4 cells for 3 columns" in bad(rows)[1][1]
    assert "NUL" in bad(rows)[2][1]


def test_line_separators_inside_text_are_not_row_ends(tmp_path):
    rows = read(write(tmp_path, "path,text\na.wav,one\u2028two\x0bthree\x85\n"))
    assert pairs(rows) == [("a.wav", "one\u2028two\x0bthree\x85")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16(tmp_path, encoding):
    path = write(tmp_path, "path\ttext\na.wav\tሰላም\n", "metadata.tsv", encoding)
    if encoding == "utf-16":
        assert pairs(read(path)) == [("a.wav", "ሰላም")]
    else:
        with pytest.raises(DataError, match="UTF-8"):
            read(path)


def test_truncated_utf_16_is_one_clear_error(tmp_path):
    path = write(tmp_path, "path,text\na.wav,ሰላም\n".encode("utf-16")[:-1])
    with pytest.raises(DataError, match="save it as UTF-8"):
        read(path)


def test_few_rows_in_latin_1_are_set_aside(tmp_path):
    content = "path,text\na.wav,ok\nb.wav,caf\xe9\nc.wav,fine\n".encode("latin-1")
    rows = read(write(tmp_path, content))
    assert pairs(rows) == [("a.wav", "ok"), ("c.wav", "fine")]
    assert bad(rows) == [(3, "not UTF-8 (byte 0xe9); save the table as UTF-8")]


def test_table_in_latin_1_is_refused_with_its_row(tmp_path):
    content = "path,text\na.wav,ok\nb.wav,\xe9t\xe9\nc.wav,\xe0\n".encode("latin-1")
    with pytest.raises(DataError, match=r"row 3: not UTF-8, like 2 of 3 rows; save"):
        read(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"file,words\na.wav,x\n", "needs the columns file_name and transcription; found file, wo"),
        (b"path\na.wav\n", "needs the columns .* found path"),
        (b"RIFF\x24\x00\x00\x00WAVE" + bytes(range(256)), "needs the columns|not a text"),
        (b"x" * 1_000_001, "row 1: over 1000000 characters"),
    ],
)
def test_not_a_table_of_clips(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(write(tmp_path, content))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_rows_are_read_lazily(tmp_path):
    content = "path,text\na.wav,x\n".encode("utf-16") + b"\x00" * 100_001
    rows = read_table(write(tmp_path, content), fields=FIELDS, required=("file", "text"))
    assert next(rows).number == 2
    with pytest.raises(DataError, match="save it as UTF-8"):
        list(rows)


CELL = st.text(
    st.characters(exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=20
).filter(lambda text: text == text.strip("\n") and text.count("\n") < 5)


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(CELL, max_size=8))
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_whatever_a_csv_writer_writes_is_read_back(tmp_path, delimiter, texts):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL)
    writer.writerow(["file_name", "transcription"])
    writer.writerows([f"{i}.wav", text] for i, text in enumerate(texts))
    rows = read(write(tmp_path, buffer.getvalue()))
    assert not bad(rows)
    assert pairs(rows) == [(f"{i}.wav", text) for i, text in enumerate(texts)]


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=200))
def test_any_bytes_give_rows_or_a_data_error(tmp_path, content):
    try:
        rows = read(write(tmp_path, b"path,text\n" + content))
    except DataError:
        return
    assert all(isinstance(row, TableRow | BadRow) for row in rows)


@pytest.mark.parametrize("kind", ["quoted", "bare", "lines"])
def test_a_field_of_10_megabytes_costs_its_row(tmp_path, kind):
    long = {"quoted": '"' + "x" * 10_000_000 + '"', "bare": "y" * 10_000_000}
    long["lines"] = '"' + ("z" * 400_000 + "\n") * 25 + '"'
    content = f"path,text\na.wav,one\nb.wav,{long[kind]}\nc.wav,three\n"
    rows = read(write(tmp_path, content))
    assert pairs(rows) == [("a.wav", "one"), ("c.wav", "three")]
    assert bad(rows)[0][0] == 3
    assert "over 1" in bad(rows)[0][1]
    assert rows[-1].number == content.count("\n")


@pytest.mark.parametrize("name", ["metadata.tsv", "metadata.jsonl", "bare.csv"])
def test_a_field_of_10_megabytes_in_other_tables_costs_its_row(tmp_path, name):
    cells = [("a.wav", "one"), ("b.wav", "y" * 10_000_000), ("c.wav", "three")]
    lines = ["\t".join(pair) for pair in (("path", "text"), *cells)]
    if name == "metadata.jsonl":
        lines = ["", *(json.dumps({"path": path, "text": text}) for path, text in cells)]
    if name == "bare.csv":
        lines = ["", *("|".join(pair) for pair in cells)]
    path = write(tmp_path, "\n".join(lines), name)
    rows = columns(path) if name == "bare.csv" else read(path)
    assert pairs(rows) == [("a.wav", "one"), ("c.wav", "three")]
    assert bad(rows) == [(3, "over 1000000 characters without a line break; break it up")]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.tsv", "metadata.jsonl"])
def test_a_cell_that_is_no_transcript(tmp_path, name):
    cells = [("a.wav", "x" * 100_001), ("b.wav", "x" * 100_000)]
    separator = "\t" if name.endswith("tsv") else ","
    lines = [f"path{separator}text", *(separator.join(pair) for pair in cells)]
    if name.endswith("jsonl"):
        lines = [json.dumps({"path": path, "text": text}) for path, text in cells]
    rows = read(write(tmp_path, "\n".join(lines), name))
    assert [path for path, _ in pairs(rows)] == ["b.wav"]
    assert "a cell of over 100000 characters" in bad(rows)[0][1]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_rows_with_another_separator_than_the_header(tmp_path, separator):
    content = f"path,text\na.wav,one\nb.wav{separator}two\n"
    rows = read(write(tmp_path, content))
    assert pairs(rows) == [("a.wav", "one")]
    assert f"is it separated by {separator!r}, the header by ','?" in bad(rows)[0][1]


def test_bars_between_cells(tmp_path):
    rows = read(write(tmp_path, 'audio_file|text\na.wav|"Yes", he said\n'.replace("_file", "")))
    assert pairs(rows) == [("a.wav", '"Yes", he said')]


def test_cells_that_no_field_took(tmp_path):
    rows = read(write(tmp_path, "path,text,Age,,age,Age\na.wav,x,31,nameless,y,z\nb.wav,x, ,,\n"))
    assert rows[0].others == {"Age": "31", "age": "y"}
    assert rows[1].others == {}


def test_jsonl_rows(tmp_path):
    lines = [
        '{"Path": "a.wav", "text": "one", "n": 1.50, "list": [1, "é"], "no": null, "yes": true}',
        "", "[1]", "{", '{"path": "b.wav", "text": null}', "[" * 100_000, "9" * 5_000,
        '{"path": {"path": "c.wav", "bytes": null}, "text": 7}', '{"path": "d.wav"}',
        '{"path": "e.wav", "text": "\\ud800"}', '{"path": "e\\u0000.wav", "text": "x"}',
        '{"path": "f.wav", "text": "x", "\\ud800": "y"}', '"' + "x" * 1_000_001 + '"',
        '{"path": "g.wav", "text": "last"}',
    ]  # fmt: skip
    rows = read(write(tmp_path, "\ufeff" + "\r\n".join(lines), "metadata.jsonl"))
    assert pairs(rows) == [("a.wav", "one"), ("c.wav", "7"), ("g.wav", "last")]
    assert rows[0].others == {"n": "1.5", "list": '[1, "é"]', "yes": "true"}
    assert [number for number, _ in bad(rows)] == [3, 4, 5, 6, 7, 9, 10, 11, 12, 13]
    assert all("\n" not in detail and len(detail) < 200 for _, detail in bad(rows))


def test_jsonl_without_the_columns(tmp_path):
    with pytest.raises(DataError, match=r"row 1: needs the columns .*; found file, words"):
        read(write(tmp_path, '{"file": 1, "words": 2}\n', "metadata.jsonl"))


def test_jsonl_in_other_encodings(tmp_path):
    line = '{"path": "a.wav", "text": "été"}\n'
    assert pairs(read(write(tmp_path, line, "m.jsonl", "utf-16"))) == [("a.wav", "été")]
    with pytest.raises(DataError, match="save the table as UTF-8"):
        read(write(tmp_path, line, "m.jsonl", "latin-1"))


def columns(path, **settings):
    settings = {"columns": ("file", "text", "spoken"), "n_required": 2, "delimiter": "|"} | settings
    return list(read_columns(path, **settings, name="t"))


def test_table_without_a_header(tmp_path):
    content = '\ufeffa|"Yes|yes\r\nb|two\r\n\r\nc\r\nd|a|b|c\r\ne|nu\0l|x\r\nf|"all"|"all"\r\n'
    rows = columns(write(tmp_path, content))
    good = [(r.number, dict(r.cells)) for r in rows if isinstance(r, TableRow)]
    assert good == [
        (1, {"file": "a", "text": '"Yes', "spoken": "yes"}),
        (2, {"file": "b", "text": "two"}),
        (7, {"file": "f", "text": '"all"', "spoken": '"all"'}),
    ]
    assert [number for number, _ in bad(rows)] == [4, 5, 6]
    assert "4 cells for 3 columns" in bad(rows)[1][1]


def test_table_without_a_header_in_other_encodings(tmp_path):
    assert len(columns(write(tmp_path, "a|été\n", "m.csv", "utf-16"))) == 1
    with pytest.raises(DataError, match="not UTF-8"):
        columns(write(tmp_path, "a|été\n", "m.csv", "latin-1"))
    with pytest.raises(DataError, match="without a mark"):
        columns(write(tmp_path, "a|été\n", "m.csv", "utf-16-le"))


def test_memory_does_not_grow_with_the_rows(tmp_path):
    path = tmp_path / "metadata.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("path,text,age\n")
        file.writelines(f'{i}.wav,"some text {i}",{i}\n' for i in range(10_000))
    tracemalloc.start()
    n_rows = sum(1 for _ in read_table(path, fields=FIELDS, required=("file", "text")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_rows == 10_000
    assert peak < 500_000


NAME = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)
TEXT = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=("Cs",)), max_size=30)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(NAME, TEXT, TEXT), max_size=6), data=st.data())
@pytest.mark.parametrize("name", ["metadata.tsv", "metadata.jsonl", "bare.csv"])
def test_whatever_is_written_is_read_back(tmp_path, name, rows, data):
    delimiter = {"metadata.tsv": "\t", "bare.csv": "|"}.get(name, "")
    if delimiter:
        rows = [tuple(c.replace(delimiter, " ") for c in row) for row in rows]
    if name == "metadata.tsv":
        # A cell in quotation marks means what is between them.
        rows = [tuple(c.replace('"', "'") for c in row) for row in rows]
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    lines = [delimiter.join(row) for row in rows]
    if name == "metadata.tsv":
        lines = ["path\ttext\tnote", *lines]
    if name == "metadata.jsonl":
        keys = ("path", "text", "note")
        is_ascii = data.draw(st.booleans())
        lines = [json.dumps(dict(zip(keys, r, strict=True)), ensure_ascii=is_ascii) for r in rows]
    path = write(tmp_path, "\n".join(lines), name, encoding)
    if name == "bare.csv":
        found = columns(path, n_required=3, columns=("file", "text", "note"))
        assert [tuple(row.cells.values()) for row in found] == rows
    else:
        found = read(path)
        assert pairs(found) == [row[:2] for row in rows]
        assert [row.others.get("note", "") for row in found] == [
            row[2] if row[2].strip() else "" for row in rows
        ]


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.one_of(st.binary(max_size=120), st.text('{}[]":,\\u0atexph\n', max_size=80)))
@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.tsv", "bare.csv"])
def test_any_content_of_other_tables_gives_rows_or_a_data_error(tmp_path, name, content):
    raw = content if isinstance(content, bytes) else content.encode()
    start = {"metadata.jsonl": b'{"path": "a", "text": "b"}\n', "metadata.tsv": b"path\ttext\n"}
    path = write(tmp_path, start.get(name, b"") + raw, name)
    try:
        rows = columns(path) if name == "bare.csv" else read(path)
    except DataError:
        return
    assert all(isinstance(row, TableRow | BadRow) for row in rows)
    assert [row.number for row in rows] == sorted({row.number for row in rows})
