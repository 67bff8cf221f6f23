"""The page has what a person needs to decide, needs nothing else, and loses no earlier decision."""

from __future__ import annotations

import csv
import html
import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from ruach_core.cli import cli
from ruach_core.data.review.collect import collect_clips
from ruach_core.data.review.decisions import COLUMNS, Decision, text_digest
from ruach_core.data.review.page import ReviewClip, render_review_page
from ruach_core.data.review.suspicious import SuspiciousClip, read_suspicious, write_suspicious
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.sources import DataSources
from ruach_core.types import Utterance

EVIL = '"><script>alert(1)</script>$x ${y} \u202e'


def suspect(i, **changes):
    clip = SuspiciousClip(
        rank=i + 1, id=f"train/audio/{i}.wav", source="mine", split="train", duration_s=0.5,
        why="costs 2.0 times what clips like it do", score=3.5, loss=4.0, usual_loss=2.0, cer=0.5,
        reference=f"sentence {i}", hypothesis=f"santence {i}",
    )  # fmt: skip
    return replace(clip, **changes)


@pytest.fixture
def source(tmp_path, write_split):
    folder = tmp_path / "mine"
    write_split(folder / "train", [(f"audio/{i}.wav", f"Sentence {i}", "p") for i in range(4)])
    return folder


@pytest.fixture
def clips(source):
    return [
        ReviewClip(suspect(i), Utterance(suspect(i).id, source / suspect(i).id, f"Sentence {i}",
                                         "train", "p"))
        for i in range(4)
    ]  # fmt: skip


def render(clips, kept=(), **more):
    return render_review_page(clips, kept, title="t", lang="am", notes=("a note",), **more)


def test_the_page_has_all_and_needs_nothing_else(clips):
    made = render(clips)
    assert made.n_shown == 4
    assert made.html.count("<article") == made.html.count("<audio") == 4
    assert made.html.count("data:audio/") == 4
    digest = text_digest("Sentence 3")
    for part in ("a note", "costs 2.0 times", "train/audio/3.wav", "Sentence 3", "CER 50%",
                 f'data-digest="{digest}"', "folder of <b>mine</b>"):  # fmt: skip
        assert part in made.html
    outside = [a for a in re.findall(r'(?:src|href)="([^"]+)"', made.html) if a[:5] != "data:"]
    assert outside == []
    assert "http:" not in made.html
    assert "https:" not in made.html


def test_differing_letters_are_marked_with_their_marks(clips):
    clip = replace(clips[0], clip=suspect(0, reference="שָׁלוֹם bé", hypothesis="שָׁלֹם be"))
    page = render([clip]).html
    # The vowel sign goes with its letter, on both sides.
    assert "<del>שָׁ<b>לו</b>" not in page
    assert 'lang="am" dir="auto"' in page
    marked = re.findall(r"<(del|ins)[^>]*>(.*?)</\1>", page)
    assert [kind for kind, _ in marked] == ["del", "del", "ins", "ins"]
    pieces = re.findall(r"<b>(.*?)</b>", "".join(text for _, text in marked))
    for piece in pieces:
        assert not re.match("[\u0300-\u036f\u0591-\u05c7]", piece), piece


def test_what_a_corpus_holds_is_only_text(clips):
    clip = ReviewClip(
        suspect(0, id=EVIL, why=EVIL, reference=EVIL, hypothesis="x", source=EVIL),
        replace(clips[0].utterance, id=EVIL, transcript=EVIL, speaker_id=EVIL),
        Decision(EVIL, "fix", EVIL, note=EVIL, source=EVIL),
    )
    page = render([clip], [Decision(EVIL, "drop")]).html
    assert page.count("<script") == 1
    assert html.unescape(re.search(r'data-transcript="([^"]*)"', page)[1]) == EVIL
    kept = json.loads(html.unescape(re.search(r'data-kept="([^"]*)"', page)[1]))
    assert kept == [["", EVIL, "drop", "", "", ""]]


def test_a_page_keeps_to_its_size_and_says_so(clips):
    one = len(re.search(r'src="(data:[^"]+)"', render(clips[:1]).html)[1])
    made = render(clips, max_bytes=int(2.5 * one))
    assert made.n_shown == 2
    assert "2 more clips are left out" in made.html
    # The file that is saved replaces the old one, so what was decided about those stays in it.
    decided = [replace(clip, decision=Decision(clip.clip.id, "drop")) for clip in clips]
    page = render(decided, [Decision("x.wav", "accept")], max_bytes=int(2.5 * one)).html
    kept = json.loads(html.unescape(re.search(r'data-kept="([^"]*)"', page)[1]))
    assert [cells[1] for cells in kept] == ["x.wav", *(clip.clip.id for clip in clips[2:])]


