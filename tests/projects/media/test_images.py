"""Images: facts as a person sees them, renditions that equal independent readings, and a reason for every refusal."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from projects.media import MediaError, has_supported_extension, probe, render

# Every file of the sample folder that must be refused when it is really decoded, and why. All others must be read.
REFUSED = {
    "bit_depth/9bit.j2k": "unsupported",
    "bit_depth/hopper_16bit.pgm": "unsupported",
    "bmp/badpalettesize.bmp": "damaged",
    "bombs/decompression_bomb.gif": "unsupported",
    "bombs/decompression_bomb.ico": "unsupported",
    "bombs/png_decompression_dos.png": "bomb",
    "damaged/broken.png": "damaged",
    "damaged/broken_data_stream.png": "damaged",
    "damaged/crash-2020-10-test.tif": "damaged",
    "damaged/truncated_image.png": "truncated",
    "damaged/truncated_jpeg.jpg": "truncated",
    "damaged/zero_width.gif": "unsupported",
    "made/bombs/bomb_40000x40000_1bit.png": "too_many_pixels",
    "made/bombs/claims_100000x100000.png": "too_many_pixels",
    "made/bombs/claims_65500x65500.jpg": "too_many_pixels",
    "made/bombs/text_chunk_64MB.png": "bomb",
    "made/damaged/bad_header_crc.png": "damaged",
    "made/damaged/header_only.jpg": "damaged",
    "made/damaged/one_byte.png": "damaged",
    "made/damaged/truncated_half.jpg": "truncated",
    "made/damaged/truncated_half.png": "truncated",
    "made/damaged/zero_bytes.jpg": "empty",
    "made/damaged/zero_bytes.png": "empty",
    "made/encodings/animated.webp": "unsupported",
    "made/encodings/exif6.webp": "unsupported",
    "made/encodings/photo.gif": "unsupported",
    "made/wrong_extension/gif_named.jpeg": "unsupported",
    "made/wrong_extension/html_named.png": "unsupported",
    "made/wrong_extension/text_named.jpg": "unsupported",
    "made/wrong_extension/webp_named.jpg": "unsupported",
    "multi_page/dispose_bgnd.gif": "unsupported",
    "multi_page/hopper.ico": "unsupported",
    "other_formats/hopper.avif": "unsupported",
    "other_formats/hopper.gif": "unsupported",
    "other_formats/hopper.ppm": "unsupported",
    "other_formats/hopper.psd": "unsupported",
    "other_formats/hopper.webp": "unsupported",
    "other_formats/test-card-lossless.jp2": "unsupported",
    "palette_alpha/transparent.gif": "unsupported",
    "palette_alpha/transparent.webp": "unsupported",
}


@pytest.fixture(scope="module")
def folder(sample_data: Path) -> Path:
    return sample_data / "awkward-images"


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder)


def shown(path: Path, **options: object) -> np.ndarray:
    """What a browser gets, without loss."""
    picture = render(path, path.name, format="png", **options)
    assert picture.content_type == "image/png"
    image = Image.open(io.BytesIO(picture.content))
    assert image.size == (picture.width, picture.height)
    assert image.mode in ("L", "RGB")
    return np.asarray(image.convert("RGB"))


def upright(path: Path) -> np.ndarray:
    """The same file read by Pillow alone."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def test_every_file_is_read_or_refused_with_its_reason(folder: Path) -> None:
    outcome = {}
    for path in pictures(folder):
        name = path.relative_to(folder).as_posix()
        try:
            facts = probe(path, path.name, verify=True)
            picture = render(path, path.name, max_side=100)
            scale = max(picture.width, picture.height) / max(facts.width, facts.height)
            assert scale <= 1, name
            assert abs(picture.width - facts.width * scale) <= 1 and abs(picture.height - facts.height * scale) <= 1
        except MediaError as error:
            outcome[name] = error.code
            assert error.sentence.endswith(".") and len(error.sentence) > 15, name
            assert "0x" not in error.sentence and "Error" not in error.sentence, name
            with pytest.raises(MediaError):
                render(path, path.name, max_side=100)
    assert outcome == REFUSED


def test_orientation_equals_pillow_and_is_told(folder: Path) -> None:
    files = [*sorted((folder / "orientation").iterdir()), folder / "made/encodings/exif6.png"]
    files.append(folder / "made/encodings/exif8.tif")
    assert len(files) == 20
    seen = set()
    for path in files:
        facts = probe(path, path.name)
        expected = upright(path)
        assert (facts.height, facts.width) == expected.shape[:2], path.name
        if path.name != "xmp_tags_orientation_exiftool.png":  # has transparent parts, which we show on white
            assert np.array_equal(shown(path), expected), path.name
        seen.add(facts.orientation)
        turned = facts.orientation >= 5
        assert (facts.stored_width, facts.stored_height) == (
            (facts.height, facts.width) if turned else (facts.width, facts.height)
        )
    assert seen == set(range(1, 9))


