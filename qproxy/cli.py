"""The `qproxy` command. Each verb calls one function of another module and turns its outcome into an exit status.

No rule of the product is here. Exit status 78 means that the configuration cannot be used.
"""

import json
from pathlib import Path
from typing import Any

import click

from qproxy import __version__, builds
from qproxy.cli_keys import keys
from qproxy.cli_sessions import sessions
from qproxy.cli_throttle import throttle
from qproxy.cli_users import users
from qproxy.cli_whoami import whoami
from qproxy.texts import TABLES

BAD_CONFIG = 78

DIRECTORY = click.argument("directory", type=click.Path(path_type=Path), default=Path("config"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qproxy", message=f"%(prog)s, version %(version)s ({builds.described()})")
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
    from qproxy.config.load import load  # noqa: PLC0415 - `qproxy --help` should not wait for pydantic
    from qproxy.config.report import as_data, print_report  # noqa: PLC0415
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
    from qproxy.config.report import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(file), indent=2))


@main.command()
@click.argument("language", type=click.Choice(list(TABLES)), default="en")
def texts(language: str) -> None:
    """Print all texts of qproxy's pages in a language, in the form that `pages.texts` has in server.yaml."""
    lines = [f"  {word}: {json.dumps(text, ensure_ascii=False)}" for word, text in TABLES[language].items() if text]
    click.echo("\n".join([f"{language}:", *lines]))


@main.command()
@DIRECTORY
@click.pass_context
def run(context: click.Context, directory: Path) -> None:
    """Serve with the configuration in DIRECTORY (default: ./config) until SIGTERM.

    Exits with 78 for a bad configuration, 77 for a port or file that may not be used, 1 when it cannot start.
    """
    from qproxy.config.load import load  # noqa: PLC0415
    from qproxy.settings import ConfigError  # noqa: PLC0415
    from qproxy.workers import run as serve  # noqa: PLC0415

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
    from qproxy.demo_check import evening  # noqa: PLC0415

    context.exit(show(DemoOptions(port, internal_port, tls, as_json), evening if check else None))


@main.command(name="sim")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--http-port", type=int, default=0, help="Port of the http listener; a free one without it.")
@click.option("--https-port", type=int, help="Port of the https listener; needs --certificate and --key.")
@click.option("--rest-port", type=int, help="Port of the QPS API.")
@click.option("--control-port", type=int, help="Port of the JSON control interface.")
@click.option("--certificate", type=click.Path(path_type=Path, exists=True), help="PEM file for https and the QPS API.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="Its private key.")
@click.option("--client-ca", type=click.Path(path_type=Path, exists=True), help="CA of clients of the QPS API.")
@click.option("--release", default="2024-11", help="Which release of Qlik Sense to behave like.")
@click.option("--prefix", "prefixes", multiple=True, default=("sales",), help="A virtual proxy; may stand repeatedly.")
@click.option("--session-module", "session_modules", multiple=True, help="PREFIX=URI; may stand repeatedly.")
@click.option("--host", "hosts", multiple=True, default=("localhost", "127.0.0.1"), help="Host allow list entry.")
@click.pass_context
def sim(context: click.Context, /, file: Path | None, **options: Any) -> None:
    """Run the stand-in Qlik node alone, from options or from FILE, until SIGTERM."""
    from qproxy.qliksim import QlikNode  # noqa: PLC0415
    from qproxy.qliksim.serve import SimOptions  # noqa: PLC0415
    from qproxy.qliksim.serve import run as stand_in  # noqa: PLC0415

    def announce(node: QlikNode) -> None:
        urls = {"http": node.http_url, "https": node.https_url, "QPS API": node.rest_url, "control": node.control_url}
        for name, url in urls.items():
            if url is not None:
                click.echo(f"{name:<8} {url}")

    wanted = SimOptions(config=file, **options)
    try:
        context.exit(stand_in(wanted, announce))
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


main.add_command(sessions)
main.add_command(throttle)
main.add_command(keys)
main.add_command(users)
main.add_command(whoami)


@main.command(name="audit")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def audit(context: click.Context, file: Path) -> None:
    """Check that no line of an audit log was changed or taken out. Exits with 0, or with 1 after naming each gap."""
    from qproxy.observe import verify_audit  # noqa: PLC0415

    problems = verify_audit(file)
    for problem in problems:
        click.echo(problem)
    context.exit(1 if problems else 0)
