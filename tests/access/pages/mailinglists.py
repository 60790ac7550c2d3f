"""Who may open the pages of mailing lists: alice moderates news, and nobody does board."""

from tests.access.rows import Page

OWN = ("own.example",)
NEWS, BOARD = (*OWN, "news"), (*OWN, "board")
POST = "0000000000001"

# Columns: anonymous, user, other_admin, admin, other_reseller, reseller, root.
RUN = "login 200 404 200 404 200 200"  # whoever moderates the list, and who is above him
BACK = "login 302 404 302 404 302 302"
NONE = "login 404 404 404 404 404 404"
OPEN = "200 200 200 200 200 200 200"  # whoever has the word
WORDLESS = "404 404 404 404 404 404 404"
PAGES = [
    Page("panel:lists",                  "login 403 404 200 404 200 200", OWN),
    Page("panel:lists",                  "login 403 404 200 404 200 200", OWN, query="format=csv"),
    Page("panel:lists-new",              "login 403 404 200 404 200 200", OWN),
    Page("panel:lists-new",              "login 403 404 200 404 200 200", OWN, post={}),
    Page("panel:lists-delete",           "login 403 404 200 404 200 200", OWN,
         post={"selected": ["news"]}),
    Page("panel:my-lists",               "login 200 200 200 403 403 403"),
    Page("panel:list",                   RUN, NEWS),
    Page("panel:list",                   "login 404 404 200 404 200 200", BOARD),
    Page("panel:list",                   "login 200 404 200 404 200 200", NEWS, post={}),
    Page("panel:list",                   "login 404 404 200 404 200 200", BOARD, post={}),
    Page("panel:list",                   NONE, (*OWN, "none")),
    Page("panel:list-subscribers",       RUN, NEWS),
    Page("panel:list-subscribers",       "login 404 404 200 404 200 200", BOARD),
    Page("panel:list-subscribers-add",   RUN, NEWS),
    Page("panel:list-subscribers-add",   RUN, NEWS, post={}),
    Page("panel:list-subscribers-add",   "login 404 404 200 404 200 200", BOARD, post={}),
    Page("panel:list-subscribers-import", RUN, NEWS),
    Page("panel:list-subscribers-import", RUN, NEWS, post={}),
    Page("panel:list-subscribers-import", "login 404 404 200 404 200 200", BOARD, post={}),
    Page("panel:list-subscribers-export", RUN, NEWS),
    Page("panel:list-subscribers-export", "login 404 404 200 404 200 200", BOARD),
    Page("panel:list-subscribers-remove", BACK, NEWS, post={}),
    Page("panel:list-subscribers-remove", "login 404 404 302 404 302 302", BOARD, post={}),
    Page("panel:list-subscribers-suspend", BACK, NEWS, post={}),
    Page("panel:list-subscribers-resume", BACK, NEWS, post={}),
    Page("panel:list-subscriber",        NONE, (*NEWS, 1)),
    Page("panel:list-subscriber",        NONE, (*NEWS, 1), post={}),
    Page("panel:list-posts",             RUN, NEWS),
    Page("panel:list-posts",             "login 404 404 200 404 200 200", BOARD),
    Page("panel:list-post",              NONE, (*NEWS, POST)),
    Page("panel:list-post-approve",      NONE, (*NEWS, POST), post={}),
    Page("panel:list-post-refuse",       NONE, (*NEWS, POST)),
    Page("panel:list-post-refuse",       NONE, (*NEWS, POST), post={}),
    Page("panel:unsubscribe",            OPEN, ("nonsense",)),
    Page("panel:unsubscribe",            OPEN, ("nonsense",), post={"List-Unsubscribe": "One-Click"}),
    Page("panel:confirm-subscription",   WORDLESS, ("nonsense",)),
    Page("panel:confirm-subscription",   WORDLESS, ("nonsense",), post={}),
    Page("panel:moderate",               WORDLESS, ("nonsense",)),
    Page("panel:moderate",               WORDLESS, ("nonsense",), post={"verb": "approve"}),
]  # fmt: skip
