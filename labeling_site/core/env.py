"""Reads the environment once, with types and with errors a person can act on. Needs no Django."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class BadSetting(SystemExit):
    """An environment variable holds something we cannot use; the message says which and what would do."""


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name}={value!r} is not a yes or a no. Use 1 or 0.")


def number(name: str, default: int, *, at_least: int = 0, at_most: int = 2**31) -> int:
    value = text(name)
    if not value:
        return default
    if not value.lstrip("-").isdigit() or not at_least <= int(value) <= at_most:
        raise BadSetting(f"{name}={value!r} must be a whole number from {at_least} to {at_most}.")
    return int(value)


def home() -> Path:
    """The one folder that holds all data of an embedded installation."""
    return Path(text("TESSERA_HOME", str(Path.home() / ".tessera"))).expanduser().resolve()


def redis_url(home_folder: Path) -> str:
    """REDIS_URL, else the embedded broker's socket, whose place the supervisor notes in the home."""
    note = home_folder / "run" / "redis_url"
    if not text("REDIS_URL") and note.exists():
        return note.read_text(encoding="utf-8").strip()
    return text("REDIS_URL", f"unix://{home_folder / 'run' / 'valkey.sock'}?db=0")


def public_url() -> str:
    """The address people type, without a trailing slash."""
    default = f"http://{text('HOST', '127.0.0.1')}:{number('PORT', 8000, at_least=1, at_most=65535)}"
    url = text("PUBLIC_URL", default).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
        raise BadSetting(f"PUBLIC_URL={url!r} must look like https://label.example.org, with no path behind it.")
    return url


def secret(name: str, folder: Path) -> str:
    """The secret `name` from the environment, else from a file of mode 0600 that is made on first use."""
    value = text(name.upper())
    if value:
        return value
    path = folder / name.lower()
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    value = secrets.token_urlsafe(48)
    # Written beside and linked into place: two processes starting at once agree on one secret.
    draft = folder / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        value = path.read_text(encoding="ascii").strip()
    finally:
        draft.unlink()
    return value


@dataclass(frozen=True)
class StorageTarget:
    """Where files of the site go: `backend` is a django-storages class path, `options` its settings."""

    backend: str
    options: dict[str, object]


def storage(default_folder: Path) -> StorageTarget:
    """STORAGE_URL as a target: empty or file:///path, s3://bucket/prefix, azure://account/container/prefix.

    Credentials come from the variables the vendors' own tools read (AWS_*, AZURE_STORAGE_KEY or managed identity).
    """
    url = text("STORAGE_URL")
    if not url:
        return StorageTarget("django.core.files.storage.FileSystemStorage", {"location": str(default_folder)})
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme == "file":
        return StorageTarget("django.core.files.storage.FileSystemStorage", {"location": parts.path})
    if parts.scheme == "s3" and parts.hostname:
        options: dict[str, object] = {
            "bucket_name": parts.netloc,
            "location": prefix,
            "file_overwrite": True,
            "default_acl": None,
            "querystring_auth": True,
        }
        if text("AWS_ENDPOINT_URL"):
            options["endpoint_url"] = text("AWS_ENDPOINT_URL")
        return StorageTarget("storages.backends.s3.S3Storage", options)
    container, _, location = prefix.partition("/")
    if parts.scheme == "azure" and parts.hostname and container:
        options = {
            "account_name": parts.netloc,
            "azure_container": container,
            "location": location,
            "overwrite_files": True,
        }
        if text("AZURE_STORAGE_KEY"):
            options["account_key"] = text("AZURE_STORAGE_KEY")
        if text("AZURE_STORAGE_CONNECTION_STRING"):
            options["connection_string"] = text("AZURE_STORAGE_CONNECTION_STRING")
        return StorageTarget("storages.backends.azure_storage.AzureStorage", options)
    raise BadSetting(
        f"STORAGE_URL={url!r} is not understood. Use file:///folder, s3://bucket/prefix or azure://account/container."
    )
