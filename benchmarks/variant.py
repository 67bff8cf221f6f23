"""One variant in a process of its own: what `training.py` and `scaling.py` start.

The work comes as JSON on standard input, what was found goes as JSON to standard output.

    python benchmarks/variant.py ours|recipe|decode < WORK
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from common.models import quiet_libraries
from common.work import Work


def main() -> None:
    name = sys.argv[1]
    work = Work.from_json(sys.stdin.read())
    quiet_libraries()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if name == "ours":
            from common.ours import train

            found = train(work, folder)
        elif name == "recipe":
            from common.recipe_training import train_recipe

            found = train_recipe(work, folder)
        else:
            from common.ours import decode

            found = decode(work)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
