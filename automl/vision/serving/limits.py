"""How much one request may ask for, and how much the server takes on at once. All from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from automl.vision.errors import UsageError

PREFIX = "TESSERA_SERVE_"
MEBI = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request (`max_…`, `timeout`), of all together (`queue_…`), and how images become batches.

    TESSERA_SERVE_ and the name in capitals sets one from the environment.
    """

    max_image_mb: float = 32
    """Megabytes (2^20 bytes) of one image file."""
    max_body_mb: float = 64
    """Megabytes of a whole request."""
    max_megapixels: float = 100
    """Millions of pixels of one image, decoded."""
    max_images: int = 64
    """Images of one request."""
    timeout: float = 30
    """Seconds from the first byte to the answer."""
    queue_images: int = 256
    """Images that are read, waiting or computed at once; more are answered with 429."""
    queue_mb: float = 512
    """Megabytes of request bodies held at once; more are answered with 429."""
    batch_size: int = 8
    """Images that go through the model together."""
    batch_wait_ms: float = 5
    """Milliseconds an image waits at most for others that are being decoded."""
    threads: int = 1
    """Batches computed at the same time; each uses as many cores as `cores` says."""
    cores: int = 0
    """Cores of one batch; 0: all that the machine shows, which in a container may be more than it may use."""
    drain: float = 25
    """Seconds that running requests have to end after SIGTERM."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)  # one of the names above
            least = 0 if field.name in {"batch_wait_ms", "drain", "cores"} else 1 if _is_whole(field.name) else 0.001
            if not least <= value <= 1_000_000:
                raise UsageError(f"{PREFIX}{field.name.upper()} cannot be {value:g}.", f"Allowed: {least:g} or more.")
        if self.queue_images < self.max_images or self.queue_mb < self.max_body_mb:
            raise UsageError(
                "One request of the largest size would not fit into the queue.",
                f"Raise {PREFIX}QUEUE_IMAGES and {PREFIX}QUEUE_MB, or lower {PREFIX}MAX_IMAGES and "
                f"{PREFIX}MAX_BODY_MB.",
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Limits:
        """UsageError names the variable that is no number or out of range."""
        given = os.environ if environment is None else environment
        values: dict[str, float] = {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            text = given.get(name, "").strip()
            if text:
                try:
                    values[field.name] = int(text) if _is_whole(field.name) else float(text)
                except ValueError:
                    kind = "a whole number" if _is_whole(field.name) else "a number"
                    raise UsageError(f"{name} is {text!r}.", f"It has to be {kind}.") from None
        return cls(**values)  # type: ignore[arg-type]

    @property
    def image_bytes(self) -> int:
        return int(self.max_image_mb * MEBI)

    @property
    def body_bytes(self) -> int:
        return int(self.max_body_mb * MEBI)

    @property
    def pixels(self) -> int:
        return int(self.max_megapixels * 1_000_000)


def _is_whole(name: str) -> bool:
    return name in {"max_images", "queue_images", "batch_size", "threads", "cores"}