def test_a_clip_that_cannot_be_played_is_there_all_the_same(clips, tmp_path):
    clip = replace(clips[0], utterance=replace(clips[0].utterance, audio=tmp_path / "gone.wav"))
    assert "can't be played" in render([clip]).html


def test_a_clip_that_was_not_decoded_shows_its_reference_alone(clips):
    page = render([replace(clips[0], clip=suspect(0, cer=None, hypothesis=None))]).html
    assert "the model</th>" not in page
    assert "<del" not in page
    page = render([replace(clips[0], clip=suspect(0, cer=1.0, hypothesis=""))]).html
    assert "<i>nothing</i>" in page


def test_the_browser_forgets_when_the_decisions_on_disk_change(clips):
    def key(page):
        return re.search(r'data-key="(\w+)"', page.html)[1]

    decided = [replace(clips[0], decision=Decision(clips[0].clip.id, "drop")), *clips[1:]]
    assert key(render(clips)) == key(render(clips))
    assert key(render(clips)) != key(render(decided))


def decide(folder, *rows):
    with (folder / "review.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def test_earlier_decisions_are_shown_or_kept(source):
    decide(source, ("", "train/audio/0.wav", "drop", "", text_digest("Sentence 0"), "hm"),
           ("", "train/audio/1.wav", "drop", "", "0" * 16, ""),
           ("mine", "train/audio/3.wav", "accept", "", "", ""),
           ("other", "x.wav", "accept", "", "", ""))  # fmt: skip
    found = collect_clips(
        [suspect(0), suspect(1), suspect(9)], DataSources.of(source), Plugins.load(None)
    )
    first, second = found.clips
    assert (first.decision.verdict, first.decision.note) == ("drop", "hm")
    assert second.decision is None  # about a text that has changed
    assert [(d.source, d.id) for d in found.kept] == [
        ("mine", "train/audio/3.wav"), ("other", "x.wav"),
    ]  # fmt: skip
    assert [clip.id for clip in found.missing] == ["train/audio/9.wav"]


def test_a_corpus_under_another_name_is_found_and_another_corpus_is_not(source):
    ranking = [suspect(0, source="renamed")]
    found = collect_clips(ranking, DataSources.of(source), Plugins.load(None))
    assert found.clips[0].clip.source == "mine"
    with pytest.raises(DataError, match="has none of the 1 clips"):
        collect_clips([suspect(8)], DataSources.of(source), Plugins.load(None))


def test_the_table_comes_back(tmp_path):
    clips = [suspect(0, reference='-a, "b"', hypothesis=""), suspect(1, cer=None, hypothesis=None)]
    write_suspicious(clips, tmp_path / "suspicious.csv")
    assert read_suspicious(tmp_path / "suspicious.csv") == clips
    assert not (tmp_path / "suspicious.csv").read_text(encoding="utf-8").count(",-a")


@pytest.mark.parametrize("cells", ["1,a,b,train,x", "1,,b,train,1"])
def test_a_table_that_is_no_ranking_is_refused(tmp_path, cells):
    path = tmp_path / "suspicious.csv"
    write_suspicious([], path)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{cells},why,1,1,1,,r,\n")
    with pytest.raises(DataError, match=r"suspicious.csv row 2: .*; take the table that ruach tr"):
        read_suspicious(path)


def test_the_command_writes_the_page(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    model.mkdir()
    write_suspicious([suspect(i) for i in range(4)], model / "suspicious.csv")
    run = CliRunner().invoke(cli, ["data", "review", "model", "--data", "mine", "--limit", "3"])
    assert run.exit_code == 0, run.output
    assert "review.html: 3 clips, 0 of them decided already" in run.output
    assert "save its review.csv as mine/review.csv" in run.output
    assert "<article" in (tmp_path / "review.html").read_text(encoding="utf-8")
    run = CliRunner().invoke(
        cli, ["data", "review", "model/suspicious.csv", "--data", "mine", "--json"]
    )
    about = json.loads(run.output)
    assert (about["shown"], about["decided"], about["left_out"]) == (4, 0, 0)
    assert about["clips"][0]["id"] == "train/audio/0.wav"


def test_a_model_without_a_ranking_says_what_to_do(tmp_path):
    run = CliRunner().invoke(cli, ["data", "review", str(tmp_path)])
    assert run.exit_code != 0
    assert "evaluation.review_clips" in str(run.exception or run.output)
