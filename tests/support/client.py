"""A program that uses the API the way an integrator's would: urllib, an API key, nothing of ours."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.running import Site, wait_until

CHUNK = 4 * 1024 * 1024
MAKE_PEOPLE = """
from tests import factories
from projects.models import User, Workspace
from projects.services import api_keys
from projects.access import Capability
workspace = Workspace.objects.first() or factories.make_workspace(factories.make_user("Alice", is_superuser=True))
alice = factories.owner_of(workspace)
print("workspace", workspace.pk)
_key, secret = api_keys.create_api_key(actor=alice, workspace=workspace, name="k", capabilities=Capability.values)
print("key", secret)
for number in range({labelers}):
    bob = factories.add_member(workspace, name="Labeler %d" % number)
    labels = ["read", "labeling/projects/read", "labeling/labels/write"]
    _key, secret = api_keys.create_api_key(actor=bob, workspace=workspace, name="k", capabilities=labels)
    print("key", secret)
"""

# A project of boxes, five on each item, all labeled; written directly, since labeling is not the point here.
LABEL_EVERYTHING = """
from annotations.models import Annotation, QueueEntry, Response
from annotations.services.recounting import recount
from projects.models import LabelClass, Project, Workspace
from tests import factories
project = factories.make_project(Workspace.objects.first(), task_type="object_detection", images={items}, name="boxes")
alice = factories.owner_of(project.workspace)
cat = LabelClass.objects.get(project=project, path="cat")
entries = list(QueueEntry.objects.filter(project=project))
for at in range(0, len(entries), 1000):
    part = entries[at:at + 1000]
    made = Response.objects.bulk_create(Response(entry=one, author=alice) for one in part)
    Annotation.objects.bulk_create(
        Annotation(response=one, label_class=cat, position=n, x=n, y=1, width=9, height=9)
        for one in made for n in range(5)
    )
    for entry, response in zip(part, made):
        entry.final_response, entry.status, entry.open_slots = response, "labeled", 0
    QueueEntry.objects.bulk_update(part, ["final_response", "status", "open_slots"])
recount(project=project)
print("project", project.pk)
"""


class Refused(Exception):
    """The API said no; `problem` is what it said."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem}")
        self.status = status
        self.problem = problem


@dataclass
class Client:
    url: str
    key: str
    workspace: int = 0
    extra: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        """The JSON reply; Refused for a 4xx or 5xx, OSError where nobody answers."""
        body = data if isinstance(data, bytes) else None if data is None else json.dumps(data).encode()
        kind = "application/octet-stream" if isinstance(data, bytes) else "application/json"
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        address = path if path.startswith("http") else self.url + "/api/v1/" + path
        request = urllib.request.Request(address, data=body, method=method, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                content = reply.read()
                return json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            content = error.read()
            try:
                problem = json.loads(content)
            except ValueError:
                problem = {"detail": content[:500].decode(errors="replace")}
            raise Refused(error.code, problem) from None

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, data: Any = None, **headers: str) -> Any:
        return self.call("POST", path, {} if data is None else data, **headers)

    def upload(self, dataset: int, files: dict[str, Path]) -> None:
        """Sends files the way the page does: announced in batches, then in chunks."""
        paths = list(files)
        for at in range(0, len(paths), 200):
            batch = [{"path": path, "size": files[path].stat().st_size} for path in paths[at : at + 200]]
            for upload in self.post(f"datasets/{dataset}/uploads/", {"files": batch})["uploads"]:
                if upload["state"] != "receiving":
                    continue
                content = files[upload["path"]].read_bytes()
                for offset in range(upload["received"], len(content), CHUNK):
                    chunk = content[offset : offset + CHUNK]
                    self.call("PATCH", f"uploads/{upload['id']}/", chunk, Upload_Offset=str(offset))

    def folder_dataset(self, name: str, root: Path, path: str = "**") -> int:
        store = self.post("datastores/", {"workspace": self.workspace, "name": name, "root": str(root)})
        made = self.post(
            "datasets/",
            {"workspace": self.workspace, "name": name, "kind": "datastore", "datastore": store["id"], "path": path},
        )
        return int(made["id"])

    def upload_dataset(self, name: str, files: dict[str, Path]) -> int:
        made = self.post("datasets/", {"workspace": self.workspace, "name": name, "kind": "upload"})
        self.upload(made["id"], files)
        return int(made["id"])

    def project(self, name: str, task_type: str, dataset: int, classes: list[str], *, seconds: float = 120) -> int:
        """A project that is running."""
        made = self.post(
            "projects/",
            {
                "workspace": self.workspace,
                "name": name,
                "task_type": task_type,
                "dataset": dataset,
                "classes": [{"name": one} for one in classes],
            },
        )
        pk = int(made["id"])
        if seconds:
            self.wait(lambda: self.state(pk) == "running", f"project {name}", seconds)
        return pk

    def state(self, project: int) -> str:
        found = self.get(f"projects/{project}/")
        assert found["state"] != "failed", found["state_reason"]
        return str(found["state"])

    def classes(self, project: int) -> dict[str, int]:
        return {one["path"]: one["id"] for one in self.get(f"projects/{project}/label-classes/")}

    def label_all(
        self, project: int, answer: Callable[[dict[str, Any]], list[dict[str, Any]]], page_size: int = 1
    ) -> int:
        """Labels until nothing is left, sending each submit again until it is answered; returns how many items."""
        done = 0
        while True:
            given = self.insist(lambda: self.post(f"projects/{project}/tasks/", {"page_size": page_size}))
            task = given["task"]
            if task is None:
                return done
            answers = [
                {"assignment": one["id"], "annotations": answer(one["item"])}
                for one in task["assignments"]
                if one["state"] == "live"
            ]
            body = {"operation_id": str(uuid.uuid4()), "answers": answers}
            path = f"tasks/{task['id']}/submit/"
            self.insist(lambda path=path, body=body: self.post(path, body))  # type: ignore[misc]
            done += len(answers)

    @staticmethod
    def insist(call: Callable[[], Any], seconds: float = 60) -> Any:
        """Repeats a call while nobody answers, as a page does when the server is away for a moment."""
        end = time.monotonic() + seconds
        while True:
            try:
                return call()
            except (OSError, http.client.HTTPException):  # killed before, or in the middle of, its answer
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    @staticmethod
    def wait(is_true: Callable[[], object], what: str, seconds: float = 120) -> None:
        wait_until(is_true, seconds=seconds, what=what, every=0.2)

    def export(self, project: int, format: str = "coco", **options: Any) -> bytes:
        """The file of a fresh export."""
        pk = self.post(f"projects/{project}/exports/", {"format": format, "options": options})["id"]
        return self.finish_export(pk)

    def finish_export(self, pk: int, seconds: float = 120) -> bytes:
        def ended() -> bool:
            found = self.get(f"exports/{pk}/")
            assert found["state"] != "failed", found["error"]
            return bool(found["state"] == "succeeded")

        self.wait(ended, "the export", seconds)
        url = self.get(f"exports/{pk}/download/")["url"]
        with urllib.request.urlopen(url, timeout=60) as reply:
            return bytes(reply.read())


def make_clients(site: Site, labelers: int = 0) -> list[Client]:
    """Alice's client (owner, administrator), then one for each of so many labelers."""
    printed = site.manage("shell", "-v0", "-c", MAKE_PEOPLE.format(labelers=labelers))
    said = [line.split() for line in printed.splitlines()]
    workspace = next(int(words[1]) for words in said if words[0] == "workspace")
    return [Client(site.url, words[1], workspace) for words in said if words[0] == "key"]
