"""What every test gets: the event loop, and the silence rules.

Silence: beside warnings (pytest's filterwarnings = error), a test fails when it leaves behind a running task, an open
socket or garbage that complains, when asyncio logs an error (a task's exception that nobody fetched, a destroyed task),
or when anything logs an ERROR with a traceback. `@pytest.mark.error_log("pattern")` says that the test provokes such a
record; each pattern must then be heard.

Loop: uvloop where it is installed, as in production; QPROXY_TEST_LOOP=asyncio for all tests on the standard loop;
`@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])` for one test on both.

TLS: carried by aiofastnet where it is installed; QPROXY_TEST_TLS=loop for all tests on the event loop's own transports
(processes that tests start take what is installed); the fixture `carrier` of forwarding/carriers.py for a test on both.
"""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Container, Generator, Iterator
from typing import Any

import pytest
from pytest_asyncio import is_async_test
from waiting import eventually

from qproxy.forwarding import transports

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
# What is ending may take this long (seconds); only a test that leaks pays it in full.
GRACE = 0.5
HEARD = pytest.StashKey[list[logging.LogRecord]]()


def available_loops() -> dict[str, LoopFactory]:
    loops: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop"):
        import uvloop  # noqa: PLC0415  (not on Windows)

        loops["uvloop"] = uvloop.new_event_loop
    return loops


LOOPS = available_loops()
LOOP = os.environ.get("QPROXY_TEST_LOOP") or ("uvloop" if "uvloop" in LOOPS else "asyncio")


CARRIERS = ["aiofastnet", "loop"] if transports.fast else ["loop"]
CARRIER = os.environ.get("QPROXY_TEST_TLS") or CARRIERS[0]


def pytest_configure() -> None:
    if LOOP not in LOOPS:
        raise pytest.UsageError(f"QPROXY_TEST_LOOP={LOOP}: installed are {', '.join(LOOPS)}")
    if CARRIER not in CARRIERS:
        raise pytest.UsageError(f"QPROXY_TEST_TLS={CARRIER}: there are {', '.join(CARRIERS)}")
    if CARRIER == "loop":
        transports.fast = None


def pytest_report_header() -> str:
    return f"loop: {LOOP}, TLS: {CARRIER}"


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, LoopFactory]:
    """The default loop; a test that names its loops chooses among all."""
    chosen = item.get_closest_marker("asyncio")
    return LOOPS if chosen and "loop_factories" in chosen.kwargs else {LOOP: LOOPS[LOOP]}


# --- tasks and sockets ---


@pytest.fixture(autouse=True)
def _leaves_nothing_running(request: pytest.FixtureRequest) -> None:
    """First fixture of an async test, so last to be torn down."""
    if is_async_test(request.node):
        request.getfixturevalue("_watched_loop")


@pytest.fixture
async def _watched_loop() -> AsyncIterator[None]:
    """Fails the test when its loop still runs tasks, or the process holds new sockets, once all else is torn down."""
    before = socket_descriptors().keys()
    yield
    with contextlib.suppress(AssertionError):
        await eventually(lambda: not left_open(before), within=GRACE)
    if left := left_open(before):
        pytest.fail("the test left open:\n  " + "\n  ".join(left), pytrace=False)


def left_open(before: Container[str]) -> list[str]:
    """The tasks of this loop other than the current one, and the sockets that were not there before."""
    current = asyncio.current_task()
    tasks = [f"task {task!r}" for task in asyncio.all_tasks() if task is not current]
    new = [describe(fd) for inode, fd in socket_descriptors().items() if inode not in before]
    return tasks + [f"socket {text}" for text in new if text]


def socket_descriptors() -> dict[str, int]:
    """Socket inode -> file descriptor of this process; empty where there is no /proc."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the listing's own descriptor is gone already
                target = os.readlink(f"/proc/self/fd/{name}")
                if target.startswith("socket:"):
                    found[target] = int(name)
    return found


def describe(descriptor: int) -> str:
    """Both ends of a socket; empty for the nameless pairs that loops and subprocesses keep for themselves."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            here = copy.getsockname()
            return f"{here} to {copy.getpeername()}" if here else ""
    except OSError:
        return f"descriptor {descriptor}, not connected"


# --- garbage and log records ---


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Hears every log record from the setup of the fixtures to their teardown, whatever handlers a logger has."""
    heard = item.stash[HEARD] = []
    before = logging.getLogRecordFactory()

    def listen(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        if is_loud(record):
            heard.append(record)
        return record

    logging.setLogRecordFactory(listen)
    try:
        return (yield)
    finally:
        logging.setLogRecordFactory(before)


def is_loud(record: logging.LogRecord) -> bool:
    """An ERROR of asyncio itself, or one with a traceback. (A record that is being unpickled has no level yet.)"""
    if not record.levelno or record.levelno < logging.ERROR:
        return False
    return record.name == "asyncio" or bool(record.exc_info and record.exc_info[0])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    everything = nextitem is None or nextitem.path != item.path
    try:
        result = yield
    except BaseException:
        collect_garbage(everything)  # this test has failed already: its garbage must not fail the next one
        raise
    complaints = collect_garbage(everything) + judge(item.stash[HEARD], expected_errors(item))
    if complaints:
        pytest.fail("the test was not silent:\n  " + "\n  ".join(complaints), pytrace=False)
    return result


def expected_errors(item: pytest.Item) -> list[str]:
    return [pattern for marker in item.iter_markers("error_log") for pattern in marker.args]


def judge(heard: list[logging.LogRecord], expected: list[str]) -> list[str]:
    """One line for each record that no pattern expects, and for each pattern that no record fits."""
    texts = [logging.Formatter("%(name)s %(levelname)s: %(message)s").format(record) for record in heard]
    surprises = [text for text in texts if not any(re.search(pattern, text) for pattern in expected)]
    silent = [pattern for pattern in expected if not any(re.search(pattern, text) for text in texts)]
    return surprises + [f"expected an ERROR record that matches {pattern!r}, but heard none" for pattern in silent]


def collect_garbage(everything: bool) -> list[str]:
    """What dying objects complain of: sockets and files never closed, coroutines never awaited, errors in __del__.

    What outlives a test is set aside until its file's tests are over: looking at all objects each time would double
    the time that the tests take.
    """
    if everything:
        gc.unfreeze()
    with hearing_unraisable() as heard:
        gc.collect()
    gc.freeze()
    return heard


@contextlib.contextmanager
def hearing_unraisable() -> Iterator[list[str]]:
    heard: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda it: heard.append(f"{it.err_msg or 'ignored in'} {it.object!r}: {it.exc_value!r}")
    try:
        yield heard
    finally:
        sys.unraisablehook = before