def test_shrinking_keeps_the_orientation(folder: Path) -> None:
    """The eight photographs show one scene: drawn small and upright, all look alike."""
    first = shown(folder / "orientation/Landscape_1.jpg", max_side=150).astype(int)
    assert first.shape == (100, 150, 3)
    for number in range(2, 9):
        other = shown(folder / f"orientation/Landscape_{number}.jpg", max_side=150).astype(int)
        assert other.shape == first.shape
        # The digit in the middle differs, the rest does not.
        assert np.abs(other - first).mean() < 6, number


def test_exif_after_the_pixels_of_a_png_counts() -> None:
    plain = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(plain, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
    end = plain.getvalue().rindex(b"IEND") - 4
    content = plain.getvalue()[:end] + chunk + plain.getvalue()[end:]
    facts = probe(io.BytesIO(content), "late.png")
    assert (facts.width, facts.height, facts.orientation) == (20, 30, 6)
    picture = render(io.BytesIO(content), "late.png")
    assert (picture.width, picture.height) == (20, 30)


def test_content_decides_and_a_lying_extension_is_noted(folder: Path) -> None:
    lying = probe(folder / "made/wrong_extension/jpeg_named.png", "jpeg_named.png")
    assert lying.format == "JPEG"
    assert lying.notes == ["The extension says PNG, the content is JPEG."]
    honest = probe(folder / "made/encodings/PHOTO.JPG", "PHOTO.JPG")
    assert (honest.format, honest.notes) == ("JPEG", [])
    assert probe(folder / "made/wrong_extension/jpeg_without_extension", "jpeg_without_extension").notes == []


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("multi_page/multipage.tiff", 3),
        ("multi_page/multipage_single_frame_loop.tiff", 1),
        ("multi_page/frozenpond.mpo", 2),
        ("multi_page/delay.png", 5),
        ("made/encodings/multipage.tif", 4),
        ("made/encodings/photo.jpeg", 1),
    ],
)
def test_of_several_pages_the_first_is_the_item(folder: Path, name: str, pages: int) -> None:
    path = folder / name
    facts = probe(path, "page" + path.suffix)
    assert (facts.frames, facts.pages) == (1, pages)
    assert (f"Only the first of {pages} pages is labeled." in facts.notes) is (pages > 1)
    if not name.endswith("delay.png"):
        assert np.array_equal(shown(path), upright(path))
    with pytest.raises(MediaError) as refused:
        render(path, path.name, frame=1)
    assert refused.value.code == "bad_frame"


def test_deep_grey_is_neither_white_nor_black(folder: Path) -> None:
    """Checked against the raw values: 12 bits in 16 fill the range, 16 bits are divided by 257."""
    twelve = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    out = io.BytesIO()
    Image.fromarray(twelve).save(out, "TIFF")
    drawn = Image.open(io.BytesIO(render(io.BytesIO(out.getvalue()), "a.tif", format="png").content))
    assert np.abs(np.asarray(drawn) - twelve * (255 / 4095)).max() <= 1
    with Image.open(folder / "made/encodings/gray16.png") as image:
        raw = np.asarray(image).astype(float)
    assert raw.max() > 32767
    assert np.abs(shown(folder / "made/encodings/gray16.png")[..., 0] - raw / 257).max() <= 1
    with Image.open(folder / "made/encodings/float32.tif") as image:
        raw = np.asarray(image).astype(float)
    top = 1.0 if raw.max() <= 1 else 255.0
    assert np.abs(shown(folder / "made/encodings/float32.tif")[..., 0] - raw * 255 / top).max() <= 1
    assert probe(folder / "made/encodings/rgb16.tif", "a.tif").bit_depth == 16
    assert probe(folder / "made/encodings/bilevel.png", "a.png").bit_depth == 1


