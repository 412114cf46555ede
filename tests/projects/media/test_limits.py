"""Memory stays bounded, hostile bytes end in a refusal, and a failing storage is not called a bad file."""

from __future__ import annotations

import io
import random
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from projects.media import Limits, MediaError, isolated, probe, render, source
from tests.support import running

MEASURE = """
import sys
from pathlib import Path
from projects.media import MediaError, probe, render
def peak():
    # Not getrusage: its figure is inherited from the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
before = peak()
codes = []
for path in map(Path, sys.argv[1:]):
    for call in (lambda: probe(path, path.name, verify=True), lambda: render(path, path.name, max_side=512)):
        try:
            call()
            codes.append("read")
        except MediaError as error:
            codes.append(error.code)
print(before, peak(), *codes)
"""


def png(width: int, height: int, bits: int = 1) -> bytes:
    """A black grey-scale PNG of any size, written without holding its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = b"\0" * (1 + (width * bits + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def peak(*paths: Path) -> tuple[int, int, list[str]]:
    """Peak memory in MB of a fresh process: after its imports, and after it read `paths`; and what became of each."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only on Linux")
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURE, *map(str, paths)],
        cwd=running.ROOT, capture_output=True, text=True, check=True, timeout=120,
    ).stdout.split()  # fmt: skip
    return int(answer[0]), int(answer[1]), answer[2:]


def test_bombs_do_not_fill_the_memory(sample_data: Path) -> None:
    folder = sample_data / "awkward-images"
    bombs = [*sorted((folder / "bombs").iterdir()), *sorted((folder / "made/bombs").iterdir())]
    assert len(bombs) == 7
    _, after, codes = peak(*bombs)
    assert set(codes) == {"bomb", "too_many_pixels", "unsupported"}
    assert after < 250


def test_the_largest_allowed_picture_stays_under_1200_mb(tmp_path: Path) -> None:
    largest = tmp_path / "largest.png"
    largest.write_bytes(png(16_000, 15_600))
    _, after, codes = peak(largest)
    assert codes == ["read", "read"]
    assert after < 1200


def test_dicom_decodes_one_frame_and_not_the_file(sample_data: Path, tmp_path: Path) -> None:
    """A file of 400 MB, in frames of half a megabyte."""
    import pydicom

    dataset = pydicom.dcmread(sample_data / "dicom-mix/multi_frame/eCT_Supplemental.dcm")
    frames = 800
    dataset.NumberOfFrames = frames
    small = dataset.PixelData[: 512 * 512 * 2]
    dataset.PixelData = b""
    many = tmp_path / "many.dcm"
    dataset.save_as(many)
    head = many.read_bytes()
    at = head.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    with many.open("wb") as out:
        out.write(head[:at] + struct.pack("<I", frames * len(small)))
        for _ in range(frames):
            out.write(small)
    before, after, codes = peak(many)
    assert codes == ["read", "read"]
    assert after - before < 150


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(max_pixels=9_999), "too_many_pixels"),
        (Limits(max_side=199), "too_large"),
        (Limits(max_memory=10_000), "too_large"),
    ],
)
def test_each_limit_refuses_and_the_next_size_passes(limits: Limits, code: str) -> None:
    content = png(200, 50, 8)
    for call in (probe, render):
        options: dict[str, Any] = {"verify": True} if call is probe else {}
        with pytest.raises(MediaError) as refused:
            call(io.BytesIO(content), "a.png", limits=limits, **options)
        assert refused.value.code == code
    probe(io.BytesIO(content), "a.png", limits=Limits(max_pixels=10_000, max_side=200), verify=True)


