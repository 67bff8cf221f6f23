from __future__ import annotations

import os

import pytest
from ruach_data_annotations import eaf
from ruach_data_annotations.loaders import ElanLoader

from ruach_core.errors import DataError
from ruach_core.types import DatasetLoader, SetAside, Utterance

LOADER = ElanLoader()
WAV = {"MEDIA_URL": "file:///C:/Users/Ana/Field%20work/s.wav", "MIME_TYPE": "audio/x-wav"}
SLOTS = {"ts1": 0, "ts2": 1500, "ts3": 2000, "ts4": 4250}
TX = {"tx@NK": ({"PARTICIPANT": "Niko"}, [("a1", "ts1", "ts2", "Olá"), ("a2", "ts3", "ts4", "b")])}


def read(source, split="train"):
    return list(LOADER.read(source, split))


def texts(source, split="train"):
    return [row.transcript for row in read(source, split) if isinstance(row, Utterance)]


@pytest.fixture
def one(tmp_path, write_eaf, write_wav):
    """Writes s.eaf and s.wav with these tiers and reads it."""
    write_wav(tmp_path / "s.wav")

    def run(tiers, slots=SLOTS, **more):
        write_eaf(tmp_path / "s.eaf", slots, tiers, media=[WAV], **more)
        return read(tmp_path)

    return run


def test_is_a_dataset_loader():
    assert isinstance(LOADER, DatasetLoader)


def test_splits_speakers_times_and_licence(tmp_path, write_eaf, write_wav):
    for folder in ("train/day1", "dev", "test", "more"):
        write_eaf(tmp_path / folder / "s.eaf", SLOTS, TX, media=[WAV], licence="CC BY 4.0")
        write_wav(tmp_path / folder / "s.wav")
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    assert LOADER.info(tmp_path).license == "CC BY 4.0"
    assert LOADER.detect(tmp_path)
    first, second, third, _ = read(tmp_path)
    assert first.id.startswith("more/s.eaf#")
    assert second.id == "more/s.eaf#tx@NK:2.000-4.250"
    assert third == Utterance(
        id="train/day1/s.eaf#tx@NK:0.000-1.500",
        audio=tmp_path / "train/day1/s.wav",
        transcript="Olá",
        split="train",
        speaker_id="Niko",
        start_s=0.0,
        end_s=1.5,
        row="train/day1/s.eaf tier tx@NK a1",
        attributes={"tier": "tx@NK"},
    )
    assert [row.split for row in read(tmp_path, "validation")] == ["validation"] * 2
    assert len(read(tmp_path, "test")) == 2


def test_one_file(tmp_path, write_eaf, write_wav):
    write_wav(tmp_path / "s.wav")
    path = write_eaf(tmp_path / "s.EAF", SLOTS, TX, media=[WAV])
    write_eaf(tmp_path / "other.eaf", SLOTS, TX)
    assert LOADER.detect(path)
    assert LOADER.splits(path) == ("train",)
    assert read(path)[0].id == "s.EAF#tx@NK:0.000-1.500"
    assert len(read(path)) == 2


