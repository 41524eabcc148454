"""Logging in on qproxy's own pages, for every virtual proxy and every way to log in.

    GET  /qproxy/login/{vp}?state=...       the ways to log in, or the form of the one that is meant, or straight on
    POST /qproxy/login/{vp}?state=...       one step of the login; then to where the person wanted to go
    ANY  /qproxy/login/{vp}/{way}/{verb}    a way's own address: back from an identity provider, or a provider's call

`?login=WAY` says which way is meant, `?login=` that the person wants to choose. A way that failed is tried again or
left by hand: nobody is led to another one. It keeps nothing between two requests (transactions). It must not judge
credentials (auth) or keep sessions (the desk does). Of other parameters of the URL only Qlik's `targetId` and
`proxyRestUri` are read, which anybody can make up: they go to the desk, and what it makes of them is judged before
anybody is sent there.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from qproxy import cookies
from qproxy.auth.deep_link import DeepLinks, as_location, safe_next
from qproxy.auth.guesses import Guesses
from qproxy.auth.login_keys import LoginKeys
from qproxy.auth.mapping import Denied, Identity
from qproxy.auth.method import Accept, Answer, Ask, Challenge, Reason, Refuse, Send
from qproxy.auth.way import Way, chosen, named, of_email
from qproxy.clients import network_of
from qproxy.errors import Failure, Refused
from qproxy.model import End, Session, Tie
from qproxy.partings import drop_mark
from qproxy.web.calls import answer_call
from qproxy.web.desk import LoginDesk
from qproxy.web.form_guard import FormGuard, read_form, with_binding
from qproxy.web.login_pages import Extras, Refusal, asked, last_way, onward, picker, refused, sent
from qproxy.web.own_pages import see_other
from qproxy.web.parted import logged_out, parted_at_the_hub, silent
from qproxy.web.transactions import Transactions
from qproxy.web.visit import Visit, living, logged_in, visit_of

LONGEST_NAME: Final = 256
"""Letters by which guesses are counted."""

STATUS: Final[Mapping[Reason, int]] = {
    Reason.WRONG: 403,
    Reason.THROTTLED: 429,
    Reason.BUSY: 503,
    Reason.UNAVAILABLE: 503,
    Reason.DENIED: 403,
    Reason.REJECTED: 403,
    Reason.STALE: 403,
}


@dataclass(frozen=True, slots=True)
class LoginTools:
    """What one qproxy has for logins on all virtual proxies."""

    keys: LoginKeys
    transactions: Transactions
    guesses: Guesses


class LoginFlow:
    """`desks`: of all virtual proxies."""

    def __init__(self, tools: LoginTools, desks: Mapping[str, LoginDesk]) -> None:
        self._keys = tools.keys
        self._desks = desks
        self._links = DeepLinks(tools.keys)
        self._transactions = tools.transactions
        self._guesses = tools.guesses

    # the login page

    async def opened(self, request: web.Request, desk: LoginDesk) -> web.Response:
        visit = self._visit(request, desk)
        way = self._meant(visit)
        anew = visit.state.relogin or (way is not None and not way.method.anew.isdisjoint(visit.query))
        session = None if anew else await logged_in(visit)
        if session is not None:
            if visit.state.renew or visit.from_qlik:
                await desk.renew(session, visit.state.renew)
            return await _onward(visit, session)
        if visit.parted and "login" not in visit.query:
            return await self._after_logout(visit, way)
        return await self._step(visit.by(way)) if way else self._picker(visit)

    async def _after_logout(self, visit: Visit, way: Way | None) -> web.Response:
        """The first thing that a browser does here after its person logged out: nobody is logged in unasked."""
        again = self._again(visit.by(way) if way else visit)
        leaving = await parted_at_the_hub(visit)
        if leaving:
            return see_other(leaving)
        if way is None:
            return self._picker(visit)
        answer = await self._judged(visit.by(way))
        if silent(answer):
            return logged_out(visit.look, visit.desk, again)
        return await self._answer(visit.by(way), answer)

    async def posted(self, request: web.Request, desk: LoginDesk) -> web.Response:
        form = await read_form(request)
        visit = replace(self._visit(request, desk), form=form)
        way = named(desk.ways, form["method"]) if "method" in form else self._meant(visit)
        problem = visit.guard.problem(form)
        if problem:
            desk.audit((visit.by(way) if way else visit).event(problem))
            text = visit.texts[f"login_{problem}"]
            return await self._form_again(visit.by(way), 403, text) if way else self._picker(visit, 403, text)
        if way is None:
            return self._by_email(visit)
        visit = visit.by(way)
        if "step" in form:
            step = self._transactions.open(form["step"], visit.bound)
            if step is None:
                return await self._answer(visit, Refuse(Reason.STALE))
            visit = replace(visit, kept=step.kept)
        return await self._step(visit)

    def _visit(self, request: web.Request, desk: LoginDesk) -> Visit:
        state = self._links.read(desk.name, desk.path, request.query.get("state", ""))
        return visit_of(request, desk, state, FormGuard(self._keys, request, desk, "login"))

    def _meant(self, visit: Visit) -> Way | None:
        asked_for = visit.query.get("login")
        if asked_for is not None:
            return named(visit.desk.ways, asked_for)
        return chosen(visit.desk.ways, visit.caller.address, visit.last_way)

    def _by_email(self, visit: Visit) -> web.Response:
        email = visit.form.get("email", "")
        way = of_email(visit.desk.ways, email) if email else None
        if way is None:
            return self._picker(visit, 403, visit.texts["login_no_way"])
        return onward(visit, f"{visit.origin}{self._again(visit.by(way))}&{urlencode({'login_hint': email})}")

    def _again(self, visit: Visit) -> str:
        """The address at which the same way begins again, with the same place to go to; without a way the picker."""
        state = visit.state
        page = self._links.login_location(
            visit.desk.name, visit.desk.path, state.next.encode("latin-1", "replace"), state.relogin
        )
        return f"{page}{'&' if '?' in page else '?'}login={visit.way.name if visit.way else ''}"

    # a way's own addresses

    async def elsewhere(self, request: web.Request, desk: LoginDesk) -> web.Response:
        way, verb = named(desk.ways, request.match_info["way"]), request.match_info["verb"]
        if way is not None and verb in way.method.calls:
            return await answer_call(request, desk, way, self._desks.values())
        if way is None or verb not in way.method.returns:
            raise Refused(Failure.UNKNOWN_PATH, "not an address of a way to log in")
        return await self._come_back(request, self._visit(request, desk).by(way), way.method.returns[verb])

    async def _come_back(self, request: web.Request, visit: Visit, parameter: str) -> web.Response:
        if request.method not in ("GET", "HEAD", "POST"):
            raise Refused(Failure.METHOD_REFUSED, request.method)
        visit = replace(visit, verb=request.match_info["verb"])
        if len(set(visit.query)) != len(visit.query):
            return await self._answer(visit, Refuse(Reason.REJECTED, word="login_parameter_twice"))
        form = await read_form(request, once=True) if request.method == "POST" else {}
        text = (form or visit.query).get(parameter, "") if parameter else ""
        step = await self._transactions.come_back(text, visit.bound) if text else None
        if step is not None:
            return await self._step(replace(visit, form=form, state=step.state, kept=step.kept))
        answer = await self._judged(replace(visit, form=form))
        if isinstance(answer, Refuse) and answer.reason is Reason.STALE:
            session = await logged_in(visit)
            if session is not None:  # the browser's back button: what was to be done is done
                return await _onward(visit, session)
        return await self._answer(visit, answer)

    # one step, and what follows from it

    async def _step(self, visit: Visit) -> web.Response:
        return await self._answer(visit, await self._judged(visit))

    async def _judged(self, visit: Visit) -> Answer:
        """What the method says."""
        assert visit.way is not None

        async def keep(kept: Mapping[str, str], limit: int) -> str:
            by = network_of(visit.caller.address)
            return await self._transactions.keep(visit.state, kept, visit.bound, limit, by)

        step = partial(visit.way.method.step, visit.step(keep))
        return await (self._guessed(visit, step) if visit.form and not visit.verb else step())

    async def _guessed(self, visit: Visit, step: Callable[[], Awaitable[Answer]]) -> Answer:
        """A form is judged when its time has come. Only what is wrong counts; only a whole login is forgiven, so that
        who has the password guesses codes no faster."""
        assert visit.way is not None
        scope, address = visit.way.method.scope, visit.caller.address
        name = visit.way.method.counted_as((visit.kept.get("name") or visit.form.get("name", ""))[:LONGEST_NAME])
        guess = await self._guesses.take(scope, address, name)
        if guess.wait > 0:
            return Refuse(Reason.THROTTLED, retry_after=math.ceil(guess.wait))
        answer = await step()
        if isinstance(answer, Accept):
            await self._guesses.forgive(guess)
        elif not (isinstance(answer, Refuse) and answer.reason is Reason.WRONG):
            await self._guesses.give_back(guess)
        return answer

    async def _answer(self, visit: Visit, answer: Answer) -> web.Response:
        match answer:
            case Accept():
                return await self._accepted(visit, answer)
            case Send():
                return with_binding(sent(visit, answer), visit.guard)
            case Ask():
                return self._asked(visit, answer, 200, "")
            case Challenge():
                return await self._challenged(visit, answer)
            case Refuse():
                return await self._refused(visit, answer)

    async def _accepted(self, visit: Visit, accept: Accept) -> web.Response:
        assert visit.way is not None
        known = visit.desk.identify(visit.way.name, accept, visit.caller.address)
        if isinstance(known, Denied):
            return await self._refused(visit, Refuse(Reason.DENIED, word=known.word))
        if accept.target and safe_next(accept.target, visit.desk.path):
            visit = replace(visit, state=replace(visit.state, next=accept.target))
        response = await _let_in(visit, known, accept.tie)
        if accept.answer:
            response.headers["WWW-Authenticate"] = accept.answer
        return response

    async def _refused(self, visit: Visit, refuse: Refuse) -> web.Response:
        visit.desk.audit(visit.event(refuse.outcome))
        status, text = STATUS[refuse.reason], visit.texts.say(refuse.text or refuse.reason.value)
        response = await self._form_again(visit, status, text, refuse.outcome, refuse.again)
        if refuse.retry_after is not None:
            response.headers["Retry-After"] = str(refuse.retry_after)
        return response

    async def _form_again(
        self, visit: Visit, status: int, text: str, word: str = "", again: Ask | None = None
    ) -> web.Response:
        """The form with a message, where it was a form that was refused; else a page from which to begin again."""
        assert visit.way is not None
        if visit.form and not visit.verb:
            ask = again or await visit.way.method.step(visit.opening())
            if isinstance(ask, Ask):
                return self._asked(visit, ask, status, text)
        links = self._again(visit), self._again(replace(visit, way=None)) if len(visit.desk.ways) > 1 else ""
        return refused(visit, status, Refusal(text, word or "-", *links))

    def _asked(self, visit: Visit, ask: Ask, status: int, text: str) -> web.Response:
        relogin = visit.texts["login_relogin"] if visit.state.relogin else ""
        step = self._transactions.seal(visit.state, ask.keep, visit.bound) if ask.keep else ""
        other = self._again(replace(visit, way=None)) if len(visit.desk.ways) > 1 else ""
        extras = Extras(text or ask.message or relogin, step, other, bool(text), self._again(visit))
        return with_binding(asked(visit, status, ask, extras), visit.guard)

    async def _challenged(self, visit: Visit, challenge: Challenge) -> web.Response:
        """A browser that cannot answer shows the page: of the one other way if it is a form, else the choice."""
        others = [way for way in visit.desk.ways if way.listed and way is not visit.way]
        response = self._picker(visit, 401, "", others)
        if len(others) == 1:
            other = visit.by(others[0])
            ask = await others[0].method.step(other.opening())
            if isinstance(ask, Ask):
                response = self._asked(other, ask, 401, "")
        response.headers["WWW-Authenticate"] = challenge.scheme
        return response

    def _picker(
        self, visit: Visit, status: int = 200, text: str = "", ways: Sequence[Way] | None = None
    ) -> web.Response:
        shown = [way for way in visit.desk.ways if way.listed] if ways is None else ways
        choices = [(way, self._again(visit.by(way))) for way in shown]
        return with_binding(picker(visit, status, choices, text), visit.guard)


async def _let_in(visit: Visit, known: Identity, tie: Tie) -> web.Response:
    """Always a session with a new id; those that the browser had here end. The new one is opened first, so that a
    failing store leaves the old one alone.
    """
    desk, way = visit.desk, visit.way
    assert way is not None
    session = await desk.open_session(
        known.user, known.attributes, visit.state.relogin, visit.sessions, method=way.name, tie=tie
    )
    for before in await living(desk, visit.sessions):
        await desk.end_session(before.id, End.REPLACED)
    desk.audit(visit.event("accepted", session.who, session.short))
    response = await _onward(visit, session)
    cookie = cookies.set_cookie(desk.cookie_name, session.id, secure=desk.secure, same_site=desk.same_site)
    response.headers.add("Set-Cookie", cookie)
    if visit.parted or way.method.posts_back:  # whose answers come without our cookies
        response.headers.add("Set-Cookie", drop_mark(desk.name, secure=desk.secure))
    if len(desk.ways) > 1 and way.name != visit.last_way:
        response.headers.add("Set-Cookie", last_way(desk, way))
    return response


async def _onward(visit: Visit, session: Session) -> web.Response:
    """To where the person wanted to go, which QPS may know (it is then judged like any other text)."""
    wanted = visit.state.next
    if visit.from_qlik:
        told = (await visit.desk.target(session, visit.query)).partition("#")[0]
        target = next((told[len(one) :] for one in visit.desk.public_origins if told.startswith(f"{one}/")), "")
        wanted = target if safe_next(target, visit.desk.path) else wanted
    return see_other(visit.origin + as_location(wanted))
