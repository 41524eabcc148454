"""qproxy: the public entrypoint of a client-managed Qlik Sense site.

One process, two listeners, two halves:

    forwarding/     the data plane: Qlik's traffic, HTTP and WebSocket, on raw protocols. Knows no session and no login;
                    it is handed a `Conduct` that decides.
    web/            the control plane, in aiohttp: the login pages under /qproxy/ on the public listener; session
                    module, health and metrics on the internal one.
    road.py         where both meet. decide(head): routing -> gate -> headers -> Forward, Answer or HandOver.

Beside them:

    virtual_proxy   what one file said and what was opened for it; `end_session`, the one way in which a session ends
    auth/           seam: ways to log in (step -> Ask, Send, Accept or Refuse)
    sessions/       seam: stores that keep and find; a cache in front; expiry is a rule of model.Session
    gate, not_accepted      a living session, or how to turn away; what to do when Qlik refuses a session of ours
    routing, headers, cookies, one_host, clients, notices, model, errors       pure rules, no I/O, no clock
    config/, settings       a directory of YAML -> Config, or every problem at once with its place
    observe/        access, audit and application log, metrics: no secret, no wait
    builds          pure Python, or compiled from the same source
    server, running, cli    open all in order and close it in the opposite one; the process; the command
    qliksim/, demo  a stand-in Qlik node, which imports nothing else of qproxy; the whole thing in one minute

Imports go down layers only (pyproject.toml, checked in CI). Whatever cannot be decided is refused, and every failure
has one word (errors.Failure) for the page, the log, the metric and docs/errors.md.
More: docs/architecture.md, docs/glossary.md, docs/decisions/.
"""

from qproxy.builds import choose

__version__ = "0.1.0"

choose()
