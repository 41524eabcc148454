"""`qproxy throttle`: who has to wait before the next try to log in need not wait any more. Thin, as cli is."""

from pathlib import Path

import click

from qproxy.cli_sessions import DIRECTORY, asking, refuse_empty, said


@click.group()
def throttle() -> None:
    r"""Let people try again who have to wait after wrong passwords, at a running qproxy.

    DIRECTORY is the configuration with which it runs. Whoever can read the session key there may ask.
    """


@throttle.command()
@DIRECTORY
@click.option("--name", callback=refuse_empty, help="The name that they type, from wherever.")
@click.option("--address", callback=refuse_empty, help="A network from which many names were tried, by one address.")
@click.option("--all", "everybody", is_flag=True, help="Every name and every network.")
@click.pass_context
def clear(context: click.Context, directory: Path, name: str | None, address: str | None, everybody: bool) -> None:
    """Forget wrong tries: of one name, of one network, or all.

    The audit log tells who was slowed down: outcome "throttled". Exits with 0; 2 for a wrong option; 69 when qproxy
    cannot be reached; 77 when it refuses; 78 for a configuration that does not do.
    """
    if [name is not None, address is not None, everybody].count(True) != 1:
        raise click.UsageError("say one of --name, --address and --all")
    with asking(context, directory) as console:
        console.clear_throttle(**said(name=name, address=address, all="true" if everybody else None))
    click.echo("cleared")
