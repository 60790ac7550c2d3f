"""LDAP on a running server with two mail processes: switched, blocked, logged, watched."""

import contextlib
import subprocess

import pytest

from tests import databases
from tests.factories import PASSWORD
from tests.ldap_programs import Ldap
from tests.listeners.ldap.talk import Answer, bind
from tests.operations.outside import SETTINGS, call, greeting, listed, wait_for
from tests.operations.test_logs_on_a_server import log, transcript
from tests.running import RunningServer

DOMAIN = "ldap.example"
ANN = f"ann@{DOMAIN}"
BASE = "dc=ldap,dc=example"
FILE = f"""
domains:
  - name: {DOMAIN}
    admin: {{username: admin, password: "{PASSWORD}"}}
    users: [{{username: ann, password: "{PASSWORD}", full_name: Ann Example}}]
  - name: port.example
    admin: {{username: admin, password: "{PASSWORD}"}}
abuse_rules:
  - {{kind: connections, service: ldap, threshold: 12}}
"""
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def pair(tmp_path_factory, database_url):
    folder = tmp_path_factory.mktemp("ldap")
    with databases.fresh(database_url) as url:
        running = RunningServer(folder / "data", database_url=url, mail_processes=2, **SETTINGS)
        running.prepare().manage("apply", "-", text=FILE)
        running.start()
        yield running
        running.stop()


@pytest.fixture
def ldap(pair, tmp_path):
    return Ldap(tmp_path, {"plain": pair.port("ldap"), "tls": pair.port("ldap_tls")})


@pytest.fixture
def _started_again(pair):
    yield
    pair.manage("service", "start", "ldap")


def receive(client):
    """The next message of the server; None: it has hung up."""
    header = client.recv(2, 0x100)  # MSG_WAITALL; all of it is short
    return Answer(header + client.recv(header[1], 0x100)) if header else None


def logged_in(pair, source="127.0.0.1"):
    client = call(pair.port("ldap"), source, 20)
    client.sendall(bind(1, ANN))
    assert receive(client).code == 0
    return client


