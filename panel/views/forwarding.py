"""Where a user has his own mail sent on to (U-036)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import services
from panel import accountpages, notices
from panel.access import FORM, OF_DOMAINS, actor_of, opens_for
from panel.forms.forwarding import ForwardingForm


@opens_for(OF_DOMAINS, methods=FORM)
def forwarding(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = ForwardingForm(actor, request.POST if request.method == "POST" else None)
    if (
        request.method == "POST"
        and form.is_valid()
        and form.save(
            lambda: services.change_user(user=actor, values=form.changed_values(), by=actor)
        )
    ):
        notices.done(request, "Saved your forwards.")
        return redirect("panel:account-forwarding")
    context = {"form": form, "links": accountpages.links(request)}
    return render(request, "panel/account/forwarding.html", context)


urlpatterns = [path("account/forwarding/", forwarding, name="account-forwarding")]