def test_detect_leaves_other_layouts_alone(tmp_path, write_eaf, write_wav):
    assert not LOADER.detect(tmp_path)
    assert not LOADER.detect(tmp_path / "none")
    write_wav(tmp_path / "a/s.wav")
    (tmp_path / "a/s.eaf.001").touch()
    (tmp_path / "a/._s.eaf").touch()
    (tmp_path / "a/s.pfsx").touch()
    (tmp_path / "a/folder.eaf").mkdir()
    assert not LOADER.detect(tmp_path)
    write_eaf(tmp_path / "a/s.eaf", SLOTS, TX)
    assert LOADER.detect(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train/metadata.csv").touch()
    assert not LOADER.detect(tmp_path)
    assert len(read(tmp_path)) == 2
    with pytest.raises(DataError, match=r"holds no \.eaf"):
        LOADER.splits(tmp_path / "train")
    with pytest.raises(DataError, match="no such file or folder"):
        LOADER.splits(tmp_path / "none")


def test_slots_without_a_time_are_spread_evenly(one):
    slots = {"ts1": 1000, "ts2": None, "ts3": None, "x": 1100, "ts4": 4000, "ts5": None}
    parts = [("b", "ts1", "ts2", "b b"), ("c", "ts2", "ts3", "c"), ("d", "ts3", "ts4", "d")]
    rows = one({"text": ({}, parts), "note": ({}, [("e", "ts4", "ts5", "e")])}, slots)
    assert [(r.start_s, r.end_s) for r in rows] == [(1, 2), (2, 3), (3, 4)]
    *_, row = one({"text": ({}, [*parts, ("e", "ts4", "ts5", "e")])}, slots)
    assert row.reason == "bad-row"
    assert "no times" in row.detail


def test_slots_as_elan_orders_them(one):
    slots = {"ts1": 3000, "ts2": 8000, "x1": None, "x2": None, "ts3": 8000, "ts4": 9000}
    parts = [("b", "ts1", "x1", "a b"), ("c", "x1", "x2", "<p:>"), ("d", "x2", "ts4", "c")]
    rows = one({"text": ({}, parts)}, slots)
    assert [(r.start_s, r.end_s, r.transcript) for r in rows] == [(3, 5, "a b"), (7, 9, "c")]


def test_slots_between_neighbours_in_the_time_order(one):
    slots = {"ts1": 1000, "ts2": None, "ts3": 2000, "ts4": 3000}
    (row,) = one({"text": ({}, [("a", "ts2", "ts4", "a")])}, slots)
    assert (row.start_s, row.end_s) == (1.5, 3.0)


def test_references_take_their_parents_times_and_words_are_joined(one):
    tiers = {
        "ref@NK": ({"PARTICIPANT": "Niko"}, [("r1", "ts1", "ts2", "NK.001"),
                                             ("r2", "ts3", "ts4", "NK.002")]),
        "tx@NK": ({"PARENT_REF": "ref@NK"}, [("t1", ("r1", None), "um dois"),
                                             ("t2", ("r2", None), "três")]),
        "word@NK": ({"PARENT_REF": "tx@NK"}, [("w2", ("t1", "w1"), "dois"),
                                              ("w1", ("t1", None), "um"),
                                              ("w3", ("t2", None), "três")]),
        "ft@NK": ({"PARENT_REF": "tx@NK"}, [("f1", ("t1", None), "one two")]),
    }  # fmt: skip
    first, second = one(tiers)
    assert (first.transcript, first.start_s, first.end_s) == ("um dois", 0.0, 1.5)
    assert (first.speaker_id, second.speaker_id) == ("Niko", "Niko")
    assert first.attributes == {
        "ref": "NK.001", "ft": "one two", "word": "um dois", "tier": "tx@NK",
    }  # fmt: skip
    del tiers["tx@NK"]
    tiers["word@NK"] = ({"PARENT_REF": "ref@NK"}, [("w2", ("r1", "w1"), "dois"),
                                                   ("w1", ("r1", None), "um")])  # fmt: skip
    (joined,) = one(tiers)
    assert (joined.transcript, joined.end_s) == ("um dois", 1.5)


def test_references_that_lead_nowhere(one):
    loop = [("x", ("y", None), "x"), ("y", ("x", None), "y"), ("z", ("none", None), "z"),
            ("w", ("a1", "w"), "w")]  # fmt: skip
    tiers = {"A": TX["tx@NK"], "text": ({"PARENT_REF": "A"}, loop)}
    rows = one(tiers)
    assert [r.transcript for r in rows if isinstance(r, Utterance)] == ["w"]
    assert [r.reason for r in rows if isinstance(r, SetAside)] == ["bad-row"] * 3


def test_unusable_annotations_are_set_aside(one):
    slots = {"a": 0, "b": 31_000, "c": 32_000, "d": "x", "e": -500}
    found = one(
        {
            "utterance": (
                {},
                [
                    ("a1", "b", "c", "fine"), ("a2", "a", "b", "long"), ("a3", "b", "d", "x"),
                    ("a4", "c", "b", "backwards"), ("a5", "b", "none", "x"), ("a6", "b", "c", " "),
                    ("a7", "e", "a", "before"), ("a8", "b", "c", "twice"),
                    ("a9", "b", "c", "x" * (eaf.MAX_TEXT + 1)),
                ],
            )
        },
        slots,
    )  # fmt: skip
    assert [r.transcript for r in found if isinstance(r, Utterance)] == ["fine"]
    asides = {r.row.split()[-1]: r for r in found if isinstance(r, SetAside)}
    assert {key: row.reason for key, row in asides.items()} == {
        "a2": "too-long", "a3": "bad-row", "a4": "bad-row", "a5": "bad-row", "a6": "no-transcript",
        "a7": "bad-row", "a8": "bad-row", "a9": "bad-row",
    }  # fmt: skip
    assert asides["a2"] == SetAside(
        "s.eaf#utterance:0.000-31.000",
        "train",
        "too-long",
        "31.0 s, longer than 30 s; split it at a pause in ELAN",
        "s.eaf tier utterance a2",
    )


@pytest.mark.parametrize(
    ("audio", "media"),
    [
        ("s/rec 1.wav", {"MEDIA_URL": "file:///C:/x/rec%201.wav"}),
        ("s/rec 1.wav", {"MEDIA_URL": "file:///home/x/rec 1.wav"}),
        ("s/rec.wav", {"MEDIA_URL": r"file:\\\C:\x\rec.wav"}),
        ("audio/rec.wav", {"MEDIA_URL": "x", "RELATIVE_MEDIA_URL": "../audio/rec.wav"}),
        ("audio/rec.wav", {"MEDIA_URL": "x", "RELATIVE_MEDIA_URL": r"..\audio\rec.wav"}),
        ("s/sub/rec.wav", {"MEDIA_URL": "x", "RELATIVE_MEDIA_URL": "file:///./sub/rec.wav"}),
        ("s/sub/rec.wav", {"MEDIA_URL": "x", "RELATIVE_MEDIA_URL": "./sub/rec.wav"}),
        ("wav/rec.wav", {"MEDIA_URL": "file:///D:/rec.wav"}),
        ("s/media/rec.wav", {"MEDIA_URL": "rtsp://server/rec.wav"}),
        ("s/e\u0301.wav", {"MEDIA_URL": "file:///D:/\u00e9.wav"}),
        ("s/s.WAV", {"MEDIA_URL": "file:///D:/renamed.wav"}),
        ("s/100%41.wav", {"MEDIA_URL": "file:///D:/100%41.wav"}),
    ],
)
def test_recordings_are_found(tmp_path, write_eaf, write_wav, audio, media):
    write_wav(tmp_path / audio)
    write_eaf(tmp_path / "s/s.eaf", SLOTS, TX, media=[{**media, "MIME_TYPE": "audio/x-wav"}])
    assert {row.audio.relative_to(tmp_path).as_posix() for row in read(tmp_path)} == {audio}


def test_several_recordings_and_a_time_offset(tmp_path, write_eaf, write_wav):
    video = {"MEDIA_URL": "file:///x/s.mp4", "MIME_TYPE": "video/mp4"}
    second = {"MEDIA_URL": "file:///x/b.wav", "MIME_TYPE": "audio/x-wav", "TIME_ORIGIN": 500}
    write_eaf(tmp_path / "s.eaf", SLOTS, TX, media=[video, WAV, second])
    write_wav(tmp_path / "b.wav")
    write_wav(tmp_path / "s.mp4")
    first, _ = read(tmp_path)
    assert (first.audio.name, first.start_s, first.end_s) == ("b.wav", 0.5, 2.0)
    write_wav(tmp_path / "s.wav")
    assert read(tmp_path)[0].audio.name == "s.wav"
    (tmp_path / "s.wav").unlink()
    (tmp_path / "b.wav").unlink()
    assert read(tmp_path)[0].audio.name == "s.mp4"


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("../../outside.wav", "outside-folder"), ("link.wav", "outside-folder"),
        ("linked/outside.wav", "outside-folder"), ("{absolute}", "missing"),
        ("file://{absolute}", "missing"), ("%2e%2e/%2e%2e/outside.wav", "outside-folder"),
        ("none.wav", "missing"), ("a%00b.wav", "missing"), ("x" * 5_000, "missing"),
        ("", "missing"), ("..", "missing"),
    ],
)  # fmt: skip
def test_no_recording_outside_the_folder(tmp_path, write_eaf, write_wav, link, reason):
    outside = write_wav(tmp_path / "outside.wav")
    folder = tmp_path / "data/s"
    link = link.format(absolute=outside)
    write_eaf(folder / "s.eaf", SLOTS, TX, media=[{"MEDIA_URL": link, "MIME_TYPE": "a"}])
    (folder / "link.wav").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    (row,) = read(tmp_path / "data")
    assert (row.reason, row.utterance_id) == (reason, "s/s.eaf")


