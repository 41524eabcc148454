"""The application behind the door: every address below /qproxy/ on the public host.

/qproxy/login/{vp}, /qproxy/login/{vp}/{way}/{verb}     logging in (login)
/qproxy/logout/{vp}                                      logging out (logout)
/qproxy/logout/{vp}/done                                 back from an identity provider's logout (logout)
/qproxy/healthz                                          "ok"
"""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from qproxy.errors import Failure, Refused
from qproxy.routing import OWN
from qproxy.web import pages
from qproxy.web.desk import LoginDesk
from qproxy.web.form_guard import LARGEST_FORM
from qproxy.web.login import LoginFlow, LoginTools
from qproxy.web.logout import LogoutFlow
from qproxy.web.look import PLAIN, Looks
from qproxy.web.own_pages import Identify, anyone, failure_pages, ignore_expect, without_banner

Handler = Callable[[web.Request, LoginDesk], Awaitable[web.Response]]


def login_app(
    desks: Mapping[str, LoginDesk], tools: LoginTools, identify: Identify = anyone, looks: Looks = PLAIN
) -> web.Application:
    """`desks` by name is read at each request, so it may change."""
    pages.compile_pages()
    login, logout = LoginFlow(tools, desks), LogoutFlow(tools.keys)

    def at_desk(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            desk = desks.get(request.match_info["vp"])
            if desk is None or not desk.ways:
                raise Refused(Failure.UNKNOWN_PATH, "no such virtual proxy")
            return await handler(request, desk)

        return handle

    app = web.Application(middlewares=[failure_pages(identify, looks)], client_max_size=LARGEST_FORM)
    for path, handler in {
        f"/{OWN}/login/{{vp}}": at_desk(_page(login.opened, login.posted)),
        f"/{OWN}/login/{{vp}}/{{way}}/{{verb}}": at_desk(login.elsewhere),
        f"/{OWN}/logout/{{vp}}": at_desk(_page(logout.opened, logout.posted)),
        f"/{OWN}/logout/{{vp}}/done": at_desk(_page(logout.done, logout.done)),
        f"/{OWN}/healthz": _health,
        r"/{path:[\s\S]*}": _nothing_here,  # a dot would let an encoded line end by
    }.items():
        app.router.add_route("*", path, handler, expect_handler=ignore_expect)
    app.on_response_prepare.append(without_banner)
    return app


def _page(opened: Handler, posted: Handler) -> Handler:
    async def handle(request: web.Request, desk: LoginDesk) -> web.Response:
        if request.method in ("GET", "HEAD"):
            return await opened(request, desk)
        if request.method == "POST":
            return await posted(request, desk)
        raise Refused(Failure.METHOD_REFUSED, request.method)

    return handle


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="ok", headers={"Cache-Control": "no-store"})


async def _nothing_here(_: web.Request) -> web.Response:
    raise Refused(Failure.UNKNOWN_PATH, "not one of qproxy's own pages")
