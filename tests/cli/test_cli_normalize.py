from __future__ import annotations

import subprocess
import sys

import pytest

from ruach_core.testing.plugins import site_environment

# normalize


def test_langs_normalize_an_argument(ruach, pack):
    assert ruach("langs", "normalize", "qta", "--purpose", "score", "ÀB ቋ").output == "àb ቋ\n"
    done = ruach("langs", "normalize", "qta", "--purpose", "score", "--option", "case=upper", "à")
    assert done.output == "À\n"


def test_langs_normalize_lines(ruach, pack):
    text = b"\xef\xbb\xbfA\n\nB\r\n\r\nC\x0bD\nE\xe2\x80\xa8F\x0c\nG\rH\nlast"
    done = ruach("langs", "normalize", "qta", "--purpose", "target", text=text)
    assert done.output == "A\n\nB\n\nC D\nE F\nG H\nlast\n"


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_langs_normalize_is_utf_8_in_any_locale(ruach_process, pack, locale):
    variables = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    arguments = ("langs", "normalize", "qta", "--purpose", "score")
    assert ruach_process(*arguments, text="ÀBቋ\n", **variables).output == "àbቋ\n"
    assert ruach_process(*arguments, "ÀBቋ", **variables).output == "àbቋ\n"


def test_langs_normalize_streams(tmp_path, pack):
    process = subprocess.Popen(
        [sys.executable, "-m", "ruach_core", "langs", "normalize", "qta", "--purpose", "score"],
        env=site_environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for word in (b"ONE", b"TWO"):
        process.stdin.write(word + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == word.lower() + b"\n"
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def test_langs_normalize_names_the_line_that_is_not_utf_8(ruach, pack):
    done = ruach("langs", "normalize", "qta", "--purpose", "score", text=b"A\nB\nC\xff\nD\n")
    assert done.status == 1
    assert done.output == "a\nb\n"
    assert done.error_line.startswith("standard input line 3: not UTF-8 at byte 1")


def test_langs_normalize_survives_output_that_no_file_can_hold(ruach, write_case_pack):
    write_case_pack(replace=("return text if", "return chr(0xD800) + chr(10) + text if"))
    done = ruach("langs", "normalize", "qta", "--purpose", "target", text="a\nb\n")
    assert done.output == "? a\n? b\n"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("colour=red", "option 'colour' is unknown to 'qta': it has case"),
        ("case=title", "option case=title: case is one of upper, lower, keep"),
        ("case", "--option case: write it as NAME=VALUE"),
    ],
)
def test_langs_normalize_refuses_options_in_one_line(ruach, pack, option, said):
    done = ruach("langs", "normalize", "qta", "--purpose", "score", "--option", option, "x")
    assert (done.status, done.output, done.error_line) == (1, "", said)


def test_langs_normalize_needs_a_purpose(ruach, pack):
    done = ruach("langs", "normalize", "qta", "x")
    assert done.status == 2
    assert "--purpose" in done.error
