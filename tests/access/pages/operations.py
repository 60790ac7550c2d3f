"""Who may open the operator's pages."""

from tests.access.rows import Page

SYSTEM = "login 403 403 403 403 403 {}"
ADMINISTRATORS = "login 403 {0} {0} {0} {0} {0}"

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:services", SYSTEM.format(200)),
    Page("panel:services-start", SYSTEM.format(405)),
    Page("panel:services-start", SYSTEM.format(302), post={}),
    Page("panel:services-stop", SYSTEM.format(302), post={}),
    Page("panel:services-start-all", SYSTEM.format(302), post={}),
    Page("panel:services-stop-all", SYSTEM.format(302), post={}),
    Page("panel:online-users", ADMINISTRATORS.format(200)),
    Page("panel:online-users-end", ADMINISTRATORS.format(302), post={}),
    Page("panel:online-users-disable", ADMINISTRATORS.format(302), post={}),
    Page("panel:online-users-end-impersonation", ADMINISTRATORS.format(302), (10**9,), post={}),
    Page("panel:connections", SYSTEM.format(200)),
    Page("panel:connections-drop", SYSTEM.format(302), post={}),
    Page("panel:connection-parties", SYSTEM.format(200)),
    Page("panel:blocks", SYSTEM.format(200)),
    Page("panel:block-new", SYSTEM.format(200)),
    Page("panel:block-new", SYSTEM.format(200), post={}),
    Page("panel:blocks-lift", SYSTEM.format(302), post={}),
    Page("panel:abuse-rules", SYSTEM.format(200)),
    Page("panel:abuse-rule-new", SYSTEM.format(200)),
    Page("panel:abuse-rule-new", SYSTEM.format(200), post={}),
    Page("panel:abuse-rule", SYSTEM.format(404), (10**9,)),
    Page("panel:abuse-rules-enable", SYSTEM.format(302), post={}),
    Page("panel:abuse-rules-disable", SYSTEM.format(302), post={}),
    Page("panel:abuse-rules-delete", SYSTEM.format(302), post={}),
    Page("panel:abuse-rules-preset", SYSTEM.format(302), post={}),
    Page("panel:logs", ADMINISTRATORS.format(200)),
    Page("panel:logs", "login    403  404         200   404            200      200",
         query="domain=own.example"),
    Page("panel:logs-download", ADMINISTRATORS.format(302)),
    Page("panel:transcripts", SYSTEM.format(200)),
    Page("panel:transcript-new", SYSTEM.format(200)),
    Page("panel:transcript-new", SYSTEM.format(200), post={}),
    Page("panel:transcript", SYSTEM.format(404), (10**9,)),
    Page("panel:transcript-stop", SYSTEM.format(404), (10**9,), post={}),
    Page("panel:inactive-users", ADMINISTRATORS.format(200)),
    Page("panel:inactive-users-disable", ADMINISTRATORS.format(302), post={}),
    Page("panel:inactive-users-enable", ADMINISTRATORS.format(302), post={}),
    Page("panel:inactive-users-delete", ADMINISTRATORS.format(302), post={}),
    Page("panel:jobs", ADMINISTRATORS.format(200)),
    Page("panel:job", ADMINISTRATORS.format(404), (10**9,)),
    Page("panel:job-cancel", ADMINISTRATORS.format(404), (10**9,), post={}),
    *(
        page
        for name in ("blacklist", "whitelist")
        for page in (
            Page(f"panel:{name}", SYSTEM.format(200)),
            Page(f"panel:{name}-new", SYSTEM.format(200)),
            Page(f"panel:{name}-new", SYSTEM.format(200), post={}),
            Page(f"panel:{name}-import", SYSTEM.format(200)),
            Page(f"panel:{name}-import", SYSTEM.format(200), post={}),
            Page(f"panel:{name}-delete", SYSTEM.format(302), post={}),
            Page(f"panel:{name}-entry", SYSTEM.format(404), (10**9,)),
        )
    ),
]  # fmt: skip
