from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.data.table import BadRow, TableRow, read_table
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


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_give_rows_or_a_data_error(tmp_path, content):
    try:
        rows = read(write(tmp_path, b"path,text\n" + content))
    except DataError:
        return
    assert all(isinstance(row, TableRow | BadRow) for row in rows)
