"""Both sides of SASL, with the examples of the RFCs."""

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import hmac_md5, sasl, sasl_client, scram
from protocols.sasl import (
    Challenge,
    CramProof,
    KeysWanted,
    Malformed,
    PlainProof,
    ScramExchange,
    ScramProof,
)
from protocols.saslprep import Prohibited, saslprep

PENCIL = scram.derive_keys("pencil", salt=b"[m\x99h\x9d\x125\x8e\xec\xa0K\x14\x126\xfa\x81")


def converse(client, server, *, keys=None, uses_initial=True):
    """Let both sides speak until the server has a proof."""
    response = client.initial if uses_initial else None
    while True:
        step = server.step(response)
        if isinstance(step, KeysWanted):
            step = server.give_keys(keys)
        if not isinstance(step, Challenge):
            return step
        response = client.step(step.data)


# RFC 4616


def test_plain_gives_login_and_password():
    step = sasl.begin("plain", hostname="mx").step(b"\0anne@example.com\0secret")
    assert step == PlainProof("anne@example.com", "secret")


def test_plain_keeps_whom_the_client_acts_for():
    step = sasl.begin("PLAIN", hostname="mx").step(b"bob\0anne\0secret")
    assert step == PlainProof("anne", "secret", acting_for="bob")


def test_plain_without_initial_response_asks_with_an_empty_challenge():
    exchange = sasl.begin("PLAIN", hostname="mx")
    assert exchange.step(None) == Challenge(b"")
    assert exchange.step(b"\0anne\0s") == PlainProof("anne", "s")


@pytest.mark.parametrize("response", [b"", b"anne", b"\0anne", b"\0\0s", b"\0a\0", b"\0\xff\0s"])
def test_plain_nonsense_is_malformed(response):
    with pytest.raises(Malformed):
        sasl.begin("PLAIN", hostname="mx").step(response)


def test_a_password_does_not_show_in_logs():
    assert "secret" not in repr(PlainProof("anne", "secret"))


# LOGIN


@pytest.mark.parametrize("initial", [None, b"anne"])
def test_login_asks_for_what_it_does_not_know_yet(initial):
    exchange = sasl.begin("LOGIN", hostname="mx")
    step = exchange.step(initial)
    if initial is None:
        assert step == Challenge(b"Username:")
        step = exchange.step(b"anne")
    assert step == Challenge(b"Password:")
    assert exchange.step(b"secret") == PlainProof("anne", "secret")


# RFC 2195


def test_cram_md5_example_of_rfc_2195():
    proof = CramProof(
        "tim",
        b"<1896.697170952@postoffice.reston.mci.net>",
        bytes.fromhex("b913a602c7eda7a495b4e6e7334d3890"),
    )
    assert proof.fits(hmac_md5.derive_state(b"tanstaaftanstaaf"))
    assert not proof.fits(hmac_md5.derive_state(b"tanstaaftanstaa"))


def test_cram_md5_challenges_never_repeat():
    first = sasl.begin("CRAM-MD5", hostname="mx").step(None)
    assert first != sasl.begin("CRAM-MD5", hostname="mx").step(None)


def test_cram_md5_takes_no_initial_response():
    with pytest.raises(Malformed):
        sasl.begin("CRAM-MD5", hostname="mx").step(b"anne 00")