def test_files_and_folders_that_lead_out_or_cannot_be_read(tmp_path, write_eaf, write_wav):
    out = write_eaf(tmp_path / "out/s.eaf", SLOTS, TX, media=[WAV])
    write_wav(tmp_path / "out/s.wav")
    folder = tmp_path / "data"
    write_eaf(folder / "b.eaf", SLOTS, TX, media=[WAV])
    write_wav(folder / "s.wav")
    (folder / "a.eaf").symlink_to(out)
    (folder / "linked").symlink_to(tmp_path / "out")
    os.mkfifo(folder / "pipe.eaf")
    (folder / "gone.eaf").symlink_to("nowhere")
    rows = read(folder)
    assert [(r.utterance_id, r.reason) for r in rows if isinstance(r, SetAside)] == [
        ("a.eaf", "outside-folder")
    ]
    assert len(rows) == 3
    if os.geteuid():  # to root nothing is shut
        (folder / "b.eaf").chmod(0)
        (folder / "shut").mkdir(mode=0)
        write_eaf(folder / "listed/c.eaf", SLOTS, TX)
        (folder / "listed").chmod(0o400)
        assert [(r.utterance_id, r.reason) for r in read(folder)] == [
            ("a.eaf", "outside-folder"), ("b.eaf", "unreadable"), ("listed/c.eaf", "unreadable"),
            ("shut", "unreadable"),
        ]  # fmt: skip
        (folder / "shut").chmod(0o700)
        (folder / "listed").chmod(0o700)


