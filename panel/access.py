"""Who may open a page; what is out of sight does not exist, and every change says from where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from accounts.models import Role, User
from events import audit
from panel import refusals

SYSTEM = frozenset({Role.SYSTEM_ADMINISTRATOR})
PROVIDERS = SYSTEM | {Role.RESELLER}
ADMINISTRATORS = PROVIDERS | {Role.DOMAIN_ADMINISTRATOR}
OF_DOMAINS = frozenset({Role.DOMAIN_ADMINISTRATOR, Role.USER})
EVERYBODY = ADMINISTRATORS | {Role.USER}

READING = ("GET", "HEAD")
FORM = ("GET", "HEAD", "POST")
ACTION = ("POST",)

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def opens_for(
    roles: Iterable[Role], *, methods: tuple[str, ...] = READING, in_person: bool = False
) -> Callable[[View], View]:
    """Only these roles may open the page: strangers are asked to log in, others get 403.

    `in_person`: nobody who is logged in as another, such as for passwords (U-061).

    Inside, `DomainUnknown` and its like become 404, `NotPermitted` and `FeatureOff` 403, so a view
    fetches by `accounts.selectors.*_for(actor)` and catches neither.
    """
    allowed = frozenset(roles)

    def decorate(view: View) -> View:
        @wraps(view)
        def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _ask_to_log_in(request)
            if actor_of(request).role not in allowed:
                raise PermissionDenied
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            with audit.acting(**circumstances(request)):
                return _open(view, request, *args, **kwargs)

        # The menu shows a page to whom it opens.
        opened.roles = allowed  # type: ignore[attr-defined]
        opened.in_person = in_person  # type: ignore[attr-defined]
        opened.methods = methods  # type: ignore[attr-defined]
        return cast(View, opened)

    return decorate


def actor_of(request: HttpRequest) -> User:
    """Whoever is logged in; only for pages behind `opens_for`."""
    return cast(User, request.user)


def client_address(request: HttpRequest) -> str:
    """Empty if it is not known. What a trusted proxy says of it has been looked at before."""
    return str(request.META.get("REMOTE_ADDR", ""))


def circumstances(request: HttpRequest) -> dict[str, Any]:
    """What `events.audit.acting` is told of a request."""
    row = vars(request).get("impersonation")
    return {
        "client_address": client_address(request),
        "impersonator": row.by if row is not None else None,
        "reason": row.reason if row is not None else "",
    }


def _open(view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        return cast(HttpResponseBase, view(request, *args, **kwargs))
    except refusals.OUT_OF_SIGHT as error:
        raise Http404(str(error)) from None
    except refusals.FORBIDDEN as error:
        raise PermissionDenied(refusals.words(error)) from None


def _ask_to_log_in(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return redirect_to_login(resolve_url("panel:home"))
    if request.headers.get("HX-Request") == "true":
        # A part of a page cannot show the log-in page: the whole page goes there.
        current = urlsplit(request.headers.get("HX-Current-URL", ""))
        target = redirect_to_login(current.path or resolve_url("panel:home"))
        return HttpResponse(status=204, headers={"HX-Redirect": target["Location"]})
    return redirect_to_login(request.get_full_path())
