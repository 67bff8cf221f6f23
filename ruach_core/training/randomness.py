"""Random numbers as a pure function of what they are for.

No generator is carried along, so nothing about randomness has to be saved: a resumed run, another
number of workers or of processes draws the same numbers for the same utterance and epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ruach_core.types import Utterance


def generator(*key: object) -> np.random.Generator:
    """A generator that depends on nothing but the key, e.g. ("window", seed, epoch, utterance)."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def pick(utterances: Sequence[Utterance], n: int, *, seed: int) -> list[Utterance]:
    """At most `n` of the utterances, the same ones each time, in their order."""
    if len(utterances) <= n:
        return list(utterances)
    chosen = generator("pick", seed, len(utterances)).permutation(len(utterances))[:n]
    return [utterances[i] for i in sorted(int(i) for i in chosen)]
