"""The signing keys of a domain, as its administrator sees and changes them."""

import pytest

from clock.moments import utc_now
from signing import keys
from signing.models import SigningKey

pytestmark = pytest.mark.django_db
URL = "/panel/domain/own.example/signing/"


@pytest.mark.spec("F-040", "F-041", "D-069")
def test_an_administrator_makes_and_retires_keys(world, log_in):
    client = log_in(world.admin)
    assert "No keys yet" in client.get(URL).content.decode()
    assert client.post(URL).status_code == 302
    text = client.get(URL).content.decode()
    assert "mh1r._domainkey.own.example. 3600 IN TXT" in text and "Waits for its record" in text
    assert "has new signing keys already" in client.post(URL, follow=True).content.decode()
    client.post(URL, {"retire": "mh1e._domainkey.own.example"})
    assert SigningKey.objects.get(name="own.example", selector="mh1e").state == "retired"
    assert "no signing key" in client.post(URL, {"retire": "x"}, follow=True).content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_reads_well_everywhere(world, visitor):
    made = keys.generate(domain=world.own, by=None, now=utc_now())
    keys.take_into_use(keys=[made[0].pk], now=utc_now())
    visitor.log_in(world.admin).inspect(URL, "signing")
