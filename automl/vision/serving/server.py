"""Running the server: its options, its log, and an end that lets running requests finish."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from automl.vision.errors import UsageError, VisionError

from . import served
from .app import create_app
from .engine import Engine, Explain
from .keys import Keys
from .limits import PREFIX, Limits
from .options import ENVIRONMENT, Place, add_options, choice_of, place_of
from .served import Served


def run(
    model: Served,
    place: Place,
    limits: Limits,
    *,
    explain: Explain | None = None,
    listening: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Serves until SIGTERM or SIGINT, then lets running requests finish; returns what was done. `listening` is told the
    address. UsageError for an environment that is not acceptable, or an address that cannot be had."""
    keys = Keys.from_environment()
    if not keys and not place.without_keys and not _is_this_machine(place.host):
        raise UsageError(
            f"Whoever reaches {place.host} could use this model: no key is set.",
            f"Set {PREFIX}KEYS, or add --without-keys where something else keeps strangers out.",
        )
    engine = Engine(model.runner, limits, explain=explain)
    app = create_app(engine, name=model.name, version=model.version, keys=keys)
    config = uvicorn.Config(
        app,
        host=place.host,
        port=place.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(engine.limits.drain)),
        ws="none",
    )
    server = _Server(config, engine, listening)
    try:
        server.run()
    except SystemExit as end:  # uvicorn says so where it cannot listen
        if end.code:
            raise UsageError(
                f"The server cannot listen at {place.host}, port {place.port}.", "Name another with --port."
            ) from end
    return {
        "model": model.name,
        "version": model.version,
        "images": engine.answered,
    }


class _Server(uvicorn.Server):
    """A uvicorn that tells where it listens, and that on a signal refuses what is new and finishes what runs."""

    def __init__(self, config: uvicorn.Config, engine: Engine, listening: Callable[[str], None]) -> None:
        super().__init__(config)
        self.engine, self.listening = engine, listening

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        if not self.should_exit:
            for one in self.servers:
                for socket in one.sockets:
                    host, port = socket.getsockname()[:2]
                    self.listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second ends at once. Neither is raised again: a drained server ends with 0."""
        self.engine.is_draining = True
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def main(folder: Path) -> int:
    """The program of a bundle: serves the model in `folder`; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Serve this model over HTTP; /openapi.json describes what it speaks.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    arguments = parser.parse_args()
    log_to_stderr()
    try:
        limits = Limits.from_environment()
        model = served.open_model(folder, limits, choice_of(arguments, limits))
        run(model, place_of(arguments), limits, listening=_say)
    except VisionError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def log_to_stderr() -> None:
    """One line a request and what goes wrong, at the level that LOG_LEVEL names."""
    level = logging.getLevelNamesMapping().get(os.environ.get("LOG_LEVEL", "INFO").upper(), logging.INFO)
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))


def _say(address: str) -> None:
    print(f"Serving at {address}", flush=True)  # noqa: T201


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
