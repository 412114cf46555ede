"""SHA256SUMS of a bundle (`sha256sum -c` reads it), and the zip that comes out the same every time."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

from automl.vision.errors import DataError

SUMS = "SHA256SUMS"
EDITABLE = frozenset({"artifacts/settings.json"})
"""What people are meant to change in a bundle."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20


def files_of(folder: Path) -> list[str]:
    """All files of a bundle as paths in it, sorted, without the list itself and without what Python leaves behind."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.as_posix() != SUMS and "__pycache__" not in path.parts)


def write(folder: Path) -> None:
    """The sums of all files of a bundle."""
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in files_of(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def check(folder: Path) -> list[str]:
    """Names of files that people changed and may change. DataError for a bundle without sums, and for files that are
    missing, strange or not what they were."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{folder} has no {SUMS}.", "It is no bundle, or not a whole one; make it again.") from error
    wanted = {line[66:]: line[:64] for line in lines if line}
    present = set(files_of(folder))
    strange = sorted(present - set(wanted))
    missing = sorted(set(wanted) - present)
    changed = sorted(name for name in present & set(wanted) if sha256_of(folder / name) != wanted[name])
    for what, names in (("lacks", missing), ("holds what does not belong to it:", strange)):
        if names:
            raise DataError(f"The bundle {folder} {what} {', '.join(names[:5])}.", "Make it again.")
    damaged = [name for name in changed if name not in EDITABLE]
    if damaged:
        raise DataError(
            f"In the bundle {folder} something is not as it was made: {', '.join(damaged[:5])}.",
            "Make it again, or copy it again.",
        )
    return changed


def write_zip(folder: Path, target: Path) -> None:
    """The bundle as a zip whose only top folder has the bundle's name; whole or not at all. Files are stored as they
    are: weights do not get smaller, and no version of a compressor changes the bytes."""
    draft = target.with_name(f".{target.name}.draft")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted([*files_of(folder), SUMS]):
                _add(archive, folder / name, f"{folder.name}/{name}")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    about = zipfile.ZipInfo(name, _EPOCH)
    about.create_system = 3  # Unix, wherever it is made
    about.external_attr = 0o100644 << 16
    about.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(about, "w") as target:
        while part := source.read(_CHUNK):
            target.write(part)


def unpack(archive: Path, target: Path) -> Path:
    """The folder of a bundle's zip, unpacked into the empty folder `target`. DataError for what is no such zip."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
            _check_names(archive, names)
            opened.extractall(target)
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise DataError(f"{archive} is no zip that can be opened ({error}).", "Make the bundle again.") from error
    return target / names[0].partition("/")[0]


def _check_names(archive: Path, names: Sequence[str]) -> None:
    """One top folder, and nothing that would land beside it."""
    tops = {name.partition("/")[0] for name in names}
    if len(tops) != 1 or any(".." in name.split("/") or "\\" in name or ":" in name for name in names) or "" in tops:
        raise DataError(f"{archive} is no bundle: its files do not lie in one folder.", "Make the bundle again.")


def sha256_of(path: Path) -> str:
    """The hash of a file, as 64 digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
