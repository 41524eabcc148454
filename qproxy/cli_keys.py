"""`qproxy keys`: makes, changes and lists the files of session keys. Thin, as cli is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from qproxy.key_files import (
    Key,
    activated,
    change_key_file,
    in_order,
    make_key_file,
    needed_until,
    read_keys,
    rotated,
    staged,
    stamp,
    without_old,
)
from qproxy.secret_files import SecretError

BAD_CONFIG: Final = 78
SOONEST: Final = 15.0
"""Seconds: a running qproxy looks at its keys every five."""
PLACE = click.argument("place", type=click.Path(path_type=Path), default=Path("config"))


def _span(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """A duration as in the configuration."""
    from qproxy.config.fields import parse_duration  # noqa: PLC0415 - `qproxy --help` should not wait for pydantic

    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def keys() -> None:
    """Make and rotate the keys that seal sessions.

    PLACE is the configuration directory (then the first file of sessions.key_file is meant) or a key file.
    """


@keys.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def new(file: Path) -> None:
    """Make FILE with one key, readable by its owner only."""
    with _key_errors():
        click.echo(f"{file}: made key {_name(make_key_file(file, time.time()))}")


@keys.command()
@PLACE
@click.option(
    "--after", metavar="DURATION", callback=_span, help="When the key begins to seal. [1m; --activate: at once]"
)
@click.option("--stage", is_flag=True, help="Only add a key that opens; --activate lets it seal later.")
@click.option("--activate", is_flag=True, help="Let the staged key seal.")
@click.option("--keep", type=click.IntRange(min=0), help="Drop all but N old keys, whatever they still open.")
@click.pass_context
def rotate(context: click.Context, /, place: Path, **options: Any) -> None:
    """Let a new key seal sessions; old ones open what they sealed until those sessions are over, then are dropped.

    A running qproxy sees the change by itself. Where a file is copied to several machines: --stage, copy,
    --activate, copy.
    """
    if options["stage"] and (options["activate"] or options["after"] is not None):
        raise click.UsageError("--stage goes with neither --activate nor --after")
    if options["after"] is not None and not options["activate"] and options["after"] < SOONEST:
        raise click.UsageError(f"--after is at least {SOONEST:g}s: until then every worker must have seen the key")
    with _key_errors():
        file, longest = _meant(context, place)
        now = time.time()
        before: list[Key] = []

        def change(held: list[Key]) -> list[Key]:
            before[:] = held
            return without_old(_step(held, now, options), longest, options["keep"], now)

        after = change_key_file(file, change)
        _print(after, longest, now)
        for key in before:
            if key.secret not in {kept.secret for kept in after}:
                click.echo(f"{_name(key)}  dropped")


def _step(held: list[Key], now: float, options: dict[str, Any]) -> list[Key]:
    if options["stage"]:
        return staged(held, now)
    if options["activate"]:
        return activated(held, now + (options["after"] or 0.0))
    return rotated(held, now, now + (60.0 if options["after"] is None else options["after"]))


@keys.command(name="list")
@PLACE
@click.pass_context
def list_(context: click.Context, place: Path) -> None:
    """Print what each key is for. A key's name tells nothing of the key."""
    with _key_errors():
        file, longest = _meant(context, place)
        _print(read_keys(file), longest, time.time())


def _print(held: list[Key], longest: float | None, now: float) -> None:
    sealing = in_order(held, now)[0]
    for key in held:
        if key is sealing:
            state = f"seals{_since(key.used)}"
        elif key.used is None:
            state = "staged: opens, does not seal"
        elif key.used > now:
            state = f"opens; seals from {stamp(key.used)} on"
        else:
            end = None if longest is None else needed_until(held, key, longest, now)
            state = "old: opens" + (f"; needed until {stamp(end)}" if end is not None else "")
        click.echo(f"{_name(key)}  made {stamp(key.made) if key.made else 'at a time unknown'}  {state}")


def _since(time: float | None) -> str:
    return f" since {stamp(time)}" if time else ""


def _meant(context: click.Context, place: Path) -> tuple[Path, float | None]:
    """The key file, and how long the longest session may live where the configuration is known."""
    from qproxy.config.load import load  # noqa: PLC0415
    from qproxy.settings import ConfigError  # noqa: PLC0415

    if not place.is_dir():
        return place, None
    try:
        config = load(place, files=False)
    except ConfigError as error:
        click.echo(error, err=True)
        context.exit(BAD_CONFIG)
    sessions = config.server.sessions
    if not sessions.key_file:
        raise click.ClickException(f"{place}: sessions.key_file is not configured: there is no file to look at")
    lifetimes = [vp.lifetime for vp in config.virtual_proxies]
    return sessions.key_file[0], max(one.absolute for one in (*lifetimes, sessions.by_qlik.lifetime))


def _name(key: Key) -> str:
    from qproxy.sessions.sealing import key_name  # noqa: PLC0415

    return key_name(key.secret, "session records").hex()


@contextmanager
def _key_errors() -> Iterator[None]:
    """What is wrong with a key or its file, without a traceback and with status 1."""
    try:
        yield
    except SecretError as error:
        raise click.ClickException(str(error)) from None
