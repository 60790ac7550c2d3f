"""What a process remembers of rows; a test's rows are gone when it ends."""

from accounts import authentication, forwarding
from accounts import directory as account_directory
from blobs import reading
from domains import directory as domain_directory
from domains import singlerow
from mailboxes import directory as mailbox_directory
from mailboxes import quota, selectors, standard
from mailinglists import directory as list_directory
from operations import abuse, services
from operations import settings as operations_settings
from signing import directory as signing_directory
from spool import gatewaychoice, relaydomains, signatures, singly
from spool import settings as spool_settings
from transport import overrides


def forget_everything() -> None:
    for forget in (
        account_directory.clear,
        authentication.forget_all,
        domain_directory.clear,
        forwarding.forget,
        list_directory.clear,
        singlerow.forget_all,
        operations_settings.forget,
        services.forget,
        abuse.forget,
        spool_settings.forget,
        gatewaychoice.forget,
        relaydomains.forget,
        singly.forget,
        overrides.forget,
        signing_directory.clear,
        signatures.forget,
        mailbox_directory.clear,
        quota.forget,
        selectors.forget_messages,
        standard._inboxes.clear,
        reading.forget_all,
    ):
        forget()
