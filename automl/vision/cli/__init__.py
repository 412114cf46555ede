"""The command line. Each command is a module with `configure(parser)` and `run(arguments, output) -> dict`."""

from __future__ import annotations

import argparse
import difflib
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from automl.vision.errors import Stopped, UsageError, VisionError

from . import convert, embed, evaluate, export, hyperparameters, models, package, predict, serve, train
from .output import Output

COMMANDS: dict[str, Any] = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "embed": embed,
    "export": export,
    "package": package,
    "serve": serve,
    "convert": convert,
    "list-models": models,
    "list-hyperparameters": hyperparameters,
}
EPILOG = """\
exit codes: 0 done; 1 it failed; 2 the command or a setting is not acceptable; 3 the data are not; 130 stopped.
Progress goes to standard error, results to standard output. With --json the last line of standard output is one JSON
object, also after a failure.
"""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and leave, so that --json answers there, too."""

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:].rstrip(".")
        raise UsageError(f"{sentence}.", f"`{self.prog} --help` explains.")


def parser() -> Parser:
    """All commands with their help."""
    whole = Parser(
        prog="python -m automl.vision",
        description="Train image models on labeled images, apply, export, package and serve them: "
        "classification (one or several labels), object detection, instance segmentation.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in COMMANDS.items():
        summary, _, rest = (module.__doc__ or "").partition("\n")
        sub = commands.add_parser(
            name,
            help=summary,
            description=f"{summary}\n{rest}",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.add_argument("--json", action="store_true", help="end with one JSON object on standard output")
        sub.add_argument("--quiet", action="store_true", help="show no progress")
        module.configure(sub)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    output = Output(json="--json" in given, quiet="--quiet" in given)
    with _stopping(output):
        try:
            arguments = _read(given)
            result = COMMANDS[arguments.command].run(arguments, output)
        except VisionError as error:
            output.fail(error.sentence, error.way_out, error.exit_code)
            return error.exit_code
        except OSError as error:
            place = f"{error.filename} cannot" if error.filename else "A file could not"
            output.fail(f"{place} be read or written ({error.strerror or error}).", "", VisionError.exit_code)
            return VisionError.exit_code
        except Stopped as stopped:
            output.fail(
                str(stopped) or "Stopped.", "What was reached is kept; train --resume goes on.", stopped.exit_code
            )
            return stopped.exit_code
    if isinstance(result, int):  # another process did it, and spoke for itself
        return result
    output.finish(result)
    return 0


def _read(given: list[str]) -> argparse.Namespace:
    """The arguments; UsageError for an option that does not exist, with the one that was probably meant."""
    whole = parser()
    arguments, strange = whole.parse_known_args(given)
    if not strange:
        return arguments
    name = next((each for each in strange if each.startswith("-")), strange[0]).partition("=")[0]
    near = difflib.get_close_matches(name.replace("_", "-"), _options(whole, arguments.command), n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"{arguments.command} does not understand {name}.", f"{hint}`{whole.prog} {arguments.command} --help` explains."
    )


def _options(whole: Parser, command: str) -> list[str]:
    commands: dict[str, Any] = next(each.choices for each in whole._actions if isinstance(each.choices, dict))
    return [name for action in commands[command]._actions for name in action.option_strings]


@contextmanager
def _stopping(output: Output) -> Iterator[None]:
    """SIGINT and SIGTERM end the run at the next report, the second one at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        output.stops = True
        signal.signal(number, signal.SIG_DFL)
        print("Stopping after this step …", file=sys.stderr, flush=True)  # noqa: T201

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
