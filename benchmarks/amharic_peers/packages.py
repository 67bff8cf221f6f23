"""The Amharic packages on the index that normalise text, and what a user of each would call.

Versions are pinned: a figure in the documentation says which code it was measured on.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS = "ruach-lang-am"


@dataclass(frozen=True, slots=True)
class Peer:
    """One package.

    Attributes:
        name: its name on the index, and the name of its environment's folder.
        version: the pinned version.
        call: the call that `adapter.py` makes, as the documentation shows it.
        undeclared: what has to be installed beside it, though it doesn't say so.
        with_dependencies: False where its dependencies are heavy and its normaliser needs none.
        note: what a reader must know of how it was run.
    """

    name: str
    version: str
    call: str
    undeclared: tuple[str, ...] = ()
    with_dependencies: bool = True
    note: str = ""

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip installs, the package first."""
        return (f"{self.name}=={self.version}", *self.undeclared)


PEERS = (
    Peer("etnltk", "0.0.22", "etnltk.lang.am.normalize(text)"),
    Peer("amharicNLP", "2.0.0", "amharicNLP.normalize(text)", note="the same as normalize_text"),
    Peer(
        "amharic-text-processor",
        "0.1.3",
        "the nine steps of its README's pipeline",
    ),
    Peer(
        "amseg",
        "2.3",
        "amseg.amharicNormalizer.AmharicNormalizer.normalize(text)",
        undeclared=("pytesseract", "pdf2image"),
        note="can't be imported without pytesseract and pdf2image, which it doesn't declare",
    ),
    Peer(
        "nlpta",
        "0.1.1.3",
        "nlpta.normalization.normalize(text)",
        undeclared=("gensim",),
        note="can't be imported without gensim, which it doesn't declare",
    ),
    Peer(
        "fidel-tools",
        "0.1.9",
        "fidel_tools.Pipeline(fidel_tools.get_amharic_pack()).normalize(text)",
        note="compiled (Rust)",
    ),
    Peer(
        "amnlp",
        "0.1.8",
        "AmharicNormalizer().normalize(text)",
        undeclared=("regex",),
        with_dependencies=False,
        note="can't be imported: it imports amnlp.morphology, which its wheel lacks; the file of "
        "its normaliser was run by itself",
    ),
)


def find_peers(names: list[str] | None) -> tuple[Peer, ...]:
    """The peers of these names, all of them by default.

    Raises:
        ValueError: a name that isn't one of them.
    """
    known = {peer.name: peer for peer in PEERS}
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(known)}")
    return tuple(known[name] for name in names) if names else PEERS
