"""`qproxy whoami`: who somebody would be for Qlik, and why. Thin, as cli is."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

DENIED, UNAVAILABLE, BAD_CONFIG = 1, 69, 78


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path("config"))
@click.option("--vp", default="", metavar="NAME", help="The virtual proxy; needed where there are several.")
@click.option("--method", default="", metavar="ID", help="The way to log in; needed where there are several.")
@click.option("--as", "name", default="", metavar="NAME", help="Who: the method is asked for this name.")
@click.option("--claims", type=click.Path(path_type=Path), metavar="FILE", help="What a provider would say, as JSON.")
@click.option("--address", default="127.0.0.1", metavar="IP", help="Where the browser would be.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@click.pass_context
def whoami(context: click.Context, /, directory: Path, **options: Any) -> None:
    """Print who somebody would be for Qlik, and why; nobody is logged in.

    With --as a file of users or a directory is asked for that person, without a password. Other methods take the name
    as it is; give what their provider would say with --claims.

    \b
    Exits with 0 for somebody who would be let in; 1 for somebody who would not; 2 for a question that cannot be
    answered; 69 when who would know cannot be asked; 78 for a configuration that does not do.
    """
    from qproxy.auth.method import Unavailable  # noqa: PLC0415 - `qproxy --help` should not wait for pydantic
    from qproxy.config.load import load  # noqa: PLC0415
    from qproxy.settings import ConfigError  # noqa: PLC0415
    from qproxy.whoami import NotAsked, Question, find, lines, read_claims  # noqa: PLC0415

    try:
        claims = read_claims(options["claims"]) if options["claims"] else None
        question = Question(options["vp"], options["method"], options["name"], claims, options["address"])
        found = asyncio.run(find(load(directory), question))
    except ConfigError as error:
        click.echo(error, err=True)
        context.exit(BAD_CONFIG)
    except NotAsked as error:
        raise click.UsageError(str(error)) from None
    except Unavailable as error:
        click.echo(f"Error: {error}", err=True)
        context.exit(UNAVAILABLE)
    click.echo(json.dumps(found.as_data(), indent=2) if options["as_json"] else "\n".join(lines(found)))
    context.exit(0 if found.allowed else DENIED)