@given(key=st.binary(max_size=130), message=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_the_stored_state_makes_the_same_digest_as_the_key(key, message):
    state = hmac_md5.derive_state(key)
    assert len(state) == hmac_md5.STATE_BYTES
    assert hmac_md5.digest(state, message) == hmac.new(key, message, hashlib.md5).digest()


# RFC 5802, RFC 7677


def test_scram_example_of_rfc_7677():
    exchange = ScramExchange(nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert exchange.step(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == KeysWanted("user")
    assert exchange.give_keys(PENCIL) == Challenge(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    final = (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert exchange.step(final) == Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert exchange.step(b"") == ScramProof("user", True)


def test_scram_client_that_suspects_channel_binding_is_served():
    exchange = ScramExchange()
    assert exchange.step(b"y,,n=user,r=abc") == KeysWanted("user")


@pytest.mark.parametrize(
    "first",
    [
        b"p=tls-unique,,n=user,r=abc",
        b"n,,m=x,n=user,r=abc",
        b"n,,n=us=2cer,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,n=user,r=abc",
        b"",
    ],
)
def test_scram_first_messages_that_ask_for_the_impossible_are_malformed(first):
    with pytest.raises(Malformed):
        ScramExchange().step(first)


def test_scram_names_may_hold_commas():
    assert ScramExchange().step(b"n,,n=a=2Cb=3Dc,r=abc") == KeysWanted("a,b=c")


@pytest.mark.parametrize("binding", [b"eSws", b"cD10bHMtdW5pcXVlLCw="])
def test_scram_header_changed_on_the_way_proves_nothing(binding):
    exchange = ScramExchange(nonce="srv")
    exchange.step(b"n,,n=user,r=abc")
    exchange.give_keys(PENCIL)
    assert exchange.step(b"c=" + binding + b",r=abcsrv,p=AAAA") == ScramProof("user", False)


def test_unknown_users_get_a_lasting_salt_and_never_a_proof():
    one, two = (scram.fake_keys("nobody", secret=b"server") for _ in range(2))
    assert (one.salt, one.iterations) == (two.salt, two.iterations)
    assert one.salt != scram.fake_keys("nobody", secret=b"other").salt
    client = sasl_client.begin("SCRAM-SHA-256", "nobody", "pencil")
    assert converse(client, ScramExchange(), keys=one) == ScramProof("nobody", False)


# Both sides


@pytest.mark.parametrize("uses_initial", [True, False])
@pytest.mark.parametrize("mechanism", sorted(sasl.MECHANISMS))
def test_our_client_convinces_our_server(mechanism, uses_initial):
    password = "pencil, ümlaut"
    keys = scram.derive_keys(password)
    client = sasl_client.begin(mechanism, "anne=a,b", password)
    proof = converse(
        client, sasl.begin(mechanism, hostname="mx"), keys=keys, uses_initial=uses_initial
    )
    assert proof.login == "anne=a,b"
    match proof:
        case PlainProof():
            assert proof.password == password
        case CramProof():
            assert proof.fits(hmac_md5.derive_state(password.encode()))
        case ScramProof():
            assert proof.is_proven
    assert client.may_end


def test_scram_client_unmasks_a_server_that_does_not_know_the_password():
    client = sasl_client.begin("SCRAM-SHA-256", "user", "pencil")
    exchange = ScramExchange()
    exchange.step(client.initial)
    client.step(exchange.give_keys(PENCIL).data)
    assert not client.may_end
    with pytest.raises(sasl_client.ServerNotTrusted):
        client.step(b"v=AAAA")


def test_clients_show_a_password_only_over_tls():
    assert sasl_client.choose(["login", "plain"], is_encrypted=False) is None
    assert sasl_client.choose(["login", "plain"], is_encrypted=True) == "PLAIN"
    assert sasl_client.choose(["PLAIN", "CRAM-MD5"], is_encrypted=False) == "CRAM-MD5"


def test_base64_around_the_steps():
    assert sasl.decode_response(b"AGE=") == b"\0a"
    assert sasl.decode_response(b"") == b""
    assert sasl.decode_response(b"=") == b""
    assert sasl.encode_challenge(b"\0a") == b"AGE="
    with pytest.raises(sasl.Cancelled):
        sasl.decode_response(b"*")
    for nonsense in (b"A", b"AG=E", b"AGE=\n", b"==", b"A" * 8000):
        with pytest.raises(Malformed):
            sasl.decode_response(nonsense)


def test_unknown_mechanisms_are_nobody():
    assert sasl.begin("SCRAM-SHA-256-PLUS", hostname="mx") is None


# RFC 4013 §3


def test_saslprep_examples():
    assert saslprep("I\u00adX") == "IX"
    assert saslprep("user") == "user"
    assert saslprep("\u00aa") == "a"
    assert saslprep("\u2168") == "IX"
    for prohibited in ("\u0007", "\u0627\u0031"):
        with pytest.raises(Prohibited):
            saslprep(prohibited)


@given(st.text(max_size=30))
@settings(max_examples=100)
def test_saslprep_prepares_or_prohibits(text):
    try:
        saslprep(text)
    except Prohibited:
        return


@given(
    mechanism=st.sampled_from(sorted(sasl.MECHANISMS)),
    responses=st.lists(
        st.none()
        | st.binary(max_size=60)
        | st.sampled_from([b"n,,n=user,r=abc", b"c=biws,r=abcsrv,p=AAAA", b"\0a\0b", b""]),
        max_size=4,
    ),
)
@settings(max_examples=200)
def test_any_responses_end_in_a_proof_or_malformed(mechanism, responses):
    exchange = sasl.begin(mechanism, hostname="mx")
    try:
        for response in responses:
            step = exchange.step(response)
            if isinstance(step, KeysWanted):
                step = exchange.give_keys(PENCIL)
            if not isinstance(step, Challenge):
                assert not isinstance(step, ScramProof) or not step.is_proven
                return
    except Malformed:
        return
