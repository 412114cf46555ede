"""Files on their way in: announced in batches, received in chunks, resumable after any interruption."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO, TypedDict

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling_site.core import errors, events
from projects import access, media
from projects.access import Capability
from projects.models import Dataset, Item, Upload, User

BATCH = 500
KEPT_SECONDS = 30 * 86_400
TURNS = 64  # uploads that share a turn wait for each other for one chunk
KEPT_FREE_BYTES = 256 * 1024 * 1024  # below this, uploads stop so that labeling can go on


class Announced(TypedDict):
    """One file that a client wants to send: its path as seen on the client's side, and its size in bytes."""

    path: str
    size: int


def partial_path(upload_id: int) -> Path:
    """Where the chunks of an upload are put together. Web machines have to share this folder."""
    return Path(settings.HOME) / "uploads" / "partial" / str(upload_id)


def clean_upload_path(path: str) -> tuple[str, str]:
    """The path to keep, and why it is refused or "". Paths become NFC with single slashes and no leading one.

    A refused path comes back in a form that can be stored and shown.
    """
    shown = path.encode("utf-8", "backslashreplace").decode("utf-8")
    shown = "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" else c for c in shown)
    parts = [part for part in unicodedata.normalize("NFC", shown).split("/") if part not in {"", "."}]
    clean = "/".join(parts)
    if not clean:
        return "?", _("The file has no name.")
    if len(clean) > 1000:
        digest = hashlib.sha256(clean.encode()).hexdigest()[:8]
        return f"{clean[:980]}… {digest}", _("The path is longer than 1,000 characters.")
    if shown != path:
        return clean, _("The name holds characters that cannot be kept.")
    if any(".." in part.split("\\") for part in parts):
        return clean, _("The path leads out of its folder.")
    return clean, ""


