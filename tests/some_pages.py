"""One of each of qproxy's own pages, in any look, and the outline of one."""

from html.parser import HTMLParser

from qproxy.auth import Field, Shown
from qproxy.errors import Failure
from qproxy.web.icons import ICONS
from qproxy.web.look import Look
from qproxy.web.pages import (
    Choice,
    Form,
    Page,
    Picker,
    Refused,
    failure_page,
    logged_out_page,
    login_page,
    logout_page,
    onward_page,
    picker_page,
    refused_page,
    sent_page,
)

TOKEN = "f" * 64
FIELDS = (Field("name", "name", "username"), Field("password", "password", "current-password", secret=True))
PROVIDER = "https://idp.example/saml"


def form(look: Look, message: str = "", typed: str = "", refused: bool = True) -> Page:
    return login_page(look, Form(FIELDS, TOKEN, message, typed, other="?login=", refused=refused))


def picker(look: Look, message: str = "") -> Page:
    ways = [Choice(f"The way of the {name}", ICONS[name], f"?login={name}") for name in ICONS]
    return picker_page(look, Picker(ways, TOKEN, message, by_email=True))


def second_step(look: Look) -> Page:
    picture = Shown("totp_picture", ("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E",), picture=True)
    told = (Shown("totp_enrol"), picture, Shown("totp_key", ("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",)))
    code = (Field("code", "totp_first_code", "one-time-code"),)
    return login_page(look, Form(code, TOKEN, step="sealed", title="totp_enrol_title", shown=told))


def pages_in(look: Look, *failures: Failure) -> dict[str, Page]:
    say = look.texts.say
    return {
        "login": form(look),
        "refused": form(look, say("wrong"), "ann"),
        "told": form(look, say("login_relogin"), refused=False),
        "nothing to fill in": login_page(look, Form((), TOKEN, say("wrong"))),
        "with a link": login_page(look, Form(FIELDS, TOKEN, further=(say("login_change"), "?change="))),
        "second step": second_step(look),
        "picker": picker(look),
        "picker again": picker(look, say("login_no_way")),
        "turned away": refused_page(look, Refused(say("rejected"), "oidc_wrong_nonce", "abc123-1", "?a", "?b")),
        "onward": onward_page(look, PROVIDER),
        "sent": sent_page(look, PROVIDER, {"SAMLRequest": "abc"}),
        "logout": logout_page(look, TOKEN),
        "logout again": logout_page(look, TOKEN, say("logout_token")),
        "logged out": logged_out_page(look, "/qproxy/login/sales"),
        "leaving": logged_out_page(look, "/qproxy/login/sales", PROVIDER),
        **{one.word: failure_page(look, one, "abc123", html=True, login_url="/login") for one in failures},
    }


class Outline(HTMLParser):
    """The tags of a page, and the ones that were never closed."""

    VOID = frozenset({"meta", "link", "input", "img"})

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page[1].decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