def test_a_name_as_long_as_names_can_be(tmp_path, write_eaf):
    write_eaf(tmp_path / ("x" * 251 + ".eaf"), SLOTS, TX)
    (row,) = read(tmp_path)
    assert row.reason == "missing"


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
EXTERNAL = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("doctype", [BOMB, EXTERNAL, '<!DOCTYPE x SYSTEM "http://a/x.dtd">'])
def test_document_types_and_entities_are_refused(one, doctype):
    (row,) = one({"tx": ({}, [("a1", "ts1", "ts2", "&b;")])}, before=doctype)
    assert row.reason == "unreadable"
    assert "document type" in row.detail


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "no element found"), (b"<ANNOTATION_DOCUMENT>", "no element found"),
        (b"<a/>", "its root is <a>"), (b"\0" * 100, "not well-formed"),
        (b"<ANNOTATION_DOCUMENT>&x;</ANNOTATION_DOCUMENT>", "undefined entity"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "encoding"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "encoding"),
        (b"<ANNOTATION_DOCUMENT>" + b"<a>" * 50_000, "deep"),
        (b'<?xml version="1.0"?><ANNOTATION_DOCUMENT>\xff</ANNOTATION_DOCUMENT>', "line 1"),
        (b"<ANNOTATION_DOCUMENT/>", "no tier"),
    ],
)  # fmt: skip
def test_broken_files_cost_themselves_alone(tmp_path, write_eaf, write_wav, content, detail):
    (tmp_path / "bad.eaf").write_bytes(content)
    write_eaf(tmp_path / "s.eaf", SLOTS, TX, media=[WAV])
    write_wav(tmp_path / "s.wav")
    bad, *good = read(tmp_path)
    assert detail in bad.detail
    assert len(good) == 2
    with pytest.raises(DataError, match=r"bad\.eaf: ") as caught:
        read(tmp_path / "bad.eaf")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
