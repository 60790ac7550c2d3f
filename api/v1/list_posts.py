"""Posts that wait for a moderator of a mailing list (L-005)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api import pagination
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import In, Out, Text
from api.schema import page_of
from blobs.errors import BadId, StoreError
from blobs.ids import decode_id, encode_id
from mailinglists import moderation, moderatormail, reading, selectors
from mailinglists.errors import HeldPostUnknown
from mailinglists.models import HeldPost


class HeldPostOut(Out):
    id = serializers.CharField()
    sender = serializers.CharField(allow_blank=True, help_text="Of the envelope.")
    author = serializers.CharField(allow_blank=True)
    subject = serializers.CharField(allow_blank=True)
    message_id = serializers.CharField(allow_blank=True)
    size_bytes = serializers.IntegerField()
    reason = serializers.ChoiceField(choices=HeldPost.Reason.choices)
    detail = serializers.CharField(allow_blank=True)
    held_at = serializers.DateTimeField()


class HeldPostTextOut(HeldPostOut):
    text = serializers.CharField(allow_blank=True, help_text="Hostile; without markup.")
    is_from_html = serializers.BooleanField()
    is_cut = serializers.BooleanField(help_text="It is longer than what is shown.")


class RefusalIn(In):
    text = Text(
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="Goes to the author; empty: nobody is told.",
    )


class HeldPosts(Endpoint):
    scope = "mailing-lists"

    @extend_schema(
        parameters=[pagination.Paged],
        responses=page_of(HeldPostOut),
        summary="List the posts that wait for a moderator",
    )
    def get(self, request: Request, address: str) -> Response:
        """The oldest first."""
        given = self.query(pagination.Paged)
        mailing_list = selectors.list_for(actor_of(request), address)
        rows = HeldPost.objects.filter(mailing_list=mailing_list)
        return pagination.page(request, given, rows, key="id", show=_shown)


class HeldPostView(Endpoint):
    scope = "mailing-lists"

    @extend_schema(responses=HeldPostTextOut, summary="Read a post that waits")
    def get(self, request: Request, address: str, key: str) -> Response:
        """Its text, safe to show; that you looked is on record."""
        post = _post(request, address, key)
        try:
            view = reading.view(post=post, by=actor_of(request))
        except StoreError:
            raise NotFound from None
        text = {"text": view.readable.text, "is_from_html": view.readable.is_from_html}
        return Response({**_shown(post), **text, "is_cut": view.is_cut})


class HeldPostApproval(Endpoint):
    scope = "mailing-lists"

    @extend_schema(request=None, responses={204: None}, summary="Let a post go out")
    def post(self, request: Request, address: str, key: str) -> Response:
        """To all subscribers, from now on."""
        post = _post(request, address, key)
        try:
            moderation.approve(held=post, by=actor_of(request))
        except StoreError:
            raise NotFound from None
        return Response(status=204)


class HeldPostRefusal(Endpoint):
    scope = "mailing-lists"

    @extend_schema(request=RefusalIn, responses={204: None}, summary="Refuse a post")
    def post(self, request: Request, address: str, key: str) -> Response:
        """It goes out to nobody."""
        post = _post(request, address, key)
        text = self.read(RefusalIn).get("text", "")
        refusal = moderation.refuse(held=post, by=actor_of(request), text=text)
        moderatormail.tell_author(post.mailing_list, refusal)
        return Response(status=204)


def _post(request: Request, address: str, key: str) -> HeldPost:
    mailing_list = selectors.list_for(actor_of(request), address)
    try:
        found = HeldPost.objects.filter(mailing_list=mailing_list, pk=decode_id(key)).first()
    except BadId:
        found = None
    if found is None:
        raise HeldPostUnknown(0)
    found.mailing_list = mailing_list
    return found


def _shown(row: HeldPost) -> dict[str, Any]:
    return {
        "id": encode_id(row.pk),
        "sender": row.sender,
        "author": row.author,
        "subject": row.subject,
        "message_id": row.message_id,
        "size_bytes": row.size_bytes,
        "reason": row.reason,
        "detail": row.detail,
        "held_at": row.held_at,
    }


_OF_LIST = "mailing-lists/<str:address>/posts/"
urlpatterns = [
    path(_OF_LIST, HeldPosts.as_view(), name="held-posts"),
    path(f"{_OF_LIST}<str:key>/", HeldPostView.as_view(), name="held-post"),
    path(f"{_OF_LIST}<str:key>/approve/", HeldPostApproval.as_view(), name="held-post-approve"),
    path(f"{_OF_LIST}<str:key>/refuse/", HeldPostRefusal.as_view(), name="held-post-refuse"),
]
