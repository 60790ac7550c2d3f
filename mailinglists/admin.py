"""Mailing lists, their people and posts, in the Django admin; passwords stand on no page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from blobs.ids import encode_id
from domains.adminpages import ServiceAdmin, act_on_each
from domains.errors import Problem, ValuesRefused
from mailinglists import membership, moderation, moderatormail, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import (
    Bounce,
    HeldPost,
    MailingList,
    Moderator,
    Post,
    PosterRule,
    Subscriber,
    Token,
)


class ListForm(forms.ModelForm):  # type: ignore[type-arg]
    moderator_names = forms.CharField(
        required=False,
        label="Moderators",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="User names of the domain, apart by blanks.",
    )
    new_post_password = forms.CharField(
        required=False,
        strip=False,
        max_length=services.PASSWORD_CHARACTERS,
        widget=forms.PasswordInput(render_value=False),
        help_text="Empty: it stays; a new list has none then.",
    )

    class Meta:
        model = MailingList
        fields = ("domain", "local_part", *services.FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            names = " ".join(services.moderator_names(self.instance))
            self.fields["moderator_names"].initial = names


@admin.register(MailingList)
class MailingListAdmin(ServiceAdmin):
    form = ListForm
    list_display = (
        "local_part", "domain", "description", "posting", "is_moderated", "is_public",
        "created_at",
    )  # fmt: skip
    list_filter = ("posting", "is_moderated", "is_public")
    list_select_related = ("domain",)
    search_fields = ("local_part", "description", "domain__name")
    fields = ("domain", "local_part", *services.FIELDS, "moderator_names", "new_post_password")
    fixed = ("domain", "local_part")
    autocomplete_fields = ("domain",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> MailingList:
        return services.create_list(
            domain=data["domain"],
            local_part=data["local_part"],
            values={name: data[name] for name in services.FIELDS},
            moderators=data["moderator_names"].split(),
            post_password=data["new_post_password"],
            by=_actor(request),
        )

    def change(self, request: HttpRequest, row: MailingList, data: dict[str, Any]) -> None:
        names = data.get("moderator_names")
        services.change_list(
            mailing_list=row,
            values={name: data[name] for name in services.FIELDS if name in data},
            moderators=None if names is None else names.split(),
            post_password=data.get("new_post_password") or None,
            by=_actor(request),
        )

    def remove(self, request: HttpRequest, row: MailingList) -> None:
        services.delete_list(mailing_list=row, by=_actor(request))


@admin.register(Subscriber)
class SubscriberAdmin(ServiceAdmin):
    list_display = (
        "address", "mailing_list", "name", "mode", "state", "subscribed_at", "last_bounce_at",
    )  # fmt: skip
    list_filter = ("state", "mode")
    list_select_related = ("mailing_list", "mailing_list__domain")
    search_fields = ("key", "name")
    fields = ("mailing_list", "address", "name", "mode")
    fixed = ("mailing_list", "address")
    autocomplete_fields = ("mailing_list",)
    actions = ("suspend", "resume")

    def add(self, request: HttpRequest, data: dict[str, Any]) -> Subscriber:
        """Somebody who has agreed: that it was said is on record."""
        new = NewSubscriber(data["address"], data["name"], data["mode"])
        done = membership.add_subscribers(
            mailing_list=data["mailing_list"], rows=[new], by=_actor(request)
        )
        if not done.added:
            reason = "is on the list already" if done.known else "is no address"
            raise ValuesRefused((Problem("address", reason),))
        return Subscriber.objects.filter(mailing_list=data["mailing_list"]).latest("id")

    def change(self, request: HttpRequest, row: Subscriber, data: dict[str, Any]) -> None:
        given = {name: data[name] for name in ("name", "mode") if name in data}
        membership.change_subscriber(subscriber=row, by=_actor(request), **given)

    def remove(self, request: HttpRequest, row: Subscriber) -> None:
        membership.remove_subscribers(
            mailing_list=row.mailing_list, addresses=[row.address], by=_actor(request)
        )

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, rows: QuerySet[Subscriber]) -> None:
        def act(row: Subscriber) -> None:
            membership.suspend(subscriber=row, by=_actor(request))

        act_on_each(self, request, rows, act, "Suspended")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, rows: QuerySet[Subscriber]) -> None:
        def act(row: Subscriber) -> None:
            membership.resume(subscriber=row, by=_actor(request))

        act_on_each(self, request, rows, act, "Resumed")


@admin.register(HeldPost)
class HeldPostAdmin(ReadOnlyAdmin):
    list_display = ("id", "mailing_list_id", "author", "subject", "reason", "size_bytes", "held_at")
    shown_as = {"id": encode_id}
    list_filter = ("reason",)
    search_fields = ("author", "subject")
    actions = ("approve", "refuse")

    @admin.action(description="Approve")
    def approve(self, request: HttpRequest, queryset: QuerySet[HeldPost]) -> None:
        def act(row: HeldPost) -> None:
            moderation.approve(held=row, by=_actor(request))

        act_on_each(self, request, queryset, act, "Approved")

    @admin.action(description="Refuse, and tell nobody")
    def refuse(self, request: HttpRequest, queryset: QuerySet[HeldPost]) -> None:
        def act(row: HeldPost) -> None:
            refusal = moderation.refuse(held=row, by=_actor(request))
            moderatormail.tell_author(row.mailing_list, refusal)

        act_on_each(self, request, queryset, act, "Refused")


@admin.register(Post)
class PostAdmin(ReadOnlyAdmin):
    list_display = (
        "id", "mailing_list_id", "mode", "author", "subject", "size_bytes", "accepted_at",
        "copies", "finished_at",
    )  # fmt: skip
    shown_as = {"id": encode_id}
    list_filter = ("mode",)
    search_fields = ("author", "subject", "message_id")


@admin.register(Moderator)
class ModeratorAdmin(ReadOnlyAdmin):
    list_display = ("mailing_list", "user")
    list_select_related = ("mailing_list__domain", "user__domain")


@admin.register(PosterRule)
class PosterRuleAdmin(ReadOnlyAdmin):
    list_display = ("mailing_list", "kind", "pattern")
    list_filter = ("kind",)
    list_select_related = ("mailing_list__domain",)


@admin.register(Bounce)
class BounceAdmin(ReadOnlyAdmin):
    list_display = ("subscriber_id", "at", "weight", "words")


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    """The words themselves are made from the keys by the server's secret, and stand nowhere."""

    list_display = ("purpose", "mailing_list_id", "address", "expires_at", "used_at")
    list_filter = ("purpose",)


def _actor(request: HttpRequest) -> Any:
    return request.user
