"""DICOM: every grey level against an independent computation, and not one identifying value in what comes out."""

from __future__ import annotations

import io
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.uid import DeflatedExplicitVRLittleEndian

from projects.media import DicomFacts, MediaError, probe, render
from tests.factories import dicom_bytes

# Every file of the sample folder that must be refused, and why. All others must be read.
REFUSED = {
    "broken/JPEG-lossy.dcm": "no_decoder",
    "broken/JPEG2000-embedded-sequence-delimiter.dcm": "damaged",
    "broken/MR_truncated.dcm": "truncated",
    "broken/badVR.dcm": "damaged",
    "broken/liver_rle.dcm": "no_decoder",
    "broken/meta_missing_tsyntax.dcm": "damaged",
    "broken/no_meta.dcm": "damaged",
    "broken/rtplan_truncated.dcm": "no_pixels",
    "compressed/JPGExtended.dcm": "no_decoder",
    "names_charsets/chrKoreanMulti.dcm": "truncated",
    "no_pixels/DICOMDIR": "no_pixels",
    "no_pixels/empty_charset_LEI.dcm": "no_pixels",
    "no_pixels/reportsi.dcm": "no_pixels",
    "no_pixels/rtplan.dcm": "no_pixels",
    "no_pixels/rtstruct.dcm": "no_pixels",
    "no_pixels/test-SR.dcm": "no_pixels",
}


@pytest.fixture(scope="module")
def folder(sample_data: Path) -> Path:
    return sample_data / "dicom-mix"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder)


def readable(folder: Path) -> list[Path]:
    return [path for path in files(folder) if path.relative_to(folder).as_posix() not in REFUSED]


def shown(source: Any, name: str = "a.dcm", **options: Any) -> np.ndarray:
    picture = render(source, name, format="png", **options)
    return np.asarray(Image.open(io.BytesIO(picture.content)))


def functional(dataset: Dataset, frame: int, group: str) -> Dataset:
    for item in [*dataset.get("PerFrameFunctionalGroupsSequence", [])[frame : frame + 1],
                 *dataset.get("SharedFunctionalGroupsSequence", [])]:  # fmt: skip
        if group in item:
            return item[group][0]
    return dataset


def linear(values: np.ndarray, center: float, width: float) -> np.ndarray:
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255


def expected(dataset: Dataset, pixels: np.ndarray, frame: int, window: tuple[float, float] | None) -> np.ndarray:
    """What the frame must look like, written down a second time from the standard and from pydicom's functions."""
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(pixels, dataset)
        return colours >> 8 if colours.dtype == np.uint16 else colours
    if dataset.SamplesPerPixel == 3:
        return pixels / 257 if pixels.dtype.itemsize == 2 else pixels
    if "ModalityLUTSequence" in dataset:
        values = apply_modality_lut(pixels, dataset).astype(float)
    else:
        place = functional(dataset, frame, "PixelValueTransformationSequence")
        values = pixels * float(place.get("RescaleSlope") or 1) + float(place.get("RescaleIntercept") or 0)
    place = functional(dataset, frame, "FrameVOILUTSequence")
    if window is not None:
        levels = linear(values, *window)
    elif "VOILUTSequence" in dataset:
        levels = apply_voi(pixels, dataset) / (2 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1) * 255
    elif place.get("WindowWidth"):
        center, width = np.atleast_1d(place.WindowCenter)[0], np.atleast_1d(place.WindowWidth)[0]
        levels = linear(values, float(center), float(width))
    elif values.max() > values.min():
        levels = (values - values.min()) / (values.max() - values.min()) * 255
    else:
        levels = np.zeros(values.shape)
    return 255 - levels if photometric == "MONOCHROME1" else levels


def test_every_file_is_read_or_refused_with_its_reason(folder: Path) -> None:
    outcome = {}
    for path in files(folder):
        try:
            probe(path, path.name, verify=True)
        except MediaError as error:
            outcome[path.relative_to(folder).as_posix()] = error.code
            assert error.sentence.endswith(".") and len(error.sentence) > 15
            with pytest.raises(MediaError):
                render(path, path.name)
    assert outcome == REFUSED
    assert len(readable(folder)) == 87 - len(REFUSED)


