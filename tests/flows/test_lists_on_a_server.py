"""A list on a running server: leaving by the link in a post, and joining by the one in a mail."""

from __future__ import annotations

import re

import pytest
import requests

from tests.factories import PASSWORD
from tests.mailinglists.test_lists_by_mail import mail_of, send
from tests.reading import wait_for
from tests.running import RunningServer

DOMAIN = "onlists.example"
NEWS = f"news@{DOMAIN}"
SET_UP = f"""
domains:
  - name: {DOMAIN}
    admin: {{username: admin, password: "{PASSWORD}"}}
    users:
      - {{username: anne, password: "{PASSWORD}"}}
      - {{username: carol, password: "{PASSWORD}"}}
      - {{username: dave, password: "{PASSWORD}"}}
    mailing_lists:
      - name: news
        subject_prefix: "[news]"
        subscribers: [anne@{DOMAIN}, carol@{DOMAIN}]
"""


def local(server: RunningServer, url: str) -> str:
    """What the link leads to, on the server's own HTTP port."""
    assert url.startswith("https://")
    return f"http://127.0.0.1:{server.port('http')}/{url.split('/', 3)[3]}"


def addresses(server: RunningServer, *states: str) -> list[str]:
    out = server.manage("list", "subscribers", NEWS, *states)
    return sorted(re.findall(r"\w+@onlists\.example", out))


@pytest.mark.spec("L-007", "L-012")
def test_people_leave_and_join_by_links(server: RunningServer) -> None:
    server.manage("apply", "-", text=SET_UP)
    anne, carol, dave = (f"{name}@{DOMAIN}" for name in ("anne", "carol", "dave"))
    send(server, anne, NEWS, "Hello all", subject="First")
    wait_for(lambda: mail_of(server, carol, "Hello all"))
    (post,) = mail_of(server, carol, "Hello all")
    assert post["Subject"] == "[news] First"
    assert post["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = re.search(r"<(https://[^>]+)>", post["List-Unsubscribe"].replace("\n", ""))
    assert link is not None
    # As a mail program does it: no cookie, no page before.
    done = requests.post(
        local(server, link[1]), data={"List-Unsubscribe": "One-Click"}, timeout=60,
        allow_redirects=False,
    )  # fmt: skip
    assert done.status_code == 200
    assert addresses(server) == [anne]
    server.manage("list", "subscribe", NEWS, dave, "--ask")
    assert addresses(server, "--state", "active") == [anne]
    wait_for(lambda: mail_of(server, dave, "wants to subscribe you"))
    (asked,) = mail_of(server, dave, "wants to subscribe you")
    text = asked.get_content()
    page = local(server, re.search(r"https://\S+/panel/confirm/\S+", text)[0])  # type: ignore[index]
    with requests.Session() as browser:
        form = browser.get(page, timeout=60)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
        assert token is not None and "Subscribe to" in form.text
        answer = browser.post(page, data={"csrfmiddlewaretoken": token[1]}, timeout=60)
    assert "is subscribed" in answer.text
    assert addresses(server, "--state", "active") == [anne, dave]
