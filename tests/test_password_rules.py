"""Which new passwords are refused, and why."""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from qproxy.auth.breached_online import is_breached_online
from qproxy.auth.known_passwords import is_well_known
from qproxy.auth.password_rules import PasswordRules
from qproxy.breached import BreachedError, check_list, is_breached

GOOD = [
    "correct horse battery", "gr\u00fc\u00dfe an alle hier", "tR7#kq2!vLp9", "seven blue otters", "Xk93-ffQ1-77ab",
    "7391-5820-4467-1902",
]  # fmt: skip
KNOWN, PADDED = "seven blue otters", "eight red otters"
COMMON = [
    "123456789012", "098765432109", "qwertyuiop12", "passwordpassword", "P@ssw0rd2026!", "Summer2026!!!",
    "aaaaaaaaaaaaaaa", "administrator1", "abababababab", "letmein-letmein", "Qlik.Sense.2026", "welcome123456",
    "abcdefghijklm", "1q1q1q1q1q1q1q", "CorrectHorseBatteryStaple", "qlikadmin2026", "!!!!password!!!!",
    "            x", "7391-5820-44", "Winter Spring", "asdfghjkl;12",
]  # fmt: skip


@pytest.mark.parametrize("password", GOOD)
def test_a_password_that_few_have_is_taken(password: str) -> None:
    assert PasswordRules().problem(password, "anna") == ""


@pytest.mark.parametrize("password", COMMON)
def test_a_password_that_many_have_is_refused(password: str) -> None:
    assert is_well_known(password)
    assert PasswordRules(shortest=8).problem(password, "anna") == "password_well_known"


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "password_short"),
        ("elevenchars", "password_short"),
        (" " * 20, "password_short"),
        ("tulips and " * 100, "password_long"),
        ("anna-tulips-1", "password_name"),
        ("ANNA-tulips-1", "password_name"),
        ("anna.miller@example.com", "password_name"),
    ],
)
def test_the_word_says_what_is_wrong(password: str, problem: str) -> None:
    name = "anna.miller@example.com" if "@" in password else "anna"
    assert PasswordRules().problem(password, name) == problem


def test_a_short_name_in_a_long_password_does_no_harm() -> None:
    assert PasswordRules().problem("bob has seven otters", "bob") == ""


def test_how_short_a_password_may_be_is_configured() -> None:
    assert PasswordRules(shortest=16).problem("seven otters 15", "anna") == "password_short"
    assert PasswordRules(shortest=16).sentence("password_short") == "a password has at least 16 characters"


# --- the list of breached passwords ---


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def in_order(path: Path, passwords: list[str], ending: str = ":3\r\n") -> Path:
    path.write_text("".join(f"{one}{ending}" for one in sorted(map(sha1, passwords))), newline="")
    return path


@pytest.mark.parametrize("ending", [":3\r\n", "\n", ":123456\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_every_password_of_the_list_is_found_and_no_other(tmp_path: Path, ending: str, size: int) -> None:
    listed = in_order(tmp_path / "list", [f"listed {number}" for number in range(size)], ending)
    check_list(listed)
    assert all(is_breached(listed, f"listed {number}") for number in range(size))
    assert not any(is_breached(listed, f"other {number}") for number in range(1000))


def test_a_list_without_a_line_end_and_in_small_letters_is_searched_too(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("\n".join(sorted(sha1(f"listed {number}").lower() for number in range(9))))
    assert all(is_breached(listed, f"listed {number}") for number in range(9))


def test_a_listed_password_is_refused(tmp_path: Path) -> None:
    rules = PasswordRules(breached=in_order(tmp_path / "list", ["seven blue otters", "another"]))
    assert rules.problem("seven blue otters", "anna") == "password_breached"
    assert rules.problem("seven red otters!", "anna") == ""


def shuffled(path: Path) -> None:
    lines = [sha1(f"listed {number}") for number in range(500)]
    random.Random(1).shuffle(lines)
    path.write_text("".join(f"{line}\n" for line in lines))


def of_passwords(path: Path) -> None:
    path.write_text("password\nletmein\n")


def one_endless_line(path: Path) -> None:
    path.write_text("x" * 10_000)


def empty(path: Path) -> None:
    path.write_text("")


def missing(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("make", [shuffled, of_passwords, one_endless_line, empty, missing])
def test_a_list_that_could_not_be_searched_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "list")
    with pytest.raises(BreachedError, match="list"):
        check_list(tmp_path / "list")


# --- the service ---


class Service(BaseHTTPRequestHandler):
    """Knows one password, and pads its answers as the real one does."""

    asked: ClassVar[list[str]] = []
    answer: ClassVar[bytes] = b""
    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers['Add-Padding']}")
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Service, "asked", [])
    monkeypatch.setattr(Service, "answer", f"{'0' * 35}:7\r\n{sha1(KNOWN)[5:]}:3\r\n{sha1(PADDED)[5:]}:0".encode())
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/range/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("password", "breached"), [(KNOWN, True), (PADDED, False), ("nine green otters", False)])
def test_the_service_learns_five_digits_of_a_hash(service: str, password: str, breached: bool) -> None:
    assert is_breached_online(password, service) is breached
    assert Service.asked == [f"/range/{sha1(password)[:5]} true"]


@pytest.mark.parametrize(("status", "answer"), [(200, b"<html>"), (200, b""), (503, b""), (302, b""), (404, b"")])
def test_a_service_that_does_not_answer_as_it_should_is_an_error(
    service: str, monkeypatch: pytest.MonkeyPatch, status: int, answer: bytes
) -> None:
    monkeypatch.setattr(Service, "status", status)
    monkeypatch.setattr(Service, "answer", answer)
    with pytest.raises(BreachedError, match="--online"):
        is_breached_online(KNOWN, service)
    assert len(Service.asked) == 1


def test_what_the_service_knows_is_refused(service: str) -> None:
    rules = PasswordRules(ask=lambda password: is_breached_online(password, service))
    assert [rules.problem(one, "anna") for one in (KNOWN, PADDED)] == ["password_breached", ""]


def test_a_list_that_cannot_be_read_any_more_says_so(tmp_path: Path) -> None:
    with pytest.raises(BreachedError, match="cannot be read"):
        is_breached(tmp_path / "gone", "seven blue otters")