def test_every_frame_has_the_levels_that_the_standard_asks_for(folder: Path) -> None:
    compared = 0
    for path in readable(folder):
        dataset = pydicom.dcmread(path, force=True)
        if "PixelData" not in dataset:  # pydicom alone loses this file's header; its whole twin is compared
            continue
        pixels = dataset.pixel_array
        facts = probe(path, path.name)
        count = int(dataset.get("NumberOfFrames") or 1)
        assert (facts.height, facts.width) == (dataset.Rows, dataset.Columns)
        assert facts.frames == count
        for frame in range(count):
            single = pixels[frame] if count > 1 else pixels
            for window in (None, (37.5, 411.0)) if dataset.SamplesPerPixel == 1 else (None,):
                drawn = shown(path, path.name, frame=frame, window=window).astype(float)
                wanted = expected(dataset, single, frame, window)
                assert drawn.shape == wanted.shape, path.name
                assert np.abs(drawn - wanted).max() <= 1, (path.name, frame, window)
                compared += 1
    assert compared > 150


def test_the_applied_window_is_told_and_can_be_asked_for_again(folder: Path) -> None:
    path = folder / "single_frame/CT_small.dcm"
    picture = render(path, path.name, format="png")
    assert picture.window is not None
    again = render(path, path.name, format="png", window=picture.window)
    assert again.content == picture.content
    other = render(path, path.name, format="png", window=(40.0, 400.0))
    assert other.window == (40.0, 400.0)
    assert other.content != picture.content


@pytest.mark.parametrize("window", [(0.0, 0.0), (0.0, -5.0), (float("nan"), 10.0), (0.0, float("inf"))])
def test_a_window_that_cannot_be_is_refused(folder: Path, window: tuple[float, float]) -> None:
    with pytest.raises(MediaError) as refused:
        render(folder / "single_frame/CT_small.dcm", "a.dcm", window=window)
    assert refused.value.code == "bad_window"


@pytest.mark.parametrize("frame", [-1, 10, 1_000_000])
def test_a_frame_that_does_not_exist_is_refused(folder: Path, frame: int) -> None:
    with pytest.raises(MediaError) as refused:
        render(folder / "multi_frame/emri_small.dcm", "a.dcm", frame=frame)
    assert refused.value.code == "bad_frame"


def test_facts_say_what_a_window_slider_needs(folder: Path) -> None:
    facts = probe(folder / "single_frame/CT_small.dcm", "a.dcm").dicom
    assert facts is not None
    assert (facts.modality, facts.photometric, facts.bits_stored, facts.signed) == ("CT", "MONOCHROME2", 16, True)
    assert (facts.rescale_slope, facts.rescale_intercept) == (1.0, -1024.0)
    assert (facts.value_low, facts.value_high) == (-32768 - 1024, 32767 - 1024)
    siemens = probe(folder / "window_and_lut/examples_overlay.dcm", "a.dcm").dicom
    assert siemens is not None
    assert (siemens.window_center, siemens.window_width) == (450.0, 790.0)
    shared = probe(folder / "multi_frame/eCT_Supplemental.dcm", "a.dcm").dicom
    assert shared is not None
    assert (shared.window_center, shared.window_width, shared.frames) == (49.0, 102.0, 2)


def test_no_identifying_value_leaves(folder: Path) -> None:
    """Whatever stands in a file's names, dates, numbers and UIDs is in neither facts, refusals nor pictures."""
    identifying = {"PN", "DA", "TM", "DT", "LO", "SH", "ST", "LT", "UT", "AE", "UI"}
    checked = 0
    for path in files(folder):
        secrets: set[str] = set()

        def collect(dataset: Dataset, element: Any, secrets: set[str] = secrets) -> None:
            if element.VR in identifying and element.keyword not in ("SOPClassUID", "TransferSyntaxUID"):
                secrets.update([*str(element.value).split("^"), str(element.value)])

        pydicom.dcmread(path, force=True).walk(collect)
        secrets = {text for text in secrets if len(text) >= 5}
        checked += len(secrets)
        try:
            facts = probe(path, path.name, verify=True)
            picture = render(path, path.name)
            told = repr(asdict(facts))
            assert not [text for text in secrets if text.encode("utf-8", "replace") in picture.content], path.name
        except MediaError as error:
            told = error.sentence
        assert not [text for text in secrets if text in told], path.name
    assert checked > 500


