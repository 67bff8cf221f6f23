"""One variant in a process of its own: what `training.py` and `scaling.py` start.

The work comes as JSON on standard input, what was found goes as JSON to standard output.

    python benchmarks/variant.py ours|recipe|decode-and-train < WORK
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from common.models import quiet_libraries
from common.ours import decode, train
from common.work import Work


def main() -> None:
    name = sys.argv[1]
    work = Work.from_json(sys.stdin.read())
    quiet_libraries()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if name == "ours":
            found = train(work, folder)
        elif name == "recipe":
            from common.recipe_training import train_recipe

            found = train_recipe(work, folder)
        else:
            found = {"decode": decode(work), "train": train(work, folder)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
