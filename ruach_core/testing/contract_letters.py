"""Compare the letters of a text before and after `target`: none may vanish, appear or change.

Both sides are seen alike: in NFD, invisible characters out, each letter that pack.toml declares in
`[[repairs]]` written as what it becomes (its capital as the capital). What is left is compared
letter by letter, with combining marks aside (niqqud and gemination marks may go); but a mark that
makes a letter of the alphabet, such as the dot of ẹ, may not be lost. Modifier letters (Lm) count
where the alphabet has them: many are apostrophes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ruach_core.manifest import PackManifest
from ruach_core.text.unicode import (
    category,
    character_name,
    is_mark,
    normalize_form,
    strip_invisible,
)


@dataclass(frozen=True, slots=True)
class _Cluster:
    base: str
    marks: frozenset[str]


_Pattern = tuple[_Cluster, ...]


class LetterComparison:
    """Compares letters as one pack's manifest lets them change.

    Args:
        manifest: of the pack.
        is_lenient: leave case and all marks aside, for an option by which the user asks `target`
            to drop them.
    """

    def __init__(self, manifest: PackManifest, *, is_lenient: bool = False) -> None:
        self._is_lenient = is_lenient
        self._modifiers = frozenset("".join(_cases(manifest.letters)))
        self._needed: dict[str, set[frozenset[str]]] = {}
        for letter in _cases(manifest.letters):
            for cluster in self._split(letter):
                if cluster.marks:
                    self._needed.setdefault(cluster.base, set()).add(cluster.marks)
        repairs: dict[_Pattern, _Pattern] = {}
        for repair in manifest.repairs:
            assert self._split(repair.letter), f"[[repairs]] {repair.letter!a}: not a letter"
            if len(repair.letter.upper()) == len(repair.letter):
                capital = self._split(repair.letter.upper())
                repairs[capital] = self._split(repair.becomes.upper())
            repairs[self._split(repair.letter)] = self._split(repair.becomes)
        self._repairs = sorted(repairs.items(), key=lambda repair: -len(repair[0]))

    def find_fault(self, before: str, after: str) -> str | None:
        """What became of a letter that may not change, or None where all are as they were."""
        if before == after:
            return None
        first, second = self._letters(before), self._letters(after)
        # A mark can go over to another letter where a sign between the two was deleted.
        marks = {char for char in normalize_form(before, "NFD") if is_mark(char)}
        for position, (old, new) in enumerate(zip(first, second, strict=False)):
            if old.base != new.base:
                return (
                    f"letter {position + 1} was {character_name(old.base)}, "
                    f"and is {character_name(new.base)}"
                )
            if self._is_lenient:
                continue
            if lost := self._find_needed(old) - new.marks:
                return f"{old.base} lost its {character_name(min(lost))}"
            if not old.marks and (gained := self._find_needed(new) - marks):
                return f"{old.base} has got {character_name(min(gained))}"
        if len(first) > len(second):
            return f"{character_name(first[len(second)].base)} vanished"
        if len(second) > len(first):
            return f"{character_name(second[len(first)].base)} appeared"
        return None

    def _find_needed(self, cluster: _Cluster) -> set[str]:
        groups = self._needed.get(cluster.base, ())
        return set().union(*(marks for marks in groups if marks <= cluster.marks))

    def _letters(self, text: str) -> Sequence[_Cluster]:
        return [cluster for cluster in self._repair(self._split(text)) if self._counts(cluster)]

    def _counts(self, cluster: _Cluster) -> bool:
        kind = category(cluster.base)
        return kind in ("Lu", "Ll", "Lt", "Lo") or (
            kind == "Lm" and cluster.base in self._modifiers
        )

    def _split(self, text: str) -> _Pattern:
        if self._is_lenient:
            text = text.casefold()
        clusters: list[_Cluster] = []
        for char in normalize_form(strip_invisible(text), "NFD"):
            if not is_mark(char):
                clusters.append(_Cluster(char, frozenset()))
            elif clusters:
                last = clusters[-1]
                clusters[-1] = _Cluster(last.base, last.marks | {char})
        return tuple(clusters)

    def _repair(self, clusters: _Pattern) -> Sequence[_Cluster]:
        # A repaired letter may be one that another repair is for, hence once for each of them.
        for _ in self._repairs:
            repaired = tuple(self._repair_once(clusters))
            if repaired == clusters:
                break
            clusters = repaired
        return clusters

    def _repair_once(self, clusters: _Pattern) -> Iterator[_Cluster]:
        position = 0
        while position < len(clusters):
            for pattern, becomes in self._repairs:
                found = clusters[position : position + len(pattern)]
                if _matches(found, pattern):
                    yield from _replace(found, pattern, becomes)
                    position += len(pattern)
                    break
            else:
                yield clusters[position]
                position += 1


def _matches(found: _Pattern, pattern: _Pattern) -> bool:
    return len(found) == len(pattern) and all(
        have.base == want.base and want.marks <= have.marks
        for have, want in zip(found, pattern, strict=True)
    )


def _replace(found: _Pattern, pattern: _Pattern, becomes: _Pattern) -> Iterator[_Cluster]:
    """What the pattern becomes; marks that are no part of it go over to the first letter."""
    spare: frozenset[str] = frozenset().union(
        *(have.marks - want.marks for have, want in zip(found, pattern, strict=True))
    )
    for cluster in becomes:
        yield _Cluster(cluster.base, cluster.marks | spare)
        spare = frozenset()


def _cases(letters: Iterable[str]) -> list[str]:
    """Each letter as declared, then its capital."""
    return [form for letter in letters for form in (letter, letter.upper())]
