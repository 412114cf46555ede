"""Clients of the API as people and programs use it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from projects.access import Capability
from projects.models import User, Workspace
from projects.services import api_keys

PROBLEM = "application/problem+json"


def as_person(user: User, *, check_csrf: bool = False) -> APIClient:
    """A browser in which `user` is signed in; with `check_csrf` it is held to CSRF as a real one."""
    client = APIClient(enforce_csrf_checks=check_csrf)
    client.force_login(user)
    return client


def as_program(user: User, workspace: Workspace, capabilities: Iterable[str] = tuple(Capability)) -> APIClient:
    """A program that holds an API key of `user`, by default with every right that the user has."""
    held = [one for one in capabilities if one in set(_held(user, workspace))]
    _key, secret = api_keys.create_api_key(actor=user, workspace=workspace, name="program", capabilities=held)
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def _held(user: User, workspace: Workspace) -> Iterable[str]:
    from projects import access

    return access.capabilities(user, workspace)


def refused(reply: Any, status: int, code: str = "") -> dict[str, Any]:
    """The problem of a refusal, after checking that it is one: status, kind, a sentence."""
    assert reply.status_code == status, (reply.status_code, reply.content[:500])
    assert reply["Content-Type"] == PROBLEM, reply["Content-Type"]
    body: dict[str, Any] = reply.json()
    assert body["status"] == status
    assert body["detail"]
    if code:
        assert body["code"] == code, body
    return body


def ids(reply: Any) -> list[Any]:
    """The ids of a page of rows."""
    assert reply.status_code == 200, reply.content[:500]
    return [row["id"] for row in reply.json()["results"]]


def send_file(client: Client, upload: dict[str, Any], content: bytes, offset: int = 0) -> Any:
    """One chunk of a file."""
    return client.patch(
        f"/api/v1/uploads/{upload['id']}/",
        data=content,
        content_type="application/octet-stream",
        headers={"Upload-Offset": str(offset)},
    )
