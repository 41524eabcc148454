"""The `qproxy` command. Each verb calls one function of another module and turns its outcome into an exit status.

No rule of the product is here. Exit status 78 means that the configuration cannot be used.
"""

import json
from pathlib import Path

import click

from qproxy import __version__

BAD_CONFIG = 78

DIRECTORY = click.argument("directory", type=click.Path(path_type=Path), default=Path("config"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qproxy")
def main() -> None:
    """The public entrypoint of a Qlik Sense Enterprise site: login, session module and reverse proxy on one host."""


@main.command()
@DIRECTORY
@click.option("--json", "as_json", is_flag=True, help="Print the values for programs.")
@click.pass_context
def check(context: click.Context, directory: Path, as_json: bool) -> None:
    """Check the configuration in DIRECTORY (default: ./config) and print what the QMC must say.

    Exits with 0, or with 78 after printing every problem as FILE:LINE:COLUMN: KEY: TEXT.
    """
    from qproxy.config_load import load  # noqa: PLC0415 - `qproxy --help` should not wait for pydantic
    from qproxy.config_report import as_data, print_report  # noqa: PLC0415
    from qproxy.settings import ConfigError  # noqa: PLC0415

    try:
        config = load(directory)
    except ConfigError as error:
        click.echo(error, err=True)
        context.exit(BAD_CONFIG)
    if as_json:
        click.echo(json.dumps(as_data(config), indent=2))
    else:
        print_report(config)


@main.command()
@click.argument("file", type=click.Choice(["server", "virtual-proxy"]), default="server")
def schema(file: str) -> None:
    """Print the JSON Schema of server.yaml or of a virtual proxy's file, for editors."""
    from qproxy.config_report import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(file), indent=2))


@main.command()
@DIRECTORY
@click.pass_context
def run(context: click.Context, directory: Path) -> None:
    """Serve with the configuration in DIRECTORY (default: ./config) until SIGTERM.

    Exits with 78 for a bad configuration, 77 for a port or file that may not be used, 1 when it cannot start.
    """
    from qproxy.config_load import load  # noqa: PLC0415
    from qproxy.running import run as serve  # noqa: PLC0415
    from qproxy.settings import ConfigError  # noqa: PLC0415

    try:
        config = load(directory)
    except ConfigError as error:
        click.echo(error, err=True)
        context.exit(BAD_CONFIG)
    context.exit(serve(config))


@main.command()
@click.option("--port", type=int, default=0, help="Public port; a free one without it.")
@click.option("--internal-port", type=int, default=0, help="Port of the internal listener; a free one without it.")
@click.option("--tls", is_flag=True, help="https with a certificate that is made for this run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready, for programs.")
@click.option("--check", is_flag=True, help="Drive a whole evening, print a line a step, and end.")
@click.pass_context
def demo(context: click.Context, port: int, internal_port: int, tls: bool, as_json: bool, check: bool) -> None:
    """Show it: a stand-in Qlik, qproxy in front of it, two people to log in as."""
    from qproxy.demo import DemoOptions  # noqa: PLC0415
    from qproxy.demo import run as show  # noqa: PLC0415

    context.exit(show(DemoOptions(port, internal_port, tls, as_json, check)))
