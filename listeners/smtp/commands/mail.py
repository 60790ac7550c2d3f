"""MAIL FROM: may this sender send?"""

from __future__ import annotations

from accounts import identity
from accounts.directory import AccountPolicy
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from listeners import bridge
from listeners.refusals import REFUSALS, smtp_reply
from listeners.smtp.session import Session, command
from protocols.address import Address
from protocols.smtp import replies
from protocols.smtp.commands import Mail, State
from protocols.smtp.parameters import Body, MailParameters
from protocols.smtp.replies import Reply
from spool import intake, senderpolicy
from spool.intake import Parameters
from spool.models import Origin
from spool.senderpolicy import Verdict


@command(Mail)
async def mail(session: Session, mail: Mail) -> Reply:
    """Begin a transaction. RFC 5321 §4.1.1.2."""
    if session.is_submission and not session.may_relay:
        return replies.AUTH_REQUIRED
    limit = await session.message_limit()
    size_bytes = mail.parameters.size_bytes
    if limit is not None and size_bytes is not None and size_bytes > limit:
        return replies.MESSAGE_TOO_BIG
    account, domain = None, None
    if session.account_id is not None:
        known = await session.account()
        if known is None:
            return replies.SENDER_DOMAIN_DISABLED
        account, domain = known
        if not session.door.guard.may_send(account.account_id):
            return session.refuse(replies.SENDING_STOPPED, sender=mail.sender)
        refusal = await _refuse_user(session, account, mail.sender)
    elif mail.sender is not None:
        domain = await bridge.ask_warm(domain_directory.by_name, mail.sender.domain)
        refusal = await _refuse_stranger(session, mail.sender, domain)
    else:
        refusal = None
    if refusal is not None:
        return session.refuse(refusal, sender=mail.sender)
    return await _begin(session, mail, account, domain, limit)


async def _begin(
    session: Session,
    mail: Mail,
    account: AccountPolicy | None,
    domain: DomainPolicy | None,
    limit: int | None,
) -> Reply:
    session.mail = mail
    try:
        session.intake = await bridge.ask_warm(
            intake.begin,
            sender=mail.sender.encode() if mail.sender else "",
            origin=_origin(session),
            client=session.client(),
            submitter=account,
            parameters=_parameters(mail.parameters, is_trusted=session.may_relay),
            domain=domain,
            maximum_bytes=limit,
        )
    except REFUSALS as error:
        session.mail = None
        return smtp_reply(error, session.policy)
    session.intake.announce()
    if session.permitted_domain_id is not None and mail.sender is not None:
        session.intake.decisions.append({"step": "spf", "address": mail.sender.domain})
    session.state = State.MAIL
    return replies.SENDER_OK


async def _refuse_user(
    session: Session, account: AccountPolicy, sender: Address | None
) -> Reply | None:
    """N-023. The null sender is for the reports that mail programs send. RFC 8098 §3."""
    if sender is None or not session.policy.check_sender_identity:
        return None
    if await bridge.ask_warm(identity.may_send_as, account, sender):
        return None
    return replies.SENDER_NOT_YOURS


async def _refuse_stranger(
    session: Session, sender: Address, domain: DomainPolicy | None
) -> Reply | None:
    """Who has not logged in may not use a domain of ours, unless it allows that (D-052, D-036)."""
    if domain is None:
        return None
    if session.is_listed:
        return replies.SENDER_DOMAIN_DISABLED if domain.is_disabled else None
    if domain.is_disabled:
        return replies.AUTH_REQUIRED
    if not domain.technical.require_smtp_authentication:
        return None
    if domain.technical.accept_spf_pass_without_authentication:
        return await _refuse_unless_permitted(session, sender, domain)
    return replies.AUTH_REQUIRED


async def _refuse_unless_permitted(
    session: Session, sender: Address, domain: DomainPolicy
) -> Reply | None:
    """D-052: newsletter services and forwarders that the domain's SPF record permits."""
    if session.door.resolver is None:
        return replies.AUTH_REQUIRED
    found = await senderpolicy.verdict(
        session.door.resolver,
        client_ip=session.visit.client_ip,
        sender=sender.encode(),
        greeting=session.client_name,
    )
    if found is Verdict.TEMPERROR:
        return replies.SENDER_POLICY_UNKNOWN
    if found is not Verdict.PASS:
        return replies.AUTH_REQUIRED
    session.permitted_domain_id = domain.domain_id
    return None


def _origin(session: Session) -> Origin:
    if session.account_id is not None:
        return Origin.SUBMISSION
    return Origin.RELAY if session.is_listed else Origin.SMTP


def _parameters(given: MailParameters, *, is_trusted: bool) -> Parameters:
    """What the spool is to know; priorities are only taken from our own. RFC 6710 §5."""
    if given is _NOTHING_GIVEN:
        return _DEFAULT
    priority = given.priority if is_trusted else None
    return Parameters(
        body_type=(given.body or Body.SEVEN_BIT).value,
        smtputf8=given.smtputf8,
        ret=given.returns.value if given.returns else "",
        envid=given.envelope_id or "",
        priority=None if priority is None else 1 + (priority + 9) // 2,  # -9…9 to 1…10
    )


_NOTHING_GIVEN = Mail(None).parameters
_DEFAULT = Parameters()
