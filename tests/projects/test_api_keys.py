"""What a program with a key may do: never more than its person, nor than the key says, and only while both hold."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling_site.core import errors
from projects import access, selectors
from projects.access import Capability
from projects.models import ApiKey, Workspace
from projects.services import api_keys, workspaces
from tests.factories import add_member, make_people, make_workspace, membership, role, with_api_key

pytestmark = pytest.mark.django_db


def make_key(person, workspace, *capabilities: str, **more) -> tuple[ApiKey, str]:
    held = capabilities or (Capability.LABEL,)
    return api_keys.create_api_key(actor=person, workspace=workspace, name="script", capabilities=held, **more)


def test_a_secret_is_long_recognisable_and_kept_only_as_a_hash():
    people = make_people()
    key, secret = make_key(people.bob, people.workspace)
    assert secret.startswith("tsk_") and len(secret) >= 40
    assert secret.startswith(key.prefix) and len(key.prefix) == 12
    assert secret not in str(ApiKey.objects.filter(pk=key.pk).values())
    assert api_keys.find_api_key(secret) == key


@pytest.mark.parametrize("guess", ["", "tsk_", "tsk_guess", "Bearer", "\udcff"])
def test_a_guess_finds_nothing(guess):
    people = make_people()
    make_key(people.bob, people.workspace)
    assert api_keys.find_api_key(guess) is None


def test_the_hash_of_a_key_is_no_key():
    people = make_people()
    key, _secret = make_key(people.bob, people.workspace)
    assert api_keys.find_api_key(key.key_hash) is None
    assert api_keys.find_api_key("tsk_" + key.key_hash) is None


def test_a_key_does_what_both_it_and_its_person_may():
    people = make_people()
    program = with_api_key(people.alice, people.workspace, [Capability.LABEL, Capability.EXPORT])
    assert access.capabilities(program, people.workspace) == {*access.READING, Capability.LABEL, Capability.EXPORT}
    add_member(people.workspace, "owner", name="Dora")
    workspaces.change_role(
        actor=people.alice, membership=membership(people.workspace, people.alice), role=role("labeler")
    )
    assert access.capabilities(program, people.workspace) == {*access.READING, Capability.LABEL}


def test_a_key_sees_and_touches_only_its_own_workspace():
    people = make_people()
    other = make_workspace(people.alice, "Other")
    program = with_api_key(people.alice, people.workspace, list(Capability))
    assert list(Workspace.objects.visible_to(program)) == [people.workspace]
    assert access.capabilities(program, other) == frozenset()
    with pytest.raises(errors.NotFound):
        workspaces.rename_workspace(actor=program, workspace=other, name="Taken")
    other.refresh_from_db()
    assert other.name == "Other"


def test_nobody_puts_a_right_into_a_key_that_he_lacks():
    people = make_people()
    with pytest.raises(errors.Forbidden) as refusal:
        make_key(people.bob, people.workspace, Capability.LABEL, Capability.EXPORT)
    assert refusal.value.extra["missing"] == Capability.EXPORT
    with pytest.raises(errors.NotFound):
        make_key(people.charlie, people.workspace)
    assert not ApiKey.objects.exists()


def test_a_key_makes_no_further_keys():
    people = make_people()
    program = with_api_key(people.bob, people.workspace, [Capability.LABEL])
    with pytest.raises(errors.Forbidden):
        make_key(program, people.workspace)
    assert ApiKey.objects.count() == 1


def test_a_key_needs_rights_that_exist_a_name_and_a_future():
    people = make_people()
    for capabilities in ([], ["everything"]):
        with pytest.raises(errors.Invalid):
            api_keys.create_api_key(
                actor=people.bob, workspace=people.workspace, name="script", capabilities=capabilities
            )
    with pytest.raises(errors.Invalid):
        api_keys.create_api_key(
            actor=people.bob, workspace=people.workspace, name="\x07", capabilities=[Capability.LABEL]
        )
    with pytest.raises(errors.Invalid):
        make_key(people.bob, people.workspace, expires_at=timezone.now())
    assert not ApiKey.objects.exists()


def test_a_key_works_until_it_expires():
    people = make_people()
    key, secret = make_key(people.bob, people.workspace, expires_at=timezone.now() + timedelta(hours=1))
    assert api_keys.find_api_key(secret) == key
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert api_keys.find_api_key(secret) is None


def test_a_revoked_key_is_dead_at_once_and_stays_as_a_row():
    people = make_people()
    key, secret = make_key(people.bob, people.workspace)
    first = api_keys.revoke_api_key(actor=people.bob, api_key=key).revoked_at
    assert api_keys.find_api_key(secret) is None
    assert api_keys.revoke_api_key(actor=people.bob, api_key=key).revoked_at == first
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first


def test_a_key_dies_with_its_person_and_its_workspace():
    people = make_people()
    _key, bobs = make_key(people.bob, people.workspace)
    _key, alices = make_key(people.alice, people.workspace)
    people.bob.is_active = False
    people.bob.save()
    assert api_keys.find_api_key(bobs) is None
    assert api_keys.find_api_key(alices) is not None
    workspaces.delete_workspace(actor=people.alice, workspace=people.workspace)
    assert api_keys.find_api_key(alices) is None


def test_owners_revoke_everybodys_keys_and_members_only_their_own():
    people = make_people()
    make_workspace(people.charlie)
    bobs, secret = make_key(people.bob, people.workspace)
    alices, _secret = make_key(people.alice, people.workspace)
    with pytest.raises(errors.Forbidden):
        api_keys.revoke_api_key(actor=people.bob, api_key=alices)
    with pytest.raises(errors.NotFound):
        api_keys.revoke_api_key(actor=people.charlie, api_key=alices)
    alices.refresh_from_db()
    assert alices.revoked_at is None
    api_keys.revoke_api_key(actor=people.alice, api_key=bobs)
    assert api_keys.find_api_key(secret) is None


def test_members_see_their_own_keys_and_owners_all():
    people = make_people()
    bobs, _secret = make_key(people.bob, people.workspace)
    alices, _secret = make_key(people.alice, people.workspace)
    assert list(selectors.api_keys(people.alice, people.workspace)) == [alices, bobs]
    assert list(selectors.api_keys(people.bob, people.workspace)) == [bobs]
    assert list(selectors.api_keys(people.charlie, people.workspace)) == []
    assert selectors.capability_choices(people.bob, people.workspace) == [
        Capability.READ_WORKSPACE,
        Capability.READ_PROJECTS,
        Capability.LABEL,
        Capability.COMMENT,
    ]


def test_the_last_use_is_noted_but_not_every_time():
    people = make_people()
    key, secret = make_key(people.bob, people.workspace)
    api_keys.find_api_key(secret)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    api_keys.find_api_key(secret)
    key.refresh_from_db()
    assert key.last_used_at == first
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=first - timedelta(hours=1))
    api_keys.find_api_key(secret)
    key.refresh_from_db()
    assert key.last_used_at >= first
