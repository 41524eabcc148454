"""A way to log in with a directory of ours (ldap_fake), and one that is healthy, for tests to spoil."""

import ssl
from collections.abc import Callable

from ldap_fake import BIND, SEARCH, Answer, FakeDirectory, Request, fake_directory

from qproxy.auth import Answer as LoginAnswer
from qproxy.auth import LoginRequest, Reason, Refuse
from qproxy.auth.ldap import Directory, Ldap
from qproxy.auth.ldap_connection import Server
from qproxy.auth.ldap_groups import Groups
from qproxy.auth.ldap_people import Account, Asked
from qproxy.ldap.filters import parse_filter

WRONG = Refuse(Reason.WRONG)


UNAVAILABLE = Refuse(Reason.UNAVAILABLE, word="ldap_unavailable")


ANNA = "cn=anna,dc=acme"


PERSON = {"uid": [b"anna"], "mail": [b"anna@acme.example"]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def server_of(directory: FakeDirectory, **more: bool) -> Server:
    return Server("127.0.0.1", directory.port, more.get("tls", False), more.get("start_tls", False))


def method(
    *servers: Server,
    direct: str = "",
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], float] | None = None,
    limit: float = 5.0,
    groups: Groups | None = None,
) -> Ldap:
    filter_ = parse_filter("(uid={account})", frozenset({"account"}))
    asked = Asked("dc=acme", filter_, "uid", ("mail",), direct, groups)
    service = Account() if direct else Account("cn=service,dc=acme", "service-canary")
    return Ldap(Directory(servers, tls, limit, asked, service), clock=clock or Clock())


async def once(ldap: Ldap, name: str = "anna", password: str = "right") -> LoginAnswer:
    answer = await ldap.step(LoginRequest("sales", "192.0.2.1", {"name": name, "password": password}))
    await ldap.close()
    return answer


def healthy(request: Request) -> bytes | None:
    """One person, anna, whose password is "right"."""
    if request.tag == SEARCH:
        found = request.entry(ANNA, PERSON) if b"anna" in request.body else b""
        return found + request.result()
    good = request.tag == BIND and (request.name, request.password) in [
        (ANNA, "right"),
        ("anna@acme.example", "right"),
        ("cn=service,dc=acme", "service-canary"),
    ]
    return request.result(0 if good else 49)


def but(tag: int, answer: Answer, *, not_service: bool = True) -> Answer:
    """Healthy, but for requests of one kind."""

    def chosen(request: Request) -> bytes | None:
        of_service = request.tag == BIND and not_service and "service" in request.name
        return answer(request) if request.tag == tag and not of_service else healthy(request)

    return chosen


async def judged(answer: Answer, **keys: object) -> LoginAnswer:
    async with fake_directory(answer) as directory:
        return await once(method(server_of(directory), **keys))  # type: ignore[arg-type]
