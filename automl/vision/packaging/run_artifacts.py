"""What a training leaves in outputs/ for those who come from the old product (parity.md B.11)."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from . import deployment, mlflow, requirements, scripts
from .bundle import ARTIFACTS, write_model

SCORING = "scoring_file_v_1_0_0.py"
CONDA = "conda_env_v_1_0_0.yml"
MLFLOW = "mlflow-model"


def write_run_artifacts(training: Path) -> None:
    """Writes the scoring script, its environment and, where the model was exported, the MLflow model into outputs/ of a
    training. The MLflow model appears whole or not at all."""
    outputs = training / "outputs"
    described = json.loads((training / ARTIFACTS / "settings.json").read_text(encoding="utf-8"))
    pins = requirements.pins()
    name = deployment.resource_name(described["model_name"])
    _write(outputs / SCORING, scripts.score(described["task"], described["settings"]))
    _write(outputs / CONDA, mlflow.conda(name, pins))
    if not (training / ARTIFACTS / "model.onnx").exists():
        return
    target = outputs / MLFLOW
    with tempfile.TemporaryDirectory(prefix=f".{MLFLOW}.", dir=outputs) as draft:
        folder = Path(draft) / MLFLOW
        write_model(folder, training / ARTIFACTS, described["task"], name, pins)
        if target.exists():  # of a run that was resumed
            target.rename(Path(draft) / "before")
        folder.rename(target)
        shutil.rmtree(Path(draft) / "before", ignore_errors=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
