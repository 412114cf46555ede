"""Every file of a dataset becomes an item or is listed with its reason, whatever happens to the worker meanwhile."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.db import connection
from django.utils import timezone
from PIL import Image, ImageOps

from labeling_site.core import errors, jobs
from labeling_site.core.models import Job
from projects.models import Dataset, DatasetVersion, Item, Project
from projects.services import datasets, datastores, ingest, inspecting, samples, uploads
from tests import factories
from tests.support import running


def people() -> factories.People:
    made = factories.make_people()
    made.alice.is_superuser = True
    return made


def scan(made: factories.People, root: Path, path: str = "") -> DatasetVersion:
    """Version 1 of a dataset over `root`, read to its end by its job."""
    version = begin(made, root, path)
    factories.run_jobs()
    version.refresh_from_db()
    return version


def begin(made: factories.People, root: Path, path: str = "") -> DatasetVersion:
    name = uuid.uuid4().hex
    datastore = datastores.create_local_datastore(actor=made.alice, workspace=made.workspace, name=name, root=str(root))
    dataset = datasets.create_dataset(
        actor=made.alice,
        workspace=made.workspace,
        name=name,
        kind=Dataset.Kind.DATASTORE,
        datastore=datastore,
        path=path,
    )
    return datasets.start_version(actor=made.alice, dataset=dataset)


def files(version: DatasetVersion) -> dict[str, Item]:
    return {item.path: item for item in version.items.all()}


def assert_accounted(version: DatasetVersion) -> None:
    """The counts of a version that was read to its end are those of its rows."""
    assert version.state == DatasetVersion.State.READY, version.error
    assert version.item_count == version.items.filter(state=Item.State.OK).count()
    assert version.refused_count == version.items.filter(state=Item.State.REFUSED).count()
    assert version.file_count == version.item_count + version.refused_count + sum(version.left_out.values())
    assert not version.items.filter(state=Item.State.REFUSED, reason="").exists()
    assert not version.items.filter(state=Item.State.OK, width=0).exists()


def write_images(folder: Path, count: int) -> None:
    data = factories.image_bytes(12, 9)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:05d}.png").write_bytes(data)


# --- Real files ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("apart", [False, True])
def test_every_awkward_image_is_an_item_or_has_a_reason(
    sample_data: Path, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    monkeypatch.setattr(ingest, "FEW_FILES", 0 if apart else 10_000)
    root = sample_data / "awkward-images"
    version = scan(people(), root)
    assert_accounted(version)
    found = files(version)
    on_disk = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert set(found) == on_disk
    for path, item in found.items():
        if path.startswith(("bombs/", "made/bombs/")) or Path(path).suffix.lower() in {".gif", ".webp", ".md", ""}:
            assert item.state == Item.State.REFUSED, path
    for path in ["truncated_half.jpg", "truncated_half.png", "zero_bytes.jpg", "one_byte.png", "header_only.jpg"]:
        assert found[f"made/damaged/{path}"].state == Item.State.REFUSED, path
    assert "html" in found["made/wrong_extension/html_named.png"].reason.lower()
    turned = {path: item for path, item in found.items() if path.startswith("orientation/") and item.width}
    assert len(turned) >= 16
    for path, item in turned.items():
        with Image.open(root / path) as image:
            upright = ImageOps.exif_transpose(image)
            assert (item.width, item.height) == upright.size, path
    names = {path: item for path, item in found.items() if path.startswith("made/names/")}
    assert names
    assert {item.state for item in names.values()} == {Item.State.OK}
    same = [found[f"made/duplicates/{name}"].sha256 for name in ("a.jpg", "b same bytes.jpg", "c same pixels.png")]
    assert same[0] == same[1] != same[2]


@pytest.mark.django_db
def test_every_dicom_file_is_an_item_or_has_a_reason(sample_data: Path) -> None:
    version = scan(people(), sample_data / "dicom-mix", "**/*.dcm")
    assert_accounted(version)
    found = files(version)
    assert all(item.is_dicom for item in found.values() if item.state == Item.State.OK)
    assert any(item.frames > 1 for item in found.values())
    assert version.item_count > 50
    identifying = ("Patient", "Name", "Birth", "Institution", "UID")
    for item in found.values():
        assert not any(
            word.lower() in key for key in item.facts.get("dicom", {}) for word in map(str.lower, identifying)
        )


# --- Names and places ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_hostile_names_are_kept_or_listed(tmp_path: Path) -> None:
    data = factories.image_bytes(12, 9)
    kept = ["<script>alert(1)<", "a\nb.png", "'; DROP TABLE--.png", "\N{RIGHT-TO-LEFT OVERRIDE}gnp.png", "..png.png"]
    for name in kept:
        (tmp_path / name.replace("<script>alert(1)<", "<script>alert(1)<.png")).write_bytes(data)
    not_utf8 = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")  # noqa: PTH118
    with open(not_utf8, "wb") as handle:  # noqa: PTH123
        handle.write(data)
    deep = tmp_path.joinpath(*["d" * 200] * 6)
    deep.mkdir(parents=True)
    (deep / "x.png").write_bytes(data)
    version = scan(people(), tmp_path)
    assert_accounted(version)
    found = files(version)
    assert version.item_count == len(kept)
    assert found["caf\\xe9.png"].reason.startswith("The name is not valid UTF-8")
    [long] = [item for item in found.values() if item.path.startswith("ddd")]
    assert "longer than 1,000" in long.reason
    assert len(long.path) <= 1000


@pytest.mark.django_db
def test_links_and_pipes_are_listed_and_not_opened(tmp_path: Path) -> None:
    root, outside = tmp_path / "in", tmp_path / "out"
    write_images(root, 2)
    write_images(outside, 1)
    (root / "leads-out.png").symlink_to(outside / "00000.png")
    (root / "leads-in.png").symlink_to(root / "00000.png")
    (root / "folder").symlink_to(outside)
    os.mkfifo(root / "pipe.png")
    version = scan(people(), root)
    assert_accounted(version)
    refused = {item.path for item in files(version).values() if item.state == Item.State.REFUSED}
    assert refused == {"leads-out.png", "folder", "pipe.png"}
    assert version.item_count == 3


@pytest.mark.django_db
def test_a_folder_that_went_away_fails_with_a_sentence(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write_images(root, 1)
    made = people()
    version = begin(made, root)
    shutil.rmtree(root)
    jobs.run(str(version.job_id))
    version.refresh_from_db()
    job = Job.objects.get(pk=version.job_id)
    assert (version.state, job.state) == (DatasetVersion.State.FAILED, Job.State.FAILED)
    assert "There is no folder" in version.error
    write_images(root, 1)
    again = datasets.start_version(actor=made.alice, dataset=version.dataset)
    factories.run_jobs()
    again.refresh_from_db()
    assert (again.number, again.item_count) == (2, 1)


@pytest.mark.django_db
def test_beyond_the_limit_files_are_counted_by_kind(tmp_path: Path, settings: Any) -> None:
    settings.MAX_ITEMS_PER_PROJECT = 5
    write_images(tmp_path / "a", 4)
    write_images(tmp_path / "b", 4)
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "c.JPG").write_bytes(b"never opened")
    version = scan(people(), tmp_path)
    assert_accounted(version)
    assert version.left_out == {".png": 3, ".jpg": 1}
    assert [*files(version)] == [*(f"a/{n:05d}.png" for n in range(4)), "a/notes.txt", "b/00000.png"]


@pytest.mark.django_db
def test_uploaded_files_become_items_in_byte_order_of_their_paths() -> None:
    made = factories.make_people()
    photo = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(photo, "JPEG", exif=exif)
    dataset = factories.make_dataset_from_bytes(
        made.workspace,
        {"é.png": factories.image_bytes(8, 8), "b/turned.jpg": photo.getvalue(), "Z.png": b"not an image"},
    )
    uploads.begin(
        actor=made.alice, dataset=dataset, files=[{"path": "x.svg", "size": 4}, {"path": "half.png", "size": 4}]
    )
    version = datasets.start_version(actor=made.alice, dataset=dataset)
    factories.run_jobs()
    version.refresh_from_db()
    assert_accounted(version)
    found = files(version)
    assert [item.path for item in version.items.order_by("pk")] == [
        "Z.png",
        "b/turned.jpg",
        "half.png",
        "x.svg",
        "é.png",
    ]
    turned = found["b/turned.jpg"]
    assert (turned.width, turned.height, turned.orientation, turned.facts["format"]) == (30, 40, 6, "JPEG")
    assert turned.sha256 == dataset.uploads.get(path="b/turned.jpg").sha256
    assert "not finished" in found["half.png"].reason
    assert {path for path, item in found.items() if item.state == Item.State.REFUSED} == {"Z.png", "half.png", "x.svg"}


# --- Workers that die, stop, or come twice ---------------------------------------------------------------------------

WORKER = """
import sys
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
from labeling_site.core import jobs
jobs.run(sys.argv[2])
"""


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    write_images(tmp_path, 2500)
    version = begin(people(), tmp_path)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"]), str(version.job_id)]
    worker = subprocess.Popen(command, cwd=running.ROOT, env=environment)
    try:
        end = time.monotonic() + 60
        while not (before := set(version.items.values_list("pk", flat=True))) and time.monotonic() < end:
            assert worker.poll() is None
            time.sleep(0.01)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    version.refresh_from_db()
    before = set(version.items.values_list("pk", flat=True))
    assert 0 < len(before) < 2500
    assert version.state == DatasetVersion.State.SCANNING
    assert version.item_count == len(before)
    assert version.items.order_by("-path").first().path == version.cursor

    jobs.run(str(version.job_id))  # too early: the job still looks alive
    assert version.items.count() == len(before)
    Job.objects.filter(pk=version.job_id).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    jobs.run(str(version.job_id))
    version.refresh_from_db()
    assert_accounted(version)
    assert version.file_count == 2500
    after = set(version.items.values_list("pk", flat=True))
    assert len(after) == 2500
    assert before < after  # what was committed was not done again


@pytest.mark.django_db
def test_a_worker_that_lost_its_job_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, 30)
    monkeypatch.setattr(ingest, "BATCH", 10)
    version = begin(people(), tmp_path)
    held = jobs.claim(version.job_id)
    assert held
    original = ingest._Scan.commit

    def taken_over(scanning: ingest._Scan) -> None:
        if scanning.items > 10:
            Job.objects.filter(pk=version.job_id).update(token=uuid.uuid4())
        original(scanning)

    with monkeypatch.context() as patched:
        patched.setattr(ingest._Scan, "commit", taken_over)
        with pytest.raises(jobs.Superseded):
            ingest.scan_version(version, held)
    assert version.items.count() == 10


@pytest.mark.django_db
def test_a_cancelled_scan_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, 30)
    monkeypatch.setattr(ingest, "BATCH", 10)
    version = begin(people(), tmp_path)
    original = ingest._Scan.commit

    def cancelled(scanning: ingest._Scan) -> None:
        Job.objects.filter(pk=version.job_id).update(cancel_requested=True)
        original(scanning)

    monkeypatch.setattr(ingest._Scan, "commit", cancelled)
    jobs.run(str(version.job_id))
    version.refresh_from_db()
    assert Job.objects.get(pk=version.job_id).state == Job.State.CANCELLED
    assert (version.state, version.items.count()) == (DatasetVersion.State.FAILED, 10)


@pytest.mark.django_db
def test_two_jobs_share_one_scan(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    made = people()
    version = begin(made, tmp_path)
    first = Job.objects.get(pk=version.job_id)
    second = jobs.enqueue(kind="projects.scan_dataset", args={"version": version.pk}, tenant_id=made.workspace.pk)
    jobs.run(str(second.pk))  # overtakes the one that still waits in the queue
    jobs.run(str(first.pk))
    assert set(Job.objects.values_list("state", flat=True)) == {Job.State.SUCCEEDED}
    version.refresh_from_db()
    assert_accounted(version)
    assert version.item_count == 3


@pytest.mark.django_db
def test_a_version_that_is_being_read_is_not_begun_twice(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    made = people()
    version = begin(made, tmp_path)
    assert datasets.start_version(actor=made.alice, dataset=version.dataset) == version
    factories.run_jobs()
    assert datasets.start_version(actor=made.alice, dataset=version.dataset).number == 2


def test_a_file_that_kills_or_hangs_the_decoder_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inspector is replaced by one that crashes at one name and hangs at another."""
    write_images(tmp_path, 10)
    fake = tmp_path / "fake" / "projects" / "inspector.py"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        "import json, os, sys, time\n"
        "for line in sys.stdin:\n"
        "    requests = json.loads(line)\n"
        "    if any('00003' in r[1] for r in requests): os.abort()\n"
        "    if any('00007' in r[1] for r in requests): time.sleep(60)\n"
        "    print(json.dumps([{'width': 1} for r in requests]), flush=True)\n"
    )
    monkeypatch.setattr(site, "BASE_DIR", tmp_path / "fake")
    monkeypatch.setattr(inspecting, "SECONDS_PER_FILE", 0.5)
    facts = list(datastores.folders.walk(tmp_path, datastores.folders.parse_glob("*.png")))
    candidates = [inspecting.from_folder(one, str(tmp_path)) for one in facts]
    found = {finding.candidate.path: finding for finding in inspecting.inspect_all(candidates, apart=True)}
    assert [*found] == [f"{number:05d}.png" for number in range(10)]
    broken = {path for path, finding in found.items() if finding.reason}
    assert broken == {"00003.png", "00007.png"}
    assert found["00004.png"].answer == {"width": 1}


