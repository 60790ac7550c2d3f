"""Who may open the pages about user aliases, the catch-all and domain aliases."""

from tests.access.rows import Page

OWN = ("own.example",)

# Columns: anonymous, user, other_admin, admin, other_reseller, reseller, root.
PAGES = [
    Page("panel:aliases",               "login 403 404 200 404 200 200", OWN),
    Page("panel:aliases",               "login 403 404 200 404 200 200", OWN, query="format=csv"),
    Page("panel:aliases-new",           "login 403 404 200 404 200 200", OWN),
    Page("panel:aliases-new",           "login 403 404 200 404 200 200", OWN, post={}),
    Page("panel:alias",                 "login 403 404 200 404 200 200", ("own.example", "sales")),
    Page("panel:alias",                 "login 403 404 200 404 200 200", ("own.example", "sales"),
         post={}),
    Page("panel:alias",                 "login 403 404 404 404 404 404", ("own.example", "none")),
    Page("panel:aliases-delete",        "login 403 404 200 404 200 200", OWN,
         post={"selected": ["sales"]}),
    Page("panel:catch-all",             "login 403 404 200 404 200 200", OWN),
    Page("panel:catch-all",             "login 403 404 302 404 302 302", OWN, post={}),
    Page("panel:domain-aliases",        "login 403 404 200 404 200 200", OWN),
    Page("panel:domain-aliases",        "login 403 404 200 404 200 200", OWN, post={}),
    Page("panel:domain-aliases-claim",  "login 403 404 404 404 404 404", OWN, post={"claim": "1"}),
    Page("panel:domain-aliases-delete", "login 403 404 200 404 200 200", OWN,
         post={"selected": ["alias.example"]}),
]  # fmt: skip
