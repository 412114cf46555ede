"""How people join: by a link, once, with no more rights than its maker holds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import resolve
from django.utils import timezone

from labeling_site.core import errors
from projects import access, selectors
from projects.access import Capability
from projects.models import Invitation, Membership, User
from projects.services import invitations, workspaces
from tests.factories import PASSWORD, add_member, make_people, make_user, make_workspace, membership, role, with_api_key

pytestmark = pytest.mark.django_db


def invite(people, **more) -> str:
    """The token of a fresh invitation by Alice."""
    values = {"actor": people.alice, "workspace": people.workspace, "role": role("labeler")} | more
    _invitation, link = invitations.invite(**values)
    return link.rstrip("/").rpartition("/")[2]


def is_member(person: User, workspace) -> bool:
    return Membership.objects.filter(user=person, workspace=workspace).exists()


def test_a_link_makes_an_account_and_a_membership():
    people = make_people()
    joined = invitations.accept_invitation(
        token=invite(people), email="Dora@Example.org", name="Dora", password=PASSWORD
    )
    assert joined.user.email == "dora@example.org" and joined.user.check_password(PASSWORD)
    assert not joined.user.is_staff and not joined.user.is_superuser
    assert access.may(joined.user, Capability.LABEL, people.workspace)
    assert not access.may(joined.user, Capability.EXPORT, people.workspace)


def test_a_signed_in_person_joins_with_the_account_at_hand():
    people = make_people()
    invitations.accept_invitation(token=invite(people, role=role("customer_qa")), actor=people.charlie)
    assert access.may(people.charlie, Capability.APPROVE, people.workspace)
    assert User.objects.count() == 3


def test_the_link_is_an_address_of_this_site_and_only_its_hash_is_kept():
    people = make_people()
    invitation, link = invitations.invite(actor=people.alice, workspace=people.workspace, role=role("labeler"))
    token = link.rstrip("/").rpartition("/")[2]
    assert link == f"{settings.PUBLIC_URL}/invitations/{token}/"
    assert resolve(f"/invitations/{token}/").url_name == "invitation"
    assert token not in str(Invitation.objects.filter(pk=invitation.pk).values())


def test_a_link_works_once():
    people = make_people()
    token = invite(people)
    invitations.accept_invitation(token=token, actor=people.charlie)
    dora = make_user("Dora")
    with pytest.raises(errors.Gone):
        invitations.accept_invitation(token=token, actor=dora)
    assert not is_member(dora, people.workspace)


def test_unknown_old_and_withdrawn_links_let_nobody_in():
    people = make_people()
    with pytest.raises(errors.NotFound):
        invitations.accept_invitation(token="guess", actor=people.charlie)
    old, withdrawn = invite(people), invite(people)
    rows = list(Invitation.objects.filter(accepted_at=None).order_by("id"))
    Invitation.objects.filter(pk=rows[0].pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    invitations.revoke_invitation(actor=people.alice, invitation=rows[1])
    for token in (old, withdrawn):
        with pytest.raises(errors.Gone):
            invitations.accept_invitation(token=token, actor=people.charlie)
    assert not is_member(people.charlie, people.workspace)


def test_a_link_for_one_address_lets_no_other_in():
    people = make_people()
    token = invite(people, email="Dora@example.org")
    with pytest.raises(errors.Forbidden):
        invitations.accept_invitation(token=token, actor=people.charlie)
    with pytest.raises(errors.Forbidden):
        invitations.accept_invitation(token=token, email="mallory@example.org", name="M", password=PASSWORD)
    assert not User.objects.filter(email="mallory@example.org").exists()
    joined = invitations.accept_invitation(token=token, name="Dora", password=PASSWORD)
    assert joined.user.email == "dora@example.org"


def test_a_refused_account_leaves_the_link_open():
    people = make_people()
    token = invite(people)
    with pytest.raises(errors.Invalid):
        invitations.accept_invitation(token=token, email="dora@example.org", name="Dora", password="short")
    with pytest.raises(errors.Conflict):
        invitations.accept_invitation(token=token, email=people.charlie.email, name="Dora", password=PASSWORD)
    with pytest.raises(errors.Conflict):
        invitations.accept_invitation(token=token, actor=people.bob)
    people.charlie.refresh_from_db()
    assert people.charlie.name == "Charlie" and not is_member(people.charlie, people.workspace)
    assert invitations.find_invitation(token).accepted_at is None


@pytest.mark.parametrize("key", ["contributor", "labeler", "team_lead", "vendor_admin", "customer_qa", "vendor_qa"])
def test_nobody_but_owners_invites_or_withdraws(key):
    people = make_people()
    dora = add_member(people.workspace, key, name="Dora")
    token = invite(people)
    before = Invitation.objects.count()
    with pytest.raises(errors.Forbidden):
        invite(people, actor=dora)
    with pytest.raises(errors.Forbidden):
        invitations.revoke_invitation(actor=dora, invitation=Invitation.objects.get(accepted_at=None))
    assert Invitation.objects.count() == before
    assert invitations.find_invitation(token)


def test_strangers_neither_invite_nor_withdraw():
    people = make_people()
    make_workspace(people.charlie)
    token = invite(people)
    with pytest.raises(errors.NotFound):
        invite(people, actor=people.charlie)
    with pytest.raises(errors.NotFound):
        invitations.revoke_invitation(actor=people.charlie, invitation=Invitation.objects.get(accepted_at=None))
    assert invitations.find_invitation(token)


def test_a_key_that_may_only_manage_members_hands_out_no_more_than_it_holds():
    people = make_people()
    program = with_api_key(people.alice, people.workspace, [Capability.MANAGE_MEMBERS])
    before = Invitation.objects.count()
    with pytest.raises(errors.Forbidden):
        invite(people, actor=program, role=role("owner"))
    assert Invitation.objects.count() == before


def test_a_key_joins_no_workspace():
    people = make_people()
    other = make_workspace(people.charlie)
    _row, link = invitations.invite(actor=people.charlie, workspace=other, role=role("labeler"))
    program = with_api_key(people.bob, people.workspace, [Capability.LABEL])
    with pytest.raises(errors.Forbidden):
        invitations.accept_invitation(token=link.rstrip("/").rpartition("/")[2], actor=program)
    assert not is_member(people.bob, other)


def test_a_link_dies_with_its_makers_right_to_invite():
    people = make_people()
    dora = add_member(people.workspace, "owner", name="Dora")
    token = invite(people, actor=dora, role=role("owner"))
    workspaces.change_role(actor=people.alice, membership=membership(people.workspace, dora), role=role("labeler"))
    with pytest.raises(errors.Gone):
        invitations.accept_invitation(token=token, actor=people.charlie)
    assert not is_member(people.charlie, people.workspace)


def test_members_are_not_invited_again_and_used_invitations_not_withdrawn():
    people = make_people()
    with pytest.raises(errors.Conflict):
        invite(people, email=people.bob.email.upper())
    used = Invitation.objects.get(accepted_by=people.bob)
    with pytest.raises(errors.Conflict):
        invitations.revoke_invitation(actor=people.alice, invitation=used)
    used.refresh_from_db()
    assert used.revoked_at is None and is_member(people.bob, people.workspace)


@pytest.mark.parametrize("more", [{"days": 0}, {"days": 31}, {"email": "dora"}])
def test_an_invitation_has_a_term_and_a_real_address(more):
    people = make_people()
    before = Invitation.objects.count()
    with pytest.raises(errors.Invalid):
        invite(people, **more)
    assert Invitation.objects.count() == before


def test_open_invitations_are_listed_for_those_who_manage_members():
    people = make_people()
    invite(people, email="dora@example.org")
    assert [row.email for row in selectors.open_invitations(people.alice, people.workspace)] == ["dora@example.org"]
    assert not selectors.open_invitations(people.bob, people.workspace).exists()
    assert not selectors.open_invitations(people.charlie, people.workspace).exists()


def test_roles_to_give_are_those_within_ones_own_rights():
    people = make_people()
    assert {row.key for row in selectors.grantable_roles(people.alice, people.workspace)} == {*access.BUILT_IN_ROLES}
    assert selectors.grantable_roles(people.bob, people.workspace) == []
    assert not selectors.roles(people.charlie, people.workspace).exists()
