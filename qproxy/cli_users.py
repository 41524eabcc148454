"""`qproxy users`: editing a file of users while qproxy runs. Each verb calls one function of auth/users.py.

It needs no configuration, so that it works before the first start. It must not print a hash; a key for codes and
recovery codes only where they were made.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qproxy.auth.password_rules import PasswordRules
    from qproxy.auth.user_file import Entry

NEW_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
NAME = click.argument("name")
STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
MUST_CHANGE = click.option("--must-change", is_flag=True, help="At the next login another one has to be chosen.")
SHORTEST = click.option("--shortest", type=click.IntRange(8, 64), default=12, help="Fewest characters (12).")
BREACHED = click.option(
    "--breached",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File of SHA-1 hashes of breached passwords, in order.",
)


ONLINE = click.option(
    "--online", is_flag=True, help="Ask api.pwnedpasswords.com by the first five digits of the password's SHA-1."
)


@click.group()
def users() -> None:
    """Edit a file of users for the login method password_file."""


@users.command(name="add")
@NEW_FILE
@NAME
@click.option("--attribute", "-a", "attributes", multiple=True, help="NAME=VALUE for Qlik; may stand repeatedly.")
@click.option("--replace", "again", is_flag=True, help="Give somebody who exists a new password, and attributes.")
@STDIN
@SHORTEST
@BREACHED
@ONLINE
def users_add(file: Path, name: str, attributes: tuple[str, ...], again: bool, **new: Any) -> None:
    """Add NAME to FILE, which is made when it is missing. Short and well-known passwords are refused."""
    from qproxy.auth import users as edit  # noqa: PLC0415 - `qproxy --help` should not wait for argon2
    from qproxy.model import Attributes  # noqa: PLC0415

    pairs = tuple((key, value) for key, _, value in (one.partition("=") for one in attributes))
    password, rules = _new_password(name, **new)
    with _user_errors():
        edit.add(file, name, password, Attributes(pairs), replace=again, rules=rules)
    click.echo(f"{name} can log in")


@users.command(name="password")
@FILE
@NAME
@MUST_CHANGE
@STDIN
@SHORTEST
@BREACHED
@ONLINE
def users_password(file: Path, name: str, must_change: bool, **new: Any) -> None:
    """Give NAME a new password; all else stays."""
    from qproxy.auth import users as edit  # noqa: PLC0415

    password, rules = _new_password(name, **new)
    with _user_errors():
        edit.set_password(file, name, password, rules=rules, must_change=must_change)
    click.echo(f"{name} has a new password")


@users.command(name="remove")
@FILE
@NAME
def users_remove(file: Path, name: str) -> None:
    """Take NAME out of FILE. Sessions that live go on until they end, or `recheck` ends them."""
    from qproxy.auth import users as edit  # noqa: PLC0415

    with _user_errors():
        edit.remove(file, name)
    click.echo(f"{name} can no longer log in")


@users.command(name="list")
@FILE
@click.option("--long", "-l", "long", is_flag=True, help="Also what is noted of each.")
def users_list(file: Path, long: bool) -> None:
    """Print who stands in FILE."""
    from qproxy.auth import users as edit  # noqa: PLC0415

    with _user_errors():
        for entry in edit.people(file):
            click.echo("\t".join([entry.name, *_noted(entry)]) if long else entry.name)


@users.command(name="lock")
@FILE
@NAME
def users_lock(file: Path, name: str) -> None:
    """Let NAME in no more until `unlock`. Sessions that live go on until they end, or `recheck` ends them."""
    _mark(file, name, locked=True)
    click.echo(f"{name} is locked")


@users.command(name="unlock")
@FILE
@NAME
def users_unlock(file: Path, name: str) -> None:
    """Let NAME in again who was locked by hand or by too many wrong tries."""
    _mark(file, name, locked=False)
    click.echo(f"{name} is not locked")


@users.command(name="expire")
@FILE
@NAME
@click.argument("day", default="")
@click.option("--password", "of_password", is_flag=True, help="Not the account: a new password at the next login.")
def users_expire(file: Path, name: str, day: str, of_password: bool) -> None:
    """Let NAME in no more from DAY on: 2027-04-01, today without it, or "never". Days begin at midnight, UTC."""
    if of_password:
        if day:
            raise click.UsageError("--password asks for a new password at the next login, whenever that is: no DAY")
        _mark(file, name, must_change=True)
        click.echo(f"{name} has to choose a new password at the next login")
        return
    first = None if day == "never" else _day(day)
    _mark(file, name, expires=first)
    click.echo(f"{name} does not expire" if first is None else f"{name} expires on {first}")


@users.command(name="totp")
@FILE
@NAME
@click.option("--issuer", default="Qlik Sense", help="What the authenticator app calls the account.")
@click.option("--remove", is_flag=True, help="Take the second step away instead.")
def users_totp(file: Path, name: str, issuer: str, remove: bool) -> None:
    """Make a key for NAME's authenticator app, and recovery codes; earlier ones are no longer good.

    The key and the codes are shown once. The next login asks for a code.
    """
    from qproxy.auth import totp  # noqa: PLC0415

    if remove:
        _mark(file, name, totp="", recovery=())
        click.echo(f"{name} has no second step")
        return
    key, codes = totp.new_key(), totp.new_recovery_codes()
    _mark(file, name, totp=key, recovery=tuple(map(totp.recovery_hash, codes)))
    _show_key(key, totp.address_of(key, name, issuer))
    click.echo("Recovery codes, each good once:\n\n    " + "\n    ".join(codes))


def _show_key(key: str, address: str) -> None:
    """The picture only where somebody sees it, and in characters that the terminal has."""
    from qproxy.auth import qr, totp  # noqa: PLC0415

    if _is_terminal() and "utf" in sys.stdout.encoding.lower():
        click.echo(qr.as_text(address))
    click.echo(f"{address}\n\nKey: {totp.readable(key)}\n")


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _mark(file: Path, name: str, **marks: Any) -> None:
    from qproxy.auth import users as edit  # noqa: PLC0415

    with _user_errors():
        edit.mark(file, name, lambda before: replace(before, **marks))


def _new_password(
    name: str, *, password_stdin: bool, shortest: int, breached: Path | None, online: bool
) -> "tuple[str, PasswordRules]":
    from qproxy.auth.breached_online import is_breached_online  # noqa: PLC0415
    from qproxy.auth.password_rules import PasswordRules  # noqa: PLC0415
    from qproxy.breached import check_list  # noqa: PLC0415

    if breached is not None:
        with _user_errors():
            check_list(breached)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True)
    return password, PasswordRules(shortest, breached, is_breached_online if online else None)


def _noted(entry: "Entry") -> list[str]:
    marks = entry.marks
    noted = {
        "locked": marks.locked,
        f"expires {marks.expires}": marks.expires is not None,
        f"password of {marks.changed}": marks.changed is not None,
        "must change the password": marks.must_change,
        f"second step, {len(marks.recovery)} recovery codes": bool(marks.totp),
    }
    return [text for text, holds in noted.items() if holds]


def _day(text: str) -> Any:
    today = datetime.now(UTC).date()
    try:
        return today.fromisoformat(text) if text else today
    except ValueError:
        raise click.BadParameter("DAY is a date such as 2027-04-01, or never") from None


@contextmanager
def _user_errors() -> Iterator[None]:
    """What is wrong with a file of users, a name or a password, without a traceback and with status 1."""
    from qproxy.auth.user_file import UserFileError  # noqa: PLC0415

    try:
        yield
    except (UserFileError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
