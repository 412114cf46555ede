"""What the admin lets nobody do, whatever the form says: edit rows, raise rights, take over accounts."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db.models import Model

from annotations.models import Response
from projects.models import Membership, Project, User
from tests.admin.rows import (
    Rows,
    everything,
    list_address,
    make_staff,
    make_superuser,
    our_models,
    row_address,
    signed_in,
)
from tests.factories import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.services]
MODELS = our_models()
NEW_PASSWORD = "amber-kettle-1791"


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    """The form of a person's page, filled in as a superuser's browser would send it."""
    sent: dict[str, Any] = {"email": user.email, "name": user.name, "_save": "Save"}
    flags = {name: changes.pop(name, getattr(user, name)) for name in ("is_active", "is_staff", "is_superuser")}
    sent |= {name: "on" for name, is_on in flags.items() if is_on}
    sent["user_permissions"] = [str(pk) for pk in user.user_permissions.values_list("pk", flat=True)]
    return sent | changes


def every_right() -> dict[str, Any]:
    """A forged form that asks for everything at once."""
    return {
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "user_permissions": [str(pk) for pk in Permission.objects.values_list("pk", flat=True)],
        "groups": [str(pk) for pk in Group.objects.values_list("pk", flat=True)],
        "password": "md5$a$b",
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
        "usable_password": "true",
    }


# --- Tables are read-only --------------------------------------------------------------------------------------------


def values(row: Model) -> dict[str, str]:
    """A form with a changed value for every column."""
    sent = {field.name: "1" for field in row._meta.fields}
    return sent | {field.attname: "1" for field in row._meta.fields} | {"name": "Changed", "_save": "Save"}


@pytest.mark.parametrize("model", [one for one in MODELS if one is not User], ids=lambda model: model._meta.label)
def test_no_row_is_added_changed_or_deleted_by_any_post(rows: Rows, model: type[Model]) -> None:
    ada = signed_in(make_superuser())
    row = model._base_manager.order_by("pk").first()
    assert row is not None
    before = everything()
    for address, data in [
        (list_address(model) + "add/", values(row)),
        (row_address(row), values(row)),
        (row_address(row), {"_save": "Save"}),
        (row_address(row), {"_saveasnew": "1", **values(row)}),
        (row_address(row, "delete"), {"post": "yes"}),
    ]:
        answer = ada.post(address, data)
        assert answer.status_code == 403, address
        assert "You may not do this" in answer.content.decode()
        assert everything() == before, address
    for action in ("delete_selected", "nothing"):
        sent = {"action": action, "_selected_action": [str(row.pk)], "post": "yes", "index": "0"}
        assert ada.post(list_address(model), sent).status_code in {200, 302}
        assert everything() == before, action
    # As if the list could be edited in place.
    edited = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(row.pk), "_save": "Save"}
    edited |= {f"form-0-{name}": value for name, value in values(row).items()}
    assert ada.post(list_address(model), edited).status_code in {200, 302, 403}
    assert everything() == before
    assert ada.get(list_address(model) + "add/").status_code == 403
    assert ada.get(row_address(row, "delete")).status_code == 403


def test_people_are_neither_added_nor_deleted(rows: Rows) -> None:
    ada, bob = signed_in(make_superuser()), rows.people.bob
    before = everything()
    added = {"email": "eve@example.org", "name": "Eve", **every_right()}
    for address, data in [
        ("/admin/projects/user/add/", added),
        (row_address(bob, "delete"), {"post": "yes"}),
        (f"/admin/projects/user/{bob.pk}/delete/", {"post": "yes"}),
    ]:
        assert ada.post(address, data).status_code == 403
        assert everything() == before
    ada.post(row_address(bob), form_of(bob) | {"_saveasnew": "1"})
    assert User.objects.count() == len(before["projects.User"])


# --- Superusers ------------------------------------------------------------------------------------------------------


def test_a_superuser_closes_an_account_and_gives_somebody_a_part_of_the_admin(rows: Rows) -> None:
    ada, bob = signed_in(make_superuser()), rows.people.bob
    view = Permission.objects.get(codename="view_project")
    answer = ada.post(row_address(bob), form_of(bob, is_staff=True, user_permissions=[str(view.pk)]))
    assert answer.status_code == 302
    bob.refresh_from_db()
    assert (bob.is_staff, bob.is_superuser, bob.is_active) == (True, False, True)
    assert list(bob.user_permissions.all()) == [view]
    assert signed_in(bob).get("/admin/projects/project/").status_code == 200
    his = signed_in(bob)
    assert ada.post(row_address(bob), form_of(bob, is_active=False)).status_code == 302
    assert his.get("/projects/").status_code == 302
    assert "nobody" not in ada.get(row_address(bob, "history")).content.decode()
    assert "Changed" in ada.get(row_address(bob, "history")).content.decode()


def test_only_permissions_that_mean_something_are_offered(rows: Rows) -> None:
    ada, bob = signed_in(make_superuser()), rows.people.bob
    page = ada.get(row_address(bob))
    offered = set(page.context["adminform"].form.fields["user_permissions"].queryset.values_list("codename", flat=True))
    assert {f"view_{model._meta.model_name}" for model in MODELS} <= offered
    changes = {name for name in offered if not name.startswith("view_")}
    assert changes == {
        f"change_{name}" for name in ("project", "assignment", "apikey", "classexample", "comment", "invitation", "job")
    }
    delete = Permission.objects.get(codename="delete_project")
    before = everything()
    assert ada.post(row_address(bob), form_of(bob, user_permissions=[str(delete.pk)])).status_code == 200
    assert everything() == before


def test_an_address_and_a_name_keep_the_rules_of_the_other_doors(rows: Rows) -> None:
    ada, bob = signed_in(make_superuser()), rows.people.bob
    assert ada.post(row_address(bob), form_of(bob, email="Robert@Example.ORG")).status_code == 302
    bob.refresh_from_db()
    assert bob.email == "robert@example.org"
    before = everything()
    for wrong in ({"email": "ALICE@example.org"}, {"email": "nothing"}, {"name": "\u202egnp"}, {"name": " "}):
        answer = ada.post(row_address(bob), form_of(bob, **wrong))
        assert answer.status_code == 200 and answer.context["adminform"].form.errors, wrong
        assert everything() == before


def test_a_superuser_gives_a_new_password_to_somebody_who_forgot_it(rows: Rows) -> None:
    ada, bob = signed_in(make_superuser()), rows.people.bob
    his = signed_in(bob)
    assert f"/admin/projects/user/{bob.pk}/password/" in ada.get(row_address(bob)).content.decode()
    address = f"/admin/projects/user/{bob.pk}/password/"
    assert ada.get(address).status_code == 200
    sent = {"password1": "short", "password2": "short", "usable_password": "true"}
    assert ada.post(address, sent).status_code == 200
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)
    sent = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    assert ada.post(address, sent).status_code == 302
    bob.refresh_from_db()
    assert bob.check_password(NEW_PASSWORD)
    assert his.get("/projects/").status_code == 302, "sessions of the old password end"


def test_nobody_changes_their_own_flags_or_their_own_password_without_the_present_one(rows: Rows) -> None:
    """Not even a superuser: so the last one cannot lock everybody out, and a stolen session cannot stay."""
    ada = make_superuser()
    client = signed_in(ada)
    sent = form_of(ada, is_active=False, is_staff=False, is_superuser=False, name="Ada L.")
    permissions = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)[:3]]
    assert client.post(row_address(ada), sent | {"user_permissions": permissions}).status_code == 302
    ada.refresh_from_db()
    assert (ada.is_active, ada.is_staff, ada.is_superuser, ada.name) == (True, True, True, "Ada L.")
    assert not ada.user_permissions.exists()
    sent = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    for own in (str(ada.pk), f"0{ada.pk}", f"{ada.pk} ", "_00"):
        answer = client.post(f"/admin/projects/user/{own}/password/", sent)
        assert answer.status_code in {302, 404}, own
        ada.refresh_from_db()
        assert ada.check_password(PASSWORD), own
    assert client.post("/admin/password_change/", sent | {"old_password": "x"}).url == "/account/"
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


# --- Staff -----------------------------------------------------------------------------------------------------------

ALL_OF_USERS = [f"projects.{verb}_user" for verb in ("view", "add", "change", "delete")]


@pytest.mark.parametrize("permissions", [[], ["projects.view_user"], ALL_OF_USERS], ids=["none", "view", "all"])
def test_staff_cannot_raise_anybody_s_rights_by_any_post(rows: Rows, permissions: list[str]) -> None:
    """As in CVE-2026-23526: whatever permissions on people one holds, only superusers change people."""
    ada, sam, bob = make_superuser(), make_staff(*permissions), rows.people.bob
    client = signed_in(sam)
    before = everything()
    for person in (sam, bob, ada):
        for data in (form_of(person, is_superuser=True), form_of(person) | every_right(), {"is_superuser": "on"}):
            assert client.post(row_address(person), data).status_code == 403
            assert everything() == before
        for address in (f"/admin/projects/user/{person.pk}/password/", row_address(person, "delete")):
            assert client.get(address).status_code == 403
            assert client.post(address, every_right() | {"post": "yes"}).status_code == 403
            assert everything() == before
        sent = {"action": "delete_selected", "_selected_action": [str(person.pk)], "post": "yes", "index": "0"}
        client.post("/admin/projects/user/", sent)
        edited = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(person.pk), "_save": "Save"}
        client.post("/admin/projects/user/", edited | {"form-0-is_superuser": "on", "form-0-is_staff": "on"})
        assert everything() == before
    new = {"email": "eve@example.org", "name": "Eve", **every_right()}
    assert client.post("/admin/projects/user/add/", new).status_code == 403
    assert everything() == before
    assert not client.login(username=ada.email, password=NEW_PASSWORD)


def test_there_are_no_other_doors_to_permissions(rows: Rows) -> None:
    client = signed_in(make_staff("auth.add_group", "auth.change_group", "auth.change_permission"))
    for address in ("/admin/auth/", "/admin/auth/group/", "/admin/auth/group/add/", "/admin/auth/permission/"):
        for answer in (client.get(address), client.post(address, {"name": "g", "permissions": ["1"]})):
            assert answer.status_code in {403, 404}
    assert not Group.objects.exists()


def test_staff_see_only_what_they_were_given(rows: Rows) -> None:
    client = signed_in(make_staff("projects.view_project"))
    page = client.get("/admin/")
    assert [model["object_name"] for app in page.context["app_list"] for model in app["models"]] == ["Project"]
    assert "/admin/system/" not in page.content.decode()
    for model in MODELS:
        row = model._base_manager.order_by("pk").first()
        assert row is not None
        expected = 200 if model is Project else 403
        for address in (list_address(model), row_address(row), row_address(row, "history")):
            assert client.get(address).status_code == expected, address
    assert client.get("/admin/system/").status_code == 403
    assert client.get("/admin/autocomplete/", {"app_label": "projects"}).status_code == 403


def test_staff_with_every_permission_on_a_table_still_edit_nothing(rows: Rows) -> None:
    for model in (Project, Membership, Response):
        name, label = model._meta.model_name, model._meta.app_label
        client = signed_in(make_staff(*[f"{label}.{verb}_{name}" for verb in ("view", "add", "change", "delete")]))
        row = model.objects.order_by("pk").first()
        before = everything()
        assert client.post(row_address(row), values(row)).status_code == 403
        assert client.post(row_address(row, "delete"), {"post": "yes"}).status_code == 403
        assert client.post(list_address(model) + "add/", values(row)).status_code == 403
        assert everything() == before
