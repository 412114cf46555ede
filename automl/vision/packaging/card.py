"""MODEL_CARD.md, README.md and what the bundle says about licences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automl.vision.weights_registry import REGISTRY

from .facts import Facts
from .requirements import Pin

_STARTS = {
    "cold": "cold: the network knew nothing when training began",
    "imagenet": "warm: from weights trained on ImageNet",
    "coco": "warm: from weights trained on COCO",
    "checkpoint": "warm: from the weights of another training",
}


def model_card(name: str, version: str, facts: Facts, sums: dict[str, str], graph: Mapping[str, Any]) -> str:
    """What the model is, on what it was trained, how good it is there and how sure that is. `sums` are the hashes of
    its files, `graph` is what its graph says about itself."""
    run = facts.run
    lines = [
        f"# {name}, version {version}",
        "",
        *_table(
            ("fact", "value"),
            [
                ("task", facts.task),
                ("network", facts.model_name),
                ("classes", f"{len(facts.classes)}: {', '.join(facts.classes)}"),
                ("start", _STARTS.get(facts.start, facts.start)),
                ("training images", run.get("training_images", "unknown")),
                ("validation images", run.get("validation_images", "unknown")),
                *([("numbers", _numbers(graph))] if "precision" in graph else []),
                ("epochs", f"{run.get('epochs')} (best: {run.get('best_epoch')})"),
                ("seed", run.get("effective", {}).get("random_seed")),
                *((f"sha256 of the {part} data", value) for part, value in run.get("data_sha256", {}).items()),
                *((f"sha256 of {file}", value) for file, value in sums.items()),
            ],
        ),
        "",
        "## How good it is",
        "",
        "Measured on the validation images of its training. Intervals hold 95 % of what other draws of as many images "
        "would give (bootstrap over images); they say nothing about images of another kind.",
        "",
        *_metrics(facts),
        "",
        "## Where its weights come from",
        "",
        *weight_chain(facts),
        "",
        "## What to keep in mind",
        "",
        *(f"- {warning}" for warning in run.get("warnings", [])),
        "- Images of a kind that it never saw get answers all the same; measure before relying on them.",
        "- Scores order answers. They are not calibrated: 0.9 does not mean right nine times out of ten.",
    ]
    return "\n".join(lines) + "\n"


def weight_chain(facts: Facts) -> list[str]:
    """Sentences about the weights that training began with and their licences."""
    weights = facts.run.get("start_weights") or {}
    tag, licence = weights.get("tag") or "", weights.get("licence") or ""
    if facts.start == "cold":
        return [
            "No weights of others are in it: training began with random numbers. The licence is its owner's choice."
        ]
    source = next((one.url for one in REGISTRY if one.tag == tag and one.url), "")
    told = [f"Training began with {tag or 'weights whose tag was not recorded'}"]
    told.append(f"under {licence}" if licence else "under a licence that was not recorded")
    lines = [" ".join(told) + (f" ({source})." if source else ".")]
    lines.append("What was learned since is of the images and labels of its owner.")
    return lines


def packages(pins: Sequence[Pin]) -> str:
    """What requirements.txt installs, and under which licences."""
    rows = [(pin.name, pin.version, pin.licence) for pin in pins]
    head = [
        "# Packages that requirements.txt installs",
        "",
        "Their files are not in this bundle, unless in wheelhouse/.",
        "",
    ]
    return "\n".join([*head, *_table(("package", "version", "licence"), rows)]) + "\n"


def weights(facts: Facts) -> str:
    return "\n".join(["# Weights", "", *weight_chain(facts)]) + "\n"


def readme(name: str, version: str, task: str) -> str:
    """How to run the bundle, in a few lines."""
    return f"""\
# {name}, version {version}

A model for {task} with everything that it needs to run, without torch. MODEL_CARD.md says what it can do.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python serve.py                                    # http://127.0.0.1:8080
    curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8080/score

- `serve.py --help`: addresses, keys, limits. `/openapi.json` of the running server describes all that it speaks.
- `score.py`: `init()` and `run()` for batch jobs. `MLmodel`: `mlflow.pyfunc.load_model` reads this folder.
- `Dockerfile`, `k8s/`, `kserve.yaml`: containers and clusters.
- `artifacts/settings.json`: thresholds and sizes; change them there and start again.
- `sha256sum -c SHA256SUMS`: whether everything is as it was made.
"""


def _numbers(graph: Mapping[str, Any]) -> str:
    same, checked = graph["same_answers"], graph["answers_checked"]
    return f"{graph['precision']}: {same:.1%} of {checked} answers are those of fp32, of which the metrics below are"


def _metrics(facts: Facts) -> list[str]:
    rows = []
    primary = facts.primary_metric
    for metric in sorted(facts.metrics, key=lambda one: (one != primary, one)):
        value = facts.metrics[metric]
        if metric.endswith("_interval") or not isinstance(value, int | float):
            continue
        interval = facts.metrics.get(f"{metric}_interval")
        shown = f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
        rows.append((f"**{metric}**" if metric == primary else metric, f"{value:.4f}", shown))
    return (
        _table(("metric", "value", "95 % interval"), rows) if rows else ["It was trained without validation metrics."]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
