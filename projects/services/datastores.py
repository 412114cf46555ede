"""Where files live: adding and removing datastores, looking into them, opening an item's bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from labeling_site.core import errors, events
from projects import access
from projects.access import Capability
from projects.models import Dataset, Datastore, Item, User, Workspace
from projects.services import folders
from projects.services.folders import FileFacts
from projects.services.names import clean_name

SITE_DATASTORE_NAME = "Storage of this site"
FOLDER_LIMIT = 1000
_SYSTEM_NAMES = ("proc", "sys", "dev", "etc", "boot", "bin", "sbin", "lib", "lib64", "usr", "var/lib", "var/log")
_SYSTEM = [Path("/") / name for name in _SYSTEM_NAMES]


def site_datastore(workspace: Workspace) -> Datastore:
    """The site's own storage as this workspace's datastore, made on first use; the default unless another one is."""
    found = Datastore.objects.filter(workspace=workspace, kind=Datastore.Kind.SITE).order_by("pk").first()
    if found:
        return found
    name, number = SITE_DATASTORE_NAME, 1
    while Datastore.objects.filter(workspace=workspace, name=name).exists():
        number += 1
        name = f"{SITE_DATASTORE_NAME} {number}"
    has_default = Datastore.objects.filter(workspace=workspace, is_default=True).exists()
    try:
        with transaction.atomic():
            return Datastore.objects.create(
                workspace=workspace, name=name, kind=Datastore.Kind.SITE, is_default=not has_default
            )
    except IntegrityError:
        # Somebody else made it in the same moment.
        return Datastore.objects.filter(workspace=workspace, kind=Datastore.Kind.SITE).order_by("pk")[0]


def create_local_datastore(*, actor: User, workspace: Workspace, name: str, root: str) -> Datastore:
    """A folder of the server as a datastore. Administrators of the site choose any folder that holds no part of the
    system or of this site's own data; everybody else only folders below those that LOCAL_FOLDERS names.
    """
    access.require(actor, Capability.MANAGE_DATASTORES, workspace)
    name = clean_name(name, slash=True)
    folder = _check_root(root)
    is_allowed = any(_is_below(folder, allowed.resolve()) for allowed in settings.LOCAL_FOLDERS)
    if not is_allowed and not access.is_administrator(actor):
        raise errors.Forbidden(
            _("This folder is not among those that workspaces may use."),
            way_out=_("Ask an administrator of the site to add it to LOCAL_FOLDERS, or to add the datastore for you."),
        )
    try:
        with transaction.atomic():
            datastore = Datastore.objects.create(
                workspace=workspace, name=name, kind=Datastore.Kind.LOCAL, config={"root": str(folder)}
            )
            events.publish(f"workspace:{workspace.pk}")
    except IntegrityError as error:
        raise errors.Conflict(
            _("There is already a datastore called “%s”.") % name,
            way_out=_("Choose another name."),
            fields={"name": ["?"]},
        ) from error
    return datastore


def delete_datastore(*, actor: User, datastore: Datastore) -> None:
    """Forgets a datastore that no dataset uses; the files stay where they are."""
    access.require(actor, Capability.MANAGE_DATASTORES, datastore.workspace)
    if datastore.kind == Datastore.Kind.SITE:
        raise errors.Conflict(_("The site's own storage cannot be removed."))
    try:
        with transaction.atomic():
            datastore.delete()
            events.publish(f"workspace:{datastore.workspace_id}")
    except ProtectedError as error:
        names = Dataset.objects.filter(datastore_id=datastore.pk).order_by("name").values_list("name", flat=True)[:3]
        raise errors.Conflict(
            _("Datasets use this datastore: %s.") % ", ".join(names), way_out=_("A datastore in use has to stay.")
        ) from error


def _is_below(folder: Path, top: Path) -> bool:
    return folder == top or top in folder.parents


def _check_root(root: str) -> Path:
    """The real folder behind `root`; Invalid where there is none, or where it must not be shown to anybody."""

    def refuse(sentence: str) -> errors.Invalid:
        return errors.Invalid(sentence, fields={"root": [sentence]})

    if "\0" in root or not root.startswith("/"):
        raise refuse(_("Write the folder from the root of the disk on, as in /srv/images."))
    try:
        folder = Path(root).resolve(strict=True)
        if not folder.is_dir():
            raise refuse(_("“%s” is no folder.") % root)
        with os.scandir(folder):
            pass
    except FileNotFoundError as error:
        raise refuse(_("There is no folder “%s” on the server.") % root) from error
    except OSError as error:
        raise refuse(
            _("The folder “%(root)s” cannot be read: %(why)s.") % {"root": root, "why": error.strerror}
        ) from error
    if any(_is_below(folder, own) or _is_below(own, folder) for own in _own_folders()):
        raise refuse(_("This folder holds the site's own data, which nobody may browse."))
    is_removable = _is_below(folder, Path("/run/media"))
    if folder == Path("/") or (_is_below(folder, Path("/run")) and not is_removable):
        raise refuse(_("This is a folder of the operating system."))
    if any(_is_below(folder, system) or _is_below(folder, system.resolve()) for system in _SYSTEM):
        raise refuse(_("This is a folder of the operating system."))
    return folder


def _own_folders() -> list[Path]:
    """Where the site keeps what belongs to all workspaces, its database file included, also outside the home."""
    own = [settings.HOME]
    if settings.USES_SQLITE:
        own.append(Path(str(settings.DATABASES["default"]["NAME"])))
    storage: Any = default_storage
    if isinstance(getattr(storage, "location", None), str) and Path(storage.location).is_absolute():
        own.append(Path(storage.location))
    return [folder.resolve() for folder in own]


def root_of(datastore: Datastore) -> Path:
    """The folder of a folder datastore; Conflict for any other kind."""
    if datastore.kind != Datastore.Kind.LOCAL:
        raise errors.Conflict(_("The datastore “%s” is no folder.") % datastore.name)
    return Path(str(datastore.config["root"]))


def local_root(datastore: Datastore) -> str:
    """The folder of this machine below which storage keys are paths; "" where files lie in somebody else's cloud."""
    if datastore.kind == Datastore.Kind.LOCAL:
        return str(root_of(datastore))
    storage: Any = default_storage
    return str(storage.location) if isinstance(storage, FileSystemStorage) else ""


