"""The program behind `isolated.py`: decodes JPEG Lossless frames with GDCM, one request after the other.

Run as a file, it reads requests from standard input until that ends. A request is a length and that many bytes of
JSON (see `isolated.decode_frame`), then a length and the coded frame; the answer is a length and the pixels, 0 for a
frame that cannot be decoded. All lengths are 8 bytes, little endian. It ends itself on whatever GDCM does to it.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any, BinaryIO, cast


def decode(coded: bytes, asked: dict[str, Any]) -> bytes:
    """The pixels of one frame, or nothing where GDCM gives none."""
    import gdcm  # type: ignore[import-untyped]

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(coded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((asked["columns"], asked["rows"], 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(asked["photometric"])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if asked["samples"] > 1:
        image.SetPlanarConfiguration(asked["planar"])
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(asked["syntax"])))
    stored = asked["bits_stored"]
    image.SetPixelFormat(
        gdcm.PixelFormat(asked["samples"], asked["bits_allocated"], stored, stored - 1, int(asked["signed"]))
    )
    pixels = image.GetBuffer()  # bytes that SWIG hands over as text
    return b"" if pixels is None else cast(str, pixels).encode("utf-8", "surrogateescape")


def _take(stream: BinaryIO) -> bytes | None:
    size = stream.read(8)
    return stream.read(struct.unpack("<Q", size)[0]) if len(size) == 8 else None


def main() -> None:
    """Answer until the other side closes the pipe."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (asked := _take(requests)) is not None and (coded := _take(requests)) is not None:
        pixels = decode(coded, json.loads(asked))
        answers.write(struct.pack("<Q", len(pixels)))
        answers.write(pixels)
        answers.flush()


if __name__ == "__main__":
    main()
