"""What the configuration may say of a directory, and what does not fit together."""

from pathlib import Path

import pytest
from config_site import SALES, ConfigSite

GOOD = {
    "servers": "ldaps://dc1.acme.example",
    "subtree": "'dc=acme,dc=example'",
    "bind_as": "qproxy@acme.example",
    "password_file": "../certs/session.key",
}


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path).with_files()


def problems(site: ConfigSite, **keys: str | None) -> str:
    said = {"method": "ldap", **GOOD, **keys}
    lines = "".join(f"    {key}: {value}\n" for key, value in said.items() if value is not None)
    site.write(sales=SALES.replace("always", "none") + f"login:\n  -\n{lines}")
    return "\n".join(site.problems())


def test_a_directory_with_an_account_that_searches_is_all_that_is_needed(site: ConfigSite) -> None:
    assert problems(site) == ""
    [login] = site.load().virtual_proxies[0].login
    assert (login.method, str(login.servers[0])) == ("ldap", "ldaps://dc1.acme.example:636")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "keys",
    [
        {"servers": "[ldaps://a, 'ldaps://[::1]:3269']"},
        {"servers": "ldap://dc1", "start_tls": "yes"},
        {"servers": "ldap://127.0.0.1:3389"},
        {"direct": "'{account}@acme.example'", "bind_as": None, "password_file": None, "domains": "[ACME]"},
        {"filter": "(|(uid={account})(mail={name}))", "ca": "../certs/root.pem", "attributes": "mail"},
        {"groups": "{how: in_chain, name: dn}"},
    ],
)
def test_these_directories_are_fine(site: ConfigSite, keys: dict[str, str]) -> None:
    assert problems(site, **keys) == ""


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"servers": "ldap://dc1"}, "servers: would carry passwords unencrypted"),
        ({"servers": "ldaps://dc1", "start_tls": "yes"}, "servers: is encrypted from the first byte"),
        ({"servers": "https://dc1"}, "must begin with ldaps:// or ldap://"),
        ({"servers": "ldaps://dc1/dc=acme"}, "must end after the host or port"),
        ({"servers": "ldaps://dc1:0"}, "must have a port from 1"),
        ({"servers": "[]"}, "servers: "),
        ({"subtree": "acme.example"}, "subtree: must be a distinguished name"),
        ({"bind_as": None}, "password_file: needs bind_as beside it"),
        ({"password_file": None}, "bind_as: needs password_file beside it"),
        (
            {"bind_as": None, "password_file": None},
            "needs `bind_as`, the account that searches for people, or `direct`",
        ),
        ({"bind_as": "' '"}, "bind_as: must be the name of an account"),
        (
            {"bind_as": None, "password_file": None, "direct": "'{account}@a'", "recheck": "15m"},
            "recheck: needs `bind_as`",
        ),
        ({"filter": "(uid=anna)"}, "filter: finds the same whatever is typed"),
        ({"filter": "uid={account}"}, "filter: must have a parenthesis"),
        ({"filter": "(uid={user})"}, "nobody fills"),
        ({"direct": "anna"}, "direct: must hold {account} once"),
        ({"user_id": "'uid)(x'"}, "user_id: must be the name of an attribute"),
        ({"groups": "{how: in_chain, attribute: uniqueMember}"}, "groups.attribute: must be member with in_chain"),
        ({"groups": "{depth: 0}"}, "groups.depth: "),
        ({"ca": "../certs/session.key"}, "session.key holds no PEM certificate"),
        ({"ca": "../certs/none.pem"}, "none.pem cannot be read"),
        ({"password_file": "../certs/none"}, "none cannot be read"),
        ({"password_file": "../state/sales.users"}, "sales.users is empty"),
    ],
)
def test_what_does_not_fit_is_said(site: ConfigSite, keys: dict[str, str | None], problem: str) -> None:
    assert problem in problems(site, **keys)
