"""The options of the server's two commands: serve.py of a bundle, and `serve`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from automl.vision.engines import ENGINES, PRECISIONS, Choice

from .limits import PREFIX, Limits

ENVIRONMENT = f"""\
from the environment, each with {PREFIX} before it:
  KEYS, KEYS_FILE      keys, separated by commas; a file with one a line. With keys, every request shows one of them as
                       Authorization: Bearer <key>
  MAX_IMAGE_MB, MAX_BODY_MB, MAX_MEGAPIXELS, MAX_IMAGES, TIMEOUT
                       bounds of one request
  QUEUE_IMAGES, QUEUE_MB, BATCH_SIZE, BATCH_WAIT_MS, THREADS, CORES, DRAIN
                       bounds of all requests together, and how images become batches
  ENGINE, PRECISION    as --engine and --precision
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
    """--host, --port, --without-keys, --engine and --precision."""
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1: this machine alone)")
    parser.add_argument("--port", type=int, default=8080, metavar="PORT", help="0 takes a free one (8080)")
    parser.add_argument(
        "--without-keys",
        action="store_true",
        help="listen beyond this machine although no key is set: whoever reaches the server may use it",
    )
    parser.add_argument(
        "--engine", choices=ENGINES, help="what computes (auto: openvino where it is installed, else onnxruntime)"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="fp32 (the default): torch's numbers; bf16: faster with openvino where the processor has it, and nearly "
        "always the same answers; auto: what the engine finds fastest",
    )


def place_of(arguments: argparse.Namespace) -> Place:
    return Place(arguments.host, arguments.port, arguments.without_keys)


def choice_of(arguments: argparse.Namespace, limits: Limits) -> Choice:
    """The engine that options, else the environment ask for. UsageError for what is not acceptable."""
    return Choice.of(arguments.engine, arguments.precision, at_once=limits.threads)
