"""The options of the server's two commands: serve.py of a bundle, and `serve`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from .limits import PREFIX

ENVIRONMENT = f"""\
from the environment, each with {PREFIX} before it:
  KEYS, KEYS_FILE      keys, separated by commas; a file with one a line. With keys, every request shows one of them as
                       Authorization: Bearer <key>
  MAX_IMAGE_MB, MAX_BODY_MB, MAX_MEGAPIXELS, MAX_IMAGES, TIMEOUT
                       bounds of one request
  QUEUE_IMAGES, QUEUE_MB, BATCH_SIZE, BATCH_WAIT_MS, THREADS, CORES, DRAIN
                       bounds of all requests together, and how images become batches
  BOX_SCORE_THRESHOLD and other settings
                       for requests that say nothing else
LOG_LEVEL (INFO) says how much is logged.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server listens. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8080
    without_keys: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """--host, --port and --without-keys."""
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1: this machine alone)")
    parser.add_argument("--port", type=int, default=8080, metavar="PORT", help="0 takes a free one (8080)")
    parser.add_argument(
        "--without-keys",
        action="store_true",
        help="listen beyond this machine although no key is set: whoever reaches the server may use it",
    )


def place_of(arguments: argparse.Namespace) -> Place:
    return Place(arguments.host, arguments.port, arguments.without_keys)
