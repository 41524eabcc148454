"""`qproxy sessions`: who is logged in at a qproxy that runs, and out with them. Thin, as cli is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qproxy.console.asking import Console


def refuse_empty(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """An empty variable of a script must not mean more sessions than were meant."""
    if value == "":
        raise click.BadParameter("is empty")
    return value


DIRECTORY = click.argument("directory", type=click.Path(path_type=Path), default=Path("config"))
USER = click.option(
    "--user", callback=refuse_empty, metavar=r"'DIR\id'", help="Only sessions of this user; quote the backslash."
)
VP = click.option("--vp", callback=refuse_empty, metavar="NAME", help="Only sessions of this virtual proxy.")
HASH = click.option(
    "--id", "digits", callback=refuse_empty, metavar="HASH", help="The session of this short hash, as a list shows it."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")


@click.group()
def sessions() -> None:
    r"""Look at and end the sessions of a running qproxy.

    DIRECTORY is the configuration with which it runs. Whoever can read the session key there may ask.

    \b
    Exits with 0; 1 when there is no such session; 2 for a wrong option; 69 when qproxy cannot be reached; 75 when
    its session store is away; 77 when it refuses; 78 for a configuration that does not do.
    """


@sessions.command(name="list")
@DIRECTORY
@USER
@VP
@JSON
@click.pass_context
def list_(context: click.Context, directory: Path, user: str | None, vp: str | None, as_json: bool) -> None:
    """List who is logged in."""
    from qproxy.console.printing import print_json, print_sessions  # noqa: PLC0415

    with asking(context, directory) as console:
        found = console.many("GET", **said(user=user, vp=vp))
        (print_json if as_json else print_sessions)(found)


@sessions.command()
@DIRECTORY
@USER
@HASH
@VP
@JSON
@click.pass_context
def show(context: click.Context, /, directory: Path, **options: Any) -> None:
    """Show one session (--id), or all of one user (--user), with the attributes that Qlik gets."""
    from qproxy.console.printing import print_json, print_session  # noqa: PLC0415

    _require(options["user"] or options["digits"], "--user or --id")
    with asking(context, directory) as console:
        if options["digits"]:
            found = iter([console.one("GET", options["digits"], **said(user=options["user"], vp=options["vp"]))])
        else:
            found = console.many("GET", attributes="true", **said(user=options["user"], vp=options["vp"]))
        _each(context, found, (lambda session: print_json([session])) if options["as_json"] else print_session)


@sessions.command()
@DIRECTORY
@USER
@HASH
@click.option("--all", "everybody", is_flag=True, help="Every session, also those that Qlik made itself.")
@VP
@click.option("--yes", is_flag=True, help="Do not ask before --all.")
@JSON
@click.pass_context
def end(context: click.Context, /, directory: Path, **options: Any) -> None:
    """End one session (--id), all of one user (--user), or all there are (--all), on every machine.

    Open sockets are closed with Qlik's own notice. Interrupted, it stops; what has ended stays ended.
    """
    from qproxy.console.printing import name_of, print_json  # noqa: PLC0415

    some = bool(options["user"] or options["digits"])
    _require(some is not options["everybody"], "--user or --id, or else --all")
    where = f"on {options['vp']}" if options["vp"] else "on every virtual proxy"
    if options["everybody"] and not options["yes"]:
        click.confirm(f"End every session {where}?", abort=True, err=True)
    with asking(context, directory) as console:
        if options["digits"]:
            ended = iter([console.one("DELETE", options["digits"], **said(user=options["user"], vp=options["vp"]))])
        else:
            wanted = {"all": "true"} if options["everybody"] else {"user": options["user"]}
            ended = console.many("DELETE", **wanted, **said(vp=options["vp"]))
        tell: Callable[[dict[str, Any]], object] = lambda session: click.echo(f"ended {name_of(session)}")  # noqa: E731
        _each(context, ended, (lambda session: print_json([session])) if options["as_json"] else tell)


def _each(context: click.Context, found: Iterator[dict[str, Any]], tell: Callable[[dict[str, Any]], object]) -> None:
    """Tell of each; exits with 1 when there is none."""
    count = 0
    for count, session in enumerate(found, 1):  # noqa: B007 - counted
        tell(session)
    if not count:
        click.echo("there is no such session; it may have ended", err=True)
        context.exit(1)


def said(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _require(said: object, options: str) -> None:
    if not said:
        raise click.UsageError(f"say which sessions: {options}")


@contextmanager
def asking(context: click.Context, directory: Path) -> Iterator["Console"]:
    """What goes wrong is one line on stderr, and the exit status."""
    from qproxy.config.load import load  # noqa: PLC0415 - `qproxy --help` should not wait for pydantic
    from qproxy.console.asking import BAD_CONFIG, Console, NotDone  # noqa: PLC0415
    from qproxy.settings import ConfigError  # noqa: PLC0415

    try:
        yield Console(load(directory, files=False))
    except ConfigError as error:
        click.echo(error, err=True)
        context.exit(BAD_CONFIG)
    except NotDone as refused:
        click.echo(f"Error: {refused}", err=True)
        context.exit(refused.status)
