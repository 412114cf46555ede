"""Where the image of a label line lies on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_STORE: Final = re.compile(r"azureml://.*?/(?:datastores/[^/]+/)?paths/(?P<path>.+)", re.IGNORECASE)
_OLD_STORE: Final = re.compile(r"AmlDatastore://(?P<path>.+)", re.IGNORECASE)


class Unreachable(Exception):
    """This address cannot be a file under the folder of images; the message says why."""


def locate(url: str, root: Path) -> Path:
    """The file that `url` names under `root`, whether or not it exists.

    Understood are paths relative to `root`, absolute ones inside it, file://, and the addresses of datastores
    (AmlDatastore://store/path and azureml://…/paths/path), whose path is taken under `root`; where the store's name is
    no folder there it is left out. Raises Unreachable for other addresses and for paths that leave `root`.
    """
    if found := _STORE.match(url):
        return _inside(root, unquote(found["path"]), url)
    if found := _OLD_STORE.match(url):
        path = unquote(found["path"])
        store, _, rest = path.partition("/")
        whole = _inside(root, path, url)
        return whole if not rest or whole.exists() or (root / store).is_dir() else _inside(root, rest, url)
    if url.lower().startswith("file://"):
        return _inside(root, unquote(url[7:]), url)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        scheme = url.partition("://")[0]
        raise Unreachable(f"{scheme}:// addresses are not fetched; download the images and name their folder")
    return _inside(root, url, url)


def _inside(root: Path, path: str, url: str) -> Path:
    if "\0" in path:
        raise Unreachable("the path holds a NUL character")
    base = root.resolve()
    target = (base / path).resolve()
    if target != base and base not in target.parents:
        raise Unreachable(f"{url} lies outside {root}; name a folder that holds all images with --data-root")
    return target
