"""Django's way in: web pages log in by address and password, by the same rules as mail programs."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from accounts import authentication, watching
from accounts.errors import WrongCredentials
from accounts.models import User
from clock.moments import utc_now


class AddressBackend(BaseBackend):
    """A whole address for mailbox users; a bare name for administrators without a mailbox."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> User | None:
        login = username or credentials.get(User.USERNAME_FIELD)
        if not login or password is None:
            return None
        client_address = request.META.get("REMOTE_ADDR", "") if request is not None else ""
        if watching.is_barred("web", client_address):
            return None
        try:
            if "@" not in login:
                return authentication.check_person(
                    login, password, client_address=client_address, now=utc_now()
                )
            account = authentication.check_password(
                login,
                password,
                service="webmail",
                local_ip=None,
                client_address=client_address,
                now=utc_now(),
            )
        except WrongCredentials:
            return None
        return User.objects.select_related("domain").filter(pk=account.account_id).first()

    def get_user(self, user_id: int) -> User | None:
        """Asked with every request, so a disabled account or domain is out at once."""
        user = User.objects.select_related("domain").filter(pk=user_id).first()
        if user is None or not user.is_active:
            return None
        return None if user.domain is not None and user.domain.is_deleting else user
