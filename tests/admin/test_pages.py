"""Every table of ours is in the admin; its list, search, filters and rows open, and cost the same however many."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from projects.models import Item, Project, User
from tests.admin.rows import Rows, list_address, make_rows, make_superuser, our_models, row_address, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.services]
MODELS = our_models()
SECRET_NAME = re.compile(r"password|secret|token|_hash$")


@pytest.fixture
def ada(rows: Rows) -> Client:
    return signed_in(make_superuser())


def opened(client: Client, address: str, data: Any = None) -> Any:
    answer = client.get(address, data or {})
    assert answer.status_code == 200, (address, data, answer.status_code, answer.headers.get("Location"))
    return answer


def queries(call: Callable[[], object]) -> list[str]:
    call()  # warms what is remembered between requests, such as content types
    with CaptureQueriesContext(
        connection,
    ) as captured:
        call()
    return [query["sql"] for query in captured]


def first(model: type[Model]) -> Model:
    found = model._base_manager.order_by("pk").first()
    assert found is not None, f"the rows of this test hold no {model._meta.label}"
    return found


def test_every_table_of_ours_is_in_the_admin() -> None:
    assert [model._meta.label for model in MODELS if not admin.site.is_registered(model)] == []
    assert {model._meta.app_label for model in admin.site._registry} == {"core", "projects", "annotations"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_table_can_be_searched_and_filtered(model: type[Model]) -> None:
    model_admin = admin.site.get_model_admin(model)
    assert model_admin.search_fields
    assert model_admin.list_filter


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_list_its_search_its_filters_and_its_order_open(ada: Client, model: type[Model]) -> None:
    address = list_address(model)
    answer = opened(ada, address)
    shown = answer.context["cl"]
    assert len(shown.result_list) == min(model._base_manager.count(), 50) > 0
    for words in ("a", "Alice 2026", "ä' OR 1=1 --", "x" * 300):
        opened(ada, address, {"q": words})
    for number in range(1, len(shown.list_display)):
        opened(ada, address, {"o": f"{number}.-{number}"})
    offered = [choice for spec in shown.filter_specs for choice in spec.choices(shown)]
    for choice in offered:
        opened(ada, address + choice["query_string"])  # a filter that fails would lead elsewhere


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_search_finds_a_row_by_its_own_words(ada: Client, model: type[Model]) -> None:
    """Each searched column that holds something leads to its row, whatever its type in the database."""
    tried = 0
    for path in admin.site.get_model_admin(model).search_fields:
        for row in model._base_manager.order_by("pk"):
            value: Any = row
            for part in path.split("__"):
                value = getattr(value, part, None)
            if value:
                words = f"{value:%Y-%m-%d}" if hasattr(value, "year") else str(value)
                found = opened(ada, list_address(model), {"q": f'"{words}"'}).context["cl"].queryset
                assert found.filter(pk=row.pk).exists(), (path, words)
                tried += 1
                break
    assert tried


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_row_and_its_history_open_read_only(ada: Client, model: type[Model]) -> None:
    if model is User:
        return  # test_rights.py
    for row in model._base_manager.order_by("pk")[:3]:
        page = opened(ada, row_address(row)).content.decode()
        form = page.partition('<form method="post" enctype')[2] or page.partition('id="content-main"')[2]
        assert not re.search(r'<(input|select|textarea)(?![^>]*type="hidden")[^>]*name="(?!q")', form), row
        assert 'name="_save"' not in page
        opened(ada, row_address(row, "history"))


def test_lists_and_rows_take_as_many_queries_for_many_rows_as_for_few(ada: Client, rows: Rows) -> None:
    def counted() -> dict[str, list[str]]:
        found = {"index": queries(lambda: opened(ada, reverse("admin:index")))}
        for model in MODELS:
            list_page, row_page = list_address(model), row_address(first(model))
            for name, address in (("list", list_page), ("row", row_page)):
                found[f"{name} of {model.__name__}"] = queries(lambda address=address: opened(ada, address))  # type: ignore[misc]
        return found

    before = counted()
    for number in (2, 3):
        make_rows(number)
    after = counted()
    worse = {where: after[where] for where in before if len(after[where]) != len(before[where])}
    assert worse == {}
    assert max(len(asked) for asked in after.values()) <= 20, {where: len(asked) for where, asked in after.items()}


def test_secrets_are_shown_nowhere(ada: Client, rows: Rows) -> None:
    for model in MODELS:
        pages = [opened(ada, list_address(model))]
        pages += [opened(ada, row_address(row)) for row in model._base_manager.all()]
        for page in pages:
            text = page.content.decode()
            assert [secret for secret in rows.secrets if secret in text] == [], page.request["PATH_INFO"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_column_named_like_a_secret_is_neither_shown_nor_a_filter(ada: Client, model: type[Model]) -> None:
    """Also a column that somebody adds later."""
    named = [field.name for field in model._meta.concrete_fields if SECRET_NAME.search(field.name)]
    page = opened(ada, row_address(first(model))).content.decode()
    for name in named:
        assert f"field-{name}" not in page
        answer = ada.get(list_address(model), {f"{name}__startswith": "a"})
        assert answer.status_code == 400, "a filter in the address tells a secret letter by letter"


def test_secrets_cannot_be_guessed_through_related_rows_or_replies(ada: Client, rows: Rows) -> None:
    for address, lookup in [
        ("/admin/projects/apikey/", "user__password__startswith"),
        ("/admin/projects/user/", "api_keys__key_hash__startswith"),
        ("/admin/core/idempotencyrecord/", "body__secret__startswith"),
        ("/admin/projects/invitation/", "created_by__password__contains"),
    ]:
        assert ada.get(address, {lookup: "a"}).status_code == 400, lookup


def test_nonsense_in_an_address_is_answered_not_a_breakdown(ada: Client) -> None:
    for data in ({"id__gt": "abc"}, {"state__exact": "nonsense"}, {"p": "999999"}, {"o": "99"}):
        answer = ada.get("/admin/projects/item/", data, follow=True)
        assert answer.status_code == 200, data
    assert ada.get("/admin/projects/item/", {"q": "\x00"}).status_code == 400  # as everywhere on the site
    for pk in ("0", "nothing", "9" * 30, "_00", "-1"):
        answer = ada.get(f"/admin/projects/item/{pk}/change/", follow=True)
        assert answer.status_code == 200 and "exist" in answer.content.decode(), pk
    assert ada.get("/admin/core/job/nothing/change/", follow=True).status_code == 200
    assert ada.get("/admin/nothing/").status_code == 404


def test_the_longest_list_shows_a_page_of_it(ada: Client, rows: Rows) -> None:
    """Fifty rows a page, and the rest behind numbers."""
    version = rows.project.dataset_version
    Item.objects.bulk_create(Item(dataset_version=version, path=f"more-{n}.png", storage_key="k") for n in range(120))
    shown = opened(ada, "/admin/projects/item/").context["cl"]
    assert (len(shown.result_list), shown.paginator.num_pages) == (50, 3)
    last = opened(ada, "/admin/projects/item/", {"p": "3"}).context["cl"]
    assert len(last.result_list) == shown.paginator.count - 100


def test_the_index_offers_to_view_and_people_alone_to_change(ada: Client) -> None:
    page = opened(ada, "/admin/")
    offered = {model["object_name"]: model for app in page.context["app_list"] for model in app["models"]}
    assert set(offered) == {model.__name__ for model in MODELS}
    assert {name for name, model in offered.items() if not model["view_only"]} == {"User"}
    assert not any(model["add_url"] for model in offered.values())
    assert Project.__name__ in offered
