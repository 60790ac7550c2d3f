"""Settings of the whole server, one row each: read, and changed in part."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from accounts.settings import CAPS, DELETION, LOGIN
from api import etags
from api.endpoints import Endpoint, actor_of
from api.fields import Out, of_model
from api.shapes import values_of
from certificates.settings import ACME
from domains.claims import NAMES
from domains.singlerow import SingleRow
from domains.values import settable_fields
from operations.logs import LOGS
from operations.services import LISTENERS, RESOLVER
from retrieval.settings import RETRIEVAL
from spool.configuration import SPOOL
from transport.settings import TRANSPORT

SETTINGS: tuple[SingleRow[Any], ...] = (
    ACME,
    CAPS,
    DELETION,
    LISTENERS,
    LOGIN,
    LOGS,
    NAMES,
    RESOLVER,
    RETRIEVAL,
    SPOOL,
    TRANSPORT,
)


class SettingsEndpoint(Endpoint):
    scope = "settings"
    verb = Verb.MANAGE_SERVER
    row: ClassVar[SingleRow[Any]]
    serializer_in: ClassVar[Any]

    def get(self, request: Request) -> Response:
        """What holds now, for all domains."""
        return etags.tagged(self._shown())

    def patch(self, request: Request) -> Response:
        """Set what is given; it acts everywhere within a second or two."""
        given = self.read(self.serializer_in)
        with transaction.atomic():
            etags.require_match(request, self._shown())
            self.row.change(given, by=actor_of(request))
        return etags.tagged(self._shown())

    def _shown(self) -> dict[str, Any]:
        return values_of(self.row.load(), settable_fields(self.row.model))


def _endpoint(row: SingleRow[Any]) -> type[SettingsEndpoint]:
    """The class for one row, so that the schema names its fields."""
    model, fields = row.model, settable_fields(row.model)
    taken = of_model(f"{model.__name__}In", model, fields)
    shown = of_model(f"{model.__name__}Out", model, fields, Out)

    class One(SettingsEndpoint):
        serializer_in = taken

        @extend_schema(responses=shown, summary=f"Read the {row.name} settings")
        def get(self, request: Request) -> Response:
            return super().get(request)

        @extend_schema(request=taken, responses=shown, summary=f"Change the {row.name} settings")
        def patch(self, request: Request) -> Response:
            return super().patch(request)

    One.row = row
    One.__name__ = f"{row.name.title()}Settings"
    return One


urlpatterns = [
    path(f"settings/{row.name}/", _endpoint(row).as_view(), name=f"settings-{row.name}")
    for row in SETTINGS
]
