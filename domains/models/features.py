"""The Features tab: what the domain's people may use (D-061…D-078)."""

from __future__ import annotations

from domains.models.tab import Tab, switch


class DomainFeatures(Tab):
    """Off: pages hidden, API 403, behaviour stops; data stays (D-060)."""

    calendar = switch(True, "Users have a calendar.")
    catch_alls = switch(True, "The domain may have a catch-all address.")
    contacts = switch(True, "Users have address books.")
    content_filtering = switch(True, "Users and the domain may filter by content.")
    domain_aliases = switch(True, "Domain administrators may manage domain aliases.")
    service_access_control = switch(True, "Services can be switched for each mailbox.")
    domain_reports = switch(True, "Reports for domain administrators.")
    email_reports = switch(True, "Reports may be mailed.")
    mail_signing = switch(True, "Outgoing mail is signed (DKIM).")
    mailing_lists = switch(True, "The domain may run mailing lists.")
    notes = switch(True, "Users have notes.")
    pop_retrieval = switch(True, "Users may fetch mail from other POP3 servers.")
    imap_retrieval = switch(True, "Users may fetch mail from other IMAP servers.")
    spam_filtering = switch(True, "Domain administrators may override the spam options.")
    syncml = switch(True, "Synchronisation over SyncML.")
    tasks = switch(True, "Users have task lists.")
    active_directory = switch(False, "Users may log in against a directory server.")
    user_reports = switch(True, "Users get reports about their mailbox.")

    class Meta:
        verbose_name = verbose_name_plural = "features"
