"""Tells mypy that `request.user` is our User.

By itself it is "User or AnonymousUser" in every view, though all views but the few public ones sit behind sign-in, and
a test generated from the router asks each of them as nobody. The public ones use only what both kinds of user have.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo
from mypy.plugin import AttributeContext, Plugin
from mypy.types import Instance, Type

REQUESTS = ("django.http.request.HttpRequest.user", "rest_framework.request.Request.user")
USER = "projects.models.user.User"


class SignedInRequests(Plugin):
    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        return self._user if fullname in REQUESTS else None

    def _user(self, context: AttributeContext) -> Type:
        found = self.lookup_fully_qualified(USER)
        if found is None or not isinstance(found.node, TypeInfo):
            return context.default_attr_type
        return Instance(found.node, [])


def plugin(version: str) -> type[Plugin]:
    return SignedInRequests
