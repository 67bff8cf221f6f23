from __future__ import annotations

import pytest
from ruach_data_annotations import textgrid
from ruach_data_annotations.loaders import TextGridLoader

from ruach_core.errors import DataError
from ruach_core.types import DatasetLoader, SetAside, Utterance

LOADER = TextGridLoader()


def long_format(tiers, end=40.0):
    """As Praat's "Save as text file" lays it out; (class, name, [(start, end, text)])."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ",
             f"xmax = {end} ", "tiers? <exists> ", f"size = {len(tiers)} ",
             "item []: "]  # fmt: skip
    for i, (kind, name, rows) in enumerate(tiers, start=1):
        lines += [f"    item [{i}]:", f'        class = "{kind}" ', f'        name = "{name}" ',
                  "        xmin = 0 ", f"        xmax = {end} "]  # fmt: skip
        is_intervals = kind == "IntervalTier"
        what = "intervals" if is_intervals else "points"
        lines.append(f"        {what}: size = {len(rows)} ")
        for j, (start, stop, text) in enumerate(rows, start=1):
            text = text.replace('"', '""')
            lines.append(f"        {what} [{j}]:")
            if is_intervals:
                lines += [f"            xmin = {start} ", f"            xmax = {stop} ",
                          f'            text = "{text}" ']  # fmt: skip
            else:
                lines += [f"            number = {start} ", f'            mark = "{text}" ']
    return "\n".join(lines) + "\n"


def short_format(tiers, end=40.0):
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", str(end),
             "<exists>", str(len(tiers))]  # fmt: skip
    for kind, name, rows in tiers:
        lines += [f'"{kind}"', f'"{name}"', "0", str(end), str(len(rows))]
        for start, stop, text in rows:
            text = text.replace('"', '""')
            lines += [str(start), *([str(stop)] if kind == "IntervalTier" else []), f'"{text}"']
    return "\n".join(lines) + "\n"


TIERS = [
    ("IntervalTier", "Mary", [(0, 1.5, ""), (1.5, 3.25, 'hé "ho"\nha'), (3.25, 4, "sil")]),
    ("IntervalTier", "John", [(0, 3, "nə́"), (3, 40, "too long"), (40, 40, "no length")]),
    ("TextTier", "bell", [(1.0, None, "ding")]),
]


def read(source, split="train"):
    return list(LOADER.read(source, split))


@pytest.fixture
def write(tmp_path, write_wav):
    def run(content, name="s.TextGrid", encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode(encoding)
        path.write_bytes(data)
        write_wav(path.with_suffix(".wav"))
        return tmp_path

    return run


def test_is_a_dataset_loader():
    assert isinstance(LOADER, DatasetLoader)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("layout", [long_format, short_format])
def test_both_formats_in_all_encodings(write, tmp_path, layout, encoding):
    text = layout(TIERS).replace("\n", "\r\n" if encoding == "utf-16" else "\n")
    source = write(("\ufeff" if encoding == "utf-16-be" else "") + text, encoding=encoding)
    first, second, *others = read(source)
    assert first == Utterance(
        id="s.TextGrid#Mary:1.500-3.250",
        audio=tmp_path / "s.wav",
        transcript='hé "ho"\r\nha' if encoding == "utf-16" else 'hé "ho"\nha',
        split="train",
        speaker_id="Mary",
        start_s=1.5,
        end_s=3.25,
        row="s.TextGrid tier Mary interval 2",
        attributes={"tier": "Mary"},
    )
    assert (second.transcript, second.speaker_id) == ("nə́", "John")
    assert [(r.reason, r.row) for r in others] == [
        ("too-long", "s.TextGrid tier John interval 2"),
        ("bad-row", "s.TextGrid tier John interval 3"),
    ]  # fmt: skip
    assert "split it at a pause in Praat" in others[0].detail


def test_latin_1_is_read_and_said(write, caplog):
    source = write(long_format([("IntervalTier", "tx", [(0, 1, "garçon")])]), encoding="latin-1")
    assert [row.transcript for row in read(source)] == ["garçon"]
    assert "read as Latin-1" in caplog.text


@pytest.mark.parametrize("encoding", ["mac-roman", "cp1252"])
def test_other_eight_bit_encodings_are_told(write, encoding):
    text = "été" if encoding == "mac-roman" else "\u201cété\u201d"
    source = write(long_format([("IntervalTier", "tx", [(0, 1, text)])]), encoding=encoding)
    (row,) = read(source)
    assert row.reason == "unreadable"
    assert "line 18: byte 0x" in row.detail
    assert "MacRoman or Windows-1252" in row.detail


def test_comments_and_loose_layout(write):
    source = write(
        'File type = "ooTextFile short"\n"TextGrid"\n! made by hand "0" 17\n'
        '0s 1s <exists> 1 "IntervalTier" "Mary" 0 1.0e0 1 ! [5] 0\n0 0.5 "yes"'
    )
    (row,) = read(source)
    assert (row.transcript, row.end_s) == ("yes", 0.5)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"ooBinaryFile\x08TextGrid\0\0", "a binary TextGrid; open it in Praat and choose Save as"),
        (b'"Praat chronological TextGrid text file"\n0 1', "chronological"),
        (b'File type = "ooTextFile"\nObject class = "PitchTier"\n', "holds a 'PitchTier'"),
        (b"", "ends where"), (b"hello", "ends where"), (b'"hello"', "not a TextGrid"),
        (b"\xff\xfe\x00\xd8", "damaged UTF-16"), (b'"ooTextFile"\0', "NUL"),
        (b'"ooTextFile" "TextGrid" 0 1 <absent>', "no tier holds text"),
        (b'"ooTextFile" "TextGrid" 0 1 <exists> 999999999999999', "line 1: ends where"),
        (b'"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "a" 0 1 2 0 1 "b"', "ends where"),
        (b'"ooTextFile" "TextGrid" 0 1 <exists> 1 "OtherTier" "a" 0 1 0', "class 'OtherTier'"),
        (b'"ooTextFile" "TextGrid" 0 1 <exists> -1', "-1 instead of a number of tiers"),
        (b'"ooTextFile" "TextGrid" 0 1e999 <exists> 1', "beyond all bounds"),
        (b'"ooTextFile" "TextGrid" 0 1 "x" 1', "instead of <exists>"),
        (b'"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "a', "ends where a text"),
    ],
)  # fmt: skip
def test_broken_files_cost_themselves_alone(write, tmp_path, content, detail):
    write(content, "bad.TextGrid")
    source = write(long_format([("IntervalTier", "tx", [(0, 1, "fine")])]))
    bad, good = read(source)
    assert isinstance(good, Utterance)
    assert isinstance(bad, SetAside)
    with pytest.raises(DataError, match=r"bad\.TextGrid: ") as caught:
        read(tmp_path / "bad.TextGrid")
    assert detail in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_large(write, monkeypatch):
    source = write(long_format(TIERS))
    monkeypatch.setattr(textgrid, "MAX_BYTES", 100)
    (row,) = read(source)
    assert "MiB" in row.detail


def test_tiers_of_one_name_keep_their_ids_apart(write):
    rows = [(0, 1, "a b")]
    source = write(
        short_format([("IntervalTier", "tx", rows), ("IntervalTier", "tx", [(1, 2, "c d")])])
    )
    assert {row.id for row in read(source)} == {
        "s.TextGrid#tx:0.000-1.000", "s.TextGrid#tx (tier 2):1.000-2.000",
    }  # fmt: skip


def test_forced_alignment(write, caplog):
    words = [(i * 0.4, i * 0.4 + 0.4, "" if i in (10, 11) else f"{i}wa") for i in range(20)]
    phones = [(i * 0.1, i * 0.1 + 0.1, "a") for i in range(80)]
    source = write(
        long_format([("IntervalTier", "Ann - words", words), ("IntervalTier", "phones", phones)])
    )
    first, second = read(source)
    assert first.transcript == " ".join(f"{i}wa" for i in range(10))
    assert (first.speaker_id, first.end_s, second.start_s) == ("Ann", 4.0, pytest.approx(4.8))
    assert second.row == "s.TextGrid tier Ann - words interval 13 to interval 20"
    assert "joined where no pause parts them" in caplog.text


def test_splits_detection_and_recordings(write, tmp_path, write_wav):
    assert not LOADER.detect(tmp_path)
    one = long_format([("IntervalTier", "tx", [(0, 1, "fine")])])
    write(one, "Train/a.TextGrid")
    write(one, "test/b.textgrid")
    assert LOADER.detect(tmp_path)
    assert LOADER.splits(tmp_path) == ("train", "test")
    (row,) = read(tmp_path, "test")
    assert (row.audio, row.speaker_id) == (tmp_path / "test/b.wav", None)
    (tmp_path / "Train/a.wav").rename(tmp_path / "a.wav")
    (row,) = read(tmp_path)
    assert row.reason == "missing"
    write_wav(tmp_path / "wav/a.flac")
    (row,) = read(tmp_path)
    assert row.audio == tmp_path / "wav/a.flac"
    (tmp_path / "wav/a.flac").unlink()
    (tmp_path / "Train/a.mp3").symlink_to(write_wav(tmp_path.parent / "out.mp3"))
    (row,) = read(tmp_path)
    assert row.reason == "outside-folder"


def test_unicode_forms_of_file_names(write, tmp_path):
    write(long_format([("IntervalTier", "tx", [(0, 1, "fine")])]), "e\u0301.TextGrid")
    (tmp_path / "e\u0301.wav").rename(tmp_path / "\u00e9.wav")
    (row,) = read(tmp_path)
    assert row.audio.is_file()