def refuses(port):
    try:
        call(port, "127.0.0.1", 5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.spec("N-004")
@pytest.mark.spec("M-014", lacks="contacts, which have no room yet")
@pytest.mark.parametrize("purpose", ["plain", "tls"])
def test_people_and_addresses_are_found_on_both_ports(ldap, purpose):
    (ann,) = ldap.search("(mail=ann*)", "cn", "mail", base=BASE, who=ANN, purpose=purpose)
    assert (ann["cn"], ann["mail"]) == (["Ann Example"], [ANN])


@pytest.mark.spec("M-001", "M-003", "M-005", "M-006", "M-008")
@pytest.mark.spec("M-014", lacks="contacts, which have no room yet")
@pytest.mark.usefixtures("_started_again")
def test_the_service_is_stopped_and_started_in_all_processes(pair, ldap):
    def standing():
        return next(one for one in listed(pair, "service", "list") if one["service"] == "ldap")

    wait_for(lambda: len(standing()["processes"]) == 2 and standing()["state"] == "running")
    with logged_in(pair) as client:
        pair.manage("service", "stop", "ldap")
        assert all(refuses(pair.port("ldap")) and refuses(pair.port("ldap_tls")) for _ in range(8))
        assert receive(client).is_notice
        assert client.recv(1) == b""
    wait_for(lambda: standing()["state"] == "stopped")
    assert ldap.run("ldapwhoami", who=ANN).returncode != 0
    pair.manage("service", "start", "ldap")
    for _ in range(4):
        assert ldap.run("ldapwhoami", who=ANN).returncode == 0
    assert standing()["state"] == "running"


@pytest.mark.spec("M-054")
def test_a_blocked_party_gets_a_notice_until_the_block_is_lifted(pair):
    source = "127.0.0.75"

    def first_word():
        """What is said before anything is asked; None: nothing."""
        with call(pair.port("ldap"), source) as client:
            client.settimeout(0.5)
            try:
                return receive(client)
            except TimeoutError:
                return None

    def is_blocked():
        answer = first_word()
        return answer is not None and answer.is_notice

    assert not is_blocked()
    pair.manage("block", "add", source, "--seconds", "600", "--service", "ldap")
    wait_for(lambda: all(is_blocked() for _ in range(6)))
    assert "blocked" in first_word().text
    with call(pair.port("ldap_tls"), source) as client, contextlib.suppress(ConnectionError):
        assert client.recv(1) == b""
    assert greeting(pair.port("smtp"), source).startswith(b"220")
    wait_for(lambda: listed(pair, "block", "list", "--service", "ldap")[0]["hits"] > 0)
    pair.manage("block", "delete", source)
    wait_for(lambda: not any(is_blocked() for _ in range(4)))


@pytest.mark.spec("M-054", "M-061")
def test_too_many_connections_block_an_address_and_the_blacklist_cuts_its_sessions(pair):
    source = "127.0.0.76"
    for _ in range(13):
        call(pair.port("ldap"), source).close()
    wait_for(lambda: [one for one in listed(pair, "block", "list") if one["party"] == source])
    with logged_in(pair, "127.0.0.77") as client:
        pair.manage("blacklist", "add", "127.0.0.77", "--note", "tests")
        client.settimeout(20)
        answer = receive(client)
        assert answer is None or answer.is_notice
    pair.manage("blacklist", "delete", "127.0.0.77")


@pytest.mark.spec("M-082")
def test_sessions_are_in_the_log_of_the_protocol(pair, ldap):
    ldap.run("ldapwhoami", who=ANN)
    ldap.run("ldapwhoami", who=ANN, password="wrong")
    wait_for(lambda: log(pair, "ldap", "logged in as account", domains=[DOMAIN]))
    wait_for(lambda: log(pair, "ldap", f"log-in refused for {ANN}", domains=[DOMAIN]))
    assert any(text.startswith("connected from 127.0.0.1") for text in log(pair, "ldap"))
    assert PASSWORD not in "\n".join(log(pair, "ldap"))


@pytest.mark.spec("M-088")
def test_a_transcript_tells_in_words_what_was_asked_without_secrets(pair, ldap):
    number = pair.manage("transcript", "start", ANN).strip()

    def is_heard():
        ldap.search("(cn=a\nb\x1b[31m*)", "mail", base=BASE, who=ANN)
        return "search in dc=ldap" in transcript(pair, number)

    wait_for(is_heard)
    shown = transcript(pair, number)
    assert "C: search in dc=ldap,dc=example, scope SUBTREE, for mail" in shown
    assert "S: success(0)" in shown
    assert "\x1b" not in shown and PASSWORD not in shown
    pair.manage("transcript", "stop", number)


@pytest.mark.spec("M-040", "N-008")
def test_open_sessions_are_registered_with_their_user(pair):
    with logged_in(pair):

        def session():
            found = listed(pair, "sessions")
            return [one for one in found if (one["service"], one["account"]) == ("ldap", ANN)]

        assert not wait_for(session)[0]["encrypted"]


@pytest.mark.spec("D-048", "N-003")
def test_the_port_of_a_domain_is_opened_without_a_restart(pair):
    (free,) = {1389 + pair.offset}
    assert refuses(free)
    text = "domains: [{name: port.example, technical: {ldap_port: 1389}}]"
    pair.manage("apply", "-", text=text)
    wait_for(lambda: not refuses(free))
    with call(free, "127.0.0.1") as client:
        client.sendall(bind(1, "admin@port.example"))
        assert receive(client).code == 0
    with pytest.raises(subprocess.CalledProcessError):
        wrong = "domains: [{name: port.example, technical: {ldap_port: 25}}]"
        pair.manage("apply", "-", text=wrong)


@pytest.mark.spec("N-052")
def test_an_edge_server_validates_addresses_with_an_account_of_its_own(pair, ldap):
    """As Postfix's ldap_table(5) asks: query_filter = (mail=%s), result_attribute = mail."""
    hidden = (
        f"domains: [{{name: {DOMAIN}, users: [{{username: ann, hide_from_address_list: true}}]}}]"
    )
    pair.manage("apply", "-", text=hidden)
    edge = {"who": f"uid=admin,ou=people,{BASE}", "options": ("-ZZ",), "base": BASE}
    assert ldap.search(f"(mail={ANN})", "mail", **edge)[0]["mail"] == [ANN]
    assert ldap.search(f"(mail=nobody@{DOMAIN})", "mail", **edge) == []
    assert ldap.search(f"(mail={ANN})", "mail", base=BASE, who=ANN) == []
    pair.manage("apply", "-", text=hidden.replace("true", "false"))
