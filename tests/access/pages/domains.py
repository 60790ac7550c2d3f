"""Who may open the pages about domains."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:domains",           "login    403  403         403   200            200      200"),
    Page("panel:domain-new",        "login    403  403         403   200            200      200"),
    Page("panel:domain-new",        "login    403  403         403   200            200      200",
         post={}),
    Page("panel:domain",            "login    403  403         403   404            200      200",
         ("own.example",)),
    Page("panel:domain",            "login    403  403         403   404            200      200",
         ("own.example",), post={}),
    Page("panel:domain",            "login    403  403         403   404            404      404",
         ("nowhere.example",)),
    Page("panel:domains-enable",    "login    403  403         403   405            405      405"),
    Page("panel:domains-enable",    "login    403  403         403   302            302      302",
         post={"selected": ["own.example"]}),
    Page("panel:domains-disable",   "login    403  403         403   302            302      302",
         post={"selected": ["own.example"]}),
    Page("panel:domains-delete",    "login    403  403         403   404            200      200",
         query="name=own.example"),
    Page("panel:domains-delete",    "login    403  403         403   302            200      200",
         post={"selected": ["own.example"]}),
    Page("panel:domain-wizard",     "login    403  403         403   200            200      200",
         (1,)),
    Page("panel:domain-wizard",     "login    403  403         403   200            200      200",
         (1,), post={}),
    Page("panel:domain-defaults",   "login    403  403         403   403            403      200"),
    Page("panel:domain-defaults",   "login    403  403         403   403            403      200",
         post={}),
    Page("panel:domain-defaults-existing", "login 403 403      403   403            403      200"),
    Page("panel:domain-defaults-existing", "login 403 403      403   403            403      200",
         post={"fields_chosen": "limits.users"}),
    Page("panel:domain-opened",     "login    403  403         403   404            200      200",
         ("own.example",)),
]  # fmt: skip
