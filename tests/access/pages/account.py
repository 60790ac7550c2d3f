"""Who may open the pages of his own account."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
ALL = "login 200 200 200 200 200 200"
PAGES = [
    Page("panel:second-factor",     "login    200  200         200   200            200      200"),
    Page("panel:account",           ALL),
    Page("panel:account-audit",     ALL),
    Page("panel:account-password",  ALL),
    Page("panel:account-sessions",  ALL),
    Page("panel:account-second-factor", ALL),
    Page("panel:account-second-factor-app", ALL),
    Page("panel:account-app-passwords",
                                    "login    200  200         200   403            403      403"),
    Page("panel:account",           "login    200  200         200   200            200      200",
         post={}),
    Page("panel:account-password",  ALL, post={}),
    Page("panel:account-second-factor-app", ALL, post={}),
    Page("panel:account-second-factor-passkey", ALL),
    Page("panel:account-second-factor-passkey", ALL, post={"name": "x", "answer": "[["}),
    Page("panel:second-factor-passkey",
                                    "login    302  302         302   302            302      302",
         post={"answer": "{}"}),
    Page("panel:account-second-factor-codes",
                                    "login    302  302         302   302            302      302",
         post={}),
    Page("panel:account-second-factor-remove",
                                    "login    404  404         404   404            404      404",
         (1,), post={}),
    Page("panel:account-session-end",
                                    "login    404  404         404   404            404      404",
         (1,), post={}),
    Page("panel:account-sessions-end-others",
                                    "login    302  302         302   302            302      302",
         post={}),
    Page("panel:account-app-passwords",
                                    "login    200  200         200   403            403      403",
         post={}),
    Page("panel:account-app-password-remove",
                                    "login    404  404         404   403            403      403",
         (1,), post={}),
]  # fmt: skip
