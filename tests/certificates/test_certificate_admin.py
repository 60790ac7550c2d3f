"""Certificates in Django's admin: the same service, the same refusals, no key sent back."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts import services as account_services
from certificates.models import AcmeSettings, Certificate
from certificates.settings import ACME
from clock.moments import utc_now
from events.models import AuditEntry
from tests.authority import Authority
from tests.factories import PASSWORD

HOST = "mail.example.com"
LIST = "/admin/certificates/certificate/"
SETTINGS = "/admin/certificates/acmesettings/add/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(folder):
    ACME.forget()
    client = Client()
    client.force_login(account_services.create_system_administrator("root", PASSWORD)[0])
    yield client
    ACME.forget()


def upload(client, chain, key, host=HOST):
    files = {"chain": SimpleUploadedFile("c.pem", chain), "key": SimpleUploadedFile("k.pem", key)}
    return client.post(f"{LIST}add/", {"host": host, **files})


@pytest.mark.spec("N-005")
def test_a_certificate_is_uploaded_replaced_and_removed(client, folder):
    authority = Authority(utc_now())
    for _ in range(2):
        chain, key = authority.bundle(HOST)
        assert upload(client, chain, key).status_code == 302
        assert (folder / f"{HOST}.pem").read_bytes() == key + chain
    row = Certificate.objects.get()
    assert HOST in client.get(LIST).content.decode()
    assert client.get(f"{LIST}{row.pk}/change/").status_code == 200
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Certificate.objects.exists() and list(folder.iterdir()) == []
    verbs = AuditEntry.objects.filter(actor="root").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["installed certificate", "installed certificate", "removed certificate"]


def test_a_refusal_is_told_on_the_page_and_the_key_is_not_sent_back(client, folder):
    authority = Authority(utc_now())
    chain, key = authority.bundle("other.example.com")
    page = upload(client, chain, key).content.decode()
    assert "it is for other.example.com, not for mail.example.com" in page
    assert key.splitlines()[1].decode() not in page
    assert "is not a domain name" in upload(client, chain, key, host="no name").content.decode()
    assert list(folder.iterdir()) == [] and not Certificate.objects.exists()


def test_ordering_is_switched_on_with_agreement_only(client):
    values = {"directory_url": "https://acme.example/directory", "is_enabled": "on"}
    page = client.post(SETTINGS, values)
    assert "must be true before anything is ordered" in page.content.decode()
    assert client.post(SETTINGS, {**values, "agrees_to_terms": "on"}).status_code == 302
    assert ACME.load().is_enabled and AcmeSettings.objects.count() == 1
    assert client.get("/admin/certificates/acmesettings/1/change/").status_code == 200
    assert client.get(SETTINGS).status_code == 403
