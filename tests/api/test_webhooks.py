"""Web hooks: told of what their owner sees, signed, retried, and never led into the house."""

import hashlib
import hmac
import json
import socket
import threading
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from api import delivering, webhooks
from api.models import Webhook, WebhookDelivery
from clock.moments import utc_now

LATER = timedelta(seconds=1)


@pytest.fixture
def listener():
    """Keeps what it is sent, and answers what it is told to."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.received.append((dict(self.headers), body))
            self.send_response(server.status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.received, server.status = [], 204
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hook(world, program, listener, settings):
    settings.MAILHOST_PRIVATE_WEBHOOKS = True
    url = f"http://127.0.0.1:{listener.server_port}/hook?x=1"
    made = program(world.reseller).call("post", "webhooks/", {"url": url, "topics": ["user"]})
    assert made.status_code == 201, made.json()
    return made.json()


def add_user(world, program, name="ann@own.example", who="root"):
    assert program(getattr(world, who)).call("post", "users/", {"address": name}).status_code == 201


def test_a_change_in_sight_is_told_once_and_signed(world, program, listener, hook):
    add_user(world, program)
    add_user(world, program, "eve@other.example")
    for _ in range(2):
        webhooks.collect(now=utc_now() + LATER)
    assert delivering.deliver_due() == 0  # due from the moment at which it was collected
    WebhookDelivery.objects.update(due_at=utc_now())
    assert delivering.deliver_due() == 1
    ((headers, body),) = listener.received
    told = json.loads(body)
    assert (told["topic"], told["verb"]) == ("user", "added user")
    assert told["object"]["name"] == "ann@own.example"
    stamp, proof = headers["MailHost-Signature"].split(",")
    signed = stamp.removeprefix("t=").encode() + b"." + body
    expected = hmac.new(hook["secret"].encode(), signed, hashlib.sha256).hexdigest()
    assert proof == f"v1={expected}"
    assert headers["MailHost-Event"] == told["id"]
    assert delivering.deliver_due() == 0


def test_what_is_not_taken_is_tried_again_and_in_the_end_given_up(world, program, listener, hook):
    listener.status = 500
    row = webhooks.ping(webhook=Webhook.objects.get(), now=utc_now())
    for attempt in range(len(webhooks.WAITS) + 1):
        assert delivering.deliver_due() == 1
        row.refresh_from_db()
        assert (row.attempts, row.status_code) == (attempt + 1, 500)
        if row.due_at is not None:
            assert row.due_at > utc_now()
            WebhookDelivery.objects.update(due_at=utc_now())
    assert row.due_at is None and row.delivered_at is None
    asker = program(world.reseller)
    shown = asker.call("get", f"webhooks/{hook['id']}/deliveries/").json()["items"][0]
    assert (shown["attempts"], shown["error"]) == (8, "answered 500")


def test_a_redirection_leads_nowhere(world, program, listener, hook):
    listener.status = 302
    webhooks.ping(webhook=Webhook.objects.get(), now=utc_now())
    assert delivering.deliver_due() == 1
    assert WebhookDelivery.objects.get().error == "answered 302"


def test_a_silent_place_is_tried_again(world, program, listener, hook):
    Webhook.objects.update(url="http://127.0.0.1:1/")
    webhooks.ping(webhook=Webhook.objects.get(), now=utc_now())
    delivering.deliver_due()
    row = WebhookDelivery.objects.get()
    assert row.attempts == 1 and row.due_at > utc_now() and "refused" in row.error


def test_a_silent_place_is_asked_once_a_round_and_the_others_are_told(
    world, program, listener, hook
):
    silent = Webhook.objects.get()
    Webhook.objects.update(url="http://127.0.0.1:1/")
    url = f"http://127.0.0.1:{listener.server_port}/other"
    program(world.other_reseller).call("post", "webhooks/", {"url": url, "topics": ["user"]})
    for _ in range(3):
        webhooks.ping(webhook=silent, now=utc_now())
    webhooks.ping(webhook=Webhook.objects.exclude(pk=silent.pk).get(), now=utc_now())
    assert delivering.deliver_due() == 2
    assert len(listener.received) == 1
    assert delivering.deliver_due() == 1


def test_a_place_that_answers_byte_by_byte_is_broken_off(hook, monkeypatch):
    monkeypatch.setattr(delivering, "WHOLE_SECONDS", 0.3)
    is_over = threading.Event()

    def drip():
        with opened.accept()[0] as one, suppress(OSError):
            one.sendall(b"HTTP/1.1 200 ")
            while not is_over.wait(0.05):
                one.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as opened:
        thread = threading.Thread(target=drip)
        thread.start()
        Webhook.objects.update(url=f"http://127.0.0.1:{opened.getsockname()[1]}/")
        webhooks.ping(webhook=Webhook.objects.get(), now=utc_now())
        assert delivering.deliver_due() == 1
        is_over.set()
        thread.join()
    row = WebhookDelivery.objects.get()
    assert (row.status_code, row.attempts) == (None, 1) and row.error


def test_private_addresses_are_never_spoken_to(world, program, listener, hook, settings):
    settings.MAILHOST_PRIVATE_WEBHOOKS = False
    webhooks.ping(webhook=Webhook.objects.get(), now=utc_now())
    delivering.deliver_due()
    assert listener.received == []
    assert "private address" in WebhookDelivery.objects.get().error


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/", "ftp://shop.example/", "https://", "https://a:b@shop.example/",
        "https://shop.example:0/", "https://shop.example:x/", "https://sh op.example/",
        "https://shop.example/#x", "javascript:alert(1)", "https://[::1",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused(world, program, url):
    answer = program(world.reseller).call("post", "webhooks/", {"url": url})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "url"


def test_web_hooks_of_others_are_out_of_sight(world, program, listener, hook):
    asker = program(world.root)
    assert asker.call("get", "webhooks/").json()["items"] == []
    for method, path in (
        ("get", ""), ("delete", ""), ("patch", ""), ("post", "ping/"), ("get", "deliveries/"),
    ):  # fmt: skip
        body = {} if method == "patch" else None
        answer = asker.call(method, f"webhooks/{hook['id']}/{path}", body, **{"If-Match": "*"})
        assert answer.status_code == 404


def test_a_web_hook_is_changed_tried_and_deleted(world, program, listener, hook):
    asker, path = program(world.reseller), f"webhooks/{hook['id']}/"
    assert "secret" not in asker.call("get", path).json()
    assert asker.change(path, {"topics": ["domain"]}).json()["topics"] == ["domain"]
    assert asker.change(path, {"topics": ["weather"]}).status_code == 422
    assert asker.call("post", f"{path}ping/").status_code == 202
    assert asker.call("delete", path).status_code == 204
    assert not WebhookDelivery.objects.exists()


def test_what_happened_while_it_was_switched_off_is_told_later(world, program, listener, hook):
    asker, path = program(world.reseller), f"webhooks/{hook['id']}/"
    asker.change(path, {"is_enabled": False})
    add_user(world, program)
    assert webhooks.collect(now=utc_now() + LATER) == 0
    asker.change(path, {"is_enabled": True})
    assert webhooks.collect(now=utc_now() + LATER) == 1


def test_deliveries_are_forgotten_after_a_week(world, program, listener, hook):
    webhooks.ping(webhook=Webhook.objects.get(), now=utc_now())
    assert webhooks.forget(now=utc_now()) == 0
    assert webhooks.forget(now=utc_now() + timedelta(days=8)) == 1
