"""Runs in the environment of a package of number words: a JSON list of integers in, words out.

python number_adapter.py PACKAGE < numbers.json > words.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable


def load_am_num2word() -> Callable[[int], str]:
    from am_num2word import Number2WordsConverter

    convert = Number2WordsConverter().convert
    return lambda value: convert(value)[0]


def load_num2words2() -> Callable[[int], str]:
    from num2words2 import num2words

    return lambda value: num2words(value, lang="am")


LOADERS = {"am-num2word": load_am_num2word, "num2words2": load_num2words2}


def main() -> None:
    replies, sys.stdout = sys.stdout, sys.stderr
    spell = LOADERS[sys.argv[1]]()
    words: list[str | None] = []
    for value in json.load(sys.stdin):
        try:
            words.append(spell(value))
        except Exception:  # whatever a package raises, it has no words for the number
            words.append(None)
    json.dump(words, replies)


if __name__ == "__main__":
    main()
