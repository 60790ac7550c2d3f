"""Gateways: the list with their health, the form, the test (G-001…G-008)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_post_parameters

from accounts.models import User
from clock.moments import utc_now
from domains.errors import DomainUnknown, NameMalformed, Problem, ValuesRefused
from panel import notices
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.forms.routes import GatewayScopeForm, GatewayServerForm, gateway_form
from panel.forms.tabbed import TabbedForm
from panel.notices import Undo
from spool import gatewayhealth, gateways, gatewaytest, supposing
from spool.models import Gateway
from spool.supposing import Supposed


@opens_for(SYSTEM)
def listing(request: HttpRequest) -> HttpResponse:
    health = {one.gateway_id: one for one in gatewayhealth.health(now=utc_now())}
    rows = Gateway.objects.prefetch_related("sending_domains", "destinations")
    context = {"rows": [(row, health.get(row.pk)) for row in rows]}
    return render(request, "panel/routes/gateways.html", context)


@opens_for(SYSTEM, methods=FORM)
@sensitive_post_parameters()
def new(request: HttpRequest) -> HttpResponse:
    tabbed = gateway_form(request.POST if request.method == "POST" else None)
    if "forecast" in request.POST:
        return _forecast(request, tabbed)
    if request.method == "POST" and tabbed.is_valid():
        actor = actor_of(request)
        if tabbed.save(lambda: _add(tabbed, actor)):
            notices.done(request, "Added the gateway. Mail that fits takes it from the next try.")
            return redirect("panel:gateways")
    return render(request, "panel/routes/gateway.html", {"tabbed": tabbed})


@opens_for(SYSTEM, methods=FORM)
@sensitive_post_parameters()
def edit(request: HttpRequest, gateway_id: int) -> HttpResponse:
    row = _gateway(gateway_id)
    tabbed = gateway_form(request.POST if request.method == "POST" else None, row=row)
    if "forecast" in request.POST:
        return _forecast(request, tabbed, row)
    if request.method == "POST" and tabbed.is_valid():
        actor = actor_of(request)
        if tabbed.save(lambda: _change(row, tabbed, actor)):
            notices.done(request, f"Saved the gateway {row.name}.")
            return redirect("panel:gateways")
    return render(request, "panel/routes/gateway.html", {"tabbed": tabbed, "gateway": row})


@opens_for(SYSTEM, methods=ACTION)
def enable(request: HttpRequest, gateway_id: int) -> HttpResponse:
    return _switch(request, gateway_id, is_enabled=True)


@opens_for(SYSTEM, methods=ACTION)
def disable(request: HttpRequest, gateway_id: int) -> HttpResponse:
    return _switch(request, gateway_id, is_enabled=False)


@opens_for(SYSTEM, methods=FORM)
def delete(request: HttpRequest, gateway_id: int) -> HttpResponse:
    """Asks for the name: its password is gone for good."""
    row = _gateway(gateway_id)
    typed = request.POST.get("confirmation") if request.method == "POST" else None
    if typed is not None and typed.strip() == row.name:
        gateways.delete(gateway=row, by=actor_of(request))
        notices.done(
            request, f"Deleted the gateway {row.name}. Its mail takes the next way that fits."
        )
        return redirect("panel:gateways")
    context = {"gateway": row, "is_wrong": typed is not None}
    return render(request, "panel/routes/gateway_delete.html", context)


@opens_for(SYSTEM, methods=ACTION)
def test(request: HttpRequest, gateway_id: int) -> HttpResponse:
    """A real session, in which no mail is sent; it may take a minute."""
    row = _gateway(gateway_id)
    context = {"gateway": row, "result": gatewaytest.test_gateway(row)}
    return render(request, "panel/routes/gateway_test.html", context)


def _switch(request: HttpRequest, gateway_id: int, *, is_enabled: bool) -> HttpResponse:
    row = _gateway(gateway_id)
    gateways.change(gateway=row, values={"is_enabled": is_enabled}, by=actor_of(request))
    opposite = "panel:gateway-disable" if is_enabled else "panel:gateway-enable"
    verb = "Enabled" if is_enabled else "Disabled"
    undo = Undo(reverse(opposite, args=[row.pk]))
    notices.done(request, f"{verb} the gateway {row.name}.", undo=undo)
    return redirect("panel:gateways")


def _forecast(request: HttpRequest, tabbed: TabbedForm, row: Gateway | None = None) -> HttpResponse:
    """What the values would do, before they are saved; the page stays open for more."""
    found: list[Supposed] = []
    if tabbed.is_valid():
        tabbed.save(lambda: found.append(_suppose(tabbed, row)))
    context = {
        "tabbed": tabbed,
        "gateway": row,
        "supposed": found[0] if found else None,
        "has_typed_password": bool(request.POST.get("server-password")),
    }
    return render(request, "panel/routes/gateway.html", context)


def _suppose(tabbed: TabbedForm, row: Gateway | None) -> Supposed:
    server, scope = _forms(tabbed)
    with _blaming_the_scope():
        return supposing.with_gateway(
            gateway=row,
            values={**server.values(), **scope.values()},
            destinations=scope.names("destinations"),
            sending_domains=scope.names("sending_domains"),
            now=utc_now(),
        )


def _add(tabbed: TabbedForm, actor: User) -> None:
    server, scope = _forms(tabbed)
    with _blaming_the_scope():
        gateways.add(
            values={**server.values(), **scope.values()},
            password=server.password(),
            destinations=scope.names("destinations"),
            sending_domains=scope.names("sending_domains"),
            by=actor,
        )


def _change(row: Gateway, tabbed: TabbedForm, actor: User) -> None:
    server, scope = _forms(tabbed)
    with _blaming_the_scope():
        gateways.change(
            gateway=row,
            values={**server.values(), **scope.values()},
            password=server.password(),
            destinations=scope.names("destinations"),
            sending_domains=scope.names("sending_domains"),
            by=actor,
        )


@contextmanager
def _blaming_the_scope() -> Iterator[None]:
    """Names are entered in lists here: the list is to blame, and no page is out of sight."""
    try:
        yield
    except DomainUnknown as error:
        problem = Problem("scope.sending_domains", f"{error.name} is no domain of this server")
    except NameMalformed as error:
        problem = Problem("scope.destinations", f"“{error.name}” is not a domain name")
    else:
        return
    raise ValuesRefused((problem,))


def _forms(tabbed: TabbedForm) -> tuple[GatewayServerForm, GatewayScopeForm]:
    server, scope = tabbed.form("server"), tabbed.form("scope")
    assert isinstance(server, GatewayServerForm) and isinstance(scope, GatewayScopeForm)
    return server, scope


def _gateway(gateway_id: int) -> Gateway:
    row = Gateway.objects.filter(pk=gateway_id).first()
    if row is None:
        raise Http404
    return row


urlpatterns = [
    path("gateways/", listing, name="gateways"),
    path("gateways/new/", new, name="gateway-new"),
    path("gateways/<int:gateway_id>/", edit, name="gateway"),
    path("gateways/<int:gateway_id>/enable/", enable, name="gateway-enable"),
    path("gateways/<int:gateway_id>/disable/", disable, name="gateway-disable"),
    path("gateways/<int:gateway_id>/delete/", delete, name="gateway-delete"),
    path("gateways/<int:gateway_id>/test/", test, name="gateway-test"),
]
