"""The training loop with networks of a few hundred weights: it learns, stops, resumes, fits the machine, and tells."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.vision import metrics, predictions
from automl.vision.errors import DataError, Stopped, UsageError, VisionError
from automl.vision.spec import tasks
from automl.vision.train import checkpoints, speed
from automl.vision.train.evaluation import evaluate_run
from automl.vision.train.progress import Meter, Progress
from automl.vision.train.stopping import Tracker
from tests.vision import pictures, tiny
from tests.vision.training import run


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures.colours(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures.squares(tmp_path_factory.mktemp("squares"))


def weights(output: Path) -> dict[str, Any]:
    return dict(torch.load(output / "outputs" / "model.pt", weights_only=True))


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_and_writes_its_folder(colours: Path, tmp_path: Path) -> None:
    made = run(tasks.CLASSIFICATION, colours, tmp_path, number_of_epochs=8, learning_rate=0.5, early_stopping=False)
    history = made.record["history"]
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert made.result.value == 1.0
    assert made.result.epochs == 8
    assert json.loads((tmp_path / "train_artifacts" / "labels.json").read_text()) == ["blue", "green", "red"]
    assert set(weights(tmp_path)) == {"first.weight", "first.bias", "head.weight", "head.bias"}
    record = made.record
    assert record["requested"]["learning_rate"] == 0.5
    assert record["effective"]["momentum"] == 0.9
    assert (record["training_images"], record["validation_images"]) == (24, 6)
    names, scores, targets = predictions.read(tmp_path / "train_artifacts" / "validation_predictions.jsonl")
    assert len(set(names)) == 6
    assert (scores.argmax(1) == targets).mean() == made.result.value


@pytest.mark.parametrize("task", tasks.TASKS)
def test_every_task_trains_and_evaluates(task: str, tmp_path: Path) -> None:
    if task in tasks.CLASSIFIES:
        labels = pictures.colours(tmp_path / "data", each=5, multi=task == tasks.MULTILABEL)
    else:
        labels = pictures.squares(tmp_path / "data", polygons=task == tasks.SEGMENTATION)
    made = run(task, labels, tmp_path / "out", number_of_epochs=1, evaluate=metrics.evaluate)
    again = evaluate_run(tmp_path / "out", labels, build=tiny.build, evaluate=metrics.evaluate, device="cpu")  # type: ignore[arg-type]
    assert again.images == (15 if task in tasks.CLASSIFIES else 12)
    assert tasks.primary_metric(task) in again.metrics
    assert made.result.start == "cold"


def test_the_same_seed_gives_the_same_weights_with_any_threads(colours: Path, tmp_path: Path) -> None:
    first = run(tasks.CLASSIFICATION, colours, tmp_path / "a")
    run(tasks.CLASSIFICATION, colours, tmp_path / "b", number_of_workers=3)
    run(tasks.CLASSIFICATION, colours, tmp_path / "c", random_seed=4)
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not equal(weights(tmp_path / "a"), weights(tmp_path / "c"))
    drawn = run(tasks.CLASSIFICATION, colours, tmp_path / "d", random_seed=None).record["effective"]["random_seed"]
    assert isinstance(drawn, int)
    assert first.record["effective"]["random_seed"] == 3


def test_accumulation_is_a_larger_batch(colours: Path, tmp_path: Path) -> None:
    calm = {"augmentations": "none", "early_stopping": False, "number_of_epochs": 1, "validation_data_size": 0.2}
    run(tasks.CLASSIFICATION, colours, tmp_path / "a", training_batch_size=12, **calm)
    run(tasks.CLASSIFICATION, colours, tmp_path / "b", training_batch_size=6, gradient_accumulation_step=2, **calm)
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)


# --- Stopping and going on -------------------------------------------------------------------------------------------


class Stops:
    """A report that asks for the end at the n-th batch of training."""

    def __init__(self, at: int) -> None:
        self.at, self.seen, self.after = at, 0, 0

    def __call__(self, progress: Progress) -> None:
        self.after += self.seen >= self.at
        self.seen += progress.stage == "training"
        if self.seen >= self.at:
            raise Stopped("enough")


@pytest.mark.parametrize("at", [1, 4, 5, 8])
def test_a_stopped_run_goes_on_exactly(colours: Path, tmp_path: Path, at: int) -> None:
    whole = run(tasks.CLASSIFICATION, colours, tmp_path / "whole", number_of_epochs=4, optimizer="adam")
    stops = Stops(at)
    with pytest.raises(Stopped):
        run(tasks.CLASSIFICATION, colours, tmp_path / "part", number_of_epochs=4, optimizer="adam", report=stops)
    assert (stops.seen, stops.after) == (at, 0)  # within one batch
    assert not (tmp_path / "part" / "outputs" / "model.pt").exists()
    resumed = run(
        tasks.CLASSIFICATION, colours, tmp_path / "part", number_of_epochs=4, optimizer="adam", job={"resume": True}
    )
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "part"))
    assert resumed.result.metrics == whole.result.metrics
    assert [epoch["loss"] for epoch in resumed.record["history"]] == [e["loss"] for e in whole.record["history"]]


def test_a_folder_in_use_and_other_settings_are_refused(colours: Path, tmp_path: Path) -> None:
    run(tasks.CLASSIFICATION, colours, tmp_path)
    before = weights(tmp_path)
    with pytest.raises(UsageError, match="Continue it with --resume"):
        run(tasks.CLASSIFICATION, colours, tmp_path)
    with pytest.raises(VisionError, match="other data or other settings"):
        run(tasks.CLASSIFICATION, colours, tmp_path, learning_rate=0.2, job={"resume": True})
    assert equal(before, weights(tmp_path))


def test_an_early_end_without_any_finding_is_said(squares: Path, tmp_path: Path) -> None:
    hasty = {"early_stopping_delay": 1, "early_stopping_patience": 1, "number_of_epochs": 9}

    def nothing(*_given: Any, **_more: Any) -> dict[str, float]:
        return {"mean_average_precision": 0.0}

    made = run(tasks.DETECTION, squares, tmp_path, evaluate=nothing, early_stopping=True, **hasty)
    said = [sentence for sentence in made.result.warnings if "nothing was found" in sentence]
    assert len(said) == 1
    assert said[0].startswith(f"Training stopped after {made.result.epochs} epochs")
    assert 1 < made.result.epochs < 9


def test_early_stopping_waits_for_delay_and_patience() -> None:
    tracker = Tracker(stops=True, patience=2, delay=3)
    seen = []
    for epoch, value in enumerate([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], start=1):
        tracker.seen(value, epoch)
        seen.append(tracker.is_over)
    assert seen == [False, False, False, False, True, True]
    assert (tracker.best, tracker.best_epoch) == (0.5, 1)


def test_while_nothing_is_found_the_last_epoch_is_kept() -> None:
    tracker = Tracker(stops=True, patience=2, delay=1)
    assert [tracker.seen(value, epoch) for epoch, value in enumerate([0.0, 0.0, 0.1, 0.1], start=1)] == [
        True,
        True,
        True,
        False,
    ]
    assert (tracker.best, tracker.best_epoch, tracker.waiting) == (0.1, 3, 1)
    still = Tracker(stops=True, patience=2, delay=1)
    for epoch in (1, 2, 3):
        still.seen(0.0, epoch)
    assert (still.best_epoch, still.is_over) == (3, True)


def test_a_checkpoint_is_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    checkpoints.save({"epoch": 1}, path)

    def torn(state: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save({"epoch": 2}, path)
    assert checkpoints.load(path) == {"epoch": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"model": tiny.TinyDetector(tasks.DETECTION, 2)}, tmp_path / "whole.pt")
    with pytest.raises(DataError, match="files that hold whole objects are refused"):
        checkpoints.load(tmp_path / "whole.pt")


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04torn", bytes(range(256)), b"\x80\x02}q\x00"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_that_is_something_else_is_a_sentence(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no checkpoint that can be read"):
        checkpoints.load(path)


# --- Fitting the machine ---------------------------------------------------------------------------------------------


def test_a_batch_without_memory_is_halved_and_accumulated(colours: Path, tmp_path: Path) -> None:
    def limited(model: tiny.TinyClassifier) -> None:
        model.largest_batch = 5

    calm = {"augmentations": "none", "training_batch_size": 12, "number_of_epochs": 1}
    made = run(tasks.CLASSIFICATION, colours, tmp_path / "small", prepare=limited, **calm)
    assert max(made.model.batches) == 3
    effective = made.record["effective"]
    assert (effective["training_batch_size"], effective["gradient_accumulation_step"]) == (3, 4)
    assert made.record["requested"]["training_batch_size"] == 12
    assert any("lowered from 12 to 6" in note for note in made.result.notes)
    run(tasks.CLASSIFICATION, colours, tmp_path / "large", **calm)
    a, b = weights(tmp_path / "small"), weights(tmp_path / "large")
    assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)


def test_no_memory_for_one_image_is_a_sentence(colours: Path, tmp_path: Path) -> None:
    def none(model: tiny.TinyClassifier) -> None:
        model.largest_batch = 0

    with pytest.raises(VisionError, match="Memory does not suffice for a single image"):
        run(tasks.CLASSIFICATION, colours, tmp_path, prepare=none)


def test_the_probe_lowers_until_it_fits() -> None:
    tried = []

    def attempt(batch: int) -> None:
        tried.append(batch)
        if batch > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert speed.probe_batch(speed.BatchSize(78, 1), attempt) == speed.BatchSize(9, 9)
    assert tried == [78, 39, 19, 9]
    with pytest.raises(RuntimeError, match="another"):
        speed.probe_batch(speed.BatchSize(4, 1), lambda batch: (_ for _ in ()).throw(RuntimeError("another")))


def test_the_layout_probe_keeps_the_faster_and_leaves_no_trace() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    now = [0.0]

    def step(layout: torch.memory_format) -> None:
        model(torch.rand(2, 3, 8, 8))
        now[0] += 0.2 if layout == torch.channels_last else 0.5

    state = torch.get_rng_state()
    mean = model[1].running_mean.clone()
    layout, note = speed.choose_layout("auto", model, step, clock=lambda: now[0])
    assert layout == torch.channels_last
    assert "2.50 times" in note
    assert now[0] < 4
    assert torch.equal(model[1].running_mean, mean)
    assert torch.equal(torch.get_rng_state(), state)


def test_compilation_says_whether_it_took_effect() -> None:
    linear = torch.nn.Linear(3, 3)
    step = speed.Compiled(linear, wanted=True, backend="eager")
    assert torch.allclose(step(torch.ones(1, 3)), linear(torch.ones(1, 3)))
    assert "took effect" in step.effect()

    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler here")

    failing = speed.Compiled(linear, wanted=True, backend=broken)  # type: ignore[arg-type]
    assert torch.allclose(failing(torch.ones(1, 3)), linear(torch.ones(1, 3)))
    assert "no effect" in failing.effect()
    assert speed.Compiled(linear, wanted=False).effect() == ""


def test_a_loss_that_is_no_number_is_a_sentence(colours: Path, tmp_path: Path) -> None:
    def spoiled(model: tiny.TinyClassifier) -> None:
        model.head.weight.data.fill_(math.nan)

    with pytest.raises(VisionError, match="The loss became nan in epoch 1, step 1. Lower learning_rate"):
        run(tasks.CLASSIFICATION, colours, tmp_path, prepare=spoiled)


# --- Data that are not as they should be -----------------------------------------------------------------------------


def test_training_goes_on_without_broken_images_and_says_so(tmp_path: Path) -> None:
    labels = pictures.colours(tmp_path / "data")
    (tmp_path / "data" / "red0.png").unlink()
    (tmp_path / "data" / "blue3.png").write_bytes(b"nothing")
    made = run(tasks.CLASSIFICATION, labels, tmp_path / "out")
    assert made.record["training_images"] + made.record["validation_images"] == 28
    assert len(made.record["left_out"]) == 2
    assert any("2 of 30 images were left out" in warning for warning in made.result.warnings)


@pytest.mark.parametrize(
    ("each", "names", "words"), [(3, ("red", "green", "blue"), "at least 10"), (12, ("red",), "at least 2")]
)
def test_too_little_data_is_refused(tmp_path: Path, each: int, names: tuple[str, ...], words: str) -> None:
    labels = pictures.colours(tmp_path / "data", each=each, names=names)
    with pytest.raises(DataError, match=words):
        run(tasks.CLASSIFICATION, labels, tmp_path / "out")
    assert not (tmp_path / "out" / "outputs").exists()


def test_validation_data_of_their_own(colours: Path, tmp_path: Path) -> None:
    other = pictures.colours(tmp_path / "other", each=2, names=("red", "green"))
    made = run(tasks.CLASSIFICATION, colours, tmp_path / "out", job={"validation_data": other})
    assert (made.record["training_images"], made.record["validation_images"]) == (30, 4)


def test_progress_carries_what_a_page_shows(colours: Path, tmp_path: Path) -> None:
    reports: list[Progress] = []
    run(tasks.CLASSIFICATION, colours, tmp_path, report=reports.append, training_batch_size=2, number_of_epochs=3)
    training = [each for each in reports if each.stage == "training"]
    assert all(each.loss is not None and each.images_per_second for each in training)
    assert all(each.seconds_left is None for each in training[:19])
    assert all(each.seconds_left is not None for each in training[19:])
    assert [each.metrics.keys() for each in reports if each.metrics and each.stage == "validation"] == [
        {"accuracy"}
    ] * 3
    assert reports[-1].stage == "done"


def test_the_forecast_is_steps_and_evaluations() -> None:
    now = [0.0]
    meter = Meter(100, clock=lambda: now[0])
    for _ in range(20):
        now[0] += 2.0
        meter.step(4)
    meter.evaluated(10.0)
    assert meter.images_per_second == 2.0
    assert meter.seconds_left(steps_left=30, evaluations_left=2) == 80.0


# --- From the weights of another run (B.13) --------------------------------------------------------------------------


def test_training_goes_on_from_a_run_with_other_classes(colours: Path, tmp_path: Path) -> None:
    first = run(tasks.CLASSIFICATION, colours, tmp_path / "first", number_of_epochs=3, learning_rate=0.2)
    fewer = pictures.colours(tmp_path / "data", names=("red", "blue"))
    lines = [json.loads(line) for line in fewer.read_text().splitlines()]
    for line in lines:
        line["label"] = line["label"].replace("blue", "azure")
    pictures.write_lines(fewer, lines)
    still = {"learning_rate": 0.0, "checkpoint_run_id": str(tmp_path / "first")}
    second = run(tasks.CLASSIFICATION, fewer, tmp_path / "second", number_of_epochs=1, **still)
    old, new = weights(first.output), weights(second.output)
    assert torch.equal(new["first.weight"], old["first.weight"])
    classes = json.loads((second.output / "train_artifacts" / "labels.json").read_text())
    assert classes == ["red", "azure"]  # known classes first
    assert torch.equal(new["head.weight"][0], old["head.weight"][2])  # the row of "red" came along
    assert second.result.start == "checkpoint"
    assert any("1 kept, 1 new (azure), 2 dropped (blue, green)" in warning for warning in second.result.warnings)
    third = run(
        tasks.CLASSIFICATION,
        colours,
        tmp_path / "third",
        learning_rate=0.0,
        checkpoint_dataset_id=str(first.output / "outputs"),
        checkpoint_filename="model.pt",
    )
    assert equal(weights(third.output), old)


def test_weights_of_another_model_are_refused(colours: Path, squares: Path, tmp_path: Path) -> None:
    run(tasks.DETECTION, squares, tmp_path / "detector")
    with pytest.raises(UsageError, match="fits this model in no tensor"):
        run(tasks.CLASSIFICATION, colours, tmp_path / "out", checkpoint_run_id=str(tmp_path / "detector"))
    with pytest.raises(DataError, match="There is no checkpoint"):
        run(tasks.CLASSIFICATION, colours, tmp_path / "out2", checkpoint_run_id=str(tmp_path / "nowhere"))
