"""The scripts of a bundle, as text."""

from __future__ import annotations

import pprint
from collections.abc import Mapping
from typing import Any

from automl.vision.serving.parameters import CHANGEABLE, SIZES

_SCORE = '''"""Scores images with this model: init() once, then run() as often as needed.

run(bytes) is one image and gives the JSON text of one object; run(text) is {"input_data": {"columns": ["image"],
"data": ["<base64>"]}} and gives that of a list; run([path, ...]) is a mini-batch and gives one JSON text per image. The
size of batches comes from --batch_size or the environment variable batch_size.
"""

import argparse
import os
import sys
from pathlib import Path

TASK_TYPE = @TASK@
PLACES = ("", "mlflow-model", "outputs/mlflow-model")


def init():
    """Loads the model. Change model_settings to score with other values than those of the training."""
    global scorer
    model_settings = @SETTINGS@
    folder = find_model()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from automl.vision.serving.scoring import load_model

    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--batch_size", type=int, default=int(os.environ.get("batch_size") or 1))
    batch_size = parser.parse_known_args()[0].batch_size
    scorer = load_model(TASK_TYPE, folder / "artifacts", batch_size, **model_settings)


def run(data):
    """See above."""
    from automl.vision.serving.scoring import run as answer

    return answer(scorer, data)


def find_model():
    """The folder with artifacts/model.onnx: where AZUREML_MODEL_DIR points, or beside this file."""
    for base in (os.environ.get("AZUREML_MODEL_DIR"), Path(__file__).resolve().parent):
        for place in PLACES:
            if base and (Path(base) / place / "artifacts" / "model.onnx").is_file():
                return Path(base) / place
    raise FileNotFoundError("No artifacts/model.onnx where AZUREML_MODEL_DIR points or beside this file.")
'''

SERVE = '''"""Serves this model over HTTP: python serve.py --help."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from automl.vision.serving.server import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(FOLDER))
'''

PYTHON_MODEL = '''"""Loads this model for MLflow (flavor python_function). Code, not a pickle."""

from pathlib import Path


def _load_pyfunc(path):
    """What mlflow.pyfunc.load_model calls with the folder of the model."""
    from automl.vision.serving.scoring import Scorer
    from automl.vision.runtime import Runner

    return Model(Scorer(Runner.open(Path(path) / "artifacts"), batch_size=8))


class Model:
    """predict takes a table with the column image (bytes, or base64 text) and gives one row per image."""

    def __init__(self, scorer):
        self.scorer = scorer

    def predict(self, model_input, params=None):
        is_table = hasattr(model_input, "columns") or isinstance(model_input, dict)
        column = model_input["image"] if is_table else model_input
        rows = self.scorer.score_values(column)
        return type(model_input)(rows) if hasattr(model_input, "columns") else rows
'''


def score(task: str, settings: Mapping[str, Any]) -> str:
    """The scoring script of a model; the settings that may be changed stand in it."""
    shown = {name: _plain(settings[name]) for name in (*SIZES, *CHANGEABLE) if settings.get(name) is not None}
    literal = pprint.pformat(shown, indent=4, width=100, sort_dicts=False).replace("\n", "\n    ")
    return _SCORE.replace("@TASK@", repr(task)).replace("@SETTINGS@", literal)


def _plain(value: Any) -> Any:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else value