def test_the_facts_are_the_allow_list() -> None:
    assert {field.name for field in fields(DicomFacts)} == {
        "modality", "photometric", "transfer_syntax", "rows", "columns", "frames", "samples", "bits_allocated",
        "bits_stored", "signed", "rescale_slope", "rescale_intercept", "window_center", "window_width", "value_low",
        "value_high", "has_modality_lut", "has_voi_lut",
    }  # fmt: skip


RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)


def test_the_other_window_functions() -> None:
    options = {"WindowCenter": 100, "WindowWidth": 50}
    exact = shown(io.BytesIO(dicom_bytes(RAMP, VOILUTFunction="LINEAR_EXACT", **options)))
    assert np.abs(exact - np.clip((RAMP - 100.0) / 50 + 0.5, 0, 1) * 255).max() <= 1
    sigmoid = shown(io.BytesIO(dicom_bytes(RAMP, VOILUTFunction="SIGMOID", **options)))
    assert np.abs(sigmoid - 255 / (1 + np.exp(-4 * (RAMP - 100.0) / 50))).max() <= 1
    threshold = shown(io.BytesIO(dicom_bytes(RAMP)), window=(100.0, 1.0))
    assert np.array_equal(threshold, np.where(RAMP > 99.5, 255, 0))


def test_useless_windows_and_rescales_of_a_file_are_passed_over() -> None:
    plain = shown(io.BytesIO(dicom_bytes(RAMP)))
    for elements in (
        {"WindowCenter": 100, "WindowWidth": 0},
        {"RescaleSlope": 0, "RescaleIntercept": 5},
        {"WindowCenter": "", "WindowWidth": ""},
    ):
        assert np.array_equal(shown(io.BytesIO(dicom_bytes(RAMP, **elements))), plain), elements
    assert (shown(io.BytesIO(dicom_bytes(np.full((9, 9), 7, np.uint8)))) == 0).all()


def test_a_file_without_its_header_is_read() -> None:
    content = dicom_bytes(RAMP)
    body = content[content.index(b"\x08\x00\x16\x00UI") :]
    assert np.array_equal(shown(io.BytesIO(body)), shown(io.BytesIO(content)))
    with pytest.raises(MediaError):
        probe(io.BytesIO(body), "a.png")


def test_claims_larger_than_the_file_are_refused_before_decoding(folder: Path) -> None:
    def code(content: bytes) -> str:
        with pytest.raises(MediaError) as refused:
            probe(io.BytesIO(content), "a.dcm")
        with pytest.raises(MediaError):
            render(io.BytesIO(content), "a.dcm")
        return refused.value.code

    assert code(dicom_bytes(RAMP, Rows=60_000, Columns=60_000)) == "too_many_pixels"
    assert code(dicom_bytes(RAMP, Rows=5_000, Columns=5_000)) == "truncated"
    assert code(dicom_bytes(RAMP, NumberOfFrames=50_000)) == "truncated"
    assert code(dicom_bytes(RAMP, NumberOfFrames=2_000_000_000)) == "bomb"
    assert code(dicom_bytes(RAMP, SamplesPerPixel=200)) == "damaged"
    assert code(dicom_bytes(RAMP, BitsStored=200)) == "damaged"
    assert code(dicom_bytes(np.zeros((17_000, 17_000), np.uint8), syntax=DeflatedExplicitVRLittleEndian)) == "bomb"
    # A compressed stream of 1024 × 1024 behind a header that states 16 × 16.
    path = folder / "compressed/MR2_J2KR.dcm"
    dataset = pydicom.dcmread(path)
    dataset.Rows = dataset.Columns = 16
    out = io.BytesIO()
    dataset.save_as(out)
    with pytest.raises(MediaError) as refused:
        render(io.BytesIO(out.getvalue()), "a.dcm")
    assert "1024 × 1024" in refused.value.sentence
