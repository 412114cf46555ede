"""Files that commands are pointed at: images to read, a file to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from automl.vision.errors import DataError, UsageError


def existing_images(places: Sequence[Path]) -> list[Path]:
    """The image files that `places` name, those of folders sorted; DataError where there is none."""
    files = list(_files(places))
    if not files:
        raise DataError(
            f"There is no image in {', '.join(map(str, places))}.", "Name image files, or folders that hold some."
        )
    return files


def writable(target: Path) -> None:
    """Makes the folder of `target`; UsageError, before any work is done, where nothing can be written there."""
    if target.is_dir():
        raise UsageError(f"{target} is a folder.", "Name a file in it as --output.")
    probe = target.with_name(f".{target.name}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except FileExistsError as error:
        raise UsageError(f"{target.parent} is a file, not a folder.", "Name another --output.") from error
    except OSError as error:
        raise UsageError(f"{target} cannot be written ({error.strerror}).", "Name another --output.") from error


def _files(places: Sequence[Path]) -> Iterator[Path]:
    from automl.vision.data.conversions import IMAGE_SUFFIXES

    for place in places:
        if place.is_dir():
            yield from (path for path in sorted(place.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES)
        elif place.exists():
            yield place
        else:
            raise DataError(f"{place} does not exist.")
