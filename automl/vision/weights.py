"""Where a network's first weights come from: a folder of files, filled by hand or, where that is allowed, by download.

Order: a project's checkpoint (the run's business) → the weights folder → a download, if allowed → cold. Files are read
as safetensors or with torch's `weights_only`, so no code in them runs. Building a model reads the folder and nothing
else; `fetch` is the only function that goes to the network.

The folder holds files named after their tag (`resnet18.tv_in1k.pth`), and may hold `manifest.json` for weights of one's
own: a list of objects with tag, fits, start, licence, layout, file, sha256, and optionally mean and std.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from automl.vision.downloads import DownloadError, Rules, download
from automl.vision.weights_registry import ALLOWED_LICENCES, REGISTRY, Weights

SUFFIXES = (".safetensors", ".pth", ".pt")
MANIFEST = "manifest.json"
STARTS = ("imagenet", "coco", "self-supervised")
LAYOUTS = ("whole", "backbone", "yolox", "dinov2", "transformers")


class WeightsError(ValueError):
    """A file of weights cannot be used; the sentence says why and what would help."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a run may start from. No folder: every start is cold."""

    folder: Path | None = None
    download: bool = False
    licences: frozenset[str] = ALLOWED_LICENCES
    rules: Rules | None = None

    @classmethod
    def from_environment(cls) -> Policy:
        """TESSERA_WEIGHTS names the folder, TESSERA_WEIGHTS_DOWNLOAD=1 allows downloads into it,
        TESSERA_WEIGHTS_LICENCES adds licences to the allowed ones (separated by commas)."""
        folder = os.environ.get("TESSERA_WEIGHTS", "")
        more = os.environ.get("TESSERA_WEIGHTS_LICENCES", "").lower().split(",")
        return cls(
            folder=Path(folder) if folder else None,
            download=os.environ.get("TESSERA_WEIGHTS_DOWNLOAD") == "1",
            licences=ALLOWED_LICENCES | {licence.strip() for licence in more if licence.strip()},
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Weights at hand: what they are, their file and its sha256."""

    weights: Weights
    path: Path
    sha256: str


def candidates(model: str, policy: Policy) -> list[Weights]:
    """Weights that fit a model name (yolov5 as yolov5-<size>), the folder's own first. Those whose licence is not
    allowed are left out."""
    known = [*(weights for weights, _file in _manifest(policy.folder)), *REGISTRY]
    return [weights for weights in known if model in weights.fits and weights.licence in policy.licences]


def find(model: str, policy: Policy) -> Found | None:
    """The first weights for a model that lie in the folder; None means a cold start. Raises WeightsError for a file
    whose hash is not the one that is known."""
    if policy.folder is None:
        return None
    files = {weights.tag: policy.folder / file for weights, file in _manifest(policy.folder)}
    for weights in candidates(model, policy):
        path = files.get(weights.tag) or _file_of(policy.folder, weights.tag)
        if path is not None and path.is_file():
            found = sha256_of(path)
            if not found.startswith(weights.sha256):
                raise WeightsError(
                    f"{path} has the sha256 {found}, but {weights.tag} has {weights.sha256}. "
                    f"Replace the file, or list it under a tag of its own in {MANIFEST}."
                )
            return Found(weights, path, found)
    return None


def fetch(model: str, policy: Policy) -> Found | None:
    """As `find`, and downloads the first that can be downloaded when none is there and the policy allows it. Raises
    WeightsError when the download fails."""
    at_hand = find(model, policy)
    if at_hand is not None or not policy.download or policy.folder is None:
        return at_hand
    for weights in candidates(model, policy):
        if weights.url and len(weights.sha256) >= 8:
            path = policy.folder / (weights.tag + Path(weights.url).suffix)
            try:
                found = download(weights.url, path, sha256=weights.sha256, rules=policy.rules)
            except DownloadError as error:
                raise WeightsError(f"{weights.tag} could not be fetched. {error}") from error
            return Found(weights, path, found)
    return None


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU. Raises WeightsError for anything that is not plain tensors."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix not in SUFFIXES:
            raise WeightsError(f"{path.name} is not one of {', '.join(SUFFIXES)}.")
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except (
        *(OSError, RuntimeError, ValueError, TypeError, EOFError, LookupError, AttributeError, ImportError),
        *(struct.error, pickle.UnpicklingError, SafetensorError),
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path.name} could not be read as plain weights: {reason}") from error
    for wrapper in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{path.name} holds something else than tensors by name.")
    return dict(content)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_of(folder: Path, tag: str) -> Path | None:
    return next((path for path in (folder / (tag + suffix) for suffix in SUFFIXES) if path.is_file()), None)


def _manifest(folder: Path | None) -> Iterator[tuple[Weights, str]]:
    """Weights of the folder's own, and their file names. Raises WeightsError that names the entry."""
    path = folder / MANIFEST if folder else None
    if path is None or not path.is_file():
        return
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise WeightsError(f"{path} has to be a list of weights.")
    for position, entry in enumerate(entries):
        yield _listed(entry, f"{path}, entry {position}")


def _listed(entry: Any, place: str) -> tuple[Weights, str]:
    required = {"tag", "fits", "start", "licence", "layout", "file", "sha256"}
    if not isinstance(entry, Mapping) or required - entry.keys():
        missing = sorted(required - entry.keys()) if isinstance(entry, Mapping) else sorted(required)
        raise WeightsError(f"{place}: missing {', '.join(missing)}.")
    file, digits = str(entry["file"]), str(entry["sha256"]).lower()
    if Path(file).name != file or len(digits) != 64:
        raise WeightsError(f"{place}: `file` is a name in the folder and `sha256` its 64 digits.")
    if entry["start"] not in STARTS or entry["layout"] not in LAYOUTS:
        raise WeightsError(f"{place}: `start` is one of {', '.join(STARTS)}, `layout` one of {', '.join(LAYOUTS)}.")
    weights = Weights(
        tag=str(entry["tag"]),
        fits=tuple(str(name) for name in entry["fits"]),
        start=entry["start"],
        licence=str(entry["licence"]).lower(),
        layout=entry["layout"],
        sha256=digits,
    )
    if "mean" in entry:
        weights = replace(weights, mean=_three(entry["mean"], place))
    if "std" in entry:
        weights = replace(weights, std=_three(entry["std"], place))
    return weights, file


def _three(values: Any, place: str) -> tuple[float, float, float]:
    if not isinstance(values, list) or len(values) != 3:
        raise WeightsError(f"{place}: `mean` and `std` are lists of three numbers.")
    return float(values[0]), float(values[1]), float(values[2])
