"""Orders a certificate from an ACME server, proving the host over HTTP. RFC 8555.

Minutes may pass in here: never within a transaction, never on an event loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests
from acme import challenges as kinds
from acme import crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from certificates import challenges, files
from certificates.errors import OrderFailed
from clock.moments import utc_now

USER_AGENT = "MailHost"
ANSWER_SECONDS = 30  # for each request
ORDER_SECONDS = 120.0  # from the answer to the challenge until the certificate is there
LONGEST_REASON = 400

# What the library raises when the server or the way to it fails. Its own classes cover refusals;
# the rest is what they do not catch of answers that are no ACME at all.
_FAILURES = (errors.Error, JoseError, requests.RequestException, ValueError, KeyError,
             TypeError, AttributeError)  # fmt: skip
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Issued:
    chain_pem: bytes
    key_pem: bytes


def order(host: str, *, directory_url: str, contact: str) -> Issued:
    """A new key with its certificate. Raises OrderFailed, whatever the server does."""
    try:
        client = _enter(directory_url, contact)
        key_pem = _new_key()
        wanted = client.new_order(crypto_util.make_csr(key_pem, [host]))
    except _FAILURES as error:
        raise OrderFailed(host, _reason(error)) from error
    offered: list[str] = []
    try:
        for authorization in wanted.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                offered.append(_prove(client, authorization))
        # The library compares with the local clock, without a zone.
        deadline = datetime.now() + timedelta(seconds=ORDER_SECONDS)
        issued = client.poll_and_finalize(wanted, deadline)
        return Issued(issued.fullchain_pem.encode(), key_pem)
    except _FAILURES as error:
        raise OrderFailed(host, _reason(error)) from error
    finally:
        for token in offered:
            challenges.withdraw(token)


def _enter(directory_url: str, contact: str) -> ClientV2:
    """A client with an account: a new one, or the one that this server's key has already."""
    key = JWKEC.load(files.account_key(directory_url, _new_key))
    network = ClientNetwork(key, alg=ES256, user_agent=USER_AGENT, timeout=ANSWER_SECONDS)
    client = ClientV2(ClientV2.get_directory(directory_url, network), network)
    account = messages.NewRegistration.from_data(
        email=contact or None, terms_of_service_agreed=True
    )
    try:
        client.new_account(account)
    except errors.ConflictError as known:
        found = client.query_registration(
            messages.RegistrationResource(uri=known.location, body=messages.Registration())
        )
        if found.body.contact != account.contact:
            client.update_registration(found, found.body.update(contact=account.contact))
    return client


def _prove(client: ClientV2, authorization: messages.AuthorizationResource) -> str:
    """Offer the token by HTTP, then have the server come and look; the token."""
    for challenge in authorization.body.challenges:
        if isinstance(challenge.chall, kinds.HTTP01):
            break
    else:
        raise errors.ClientError("the server offers no proof over HTTP")
    response, key_authorization = challenge.response_and_validation(client.net.key)
    token = str(challenge.chall.encode("token"))
    if not challenges.is_token(token):
        raise errors.ClientError("the server's token is no token")
    challenges.offer(token, key_authorization, now=utc_now())
    try:
        client.answer_challenge(challenge, response)
    except BaseException:
        challenges.withdraw(token)
        raise
    return token


def _new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _reason(error: Exception) -> str:
    """In words for the operator; what the server said is its own, so it is cut and made plain."""
    if isinstance(error, errors.ValidationError):
        text = "; ".join(_refusals(error.failed_authzrs))
    elif isinstance(error, errors.TimeoutError):
        text = f"the ACME server did not finish within {ORDER_SECONDS:.0f} seconds"
    elif isinstance(error, errors.IssuanceError):
        text = str(error.error)
    elif isinstance(error, requests.RequestException):
        text = f"the ACME server cannot be reached: {error}"
    elif isinstance(error, messages.Error | errors.ClientError):
        text = f"the ACME server refused: {error}"
    else:
        text = f"the ACME server answered nonsense: {error!r}"
    return _UNPRINTABLE.sub(" ", text)[:LONGEST_REASON]


def _refusals(authorizations: Iterable[messages.AuthorizationResource]) -> Iterable[str]:
    for authorization in authorizations:
        for challenge in authorization.body.challenges:
            if challenge.error is not None:
                yield f"the proof over HTTP failed: {challenge.error.detail or challenge.error}"
