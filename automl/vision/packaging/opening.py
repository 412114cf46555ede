"""A place that somebody names, as a folder that can be served: a bundle, its zip, or the output of a training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl.vision.errors import DataError

from . import manifest


@contextmanager
def opened(place: Path) -> Iterator[tuple[Path, list[str]]]:
    """(the folder, sentences about it). A zip lies unpacked in a temporary folder while the block runs; bundles are
    compared with their sums. DataError where there is nothing to serve."""
    if not place.exists():
        raise DataError(f"{place} does not exist.", "Name a bundle, its zip, or the folder given to train as --output.")
    if place.is_dir():
        yield place, _compared(place) if (place / manifest.SUMS).exists() else []
        return
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        unpacked = manifest.unpack(place, Path(folder))
        yield unpacked, _compared(unpacked)


def _compared(bundle: Path) -> list[str]:
    return [f"{name} was changed since the bundle was made; its values are used." for name in manifest.check(bundle)]
