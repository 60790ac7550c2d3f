"""What explains the API: its schema, Swagger UI, and each kind of problem."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView

from api import errors


class Schema(SpectacularAPIView):
    """OpenAPI 3, in YAML or, with `Accept: application/json`, in JSON. It tells no secrets."""

    authentication_classes = ()
    permission_classes = ()


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI from its package: no file comes from elsewhere, no script stands in the page."""
    return render(request, "api/docs.html")


@require_safe
def problems(request: HttpRequest) -> HttpResponse:
    """Every kind of refusal."""
    kinds = sorted(errors.ALL_KINDS.values(), key=lambda kind: (kind.status, kind.slug))
    return JsonResponse({"problems": [_told(kind) for kind in kinds]})


@require_safe
def problem(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the `type` of a refusal leads."""
    kind = errors.ALL_KINDS.get(slug)
    if kind is None:
        raise Http404
    return JsonResponse(_told(kind))


def _told(kind: errors.Kind) -> dict[str, object]:
    return {"type": f"{errors.TYPES}{kind.slug}/", "title": kind.title, "status": kind.status}