def test_transparency_is_shown_on_white(folder: Path) -> None:
    path = folder / "palette_alpha/transparent.png"
    with Image.open(path) as image:
        raw = np.asarray(image).astype(float)
    alpha = raw[..., 3:] / 255
    assert alpha.min() == 0
    assert np.abs(shown(path) - (raw[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1
    assert "Transparent parts are shown white." in probe(path, path.name).notes
    for name in ("p_trns_single.png", "l_trns.png", "rgb_trns.png"):
        with Image.open(folder / "palette_alpha" / name) as image:
            clear = np.asarray(image.convert("RGBA"))[..., 3] == 0
        assert clear.any()
        assert (shown(folder / "palette_alpha" / name)[clear] == 255).all(), name


def test_cmyk_comes_out_in_the_right_colours(folder: Path) -> None:
    """The same photograph in RGB and in CMYK (where Adobe's marker inverts the inks) looks the same."""
    rgb = shown(folder / "made/encodings/photo.jpg" if (folder / "made/encodings/photo.jpg").exists()
                else folder / "made/encodings/photo.jpeg").astype(int)  # fmt: skip
    cmyk = shown(folder / "made/encodings/cmyk.jpg").astype(int)
    assert np.abs(rgb - cmyk).mean() < 6


def test_an_embedded_profile_is_applied() -> None:
    """Pixels in a space with red and blue swapped come out swapped back, which no plain conversion does."""
    from PIL import ImageCms

    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    image = Image.new("RGB", (16, 16), (200, 40, 90))
    in_lab = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    out = io.BytesIO()
    in_lab.save(out, "TIFF")
    picture = render(io.BytesIO(out.getvalue()), "lab.tif", format="png")
    pixel = Image.open(io.BytesIO(picture.content)).convert("RGB").getpixel((8, 8))
    assert np.abs(np.array(pixel) - (200, 40, 90)).max() <= 4


def test_no_metadata_leaves_with_the_pixels() -> None:
    secret = b"SECRET-OWNER-NAME"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    exif[0x0112] = 1
    image = Image.effect_noise((300, 200), 50)
    for kind, options in (
        ("JPEG", {"exif": exif, "comment": secret, "icc_profile": b"x" * 200 + secret}),
        ("PNG", {"exif": exif, "icc_profile": b"x" * 200 + secret}),
        ("TIFF", {"description": secret.decode()}),
    ):
        out = io.BytesIO()
        image.save(out, kind, **options)
        assert kind == "PNG" or secret in out.getvalue()
        for format in ("jpeg", "png"):
            picture = render(io.BytesIO(out.getvalue()), f"a.{kind.lower()}", format=format)
            assert secret not in picture.content
            assert not set(Image.open(io.BytesIO(picture.content)).info) & {"exif", "comment", "icc_profile"}


def test_jpeg_by_default_and_png_where_edges_matter(folder: Path) -> None:
    photo = folder / "orientation/Landscape_1.jpg"
    assert render(photo, photo.name, max_side=600).content_type == "image/jpeg"
    assert render(photo, photo.name, max_side=100).content_type == "image/png"
    bits = folder / "made/encodings/bilevel.png"
    assert render(bits, bits.name).content_type == "image/png"
    assert render(bits, bits.name, format="jpeg").content_type == "image/jpeg"
    fine, coarse = (len(render(photo, photo.name, max_side=600, quality=quality).content) for quality in (92, 40))
    assert coarse < fine / 2
    small = folder / "made/sizes/1x1.png"
    assert render(small, small.name, max_side=500).width == 1
    with pytest.raises(ValueError, match="max_side"):
        render(small, small.name, max_side=0)


def test_a_stream_is_read_and_left_open(folder: Path) -> None:
    path = folder / "made/encodings/photo.jpeg"
    with path.open("rb") as stream:
        stream.seek(100)
        assert probe(stream, path.name) == probe(path, path.name)
        assert render(stream, path.name).content == render(path, path.name).content
        assert not stream.closed


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'),
        ("a.png", b"\xef\xbb\xbf <!DOCTYPE html><script>1</script>"),
        ("a.jpg", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"),
        ("a.jpg", b"%PDF-1.7"),
        ("a.exe", b"MZ\x90\x00\x03"),
        ("a.dcm", b"\x00" * 300),
    ],
)
def test_anything_else_is_refused(name: str, content: bytes) -> None:
    for call in (probe, render):
        with pytest.raises(MediaError) as refused:
            call(io.BytesIO(content), name)
        assert refused.value.code in ("unsupported", "damaged")


def test_names_are_judged_without_regard_to_case() -> None:
    assert all(map(has_supported_extension, ("a.JPG", "b/c.Tiff", "x.DICOM", "scan.dcm", "dir.png/a.jfif", "a.jpe")))
    assert not any(map(has_supported_extension, ("a.gif", "jpg", ".jpg", "a.jpg/readme", "a.svg", "a.webp")))