def _refusal(path: str, size: int) -> str:
    if Path(path).suffix.lower() not in media.SUPPORTED_EXTENSIONS:
        return _("Files of this kind cannot be labeled.")
    if size <= 0:
        return _("The file is empty.")
    if size > settings.MAX_FILE_BYTES:
        return _("The file is larger than %d MB.") % (settings.MAX_FILE_BYTES // 2**20)
    return ""


def begin(*, actor: User, dataset: Dataset, files: Sequence[Announced], overwrite: bool = False) -> list[Upload]:
    """Announces up to 500 files; returns an upload for each, in the same order.

    A file announced before is resumed: `received` says from where (send an empty chunk there if that is its size).
    One that is stored already with this size comes back as stored; with another size it comes back as refused, without
    a row of its own (`pk` is None), unless `overwrite` replaces it; dataset versions read before keep the old bytes.
    What cannot be labeled comes back as refused with its reason and blocks nothing else.
    """
    access.require(actor, Capability.WRITE_DATASETS, dataset.workspace)
    if len(files) > BATCH:
        raise errors.TooLarge(_("Announce %d files at a time at most.") % BATCH)
    announced = [(*clean_upload_path(file["path"]), file["size"]) for file in files]
    replaced: list[Upload] = []
    fresh: dict[str, Upload] = {}
    answers: list[Upload] = []
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.kind != Dataset.Kind.UPLOAD or dataset.deleted_at:
            raise errors.Conflict(_("Files can only be uploaded into a dataset of uploaded files."))
        paths = {path for path, _reason, _size in announced}
        known = {upload.path: upload for upload in Upload.objects.filter(dataset=dataset, path__in=paths)}
        for path, name_refusal, size in announced:
            wanted = _new(dataset, actor, path, size, name_refusal or _refusal(path, size))
            old = fresh.get(path) or known.get(path)
            if old is None or _replaces(wanted, old, overwrite=overwrite):
                if old:
                    replaced.append(old)
                fresh[path] = wanted
                answers.append(wanted)
            elif old.size == wanted.size and old.state in {wanted.state, Upload.State.STORED}:
                answers.append(old)
            else:
                wanted.state = Upload.State.REFUSED
                wanted.reason = wanted.reason or _("Another file of this name and another size is already here.")
                answers.append(wanted)
        Upload.objects.filter(pk__in=[upload.pk for upload in replaced]).delete()
        Upload.objects.bulk_create(fresh.values())
        if fresh:
            events.publish(f"dataset:{dataset.pk}")
    # Asked by path, for which there is an index: 500 searches for a key through a million items would take minutes.
    stored = {upload.path: upload.storage_key for upload in replaced if upload.storage_key}
    read_before = Item.objects.filter(dataset_version__dataset=dataset, path__in=stored)
    kept = set(read_before.values_list("storage_key", flat=True))
    for upload in replaced:
        partial_path(upload.pk).unlink(missing_ok=True)
        if upload.storage_key and upload.storage_key not in kept:
            default_storage.delete(upload.storage_key)
    return answers


def _new(dataset: Dataset, actor: User, path: str, size: int, refusal: str) -> Upload:
    state = Upload.State.REFUSED if refusal else Upload.State.RECEIVING
    return Upload(dataset=dataset, path=path, size=max(0, size), state=state, reason=refusal[:300], created_by=actor)


def _replaces(wanted: Upload, old: Upload, *, overwrite: bool) -> bool:
    """Whether a new announcement takes the place of an earlier one; never within one batch, never for a refusal."""
    if wanted.state == Upload.State.REFUSED or old.pk is None:
        return False
    if old.state == Upload.State.STORED:
        return overwrite
    return old.state == Upload.State.REFUSED or old.size != wanted.size


def append(*, actor: User, upload: Upload, offset: int, chunk: bytes, sha256: str = "") -> Upload:
    """Adds a chunk at `offset`, which has to be what was received so far; the last one stores the file.

    Raises Conflict with `received` when the offset is another one: go on from there. `sha256` of the whole file may
    come with the last chunk; when it does not fit, the upload starts over. Nothing is half-done after a kill: bytes
    that were written but not counted are cut off by the next chunk.
    """
    access.require(actor, Capability.WRITE_DATASETS, upload.dataset.workspace)
    if len(chunk) > settings.UPLOAD_CHUNK_BYTES:
        raise errors.TooLarge(_("A chunk may have %d bytes at most.") % settings.UPLOAD_CHUNK_BYTES)
    with _alone_with(upload) as partial:
        upload = Upload.objects.select_related("dataset").filter(pk=upload.pk).first() or upload
        if upload.state != Upload.State.RECEIVING:
            partial_path(upload.pk).unlink(missing_ok=True)
            if upload.state == Upload.State.STORED and offset == upload.size and not chunk:
                return upload
            raise errors.Conflict(
                _("This upload has ended: %s.") % upload.get_state_display(), received=upload.received
            )
        there = partial.seek(0, 2)
        if there < upload.received:
            # The partial file was lost, with a disk or by another machine: what is here is the truth.
            Upload.objects.filter(pk=upload.pk).update(received=there)
            upload.received = there
        if offset == upload.received and offset + len(chunk) > upload.size:
            raise errors.Conflict(
                _("This chunk goes beyond the %d bytes that were announced.") % upload.size,
                way_out=_("Announce the file again with its true size."),
                received=upload.received,
            )
        if offset != upload.received:
            raise errors.Conflict(
                _("Byte %(received)d of %(size)d is next.") % {"received": upload.received, "size": upload.size},
                received=upload.received,
            )
        _require_space(len(chunk))
        partial.truncate(offset)
        partial.seek(offset)
        partial.write(chunk)
        partial.flush()
        upload.received = offset + len(chunk)
        # One conditional statement: an announcement that replaced this upload meanwhile leaves no row to count on.
        if not Upload.objects.filter(pk=upload.pk, state=Upload.State.RECEIVING).update(received=upload.received):
            raise errors.Conflict(_("This upload was replaced by a newer one."))
        if upload.received == upload.size:
            _store(upload, partial, sha256)
    return upload


@contextmanager
def _alone_with(upload: Upload) -> Iterator[BufferedRandom]:
    """The partial file, open, while nobody else has a chunk for it.

    The turn is taken on a file that stays: the partial one is moved away when it is complete, and whoever waited for it
    would then hold a lock on nothing.
    """
    path = partial_path(upload.pk)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (path.parent / f"turn-{upload.pk % TURNS}").open("ab") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with path.open("r+b" if path.exists() else "w+b") as partial:
            yield partial


def _require_space(needed: int) -> None:
    if shutil.disk_usage(settings.HOME).free - needed < KEPT_FREE_BYTES:
        raise errors.Unavailable(
            _("The server's disk is almost full, so uploads have stopped."),
            way_out=_("Ask the administrator to make room; what was sent so far is kept."),
        )


class _Received(File):
    """A finished partial file. Its path lets a folder storage move it into place instead of copying it."""

    def __init__(self, handle: BinaryIO, path: Path) -> None:
        super().__init__(handle, name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def _store(upload: Upload, partial: BufferedRandom, expected: str) -> None:
    """Moves a complete upload into the site's storage under a key of ours; the name people gave stays in the row."""
    partial.seek(0)
    digest = hashlib.file_digest(partial, "sha256").hexdigest()
    if expected and digest != expected.lower():
        Upload.objects.filter(pk=upload.pk).update(received=0)
        raise errors.Conflict(
            _("What arrived is not what was sent; the checksum differs."), way_out=_("Send it again."), received=0
        )
    key = f"uploads/{upload.dataset_id}/{upload.pk}"
    path = partial_path(upload.pk)
    default_storage.delete(key)  # left by an attempt that was killed before it could say so
    partial.seek(0)
    upload.storage_key = default_storage.save(key, _Received(partial, path))
    upload.sha256, upload.state = digest, Upload.State.STORED
    with transaction.atomic():
        stored = Upload.objects.filter(pk=upload.pk, state=Upload.State.RECEIVING).update(
            storage_key=upload.storage_key, sha256=digest, state=Upload.State.STORED, updated_at=timezone.now()
        )
        events.publish(f"dataset:{upload.dataset_id}")
    path.unlink(missing_ok=True)
    if not stored:
        default_storage.delete(upload.storage_key)
        raise errors.Conflict(_("This upload was replaced by a newer one."))


def forget_abandoned() -> int:
    """Deletes partial files that nobody added to for KEPT_SECONDS, and returns how many; those uploads start over."""
    folder = partial_path(0).parent
    if not folder.is_dir():
        return 0
    oldest = time.time() - KEPT_SECONDS
    partials = [path for path in folder.iterdir() if path.name.isdecimal()]
    abandoned = [path for path in partials if path.stat().st_mtime < oldest]
    for path in abandoned:
        path.unlink(missing_ok=True)
    return len(abandoned)
