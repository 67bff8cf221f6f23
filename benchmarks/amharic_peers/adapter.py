"""Runs in the environment of one package: JSON lines in, its normalisation of each text out.

    python adapter.py PACKAGE

Only the standard library and the package are imported. Requests on standard input, one a line:
`{"do": "normalize", "texts": [...]}` gives the normalised texts (null where the package raised);
`{"do": "load", "texts": [...]}` keeps texts, and `{"do": "time", "n": 100}` then gives the seconds
that one pass over the first 100 takes. The first line written says whether the package could be
imported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

Normalize = Callable[[str], str]


def load_etnltk() -> Normalize:
    from etnltk.lang.am import normalize

    return normalize


def load_amharicnlp() -> Normalize:
    from amharicNLP import normalize

    return normalize


def load_amharic_text_processor() -> Normalize:
    from amharic_text_processor import Pipeline, processors

    steps = [
        "HtmlStripper", "UnicodeNormalizer", "CharacterRemapper", "DottedAbbreviationNormalizer",
        "AbbreviationExpander", "PunctuationNormalizer", "WhitespaceNormalizer",
        "AmharicCharacterFilter", "CommonNoiseRemover",
    ]  # fmt: skip
    pipeline = Pipeline([getattr(processors, step)() for step in steps])
    return lambda text: pipeline.apply(text)["text"]


def load_amseg() -> Normalize:
    from amseg.amharicNormalizer import AmharicNormalizer

    return AmharicNormalizer.normalize


def load_nlpta() -> Normalize:
    from nlpta.normalization import normalize

    return normalize


def load_fidel_tools() -> Normalize:
    import fidel_tools

    return fidel_tools.Pipeline(fidel_tools.get_amharic_pack()).normalize


def load_amnlp() -> Normalize:
    # `import amnlp` fails: its wheel lacks a module. This file of it needs none of the others.
    found = importlib.util.find_spec("amnlp")
    folder = found.submodule_search_locations[0]
    path = os.path.join(folder, "normalization", "normalizer.py")  # noqa: PTH118
    spec = importlib.util.spec_from_file_location("amnlp_normalizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.AmharicNormalizer().normalize


def load_ours(purpose: str, **options: str) -> Normalize:
    from ruach_core.plugins import Plugins

    plugins = Plugins.load("am")
    known = plugins.manifest.options
    wanted = {k: v for k, v in options.items() if k in known and v in known[k].values}
    normalize = plugins.normalizer(wanted).normalize
    return lambda text: normalize(text, purpose=purpose)


LOADERS = {
    "etnltk": load_etnltk,
    "amharicNLP": load_amharicnlp,
    "amharic-text-processor": load_amharic_text_processor,
    "amseg": load_amseg,
    "nlpta": load_nlpta,
    "fidel-tools": load_fidel_tools,
    "amnlp": load_amnlp,
    "ruach-lang-am": lambda: load_ours("score"),
    # What the checks ask of text that must stay as it is written, digits among it.
    "ruach-lang-am score, numbers kept": lambda: load_ours("score", numbers="keep"),
    "ruach-lang-am target": lambda: load_ours("target", numbers="keep", abbreviations="expand"),
}


def normalize_all(normalize: Normalize, texts: list[str]) -> list[str | None]:
    """The normalised texts; None where the package raised."""
    outputs: list[str | None] = []
    for text in texts:
        try:
            outputs.append(normalize(text))
        except Exception:  # whatever a package raises, it has not normalised the text
            outputs.append(None)
    return outputs


def time_pass(normalize: Normalize, texts: list[str]) -> float:
    """Seconds of processor time for one pass: other programs on the machine don't count."""
    began = time.process_time()
    for text in texts:
        normalize(text)
    return time.process_time() - began


def answer(request: dict, normalize: Normalize, kept: list[str]) -> dict:
    """The reply to one request; "load" fills the list of kept texts."""
    if request["do"] == "load":
        kept[:] = request["texts"]
        return {"n": len(kept)}
    if request["do"] == "time":
        return {"seconds": time_pass(normalize, kept[: request["n"]])}
    return {"texts": normalize_all(normalize, request["texts"])}


def main() -> None:
    name = sys.argv[1]
    # What a package prints must not come between the replies.
    replies, sys.stdout = sys.stdout, sys.stderr
    try:
        normalize = LOADERS[name]()
        ready = {"ok": True, "version": version(name.split()[0])}
    except Exception as error:  # an import can raise anything; the row says what it was
        ready = {"ok": False, "reason": f"{type(error).__name__}: {error}"}
    print(json.dumps(ready), file=replies, flush=True)
    kept: list[str] = []
    for line in sys.stdin if ready["ok"] else ():
        print(json.dumps(answer(json.loads(line), normalize, kept)), file=replies, flush=True)


if __name__ == "__main__":
    main()