def test_encodings_of_xml(tmp_path, write_eaf, write_wav, encoding):
    path = write_eaf(tmp_path / "s.eaf", SLOTS, TX, media=[WAV])
    write_wav(tmp_path / "s.wav")
    text = path.read_text(encoding="utf-8").replace("UTF-8", encoding.removesuffix("-sig"))
    path.write_text(text, encoding=encoding)
    assert texts(tmp_path) == ["Olá", "b"]


def test_many_tiers_and_long_names_stay_quick_and_small(one):
    tiers = {f"tx@{i}": ({"PARENT_REF": "tx@0"} if i else {}, []) for i in range(3_000)}
    tiers = {**tiers, "x" * 100_000: ({"ANNOTATOR": "y" * 1_000}, TX["tx@NK"][1])}
    first, _ = one(tiers)
    assert len(first.id) < 250
    assert len(first.attributes["annotator"]) == 200
    tiers = {f"tx@{i}": ({}, [("a", "ts1", "ts2", "x")]) for i in range(2)}
    (row,) = one(tiers)
    assert "have the same segments" in row.detail


def test_too_large_or_in_frames(one, monkeypatch):
    (row,) = one(TX, units="PAL-frames")
    assert "times in PAL-frames" in row.detail
    monkeypatch.setattr(eaf, "MAX_BYTES", 1000)
    (row,) = one(TX)
    assert "MiB" in row.detail


def test_an_endless_tag_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.setattr(eaf, "_CHUNK", 1000)
    monkeypatch.setattr(eaf, "_MAX_TOKEN", 10_000)
    fed = []
    monkeypatch.setattr(eaf._Reader, "feed", counted(eaf._Reader.feed, fed))
    (tmp_path / "s.eaf").write_bytes(b'<ANNOTATION_DOCUMENT x="' + b"x" * 10_000_000)
    (row,) = read(tmp_path)
    assert "a tag or comment of over" in row.detail
    assert sum(fed) < 20_000


def counted(feed, fed):
    def wrapped(self, chunk, *, is_last=False):
        fed.append(len(chunk))
        feed(self, chunk, is_last=is_last)

    return wrapped


def test_the_users_choice_of_tier(tmp_path, write_eaf, write_wav, caplog):
    tiers = {
        **TX,
        "Trad": ({}, [("b1", "ts1", "ts2", "Hello")]),
        "Trad 2": ({}, [("b2", "ts3", "ts4", "you")]),
    }
    write_eaf(tmp_path / "s.eaf", SLOTS, tiers, media=[WAV])
    write_wav(tmp_path / "s.wav")
    assert texts(tmp_path) == ["Olá", "b"]
    assert "transcription from tier tx; not used: Trad, Trad 2" in caplog.text
    (tmp_path / "tiers.txt").write_bytes("\ufeffTrad*\r\nnone\r\n".encode())
    assert [(r.transcript, r.speaker_id) for r in read(tmp_path)] == [
        ("Hello", "Trad"), ("you", "Trad 2"),
    ]  # fmt: skip
    assert len(read(tmp_path / "s.eaf")) == 2
    (tmp_path / "tiers.txt").write_text("Gloss\n")
    (row,) = read(tmp_path)
    assert row.reason == "no-transcript"
    assert row.detail == (
        "no tier with text is named by tiers.txt (Gloss); there is tx@NK, Trad, Trad 2"
    )
    (tmp_path / "tiers.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"tiers\.txt: not UTF-8"):
        read(tmp_path)


def test_what_was_chosen_is_not_said_without_end(tmp_path, write_eaf, write_wav, caplog):
    write_wav(tmp_path / "s.wav")
    for i in range(15):
        name = f"Speaker {chr(65 + i)}"
        write_eaf(tmp_path / f"{i:02}.eaf", SLOTS, {name: TX["tx@NK"]}, media=[WAV])
    assert len(read(tmp_path)) == 30
    assert len(caplog.records) == 10
    assert "further files differ" in caplog.text
