"""Fetching one file whose hash is known, from hosts that are known, or not at all.

A file appears under its name only when it is complete and its hash is right. Every address, redirects included, has to
be https, of an allowed host, and of a public network; the connection goes to the very address that was looked at, so a
name that changes its answer gains nothing. Proxies are not used.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

HOSTS = frozenset(
    {
        "download.pytorch.org",
        "github.com",
        "objects.githubusercontent.com",
        "release-assets.githubusercontent.com",
    }
)
MAX_REDIRECTS = 5
SECONDS = 30.0
_CHUNK = 1 << 20


class DownloadError(Exception):
    """Nothing was stored. The sentence says what was refused or went wrong."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where a file may come from. `private` allows addresses of this machine and of local networks."""

    hosts: frozenset[str] = HOSTS
    schemes: frozenset[str] = frozenset({"https"})
    private: bool = False
    max_bytes: int = 4 << 30


def download(url: str, path: Path, *, sha256: str, rules: Rules | None = None) -> str:
    """Stores the file at `path` and returns its whole sha256. `sha256` is that hash or its first 8 or more digits.
    Raises DownloadError; then `path` is as it was."""
    wanted = sha256.lower()
    if len(wanted) < 8 or set(wanted) - set("0123456789abcdef"):
        raise DownloadError(f"A download needs a known sha256 of at least 8 digits, not {sha256!r}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, _response(url, rules or Rules()) as (answer, limit):
            found = _copy(answer, file, limit, url)
            file.flush()
            os.fsync(file.fileno())
        if not found.startswith(wanted):
            raise DownloadError(f"{url} has the sha256 {found}, expected was {wanted}. Nothing was stored.")
        draft.replace(path)
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        raise DownloadError(f"{url} could not be fetched: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return found


def _copy(answer: http.client.HTTPResponse, file: object, limit: int, url: str) -> str:
    digest = hashlib.sha256()
    size = 0
    while chunk := answer.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise DownloadError(f"{url} is larger than {limit} bytes.")
        digest.update(chunk)
        file.write(chunk)  # type: ignore[attr-defined]
    return digest.hexdigest()


@contextmanager
def _response(url: str, rules: Rules) -> Iterator[tuple[http.client.HTTPResponse, int]]:
    """The answer at the end of the redirects, each of which is checked like the first address."""
    for _ in range(MAX_REDIRECTS + 1):
        parts, address = _checked(url, rules)
        connection = _connect(parts, address)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target or "/", headers={"Accept-Encoding": "identity"})
            answer = connection.getresponse()
            if answer.status in {301, 302, 303, 307, 308}:
                url = urljoin(url, answer.getheader("Location") or "")
                continue
            if answer.status != 200:
                raise DownloadError(f"{url} answered with status {answer.status}.")
            yield answer, rules.max_bytes
            return
        finally:
            connection.close()
    raise DownloadError(f"More than {MAX_REDIRECTS} redirects; the last one was to {url}.")


def _checked(url: str, rules: Rules) -> tuple[SplitResult, str]:
    """The parts of an allowed address and the numeric address to connect to."""
    parts = urlsplit(url)
    if parts.scheme not in rules.schemes:
        raise DownloadError(f"{url} is not {' or '.join(sorted(rules.schemes))}.")
    if parts.hostname not in rules.hosts or parts.username is not None:
        raise DownloadError(f"{parts.hostname} is not among the hosts that weights may come from.")
    found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not rules.private and not ipaddress.ip_address(address).is_global:
            raise DownloadError(f"{parts.hostname} is at {address}, which is not an address of the public network.")
    return parts, addresses[0]


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _connect(parts: SplitResult, address: str) -> http.client.HTTPConnection:
    plain = socket.create_connection((address, _port(parts)), timeout=SECONDS)
    host = str(parts.hostname)
    connection = http.client.HTTPConnection(host, _port(parts), timeout=SECONDS)
    if parts.scheme == "https":
        try:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except (OSError, ssl.SSLError):
            plain.close()
            raise
    else:
        connection.sock = plain
    return connection
