"""Who may open the further pages of a domain."""

from tests.access.rows import Page

OWN = ("own.example",)

# Columns: anonymous, user, other_admin, admin, other_reseller, reseller, root.
PAGES = [
    Page("panel:domain-disk",           "login 403 404 200 404 200 200", OWN),
    Page("panel:domain-reports",        "login 403 404 200 404 200 200", OWN),
    Page("panel:domain-report",         "login 403 404 200 404 200 200",
         (*OWN, "domain-users")),
    Page("panel:domain-report",         "login 403 404 404 404 404 404",
         (*OWN, "system-volume")),
    Page("panel:dns",                   "login 403 404 200 404 200 200", OWN),
    Page("panel:dns",                   "login 403 404 200 404 200 200", OWN, query="format=zone"),
    Page("panel:dns",                   "login 403 404 302 404 302 302", OWN, post={}),
    Page("panel:signing",               "login 403 404 200 404 200 200", OWN),
    Page("panel:signing",               "login 403 404 302 404 302 302", OWN,
         post={"retire": "none1"}),
    Page("panel:domain-rename",         "login 403 403 403 404 200 200", OWN),
    Page("panel:domain-rename",         "login 403 403 403 404 200 200", OWN, post={"name": ""}),
    Page("panel:domain-rename",         "login 403 403 403 404 200 200", OWN,
         post={"name": "other.example", "run": "1"}),
    Page("panel:domain-rename",         "login 403 403 403 404 302 302", ("alias.example",)),
    Page("panel:domain-folder",         "login 403 403 403 403 403 200", OWN),
    Page("panel:domain-folder",         "login 403 403 403 403 403 200", OWN,
         post={"folder_path": "/etc"}),
    Page("panel:domain-reload",         "login 403 403 403 404 200 200", OWN),
    Page("panel:domain-reload",         "login 403 403 403 404 302 302", OWN, post={}),
]  # fmt: skip
