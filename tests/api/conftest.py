"""A world with one of every role, and programs that ask with tokens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from api import tokens
from clock.moments import utc_now
from tests.people import World, make_world


class Program(APIClient):
    """Asks with a token; changes with the ETag that it has just read."""

    def __init__(self, key: str) -> None:
        super().__init__(HTTP_AUTHORIZATION=f"Bearer {key}")

    def call(self, method, path, body=None, **headers):
        options = {"format": "json"} if body is not None else {}
        return getattr(self, method)(f"/api/v1/{path}", body, headers=headers or None, **options)

    def change(self, path, body, method="patch"):
        tag = self.call("get", path)["ETag"]
        return self.call(method, path, body, **{"If-Match": tag})


@pytest.fixture
def world(db) -> World:
    return make_world()


def key_for(user: User, *scopes: str, **options) -> str:
    number = user.api_tokens.count()
    return tokens.issue(
        user=user, name=f"test {number}", scopes=scopes or ("*",), by=None, now=utc_now(), **options
    )[1]


@pytest.fixture
def program() -> Callable[..., Program]:
    def make(user: User, *scopes: str, **options) -> Program:
        return Program(key_for(user, *scopes, **options))

    return make
