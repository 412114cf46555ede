"""Which examples are held out for validation where no validation data are given."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from automl.vision.spec import tasks

from .records import Example


def stratified(
    examples: Sequence[Example], keys: Sequence[str], share: float, seed: int
) -> tuple[list[int], list[int]]:
    """(training, validation) positions: `share` of the examples by `seed`, of every class where that is possible.

    An example counts for the rarest class on it, images without any for a class of their own. Files with the same
    content stay on one side. Both sides get at least one example where there are two different ones.
    """
    groups = _groups(keys)
    frequency = Counter(name for example in examples for name in set(example.names()))
    by_class: dict[str, list[list[int]]] = defaultdict(list)
    for group in groups:
        names = set(examples[group[0]].names())
        by_class[min(names, key=lambda name: (frequency[name], name)) if names else ""].append(group)
    random = np.random.default_rng(seed)
    held: list[list[int]] = []
    wanted = 0.0
    for name in sorted(by_class):
        members = by_class[name]
        wanted += len(members) * share  # remainders go on to the next class, so that the total comes out right
        count = min(round(wanted), max(len(members) - 1, 0))
        wanted -= count
        held += [members[at] for at in random.permutation(len(members))[:count]]
    if not held and len(groups) > 1:
        held = [groups[int(random.integers(len(groups)))]]
    return _sides(len(examples), held)


def by_content(
    examples: Sequence[Example], keys: Sequence[str], share: float, look: Callable[[str], bytes] | None = None
) -> tuple[list[int], list[int]]:
    """(training, validation) positions by the content of the files alone, so that an image once held out stays so.

    `look(key)` gives a picture's fingerprint; those that look the same stay on one side, the one of the least key.
    """
    alike: dict[bytes, list[int]] = defaultdict(list)
    for group in _groups(keys):
        alike[look(keys[group[0]]) if look else keys[group[0]].encode()] += group
    held = [group for group in alike.values() if _fraction(min(keys[at] for at in group)) < share]
    return _sides(len(examples), held)


def fingerprint(pixels: np.ndarray) -> bytes:
    """256 bits that near duplicates share: whether each of 16 × 16 grey cells is darker than the next (dHash)."""
    from PIL import Image

    small = np.asarray(Image.fromarray(pixels).convert("L").resize((17, 16), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1] + 2).tobytes()


def thin_classes(examples: Sequence[Example], least: int = 10) -> dict[str, int]:
    """Classes with fewer than `least` images, and how many they have."""
    count = Counter(name for example in examples for name in set(example.names()))
    return {name: count[name] for name in sorted(count) if count[name] < least}


def too_little(task: str, examples: Sequence[Example]) -> str:
    """Why these examples are too few to train on, "" where they are not."""
    if len(examples) < 10:
        return f"There are {len(examples)} usable images; training needs at least 10."
    names = {name for example in examples for name in example.names()}
    if task in tasks.CLASSIFIES and len(names) < 2:
        return f"There is {len(names)} class; classification needs at least 2."
    return "" if names else "No image has an object; training needs some."


def _groups(keys: Sequence[str]) -> list[list[int]]:
    same: dict[str, list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        same[key].append(at)
    return list(same.values())


def _fraction(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def _sides(total: int, held: list[list[int]]) -> tuple[list[int], list[int]]:
    validation = sorted(at for group in held for at in group)
    outside = set(validation)
    return [at for at in range(total) if at not in outside], validation
