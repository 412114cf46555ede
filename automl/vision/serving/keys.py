"""Bearer keys: with none, everybody who reaches the server may score; with some, only who shows one."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from automl.vision.errors import UsageError

from .limits import PREFIX
from .refusals import Refusal

SHORTEST = 16


class Keys:
    """Keys by their hash. Comparing takes as long for a wrong key as for a right one, whichever it is of."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        given = [key.strip() for key in keys if key.strip()]
        if any(len(key) < SHORTEST for key in given):
            raise UsageError(
                f"A key has fewer than {SHORTEST} characters.",
                'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"',
            )
        self._hashes = [_hash(key) for key in given]

    def __bool__(self) -> bool:
        return bool(self._hashes)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Keys:
        """TESSERA_SERVE_KEYS (separated by commas) and the lines of the file that TESSERA_SERVE_KEYS_FILE names."""
        given = os.environ if environment is None else environment
        keys = given.get(f"{PREFIX}KEYS", "").split(",")
        file = given.get(f"{PREFIX}KEYS_FILE", "")
        if file:
            try:
                keys += Path(file).read_text(encoding="utf-8").splitlines()
            except OSError as error:
                raise UsageError(f"{PREFIX}KEYS_FILE names {file}, which cannot be read ({error.strerror}).") from error
        found = cls(keys)
        if file and not found:
            raise UsageError(f"{PREFIX}KEYS_FILE names {file}, in which there is no key.", "One key a line.")
        return found

    def check(self, header: str | None) -> None:
        """Refusal (401) unless `header`, the value of Authorization, shows one of the keys."""
        if not self._hashes:
            return
        kind, _, shown = (header or "").partition(" ")
        shown = shown.strip()
        if kind.lower() != "bearer" or not shown:
            raise _refusal("This model asks for a key.", "Send the header Authorization: Bearer <key>.")
        wanted = _hash(shown)
        if not sum(hmac.compare_digest(wanted, one) for one in self._hashes):  # a sum: all are compared
            raise _refusal("This key is not one of the model's.", "Ask whoever runs the server for one.")


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _refusal(sentence: str, way_out: str) -> Refusal:
    return Refusal(401, "unauthorized", sentence, way_out, {"WWW-Authenticate": 'Bearer realm="model"'})
