"""The API's schema and its reference page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.architecture import routes
from tests.support.running import Site


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def test_the_schema_is_openapi_3_1(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    assert not list(OpenAPIV31SpecValidator(schema).iter_errors())


def test_the_schema_has_every_operation(schema: dict[str, Any]) -> None:
    described = {(path, method.upper()) for path, methods in schema["paths"].items() for method in methods}
    offered = sum(len(route.actions) for route in routes.all_routes())
    assert len(described) == offered > 70


def test_every_operation_may_be_called_with_a_key_or_a_session(schema: dict[str, Any]) -> None:
    assert set(schema["components"]["securitySchemes"]) == {"apiKey", "cookieAuth"}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert {"apiKey": []} in operation["security"], (method, path)


def test_every_operation_says_what_it_takes_and_gives(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} has no description"
            statuses = set(operation["responses"])
            assert statuses & {"200", "201", "204"}, (method, path)
            assert "default" in statuses, f"{method} {path} does not say what a refusal looks like"


@pytest.mark.django_db
def test_anybody_may_read_the_schema_and_its_page() -> None:
    reply = Client().get("/api/v1/schema/")
    assert reply.status_code == 200
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    assert b"<style" not in page.content
    assert b"<script>" not in page.content


@pytest.mark.browser
def test_the_reference_works_under_our_content_policy(live_site: Site, page: Any) -> None:
    said: list[str] = []
    page.on("console", lambda message: message.type in {"error", "warning"} and said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{live_site.url}/api/docs/")
    page.wait_for_selector(".opblock", timeout=20_000)
    assert page.locator(".opblock").count() > 70
    page.locator(".opblock-summary-control").first.click()
    page.wait_for_selector(".opblock-body")
    assert not [line for line in said if "Content Security Policy" in line or "violates" in line], said
    assert not said
