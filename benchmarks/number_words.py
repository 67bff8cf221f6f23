"""Do Amharic number words agree with those of two independent packages?

Every integer from 0 to 10,000 and 2,000 random ones up to 10^12, by Ruach and by am-num2word and
num2words2, each in a virtual environment of its own. Words are compared once the forms that
authorities give side by side are levelled (ሃምሳ and አምሳ for 50, a bare መቶ and አንድ መቶ for 100): the
lists are below. Agreement is also counted as the words stand.

    python benchmarks/number_words.py [--environments DIR] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from amharic_peers.environments import ensure_environment
from amharic_peers.packages import Peer

from ruach_core.plugins import Plugins

PACKAGES = (
    Peer("am-num2word", "1.0.2", "Number2WordsConverter().convert(n)[0]"),
    Peer("num2words2", "1.0.20", 'num2words(n, lang="am")'),
)
ADAPTER = Path(__file__).with_name("amharic_peers") / "number_adapter.py"
UP_TO, N_RANDOM, GREATEST = 10_000, 2_000, 10**12
QUICK_UP_TO, QUICK_RANDOM = 1_000, 200
SHOWN = 5

# Spellings of one word, in letters that sound alike.
SPELLINGS = str.maketrans("ሦሥሠሃሕኃዐዓ", "ሶስሰሀህሀአአ")
# Two words for one number, both in use.
WORDS = {
    "ባዶ": "ዜሮ",
    "አምሳ": "ሀምሳ",
    "ስድሳ": "ስልሳ",
    "ሰማኒያ": "ሰማንያ",
    "ሺ": "ሺህ",
    "ሚሊየን": "ሚሊዮን",
    "ቢሊየን": "ቢሊዮን",
    "ትሪሊየን": "ትሪሊዮን",
}
ONE_HUNDRED = re.compile(r"\bአንድ መቶ\b")


def build_numbers(up_to: int, n_random: int) -> list[int]:
    """0 to `up_to`, and random numbers of every length up to 10^12."""
    chosen = random.Random(0)
    lengths = len(str(GREATEST))
    drawn = [chosen.randrange(10 ** chosen.randrange(4, lengths)) for _ in range(n_random)]
    return [*range(up_to + 1), *drawn, GREATEST]


def level(words: str) -> str:
    """The words with the forms that stand side by side made one."""
    folded = words.translate(SPELLINGS)
    one = " ".join(WORDS.get(word, word) for word in folded.split())
    return ONE_HUNDRED.sub("መቶ", one)


def spell_ours(numbers: Sequence[int]) -> list[str]:
    """Ruach's words, through the public normaliser, as a transcript that is a number."""
    normalizer = Plugins.load("am").normalizer({"numbers": "words"})
    return [normalizer.normalize(str(number), purpose="target") for number in numbers]


def spell_theirs(peer: Peer, numbers: Sequence[int], folder: Path) -> list[str | None]:
    """A package's words; None where it raised."""
    done = subprocess.run(
        [str(ensure_environment(peer, folder)), str(ADAPTER), peer.name],
        input=json.dumps(list(numbers)), capture_output=True, text=True, check=True,
        encoding="utf-8",
    )  # fmt: skip
    words: list[str | None] = json.loads(done.stdout)
    return words


def compare(numbers: Sequence[int], folder: Path) -> dict:
    """Agreement with each package, and the first numbers that disagree."""
    ours = spell_ours(numbers)
    packages = {}
    for peer in PACKAGES:
        theirs = spell_theirs(peer, numbers, folder)
        disagreements = [
            {"number": number, "ours": mine, "theirs": other}
            for number, mine, other in zip(numbers, ours, theirs, strict=True)
            if other is None or level(mine) != level(other)
        ]
        packages[peer.name] = {
            "version": peer.version,
            "n_agree": len(numbers) - len(disagreements),
            "n_agree_as_they_stand": sum(a == b for a, b in zip(ours, theirs, strict=True)),
            "disagreements": disagreements,
        }
    return {"n_numbers": len(numbers), "packages": packages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--environments", type=Path, metavar="DIR",
        help="where the packages are installed, and found again; a temporary folder by default",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="0 to 1,000 and 200 random numbers")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    numbers = build_numbers(
        *((QUICK_UP_TO, QUICK_RANDOM) if arguments.quick else (UP_TO, N_RANDOM))
    )
    with tempfile.TemporaryDirectory(prefix="ruach-peers-") as temporary:
        result = compare(numbers, arguments.environments or Path(temporary))
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    n = result["n_numbers"]
    for name, found in result["packages"].items():
        print(
            f"{name} {found['version']}: {found['n_agree']:,} of {n:,} numbers agree "
            f"({found['n_agree_as_they_stand']:,} to the letter)"
        )
        for case in found["disagreements"][:SHOWN]:
            print(f"  {case['number']:,}: {case['ours']} | {case['theirs']}")


if __name__ == "__main__":
    main()
