"""Apply a trained model to images.

  python -m automl.vision predict --model out/ --images photos/ --output predictions.jsonl

Each line of the output is one image: filename, and probs with labels, or boxes with coordinates as shares of the image
(polygons for segmentation); an image that cannot be read gets an error instead. Thresholds may be given anew. With
--export-as-image each mask is also written as a black and white image, beside the output in a folder named masks.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from automl.vision.errors import DataError
from automl.vision.train.progress import Progress

from . import settings
from .files import existing_images, writable
from .output import Output

SETTINGS = (
    *("validation_batch_size", "max_number_of_polygon_points", "export_as_image", "image_type"),
    *settings.SIZES,
    *settings.FINDINGS,
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="the output folder of train")
    parser.add_argument("--images", type=Path, required=True, nargs="+", metavar="PATH", help="image files or folders")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the JSON-lines file to write")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    settings.add(parser, SETTINGS)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    from automl.vision.predict import Failure, Predictor
    from automl.vision.train.distributed import World
    from automl.vision.train.restoring import restore
    from automl.vision.train.run import pick_device

    files = existing_images(arguments.images)
    writable(arguments.output)
    trained = restore(arguments.model, pick_device(arguments.device, World()), changes=settings.given(arguments))
    predictor = Predictor(trained.model, trained.classes, trained.settings)
    begin, failed = time.monotonic(), 0
    draft = arguments.output.with_name(f".{arguments.output.name}.draft")
    try:
        with draft.open("w", encoding="utf-8") as lines:
            for done, found in enumerate(predictor(files), start=1):
                if isinstance(found, Failure):
                    failed += 1
                    line: dict[str, Any] = {"filename": str(found.source), "error": found.sentence}
                    output.say(f"Left out: {found.sentence}")
                else:
                    source, answer = found
                    line = {"filename": str(source), **answer}
                    if trained.settings.get("export_as_image"):
                        _write_masks(Path(str(source)), answer, arguments.output.parent, trained.settings["image_type"])
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                output.report(Progress("prediction", done, len(files)))
        draft.replace(arguments.output)
    finally:
        draft.unlink(missing_ok=True)
    if failed == len(files):
        raise DataError(f"None of {len(files)} images can be read; {arguments.output} says why.")
    seconds = time.monotonic() - begin
    output.show(f"{len(files) - failed} images predicted, {failed} left out; written to {arguments.output}.")
    return {
        "task": trained.task,
        "model_name": trained.model_name,
        "images": len(files) - failed,
        "left_out": failed,
        "seconds": round(seconds, 3),
        "images_per_second": round(len(files) / seconds, 2),
        "output": str(arguments.output),
    }


def _write_masks(source: Path, answer: dict[str, Any], folder: Path, kind: str) -> None:
    """One picture per object: white where its polygons are, in the size of the image."""
    import numpy as np
    from PIL import Image

    from automl.vision.data.images import upright_size
    from automl.vision.data.samples import rasterize

    width, height = upright_size(source)
    place = folder / "masks"
    place.mkdir(exist_ok=True)
    for at, one in enumerate(answer.get("boxes", ())):
        parts = [np.array(ring, np.float32).reshape(-1, 2) * (width, height) for ring in one["polygon"]]
        mask = rasterize([parts], height, width)[0]
        Image.fromarray(mask * 255).save(place / f"{source.stem}_{at}.{kind}")
