"""Killed in the middle of things, the site goes on: kill -9 of the worker and of the web process, nothing lost."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.support import running
from tests.support.client import LABEL_EVERYTHING, Client, make_clients
from tests.support.killing import kill
from tests.support.running import Site, wait_until

FILES = 4000
LABELED = 20_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: these tests kill its parts."""
    folders = str(tmp_path_factory.getbasetemp())
    site = running.start_site(tmp_path_factory.mktemp("killed") / "home", LOCAL_FOLDERS=folders)
    try:
        yield site
    finally:
        site.stop()


def jobs_of(alice: Client, kind: str) -> list[dict[str, object]]:
    return list(alice.get(f"jobs/?kind={kind}")["results"])


@pytest.mark.long
def test_the_worker_is_killed_while_it_reads_files(site: Site, tmp_path: Path) -> None:
    alice = make_clients(site)[0]
    for number in range(FILES):
        path = tmp_path / "photos" / f"{number % 40:02d}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < 40:
            Image.new("RGB", (320, 240), (number * 6, 90, 160)).save(path)
        else:
            os.link(tmp_path / "photos" / f"{number % 40:02d}" / f"{number % 40:05d}.jpg", path)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    dataset = alice.folder_dataset("killed ingest", tmp_path / "photos")
    project = alice.project("killed ingest", "multi_class", dataset, ["a", "b"], seconds=0)

    def items_so_far() -> int:
        versions = alice.get(f"datasets/{dataset}/versions/")["results"]
        return int(versions[0]["item_count"]) if versions else 0

    wait_until(lambda: items_so_far() > 0, seconds=60, what="the first batch of items", every=0.02)
    kill(site, "dramatiq")
    assert items_so_far() < FILES, "the worker was too fast to be killed: use more files"
    alice.wait(lambda: alice.state(project) == "running", "the project", 120)
    version = alice.get(f"datasets/{dataset}/versions/")["results"][0]
    assert (version["state"], version["item_count"], version["refused_count"]) == ("ready", FILES, 1)
    assert alice.get(f"projects/{project}/")["counts"]["total"] == FILES
    assert any(int(str(job["attempts"])) > 1 for job in jobs_of(alice, "annotations.initialize_project"))


@pytest.mark.long
def test_the_worker_is_killed_while_it_writes_an_export(site: Site) -> None:
    alice = make_clients(site)[0]
    code = LABEL_EVERYTHING.format(items=LABELED)
    project = int(site.manage("shell", "-v0", "-c", code).split()[-1])
    pk = alice.post(f"projects/{project}/exports/", {"format": "coco"})["id"]

    def is_writing() -> bool:
        found = alice.get(f"exports/{pk}/")
        assert found["state"] != "succeeded", "the worker was too fast to be killed: label more"
        return bool(found["state"] == "running" and found["done"])

    wait_until(is_writing, seconds=30, what="the start of the export", every=0.02)
    kill(site, "dramatiq")
    found = json.loads(alice.finish_export(pk, seconds=120))
    assert len(found["images"]) == LABELED
    assert len(found["annotations"]) == LABELED * 5
    assert len({one["id"] for one in found["annotations"]}) == LABELED * 5
    assert int(str(jobs_of(alice, "annotations.export")[0]["attempts"])) > 1


def test_the_web_process_is_killed_while_people_label(site: Site) -> None:
    clients = make_clients(site, labelers=4)
    alice, labelers = clients[0], clients[1:]
    code = (
        "from tests import factories; from projects.models import Workspace; "
        "print(factories.make_project(Workspace.objects.first(), images=300, name='killed web').pk)"
    )
    project = int(site.manage("shell", "-v0", "-c", code).split()[-1])
    cat = alice.classes(project)["cat"]
    dice = random.Random(7)
    with ThreadPoolExecutor(len(labelers)) as pool:
        work = [
            pool.submit(one.label_all, project, lambda item: [{"label_class": cat}], dice.choice([1, 4, 9]))
            for one in labelers
        ]
        for _ in range(3):
            before = alice.insist(lambda: alice.get(f"projects/{project}/")["counts"]["labeled"])
            if all(one.done() for one in work):
                break
            kill(site, "running.web")
            wait_until(lambda: running.answers(site.url + "/healthz") == 200, seconds=60, what="the web process")
            wait_until(
                lambda before=before: (
                    all(one.done() for one in work)  # type: ignore[misc]
                    or alice.insist(lambda: alice.get(f"projects/{project}/")["counts"]["labeled"]) > before
                ),
                seconds=60,
                what="more labels",
            )
        for one in work:
            one.result(timeout=120)
    assert alice.get(f"projects/{project}/")["counts"]["labeled"] == 300
    exported = json.loads(alice.export(project))
    assert len(exported["images"]) == len(exported["annotations"]) == 300
    check = (
        "from annotations.models import Response; from annotations.services.recounting import recount; "
        f"from projects.models import Project; print(Response.objects.filter(entry__project={project}).count(), "
        f"len(recount(project=Project.objects.get(pk={project}))))"
    )
    assert site.manage("shell", "-v0", "-c", check).split() == ["300", "0"], "an answer was doubled, or miscounted"
