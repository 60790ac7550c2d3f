"""What every endpoint of the API does before and after its own work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts import permissions
from accounts.permissions import Verb
from api import errors, idempotency
from api.access import (
    HasScope,
    PanelSession,
    RateLimit,
    TokenAuthentication,
    actor_of,
    client_address,
    token_of,
)
from api.errors import NotFound
from api.models import IdempotentRequest
from events import audit

S = TypeVar("S", bound=Serializer[Any])


class BoundedJson(JSONParser):
    """JSON of sane depth; how long a body may be says DATA_UPLOAD_MAX_MEMORY_SIZE."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("the body is nested too deeply") from None


class Endpoint(APIView):
    """`scope`: the resource a token must be good for; `verb`: what the actor's role must have."""

    scope: ClassVar[str] = ""
    verb: ClassVar[Verb | None] = None

    authentication_classes = (TokenAuthentication, PanelSession)
    permission_classes: Sequence[Any] = (HasScope,)
    throttle_classes: Sequence[Any] = (RateLimit,)
    renderer_classes = (JSONRenderer,)
    parser_classes = (BoundedJson,)
    _kept: IdempotentRequest | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with audit.acting(client_address=client_address(request)):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if any("\0" in str(value) for value in (*kwargs.values(), *request.GET.values())):
            raise NotFound  # no database keeps it, so nothing can have that name
        request._request.body  # noqa: B018 - read once, so that its length is checked
        super().initial(request, *args, **kwargs)
        if self.verb is not None:
            permissions.require(actor_of(request), self.verb)
        self._kept = idempotency.begin(request, actor_of(request)) if actor_of(request).pk else None

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, idempotency.Replay):
            return exc.response  # type: ignore[return-value]
        return super().handle_exception(exc)

    def get_exception_handler(self) -> Callable[..., Response]:
        return errors.respond

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        finished = super().finalize_response(request, response, *args, **kwargs)
        finished["Cache-Control"] = "no-store"
        kept = self._kept
        if kept is not None and isinstance(finished, Response):
            finished.add_post_render_callback(lambda made: idempotency.finish(kept, made))
        return finished

    def read(self, serializer: type[S]) -> dict[str, Any]:
        """What the body says. Raises ValidationError."""
        given = serializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def query(self, serializer: type[S]) -> dict[str, Any]:
        """What the address says behind the question mark. Raises ValidationError."""
        given = serializer(data=self.request.GET.dict())
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)


@extend_schema(exclude=True)
class Nothing(Endpoint):
    """Addresses that are none: a problem, where the panel would show a page."""

    permission_classes = ()
    throttle_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound


__all__ = ["Endpoint", "Nothing", "actor_of", "token_of"]
