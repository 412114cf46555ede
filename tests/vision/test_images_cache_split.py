"""Pixels through one door, decoded once; who is held out; batches by threads."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl.vision.data import Example, Resize, images, jsonl, split
from automl.vision.data.cache import PixelCache, Stream
from automl.vision.data.loader import Loader, Sampler
from automl.vision.errors import DataError
from automl.vision.spec import resolve, tasks
from tests.vision import pictures


def examples_of(folder: Path, each: int = 4) -> list[Example]:
    return jsonl.read(pictures.colours(folder, each), tasks.CLASSIFICATION).examples


# --- Images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_come_upright(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (40, 24), "black")
    upright.paste("white", (0, 0, 8, 8))  # the upper left corner, as a person sees it
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Transpose.* that makes the stored picture
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    picture = images.read(tmp_path / "a.png")
    assert (picture.original_width, picture.original_height) == (40, 24)
    assert images.upright_size(tmp_path / "a.png") == (40, 24)
    assert picture.pixels[2, 2].tolist() == [255, 255, 255]
    assert picture.pixels[20, 36].tolist() == [0, 0, 0]


def test_other_modes_become_rgb(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert images.read(tmp_path / "clear.png").pixels.min() == 255
    Image.fromarray(np.full((4, 4), 4095, np.uint16)).save(tmp_path / "deep.png")
    assert images.read(tmp_path / "deep.png").pixels.tolist() == np.full((4, 4, 3), 255).tolist()
    Image.new("L", (4, 4), 70).save(tmp_path / "grey.png")
    assert images.read(tmp_path / "grey.png").pixels[0, 0].tolist() == [70, 70, 70]


def test_shrinking_keeps_the_ratio_and_enlarges_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (400, 200)).save(tmp_path / "a.jpg")
    assert images.read(tmp_path / "a.jpg", resize=Resize(short=100)).pixels.shape == (100, 200, 3)
    assert images.read(tmp_path / "a.jpg", resize=Resize(long=100)).pixels.shape == (50, 100, 3)
    assert images.read(tmp_path / "a.jpg", resize=Resize(short=150, long=200)).pixels.shape == (100, 200, 3)
    assert images.read(tmp_path / "a.jpg", resize=Resize(short=900)).pixels.shape == (200, 400, 3)


def test_dicom_goes_through_the_same_door(sample_data: Path) -> None:
    folder = sample_data / "dicom-mix"
    for path in [next(folder.glob(f"{kind}/*.dcm")) for kind in ("monochrome1", "single_frame", "colour")]:
        picture = images.read(path, resize=Resize(long=64))
        assert picture.pixels.ndim == 3
        assert max(picture.pixels.shape[:2]) <= 64
        assert images.upright_size(path) == (picture.original_width, picture.original_height)
    several = next(folder.glob("multi_frame/*.dcm"))
    assert not np.array_equal(images.read(several, frame=0).pixels, images.read(several, frame=1).pixels)
    with pytest.raises(DataError, match="frames, numbered from 0"):
        images.read(several, frame=10_000)


def test_damaged_files_are_a_sentence(sample_data: Path, tmp_path: Path) -> None:
    damaged = [p for p in (sample_data / "awkward-images" / "made" / "damaged").iterdir() if p.is_file()]
    assert damaged
    refused = 0
    for path in damaged:
        try:
            images.read(path)
        except DataError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused >= len(damaged) - 2
    with pytest.raises(DataError, match="does not exist"):
        images.read(tmp_path / "none.jpg")


# --- Cache -----------------------------------------------------------------------------------------------------------


def test_each_content_is_decoded_once(tmp_path: Path) -> None:
    examples = examples_of(tmp_path / "data")
    (tmp_path / "data" / "copy.png").write_bytes(examples[0].path.read_bytes())
    examples.append(Example("copy.png", tmp_path / "data" / "copy.png", labels=("red",)))
    cache = PixelCache(tmp_path / "cache", Resize(short=32))
    keys, reasons = cache.add(examples, workers=2)
    assert (len(set(keys)), reasons, cache.decoded) == (12, [], 12)
    for example, key in zip(examples, keys, strict=True):
        assert key is not None
        assert np.array_equal(cache.pixels(key), images.read(example.path, resize=Resize(short=32)).pixels)
    again = PixelCache(tmp_path / "cache", Resize(short=32))
    assert again.add(examples, workers=0)[0] == keys
    assert again.decoded == 0
    assert again.entry(keys[0] or "").original_width == 64


def test_missing_and_broken_images_are_listed(tmp_path: Path) -> None:
    examples = examples_of(tmp_path / "data")
    examples[1].path.unlink()
    examples[2].path.write_bytes(b"no image")
    for store in (PixelCache(tmp_path / "cache", Resize()), Stream(Resize())):
        keys, reasons = store.add(examples, workers=2)
        assert [key is None for key in keys[:4]] == [False, True, True, False]
        assert [str(examples[1].path) in reasons[0], "does not exist" in reasons[0]] == [True, True]
        assert [str(examples[2].path) in reasons[1], "no image" in reasons[1]] == [True, True]


def test_a_torn_cache_is_repaired(tmp_path: Path) -> None:
    examples = examples_of(tmp_path / "data")
    cache = PixelCache(tmp_path / "cache", Resize())
    keys, _ = cache.add(examples, workers=1)
    index, pixels = cache.folder / "index.jsonl", cache.folder / "pixels.bin"
    index.write_text(index.read_text()[:-5])  # killed while a line was written
    with pixels.open("ab") as file:
        file.write(b"half a picture")
    torn = PixelCache(tmp_path / "cache", Resize())
    assert torn.add(examples, workers=1)[0] == keys
    assert torn.decoded == 1
    for example, key in zip(examples, keys, strict=True):
        assert np.array_equal(torn.pixels(key or ""), images.read(example.path).pixels)
    assert all(json.loads(each) for each in index.read_text().splitlines())


def test_streaming_decodes_again_and_keeps_nothing(tmp_path: Path) -> None:
    examples = examples_of(tmp_path / "data")
    stream = Stream(Resize(short=16))
    keys, _ = stream.add(examples, workers=1)
    assert np.array_equal(stream.pixels(keys[0] or ""), images.read(examples[0].path, resize=Resize(short=16)).pixels)
    stream.pixels(keys[0] or "")
    assert stream.decoded == 2
    assert not list(tmp_path.glob("cache*"))


def test_rules_follow_from_settings() -> None:
    def rule(task: str, model: str | None = None, **settings: object) -> Resize:
        return images.resize_rule(task, resolve(task, model, settings).effective)

    assert rule(tasks.CLASSIFICATION, "resnet18") == Resize(short=256)
    assert rule(tasks.CLASSIFICATION, "resnet18", training_crop_size=448) == Resize(short=512)
    assert rule(tasks.DETECTION) == Resize(long=640)
    assert rule(tasks.DETECTION, tile_grid_size="3x2") == Resize(long=1920)
    assert rule(tasks.SEGMENTATION) == Resize(short=600, long=1333)


# --- Split -----------------------------------------------------------------------------------------------------------


def made(*names: str) -> tuple[list[Example], list[str]]:
    examples = [Example(f"{at}", Path(f"{at}"), labels=(name,)) for at, name in enumerate(names)]
    return examples, [f"key{at}" for at in range(len(names))]


def test_the_split_is_stratified_and_repeatable() -> None:
    examples, keys = made(*["a"] * 50, *["b"] * 20, *["c"] * 5)
    training, validation = split.stratified(examples, keys, 0.2, seed=1)
    assert sorted(training + validation) == list(range(75))
    counts = {name: sum(examples[at].labels == (name,) for at in validation) for name in "abc"}
    assert counts == {"a": 10, "b": 4, "c": 1}
    assert split.stratified(examples, keys, 0.2, seed=1) == (training, validation)
    assert split.stratified(examples, keys, 0.2, seed=2)[1] != validation


def test_equal_files_stay_on_one_side() -> None:
    examples, keys = made(*["a"] * 40)
    keys = [f"key{at // 2}" for at in range(40)]
    for seed in range(5):
        training, validation = split.stratified(examples, keys, 0.3, seed)
        assert not {keys[at] for at in training} & {keys[at] for at in validation}


def test_what_content_holds_out_stays_out_when_images_come() -> None:
    few, many = made(*["a"] * 40), made(*["a"] * 400)
    held = {few[1][at] for at in split.by_content(*few, 0.2)[1]}
    assert held <= {many[1][at] for at in split.by_content(*many, 0.2)[1]}
    assert 40 <= len(split.by_content(*many, 0.2)[1]) <= 120


def test_near_duplicates_stay_on_one_side(tmp_path: Path) -> None:
    smooth = np.asarray(
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (6, 6, 3)).astype(np.uint8)).resize((96, 96))
    )
    brighter = np.clip(smooth.astype(int) + 1, 0, 255).astype(np.uint8)
    other = smooth[::-1].copy()
    assert split.fingerprint(smooth) == split.fingerprint(brighter)
    assert split.fingerprint(smooth) != split.fingerprint(other)


def test_too_little_is_said() -> None:
    assert "at least 10" in split.too_little(tasks.CLASSIFICATION, made(*["a"] * 9)[0])
    assert "at least 2" in split.too_little(tasks.CLASSIFICATION, made(*["a"] * 10)[0])
    assert split.too_little(tasks.CLASSIFICATION, made(*["a"] * 9, "b")[0]) == ""
    assert split.thin_classes(made(*["a"] * 10, "b")[0]) == {"b": 1}


# --- Loader ----------------------------------------------------------------------------------------------------------


def drawn(workers: int, epoch: int = 3) -> list[list[tuple[int, float]]]:
    sampler = Sampler(23, 5, shuffle=True, seed=7)
    loader: Loader[list[tuple[int, float]]] = Loader(
        sampler,
        lambda at, random: (at, random.random()),
        lambda items, random: [*items, (-1, random.random())],
        workers=workers,
    )
    return list(loader.epoch(epoch))


def test_batches_do_not_depend_on_the_threads() -> None:
    assert drawn(0) == drawn(1) == drawn(4)
    assert drawn(0, epoch=4) != drawn(0)
    assert sorted(at for batch in drawn(0) for at, _ in batch if at >= 0) == list(range(23))


def test_threads_prepare_and_their_errors_arrive() -> None:
    names = set()

    def prepare(at: int, random: np.random.Generator) -> int:
        names.add(threading.current_thread().name)
        if at == 6:
            raise DataError("no such picture")
        return at

    loader: Loader[list[int]] = Loader(
        Sampler(9, 3, shuffle=False), prepare, lambda items, random: list(items), workers=2
    )
    with pytest.raises(DataError, match="no such picture"):
        list(loader.epoch(0))
    assert all(name.startswith("loader") for name in names)


def test_processes_share_an_epoch() -> None:
    parts = [Sampler(22, 4, shuffle=True, seed=1, rank=rank, world=2).batches(5) for rank in (0, 1)]
    whole = Sampler(22, 4, shuffle=True, seed=1).batches(5)
    assert [batch for pair in zip(*parts, strict=True) for batch in pair] == whole
    assert len(Sampler(9, 4, shuffle=True).batches(0)[-1]) == 5  # a batch of one joins the one before


def test_nothing_needs_shared_memory() -> None:
    source = Path("automl/vision/data/loader.py").read_text(encoding="utf-8")
    assert "multiprocessing" not in source
    assert "DataLoader" not in source
