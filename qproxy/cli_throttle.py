"""`qproxy throttle`: who has to wait before the next try to log in, and no more. Thin, as cli is."""

from pathlib import Path

import click

from qproxy.cli_sessions import DIRECTORY, JSON, asking, refuse_empty, said


@click.group()
def throttle() -> None:
    r"""See who has to wait after wrong passwords, at a running qproxy, and let them try again.

    DIRECTORY is the configuration with which it runs. Whoever can read the session key there may ask.

    \b
    Exits with 0; 2 for a wrong option; 69 when qproxy cannot be reached; 75 when its session store is away; 77 when
    it refuses; 78 for a configuration that does not do.
    """


NAME = click.option("--name", callback=refuse_empty, help="The name that they type, from wherever.")
ADDRESS = click.option("--address", callback=refuse_empty, help="The network of this address: an office, or a guesser.")


@throttle.command(name="list")
@DIRECTORY
@NAME
@ADDRESS
@click.option("--all", "everybody", is_flag=True, help="Also tries after which nobody has to wait yet.")
@JSON
@click.pass_context
def list_(context: click.Context, /, directory: Path, as_json: bool, everybody: bool, **options: str | None) -> None:
    """List who has to wait: a name from a network, a network, or a name from wherever."""
    from qproxy.console.printing import print_json, print_slowed  # noqa: PLC0415

    with asking(context, directory) as console:
        found = console.slowed(**said(all="true" if everybody else None, **options))
        (print_json if as_json else print_slowed)(found)


@throttle.command()
@DIRECTORY
@NAME
@ADDRESS
@click.option("--all", "everybody", is_flag=True, help="Every name and every network.")
@click.pass_context
def clear(context: click.Context, directory: Path, name: str | None, address: str | None, everybody: bool) -> None:
    """Forget wrong tries: of one name, from one network, or all."""
    if [name is not None, address is not None, everybody].count(True) != 1:
        raise click.UsageError("say one of --name, --address and --all")
    with asking(context, directory) as console:
        cleared = console.clear_throttle(**said(name=name, address=address, all="true" if everybody else None))
        click.echo(f"cleared {cleared}" if cleared else "there was nothing to clear")
