"""Random numbers as a pure function of what they are for.

No generator is carried along, so nothing about randomness has to be saved: a resumed run, another
number of workers or of processes draws the same numbers for the same utterance and epoch.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(*key: object) -> np.random.Generator:
    """A generator that depends on nothing but the key, e.g. ("window", seed, epoch, utterance)."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
