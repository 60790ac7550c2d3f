"""The keys that a domain's mail is signed with: which there are, new ones, old ones (F-040)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import selectors
from accounts.models import User
from accounts.permissions import Verb
from clock.moments import utc_now
from domains import switches
from domains.models import Domain
from panel import notices, ofdomain, refusals
from panel.access import ADMINISTRATORS, FORM, actor_of, opens_for
from panel.refusals import Refused
from panel.undoing import undo_of_this
from signing import keys
from zones.records import quoted


@opens_for(ADMINISTRATORS, methods=FORM)
def signing(request: HttpRequest, name: str) -> HttpResponse:
    """A POST with `retire` retires that key, any other makes new ones."""
    actor = actor_of(request)
    if request.method == "POST":
        domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_SIGNING)
        try:
            text = _change(request, domain, actor)
        except Refused as error:
            notices.warned(request, refusals.words(error))
        else:
            notices.done(request, text, undo=undo_of_this())
        return redirect("panel:signing", name)
    domain = selectors.domain_for(actor, name, verb=Verb.VIEW)
    context = {
        "keys": [(key, quoted(key.record)) for key in keys.keys_of(domain)],
        "signs": switches.is_on(domain.pk, "mail_signing"),
    }
    context |= ofdomain.about(request, domain)
    return render(request, "panel/domains/signing.html", context)


def _change(request: HttpRequest, domain: Domain, actor: User) -> str:
    now = utc_now()
    record_name = request.POST.get("retire", "")
    if not record_name:
        made = keys.generate(domain=domain, by=actor, now=now)
        return f"Made {len(made)} keys. They sign as soon as their records are in DNS."
    selector, _, key_name = record_name.partition("._domainkey.")
    keys.retire(domain=domain, selector=selector, name=key_name, by=actor, now=now)
    return f"Retired {record_name}: it signs no more. Leave its record for two weeks."


urlpatterns = [path("domain/<str:name>/signing/", signing, name="signing")]
