"""Joins the doors that a browser uses under one site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from mailhost import metrics
from panel.views.entrance import admin_login

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="panel:home")),
    path("panel/", include("panel.urls")),
    path("api/", include("api.urls")),
    # One log-in for both, so that the second factor is asked for.
    path("admin/login/", admin_login),
    path("admin/", admin.site.urls),
    path("metrics", metrics.metrics),
    path("healthz", metrics.alive),
    path("readyz", metrics.ready),
]
handler403 = "panel.views.failures.forbidden"
handler404 = "panel.views.failures.missing"
handler500 = "panel.views.failures.broken"
