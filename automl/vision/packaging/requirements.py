"""What has to be installed for a bundle: packages of one tried version each, hashes where their files are at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from automl.vision.engines import ONNX_RUNTIME, OPENVINO
from automl.vision.errors import DataError, UsageError

from .modules import ROOT

DIRECT = ("numpy", "pillow", "prometheus-client", "python-multipart", "starlette", "uvicorn")
ENGINES = (ONNX_RUNTIME, OPENVINO)
"""One of these beside DIRECT."""
DICOM = ("pydicom", "pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls", "python-gdcm")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package in one version, under one licence."""

    name: str
    version: str
    licence: str


def pins(*, dicom: bool = False, engine: str = ONNX_RUNTIME) -> list[Pin]:
    """All packages of a bundle in alphabetical order, those that others bring included. Versions are those of
    constraints.txt, or the installed ones where it is not at hand. UsageError where a package is not installed here, or
    `engine` is none of ENGINES."""
    if engine not in ENGINES:
        raise UsageError(f"A bundle cannot be made for the engine {engine!r}.", f"Allowed: {', '.join(ENGINES)}.")
    constrained = _constraints(ROOT / "constraints.txt")
    names = _closure([*DIRECT, engine, *(DICOM if dicom else ())])
    return [Pin(name, constrained.get(name) or metadata.version(name), _licence(name)) for name in sorted(names)]


def text(found: Sequence[Pin], wheelhouse: Path | None = None) -> str:
    """requirements.txt. With a folder of wheels each line has the hashes of its files there; DataError names packages
    that it lacks."""
    lines = ["# Everything that this bundle needs, in the versions it was tried with."]
    if wheelhouse is None:
        lines.append("# Without hashes: no folder of wheels was at hand (package --wheelhouse FOLDER adds them).")
        return "\n".join([*lines, *(f"{pin.name}=={pin.version}" for pin in found)]) + "\n"
    wheels = wheels_of(wheelhouse, found)
    for pin in found:
        hashes = sorted(f"--hash=sha256:{_sha256(path)}" for path in wheels[pin.name])
        lines.append(" \\\n    ".join([f"{pin.name}=={pin.version}", *hashes]))
    return "\n".join(lines) + "\n"


def wheels_of(folder: Path, found: Iterable[Pin]) -> dict[str, list[Path]]:
    """The wheels of each package in its version. UsageError where there is no such folder, DataError for what it
    lacks."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder.", "Fill one with: pip download -r requirements.txt -d FOLDER.")
    wheels: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, version, _build, _tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue  # not one of ours, then
        wheels.setdefault((name, str(version)), []).append(path)
    chosen = {pin.name: wheels.get((pin.name, pin.version), []) for pin in found}
    missing = [f"{pin.name}=={pin.version}" for pin in found if not chosen[pin.name]]
    if missing:
        raise DataError(
            f"{folder} has no wheel of {', '.join(missing)}.",
            "Fetch them with: pip download -r requirements.txt -d FOLDER.",
        )
    return chosen


def _closure(names: Iterable[str]) -> set[str]:
    waiting, found = [canonicalize_name(name) for name in names], set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            listed = metadata.requires(name) or []
        except metadata.PackageNotFoundError as error:
            raise UsageError(
                f"The package {name} is not installed, so what it needs is not known.",
                f"Install it: pip install {name}.",
            ) from error
        for one in map(Requirement, listed):
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(one.name))
    return set(found)


def _constraints(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, _, version in pairs}


def _licence(name: str) -> str:
    """As the package says it."""
    about = metadata.metadata(name).json
    for key in ("license_expression", "license"):
        said = str(about.get(key, "")).strip()
        if said and len(said) < 100:
            return said
    listed = [one for one in about.get("classifier", []) if one.startswith("License :: OSI Approved :: ")]
    return "; ".join(one.rpartition(" :: ")[2] for one in listed) or "see the package"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
