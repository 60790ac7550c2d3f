"""Who may open the pages of gateways, relay lists and the forwarding blacklist."""

from tests.access.rows import Page

#                                    anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:gateways",           "login    403  403         403   403            403      200"),
    Page("panel:gateway-new",        "login    403  403         403   403            403      200"),
    Page("panel:gateway-new",        "login    403  403         403   403            403      200",
         post={}),
    Page("panel:gateway-new",        "login    403  403         403   403            403      200",
         post={"forecast": "1"}),
    Page("panel:gateway",            "login    403  403         403   403            403      404",
         (999,)),
    Page("panel:gateway-delete",     "login    403  403         403   403            403      404",
         (999,), post={"confirmation": "x"}),
    *(
        Page(f"panel:gateway-{verb}", "login    403  403         403   403            403      404",
             (999,), post={})
        for verb in ("enable", "disable", "test")
    ),
    *(
        Page(f"panel:{name}",        "login    403  403         403   403            403      200",
             post=post)
        for name in ("relay-domains", "relay-networks", "forwarding-blacklist", "single-destinations")
        for post in (None, {})
    ),
    *(
        Page(f"panel:{name}-remove", "login    403  403         403   403            403      404",
             (999,), post={})
        for name in ("relay-domain", "relay-network", "forwarding-ban", "single-destination")
    ),
]  # fmt: skip
