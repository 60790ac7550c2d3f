"""Writing to many users: mail and reminders, how far they are, and one's own (B-001…B-017)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import permissions
from accounts.permissions import Verb
from api import finding, pagination
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import Choice, In, Out, Switch, Text
from api.schema import page_of
from api.shapes import values_of
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from messaging import audience as audiences
from messaging import services
from messaging.models import Audience, MassMail, Reminder, ReminderOfUser, State

SHOWN = (
    "audience", "of", "subject", "state", "total", "sent", "refused", "job_id", "actor",
    "created_at", "finished_at",
)  # fmt: skip
MOVES = {"pause": services.pause, "resume": services.resume, "cancel": services.cancel}


class AudienceIn(In):
    audience = Choice(choices=Audience.choices)
    of = Text(
        required=False,
        default="",
        allow_blank=True,
        max_length=330,
        help_text="The domain, or the user's address, where the audience is one.",
    )


class MassMailIn(AudienceIn):
    author_name = Text(max_length=100, help_text="The name that recipients see.")
    reply_to = Text(required=False, default="", allow_blank=True, max_length=320)
    subject = Text(max_length=200)
    text = Text(
        max_length=services.LONGEST_TEXT,
        help_text="{name}, {address} and {domain} become those of the recipient.",
    )
    is_html = Switch(required=False, default=False)


class ReminderIn(AudienceIn):
    subject = Text(max_length=200)
    text = Text(max_length=services.LONGEST_TEXT)
    also_by_mail = Switch(
        required=False, default=False, help_text="Write to those who cannot log in to the web."
    )


class NotSentOut(Out):
    address = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)


class SendingOut(Out):
    id = serializers.IntegerField()
    audience = serializers.ChoiceField(choices=Audience.choices)
    of = serializers.CharField(allow_blank=True)
    subject = serializers.CharField()
    state = serializers.ChoiceField(choices=State.choices)
    total = serializers.IntegerField(help_text="Users.")
    sent = serializers.IntegerField()
    refused = serializers.IntegerField()
    notes = NotSentOut(many=True, help_text="The first that failed, and why.")
    job_id = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


SendingsOut = page_of(SendingOut)


class AudienceFilters(In):
    audience = serializers.ChoiceField(choices=Audience.choices)
    of = serializers.CharField(required=False, default="", max_length=330)


class AudienceOut(Out):
    users = serializers.IntegerField(help_text="Enabled mailboxes of enabled domains in sight.")


class OwnReminderOut(Out):
    id = serializers.IntegerField()
    subject = serializers.CharField()
    text = serializers.CharField()
    show_at = serializers.DateTimeField()


class OwnRemindersOut(Out):
    items = OwnReminderOut(many=True)


class ReminderAnswerIn(In):
    answer = Choice(choices=["later", "dismiss"])


class AudienceSize(Endpoint):
    scope = "messaging"
    verb = Verb.OPEN_DOMAIN  # system administrators and resellers

    @extend_schema(
        parameters=[AudienceFilters], responses=AudienceOut, summary="Count who would be written to"
    )
    def get(self, request: Request) -> Response:
        given, actor = self.query(AudienceFilters), actor_of(request)
        of = _normal(actor, given)
        return Response({"users": services.count(actor, given["audience"], of)})


class SendingsEndpoint(Endpoint):
    scope = "messaging"
    verb = Verb.OPEN_DOMAIN
    model: ClassVar[Any] = MassMail

    def _page(self, request: Request) -> Response:
        given = self.query(pagination.Paged)
        rows = services.sendings_for(actor_of(request), self.model)
        return pagination.page(request, given, rows, key="-id", show=_shown)

    def _one(self, request: Request, key: int) -> Any:
        return services.sending_for(actor_of(request), self.model, finding.known(key))

    def _move(self, request: Request, key: int, move: str) -> Response:
        if move not in MOVES:
            raise NotFound
        row = MOVES[move](self._one(request, key), by=actor_of(request))
        return Response(_shown(row))


MAIL = OpenApiExample(
    "To everybody of one domain",
    {
        "audience": "domain",
        "of": "shop.example",
        "author_name": "Shop Hosting",
        "subject": "Work on Saturday",
        "text": "Dear {name},\n\nmail of {domain} rests on Saturday from 22:00 to 22:15.",
    },
    request_only=True,
)


class MassMails(SendingsEndpoint):
    @extend_schema(parameters=[pagination.Paged], responses=SendingsOut, summary="List mass mail")
    def get(self, request: Request) -> Response:
        """Newest first: your own; all for system administrators."""
        return self._page(request)

    @extend_schema(
        request=MassMailIn, responses={202: SendingOut}, examples=[MAIL], summary="Write to many"
    )
    def post(self, request: Request) -> Response:
        """Goes on behind the answer; `job_id` is its job, and `state` says how far it is."""
        given, actor = self.read(MassMailIn), actor_of(request)
        row = services.send_mail(by=actor, **given)
        return _begun(request, row)


class MassMailView(SendingsEndpoint):
    @extend_schema(responses=SendingOut, summary="Read how far mass mail is")
    def get(self, request: Request, key: int) -> Response:
        return Response(_shown(self._one(request, key)))


class MassMailMove(SendingsEndpoint):
    @extend_schema(request=None, responses=SendingOut, summary="Pause, resume or cancel mass mail")
    def post(self, request: Request, key: int, move: str) -> Response:
        """What was sent stays sent."""
        return self._move(request, key, move)


class Reminders(SendingsEndpoint):
    model = Reminder

    @extend_schema(parameters=[pagination.Paged], responses=SendingsOut, summary="List reminders")
    def get(self, request: Request) -> Response:
        """Newest first: those of yours; all for system administrators."""
        return self._page(request)

    @extend_schema(request=ReminderIn, responses={202: SendingOut}, summary="Remind many")
    def post(self, request: Request) -> Response:
        """They see it when they open the panel."""
        given, actor = self.read(ReminderIn), actor_of(request)
        return _begun(request, services.send_reminder(by=actor, **given))


class ReminderView(SendingsEndpoint):
    model = Reminder

    @extend_schema(responses=SendingOut, summary="Read how far a reminder is")
    def get(self, request: Request, key: int) -> Response:
        return Response(_shown(self._one(request, key)))


class ReminderMove(SendingsEndpoint):
    model = Reminder

    @extend_schema(request=None, responses=SendingOut, summary="Pause, resume or cancel a reminder")
    def post(self, request: Request, key: int, move: str) -> Response:
        """Who has seen it has seen it."""
        return self._move(request, key, move)


class OwnReminders(Endpoint):
    scope = "messaging"

    @extend_schema(responses=OwnRemindersOut, summary="List your reminders")
    def get(self, request: Request) -> Response:
        """What is to be shown to you now."""
        found = services.unseen(actor_of(request), now=utc_now())
        return Response({"items": [_own(one) for one in found]})


class OwnReminder(Endpoint):
    scope = "messaging"

    @extend_schema(
        request=ReminderAnswerIn, responses={204: None}, summary="Answer a reminder of yours"
    )
    def post(self, request: Request, key: int) -> Response:
        """`later` shows it again in an hour, `dismiss` never."""
        answer = self.read(ReminderAnswerIn)["answer"]
        act = services.snooze if answer == "later" else services.dismiss
        if not act(actor_of(request), finding.known(key), now=utc_now()):
            raise NotFound
        return Response(status=204)


def _normal(actor: Any, given: dict[str, Any]) -> str:
    """Raises NotPermitted, ValuesRefused."""
    permissions.require(actor, Verb.OPEN_DOMAIN)
    try:
        return audiences.normal(actor, given["audience"], given["of"])
    except ValuesRefused as error:
        reason = error.problems[0].reason
        raise ValuesRefused((Problem("of", reason),)) from None


def _begun(request: Request, row: Any) -> Response:
    return Response(_shown(row), status=202, headers={"Location": f"{request.path}{row.pk}/"})


def _shown(row: Any) -> dict[str, Any]:
    notes = [{"address": address, "reason": reason} for address, reason in row.notes]
    return {"id": row.pk, **values_of(row, SHOWN), "notes": notes}


def _own(one: ReminderOfUser) -> dict[str, Any]:
    reminder = one.reminder
    return {
        "id": one.pk,
        "subject": reminder.subject,
        "text": reminder.text,
        "show_at": one.show_at,
    }


urlpatterns = [
    path("messaging/audience/", AudienceSize.as_view(), name="audience"),
    path("mass-mail/", MassMails.as_view(), name="mass-mail"),
    path("mass-mail/<int:key>/", MassMailView.as_view(), name="mass-mail-one"),
    path("mass-mail/<int:key>/<str:move>/", MassMailMove.as_view(), name="mass-mail-move"),
    path("reminders/", Reminders.as_view(), name="reminders"),
    path("reminders/<int:key>/", ReminderView.as_view(), name="reminder"),
    path("reminders/<int:key>/<str:move>/", ReminderMove.as_view(), name="reminder-move"),
    path("me/reminders/", OwnReminders.as_view(), name="own-reminders"),
    path("me/reminders/<int:key>/", OwnReminder.as_view(), name="own-reminder"),
]
