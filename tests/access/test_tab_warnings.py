"""Values that are allowed yet seldom meant: the page of a tab saves them, and says so."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts import services
from domains.models import TABS
from tests.factories import make_domain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.spec("P-030")
def test_the_form_warns_when_attempt_y_comes_no_later_than_attempt_x(client: Client) -> None:
    root, _ = services.create_system_administrator("root", "correct horse battery")
    client.force_login(root)
    make_domain("one.example")
    row = TABS["priority"].objects.get()
    page = reverse("admin:domains_domainpriority_change", args=[row.pk])
    both = {"attempt_x_enabled": "on", "attempt_y_enabled": "on"}
    for y, is_warned in ((6, False), (3, True), (2, True)):
        form = client.get(page).context["adminform"].form
        values = {name: value for name, value in form.initial.items() if value is not False}
        answer = client.post(page, {**values, **both, "attempt_y_threshold": y}, follow=True)
        told = [str(message) for message in answer.context["messages"]]
        assert any("attempt_y_threshold" in line for line in told) is is_warned
        row.refresh_from_db()
        assert row.attempt_y_threshold == y
