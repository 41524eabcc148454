"""What must fit together in `who`, of a virtual proxy and of each of its ways to log in. Nothing here opens a file."""

from collections.abc import Iterator

from qproxy.config.mapping_models import DOMAIN, WhoConfig, places
from qproxy.config.models import VirtualProxyConfig
from qproxy.config.rules import Finding
from qproxy.settings import KeyPath


def mapping_rules(vp: VirtualProxyConfig) -> Iterator[Finding]:
    seen: set[tuple[KeyPath, str]] = set()
    for number, login in enumerate(vp.login):
        here: KeyPath = ("login", number, "who")
        whole = login.who.over(vp.who)
        for key, text, warning in _findings(whole):
            path: KeyPath = (*(here if key in login.who.model_fields_set else ("who",)), key)
            if (path, text) not in seen:
                seen.add((path, text))
                yield Finding(vp.name, path, text, warning)


def _findings(who: WhoConfig) -> Iterator[tuple[str, str, bool]]:
    """The key, what is wrong with it, and whether that is only a warning."""
    by_domain = DOMAIN in places(who.user_directory or "")
    if by_domain and not who.domains:
        yield "user_directory", "needs `domains`: no other domain is cut from a user id", False
    if "*" in who.domains and not by_domain:
        text = "takes any domain off and forgets it: anna@stranger.example would be anna; name the domains"
        yield "domains", f"{text}, or let user_directory hold {{DOMAIN}}", False
    if who.otherwise == "allow" and who.allow:
        yield "otherwise", "is allow: so everybody is let in, and the rules of `allow` say nothing", True