# --- Looking into it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listing:
    """One folder of a datastore, for browsing: names only, at most FOLDER_LIMIT of them."""

    path: str
    folders: list[str]
    files: list[str]
    is_cut: bool


def list_folder(datastore: Datastore, path: str = "") -> Listing:
    """Folders and files directly under `path`, sorted. NotFound where there is no such folder."""
    root = root_of(datastore)
    path = folders.clean_path(path)
    start = (root / path) if path else root
    # os.path and not pathlib, which raises for a name that is longer than the system allows.
    if not os.path.isdir(start) or not _is_below(start.resolve(), root.resolve()):  # noqa: PTH112
        raise errors.NotFound(_("There is no folder “%s” in this datastore.") % path)
    found_folders: list[str] = []
    found_files: list[str] = []
    is_cut = False
    try:
        with os.scandir(start) as entries:
            for entry in entries:
                if len(found_folders) + len(found_files) >= FOLDER_LIMIT:
                    is_cut = True
                    break
                into = found_folders if entry.is_dir(follow_symlinks=False) else found_files
                into.append(folders.readable(entry.name))
    except OSError as error:
        raise errors.Conflict(_("This folder cannot be read: %s.") % error.strerror) from error
    return Listing(path, sorted(found_folders), sorted(found_files), is_cut)


def iterate_files(datastore: Datastore, path_glob: str, *, after: bytes = b"") -> Iterator[FileFacts]:
    """Files that a glob matches, in byte order of the path, from behind `after` on (see folders.walk)."""
    return folders.walk(root_of(datastore), folders.parse_glob(path_glob), after=after)


def count_files(datastore: Datastore, path_glob: str) -> int:
    """How many entries `iterate_files` yields; reads folders only."""
    return folders.count(root_of(datastore), folders.parse_glob(path_glob))


# --- Bytes -----------------------------------------------------------------------------------------------------------


def open_stored(datastore: Datastore, storage_key: str) -> BinaryIO:
    """Opens a file by its key: a path for a folder, a key of the site's storage else. NotFound when it is gone."""
    if datastore.kind == Datastore.Kind.LOCAL:
        return folders.open_inside(root_of(datastore), storage_key)
    try:
        stored: Any = default_storage.open(storage_key, "rb")
    except FileNotFoundError as error:
        raise errors.NotFound(_("The stored file is gone.")) from error
    handle: BinaryIO = stored.file
    return handle


def open_item(item: Item) -> BinaryIO:
    """The bytes of an item's file. NotFound for a refused item or a file that vanished."""
    if not item.storage_key:
        raise errors.NotFound(_("This file was refused: %s") % item.reason)
    return open_stored(item.dataset_version.dataset.datastore, item.storage_key)
