"""The certificates of the server: what there is, upload, order and remove (N-004, N-005)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import permissions
from accounts.permissions import Verb
from certificates import expiry, services
from certificates.models import Certificate
from certificates.names import DEFAULT
from certificates.settings import ACME
from clock.moments import utc_now
from panel import notices, refusals
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.forms.base import PanelForm
from panel.forms.certificates import OrderForm, UploadForm
from panel.refusals import Refused

MOST = 1000


@opens_for(SYSTEM, methods=FORM)
def certificates(request: HttpRequest) -> HttpResponse:
    """The list with both forms; `step` says which of them was sent."""
    actor = actor_of(request)
    permissions.require(actor, Verb.MANAGE_SERVER)
    step = request.POST.get("step")
    upload = UploadForm(request.POST, request.FILES) if step == "upload" else UploadForm()
    order = (
        OrderForm(request.POST, prefix="order") if step == "order" else OrderForm(prefix="order")
    )
    sent: PanelForm | None = {"upload": upload, "order": order}.get(step or "")
    if sent is not None and sent.is_valid():
        host = sent.cleaned_data["name"]
        try:
            if step == "upload":
                chain, key = upload.pem_of("chain"), upload.pem_of("key")
                row = services.install(
                    host=host, chain_pem=chain, key_pem=key, by=actor, now=utc_now()
                )
                notices.done(request, f"Clients of {row.host} see this certificate from now on.")
            else:
                row = services.ask_for(host=host, by=actor, now=utc_now())
                notices.done(request, f"A certificate for {row.host} will be ordered soon.")
            return redirect("panel:certificates")
        except Refused as error:
            for name, sentence in refusals.problems(error):
                sent.refuse(name, sentence)
    rows = list(Certificate.objects.order_by("host")[:MOST])
    now = utc_now()
    shown = [(row, "; ".join(filter(None, (expiry.remark(row, now=now), row.last_error))))
             for row in rows]  # fmt: skip
    context = {
        "rows": shown,
        "upload": upload,
        "order": order,
        "is_ordering": ACME.load().is_enabled,
        "default": DEFAULT,
    }
    return render(request, "panel/certificates.html", context)


@opens_for(SYSTEM, methods=ACTION)
def certificate_remove(request: HttpRequest) -> HttpResponse:
    host = request.POST.get("host", "")
    permissions.require(actor_of(request), Verb.MANAGE_SERVER)
    try:
        services.remove(host=host, by=actor_of(request))
        notices.done(request, f"Removed {host}: its clients see the default certificate.")
    except Refused as error:
        notices.failed(request, refusals.words(error))
    return redirect("panel:certificates")


urlpatterns = [
    path("certificates/", certificates, name="certificates"),
    path("certificates/remove/", certificate_remove, name="certificate-remove"),
]