def test_a_jpeg_of_endless_passes_is_refused() -> None:
    out = io.BytesIO()
    Image.effect_noise((64, 64), 60).save(out, "JPEG", progressive=True)
    content = out.getvalue()
    probe(io.BytesIO(content), "a.jpg", verify=True)
    last = content.rindex(b"\xff\xda")
    content = content[:last] + content[last:-2] * 500 + content[-2:]
    with pytest.raises(MediaError) as refused:
        probe(io.BytesIO(content), "a.jpg")
    assert refused.value.code == "bomb"


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_BIG", 100)
    inside, most, gate = 0, 0, threading.Lock()

    def decode() -> None:
        nonlocal inside, most
        with source.memory_for(1000, Limits()):
            with gate:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.02)
            with gate:
                inside -= 1

    threads = [threading.Thread(target=decode) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


class FailingStorage(io.BytesIO):
    """A stream whose connection breaks after some bytes."""

    def __init__(self, content: bytes, after: int) -> None:
        super().__init__(content)
        self.left = after

    def read(self, count: int | None = -1) -> bytes:
        data = super().read(count)
        self.left -= len(data)
        if self.left < 0:
            raise ConnectionResetError("the storage hung up on a truncated answer")
        return data


@pytest.mark.parametrize(
    "name", ["awkward-images/orientation/Landscape_6.jpg", "awkward-images/made/encodings/exif6.png",
             "awkward-images/made/encodings/photo.tiff", "dicom-mix/compressed/MR2_J2KR.dcm"],
)  # fmt: skip
def test_a_failing_storage_is_not_called_a_damaged_file(sample_data: Path, name: str) -> None:
    content = (sample_data / name).read_bytes()
    for after in (0, 300, 3_000, 40_000):
        with pytest.raises(ConnectionResetError):
            probe(FailingStorage(content, after), name, verify=True)
        with pytest.raises(ConnectionResetError):
            render(FailingStorage(content, after), name)
    with pytest.raises(FileNotFoundError):
        probe(Path("/nowhere/at/all.jpg"), "all.jpg")


def test_damaged_bytes_end_in_a_refusal_or_a_picture(sample_data: Path) -> None:
    """Cut short and with bytes changed, by a fixed seed: nothing but MediaError is raised, with a sentence."""
    chance = random.Random(20)
    names = [
        "awkward-images/made/encodings/progressive.jpg", "awkward-images/made/encodings/palette_alpha.png",
        "awkward-images/bmp/pal8rle.bmp", "awkward-images/cmyk/pil_sample_cmyk.jpg",
        "awkward-images/multi_page/frozenpond.mpo", "dicom-mix/single_frame/CT_small.dcm",
        "dicom-mix/multi_frame/emri_small_RLE.dcm", "dicom-mix/compressed/SC_rgb_jpeg_dcmtk.dcm",
        "dicom-mix/single_frame/image_dfl.dcm",
    ]  # fmt: skip
    refused = 0
    for name in names:
        content = (sample_data / name).read_bytes()
        for _ in range(25):
            broken = bytearray(content[: chance.randrange(1, len(content))] if chance.random() < 0.3 else content)
            for _ in range(chance.choice((1, 5, 40))):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            try:
                probe(io.BytesIO(bytes(broken)), name, verify=True)
                render(io.BytesIO(bytes(broken)), name, max_side=64)
            except MediaError as error:
                refused += 1
                assert re.fullmatch(r"[A-Z].*\.", error.sentence)
    assert refused > 50


def test_a_jpeg_ls_frame_without_its_end_is_refused_at_once(sample_data: Path) -> None:
    """Its decoder would spend seconds on it: the frame is cut by the length that its item states."""
    content = bytearray((sample_data / "dicom-mix/compressed/MR_small_jpeg_ls_lossless.dcm").read_bytes())
    start = content.index(b"\xff\xd8\xff")
    length = struct.unpack_from("<I", content, start - 4)[0]
    content[start + 1000] ^= 0x55
    struct.pack_into("<I", content, start - 4, length - 200)
    del content[start + length - 200 : start + length]
    began = time.process_time()
    with pytest.raises(MediaError) as refused:
        render(io.BytesIO(bytes(content)), "a.dcm")
    assert refused.value.code == "truncated"
    assert time.process_time() - began < 1


def test_a_frame_that_kills_its_decoder_is_refused_and_the_next_is_read(
    sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = sample_data / "dicom-mix/compressed/JPGLosslessP14SV1_1s_1f_8b.dcm"
    before = render(good, good.name).content
    content = good.read_bytes()
    start = content.index(b"\xff\xd8\xff")
    chance = random.Random(4)
    refused = 0
    for _ in range(12):
        broken = bytearray(content)
        for _ in range(40):
            broken[start + chance.randrange(2000)] = chance.randrange(256)
        try:
            render(io.BytesIO(bytes(broken)), good.name)
        except MediaError:
            refused += 1
    assert refused
    process = isolated._helper._process
    assert process is not None
    process.kill()
    process.wait()
    assert render(good, good.name).content == before
    # A decoder that never answers is ended, and the frame refused.
    silent = tmp_path / "silent.py"
    silent.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(isolated, "TIMEOUT", 0.5)
    monkeypatch.setattr(isolated, "_PROGRAM", silent)
    isolated._helper._process.kill()
    isolated._helper._process.wait()
    with pytest.raises(MediaError) as late:
        render(good, good.name)
    assert late.value.code == "damaged"
    assert isolated._helper._process is None
    monkeypatch.undo()
    assert render(good, good.name).content == before


def test_nothing_here_knows_django() -> None:
    code = "import sys, projects.media; print([name for name in sys.modules if name.split('.')[0] == 'django'])"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=running.ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"
