"""How much the server has in hand, and when that is enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .limits import MEBI, Limits
from .refusals import busy


class Gate:
    """Counts the images and bytes of all requests at work. Of one event loop; not for threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.images = 0
        self.bytes = 0

    @contextmanager
    def hold(self, *, images: int = 0, size: int = 0) -> Iterator[None]:
        """Room for that much while the block runs. Refusal (429) where there is none."""
        if self.images + images > self.limits.queue_images:
            raise busy(f"{self.images} images are being worked on or wait already.")
        if self.bytes + size > self.limits.queue_mb * MEBI:
            raise busy(f"Requests of {self.bytes / MEBI:.0f} MB are being worked on already.")
        self.images += images
        self.bytes += size
        try:
            yield
        finally:
            self.images -= images
            self.bytes -= size
