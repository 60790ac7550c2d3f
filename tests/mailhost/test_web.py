"""The web server as browsers meet it; fails when a new granian changes what mailhost.web uses."""

import socket
import ssl
import threading
import time
import urllib.request

import pytest
import trustme

from mailhost.web import Door, Server

in_hand = threading.Event()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        in_hand.set()
        time.sleep(0.5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    size = len(environ["wsgi.input"].read())
    return [f"{environ['wsgi.url_scheme']} {environ['REQUEST_METHOD']} {size}".encode()]


@pytest.fixture
def opened():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certificate(authority, tmp_path):
    path = tmp_path / "default.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(path)
    return path


def url(opened, path="/", scheme="http"):
    return f"{scheme}://localhost:{opened.getsockname()[1]}{path}"


def test_requests_are_answered_with_their_bodies(opened):
    server = Server(application, Door(opened))
    server.start()
    assert urllib.request.urlopen(url(opened), timeout=10).read() == b"http GET 0"
    body = b"x" * 300_000
    assert urllib.request.urlopen(url(opened), body, timeout=10).read() == b"http POST 300000"
    assert server.drain(10)


def test_one_pem_file_opens_a_door_with_tls(opened, authority, certificate):
    server = Server(application, Door(opened, certificate))
    server.start()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    answer = urllib.request.urlopen(url(opened, scheme="https"), timeout=10, context=trust)
    assert answer.read() == b"https GET 0"
    assert server.drain(10)


def test_a_request_in_hand_is_finished_before_the_end(opened):
    server = Server(application, Door(opened))
    server.start()
    answers = []
    client = threading.Thread(
        target=lambda: answers.append(
            urllib.request.urlopen(url(opened, "/slow"), timeout=10).read()
        )
    )
    client.start()
    assert in_hand.wait(10)
    assert server.drain(10)
    client.join(10)
    assert answers == [b"http GET 0"]


def test_a_new_server_takes_the_same_door_over(opened):
    first = Server(application, Door(opened))
    first.start()
    second = Server(application, Door(opened))
    second.start()
    assert first.drain(10)
    assert urllib.request.urlopen(url(opened), timeout=10).read() == b"http GET 0"
    assert second.drain(10)
