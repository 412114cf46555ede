"""JPEG Lossless for pydicom, decoded in a process of its own.

GDCM alone reads JPEG Lossless under a permissive licence, and it aborts the whole process on some damaged frames.
So it runs in a helper that may die: the frame is then refused, and the next one starts a new helper.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

from pydicom.pixels.decoders.base import JPEGLosslessDecoder, JPEGLosslessSV1Decoder
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

NAME: Final = "isolated gdcm"
TIMEOUT: Final = 60.0  # seconds for one frame
DECODER_DEPENDENCIES: Final = {JPEGLossless: ("python-gdcm",), JPEGLosslessSV1: ("python-gdcm",)}

_PROGRAM: Final = Path(__file__).with_name("gdcm_helper.py")


def is_available(uid: str) -> bool:
    """What pydicom asks of a plugin: whether it can decode this transfer syntax."""
    return uid in DECODER_DEPENDENCIES and find_spec("gdcm") is not None


def decode_frame(coded: bytes, runner: Any) -> bytes:
    """What pydicom calls with a coded frame. Raises RuntimeError where no pixels of the right size come back."""
    asked = {
        "columns": runner.columns,
        "rows": runner.rows,
        "samples": runner.samples_per_pixel,
        "planar": runner.planar_configuration if runner.samples_per_pixel > 1 else 0,
        "photometric": str(runner.photometric_interpretation),
        "syntax": str.__str__(runner.transfer_syntax),
        "bits_allocated": runner.bits_allocated,
        "bits_stored": runner.bits_stored,
        "signed": runner.pixel_representation,
    }
    expected = runner.frame_length(unit="bytes")
    pixels = _helper.ask(json.dumps(asked).encode(), coded, expected)
    if len(pixels) != expected:
        raise RuntimeError("the JPEG Lossless frame could not be decoded")
    return pixels


class _Helper:
    """One helper process per process of ours, started when first needed, asked by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, asked: bytes, coded: bytes, expected: int) -> bytes:
        with self._lock:
            process = self._running()
            alarm = threading.Timer(TIMEOUT, process.kill)
            alarm.start()
            try:
                return self._exchange(process, asked, coded, expected)
            except (OSError, EOFError) as error:
                self._stop(process)
                raise RuntimeError("the JPEG Lossless decoder ended on this frame") from error
            finally:
                alarm.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        # After a fork the pipes belong to the parent; a process that ended has to be started anew.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._owner = os.getpid()
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], asked: bytes, coded: bytes, expected: int) -> bytes:
        if process.stdin is None or process.stdout is None:
            raise EOFError
        for part in (asked, coded):
            process.stdin.write(struct.pack("<Q", len(part)))
            process.stdin.write(part)
        process.stdin.flush()
        size = struct.unpack("<Q", _exactly(process.stdout, 8))[0]
        if size > expected:
            raise EOFError
        return _exactly(process.stdout, size)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                _close(stream)
        self._process = None


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return  # what was still to be written has no reader any more


_helper = _Helper()

for _decoder in (JPEGLosslessDecoder, JPEGLosslessSV1Decoder):
    _decoder.add_plugin(NAME, (__name__, "decode_frame"))
