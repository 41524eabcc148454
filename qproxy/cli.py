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
