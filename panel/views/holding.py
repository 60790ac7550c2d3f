"""What is held back: who is throttled this hour, and standing hold rules (T-013)."""

from __future__ import annotations

from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import selectors
from accounts.models import User
from clock.moments import utc_now
from domains.errors import Refused
from jobs.models import Job
from panel import notices, refusals
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.forms.routes import HoldRuleForm, one_form
from spool import bulkjobs, statistics
from spool import throttled as throttling
from spool.changing import Done
from spool.holding import NewHoldRule
from spool.models import HoldRule
from spool.throttled import NotThrottled


@opens_for(SYSTEM)
def throttled(request: HttpRequest) -> HttpResponse:
    now = utc_now()
    context = {"rows": throttling.throttled(now), "forecast": statistics.forecast(now=now)}
    return render(request, "panel/spool/throttled.html", context)


@opens_for(SYSTEM, methods=ACTION)
def release(request: HttpRequest, kind: str, key_id: int) -> HttpResponse:
    """One fresh allowance for the rest of this hour; on record."""
    try:
        count = throttling.release(kind=kind, key_id=key_id, by=actor_of(request), now=utc_now())
    except NotThrottled:
        notices.warned(request, "Nothing of theirs is held by a limit any more.")
    else:
        text = f"Released: {count:,} recipient{'s' * (count != 1)} may try again now."
        notices.done(request, f"{text} The allowance of this hour begins anew.")
    return redirect("panel:throttled")


@opens_for(SYSTEM, methods=FORM)
def rules(request: HttpRequest) -> HttpResponse:
    form = HoldRuleForm(request.POST if request.method == "POST" else None)
    tabbed = one_form(form, "Add a hold rule")
    if request.method == "POST" and tabbed.is_valid():
        held: list[Done | Job] = []
        try:
            is_saved = tabbed.save(lambda: held.append(_add(form, actor_of(request))))
        except Refused as error:
            # Only the field of this form names a domain: out of sight is a slip of the pen.
            form.refuse("domain", refusals.words(error))
            is_saved = False
        if is_saved:
            done = held[0]
            if isinstance(done, Job):
                notices.done(request, "Added the rule. This job looks through the spool for it.")
                return redirect("panel:job", done.pk)
            count = done.done
            caught = f"{count:,} message{'s' * (count != 1)} in the spool"
            does = "puts in quarantine" if form.cleaned_data["quarantines"] else "holds"
            words = f"Added the rule. It {does} {caught}, and what comes from now on."
            notices.done(request, words)
            return redirect("panel:hold-rules")
    rows = HoldRule.objects.select_related("domain").order_by("pk")
    return render(
        request, "panel/spool/hold_rules.html", {"rows": rows, "tabbed": tabbed, "form": form}
    )


@opens_for(SYSTEM, methods=ACTION)
def remove_rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    rule = HoldRule.objects.filter(pk=rule_id).first()
    if rule is None:
        raise Http404
    quarantines = rule.quarantines
    done = bulkjobs.remove_hold_rule(rule=rule, by=actor_of(request), now=utc_now())
    if isinstance(done, Job):
        notices.done(request, f"Removed the rule “{rule.reason}”. This job releases its mail.")
        return redirect("panel:job", done.pk)
    if quarantines:
        words = f"Removed the rule “{rule.reason}”. What it put in quarantine stays there."
        notices.done(request, words)
        return redirect("panel:hold-rules")
    count = f"{done.done:,} message{'s' * (done.done != 1)}"
    notices.done(request, f"Removed the rule “{rule.reason}”, and released {count}.")
    return redirect("panel:hold-rules")


def _add(form: HoldRuleForm, actor: User) -> Done | Job:
    data, now = form.cleaned_data, utc_now()
    name, hours = data["domain"].strip(), data["hours"]
    new = NewHoldRule(
        sender=data["sender"].strip(),
        recipient=data["recipient"].strip(),
        destination=data["destination"].strip(),
        domain=selectors.domain_for(actor, name) if name else None,
        reason=data["reason"],
        until=now + timedelta(hours=hours) if hours else None,
        quarantines=data["quarantines"],
    )
    return bulkjobs.add_hold_rule(new=new, by=actor, now=now)[1]


urlpatterns = [
    path("spool/throttled/", throttled, name="throttled"),
    path("spool/throttled/<str:kind>/<int:key_id>/release/", release, name="throttle-release"),
    path("spool/hold-rules/", rules, name="hold-rules"),
    path("spool/hold-rules/<int:rule_id>/remove/", remove_rule, name="hold-rule-remove"),
]