# --- Progress, rights, samples ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_progress_counts_towards_the_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, 25)
    (tmp_path / "notes.txt").write_text("x")
    monkeypatch.setattr(ingest, "BATCH", 10)
    seen: list[tuple[int, int | None]] = []
    original = jobs.Claim.progress

    def noted(claim: jobs.Claim, done: int, total: int | None = None, message: str = "") -> None:
        seen.append((done, total))
        original(claim, done, total, message)

    monkeypatch.setattr(jobs.Claim, "progress", noted)
    scan(people(), tmp_path)
    assert seen == [(0, None), (10, 26), (20, 26), (26, 26)]


@pytest.mark.django_db
def test_who_may_make_datasets_and_read_them(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    made = people()
    version = scan(made, tmp_path)
    for person, refusal in [(made.bob, errors.Forbidden), (made.charlie, errors.NotFound)]:
        with pytest.raises(refusal):
            datasets.start_version(actor=person, dataset=version.dataset)
        with pytest.raises(refusal):
            datasets.create_dataset(actor=person, workspace=made.workspace, name="x", kind=Dataset.Kind.UPLOAD)
    assert Dataset.objects.count() == DatasetVersion.objects.count() == 1
    assert not Item.objects.visible_to(made.charlie).exists()


@pytest.mark.django_db
def test_names_and_kinds_of_datasets_are_checked() -> None:
    made = factories.make_people()
    other = factories.make_workspace(made.charlie, name="Other")
    foreign = datastores.site_datastore(other)
    for name, kind, datastore in [
        ("", "upload", None),
        ("x" * 121, "upload", None),
        ("a\nb", "upload", None),
        ("x", "sql", None),
        ("x", "datastore", None),
        ("x", "datastore", foreign),
    ]:
        with pytest.raises(errors.Invalid):
            datasets.create_dataset(
                actor=made.alice, workspace=made.workspace, name=name, kind=kind, datastore=datastore
            )
    datasets.create_dataset(actor=made.alice, workspace=made.workspace, name="x", kind="upload")
    with pytest.raises(errors.Conflict):
        datasets.create_dataset(actor=made.alice, workspace=made.workspace, name=" x ", kind="upload")
    assert Dataset.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("task_type", ["multi_class", "multi_label", "object_detection", "instance_segmentation"])
def test_a_sample_becomes_a_running_project(task_type: str) -> None:
    made = factories.make_people()
    project = samples.create_sample_project(actor=made.alice, workspace=made.workspace, task_type=task_type)
    factories.run_jobs()
    project.refresh_from_db()
    assert project.state == Project.State.RUNNING
    assert project.dataset_version.item_count == samples.IMAGES
    assert project.label_classes.count() == 4
    second = samples.create_sample_project(actor=made.alice, workspace=made.workspace, task_type=task_type)
    assert second.name == f"{project.name} 2"
