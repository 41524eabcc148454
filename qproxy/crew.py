"""The workers of one qproxy and their parent, which starts them, starts again who dies, and passes signals on.

It has no event loop, serves nobody and reads no key: it forks, while it has one thread and no socket of a browser, so
that all workers, later ones too, run the configuration and the program that were checked at the start. Between it and
each worker is a pair of sockets, the lifeline: a worker says there that it is ready, and its end is its death; the
parent's end is the order to stop, whether it was shut or the parent died.
"""

import asyncio
import contextlib
import logging
import math
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from qproxy import running, tls
from qproxy.config import Config
from qproxy.observe import log_no_more
from qproxy.running import FAILED, OK
from qproxy.shared_memory import Shared, Worker

log = logging.getLogger("qproxy.workers")

READY = b"r"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds before a worker is started again; each further death doubles them."""
STEADY = 60.0
"""Seconds after which a worker's death is taken for the first one."""
SPARE = 10.0
"""Seconds beyond the time to drain that workers may take to end."""


class Post:
    """A worker's station: its end of the lifeline."""

    def __init__(self, worker: Worker, lifeline: socket.socket) -> None:
        self.worker = worker
        self._lifeline = lifeline

    def heed(self) -> asyncio.Event:
        """SIGTERM is for who wants to end this worker alone; an interrupt from the keyboard reaches the parent, too."""
        loop = asyncio.get_running_loop()
        asked = running.heed_signals(signal.SIGTERM)

        def told() -> None:
            loop.remove_reader(self._lifeline)
            asked.set()

        loop.add_reader(self._lifeline, told)
        return asked

    def ready(self) -> None:
        log.info("worker %d of %d is ready", self.worker.number, self.worker.count)
        with contextlib.suppress(OSError):
            self._lifeline.send(READY)

    def stopping(self) -> None:
        """The parent tells the service manager."""


@dataclass(slots=True)
class Member:
    """A worker as its parent knows it; `lifeline` is None while there is none."""

    number: int
    pid: int = 0
    lifeline: socket.socket | None = None
    ready: bool = False
    since: float = 0.0
    deaths: int = 0
    due: float = math.inf

    def pause(self, lived: float) -> float:
        """Seconds until it is started again."""
        self.deaths = 1 if lived >= STEADY else self.deaths + 1
        return min(FIRST_PAUSE * 2.0 ** (self.deaths - 1), LONGEST_PAUSE)


class Crew:
    """All workers. `held`: what only this process may have open."""

    def __init__(self, config: Config, count: int, held: contextlib.ExitStack) -> None:
        self._config = config
        self._held = held
        self._shared = Shared.between(count)
        self._public_tls = tls.bare_context()
        self._members = [Member(number) for number in range(1, count + 1)]
        self._selector = held.enter_context(selectors.DefaultSelector())
        self._complete = False
        self._deadline = math.inf
        self._status = OK

    def lead(self) -> int:
        """Until all workers have ended. The exit status."""
        with heard_signals() as signals:
            self._selector.register(signals, selectors.EVENT_READ, lambda: self._signalled(signals.recv(64)))
            self._held.enter_context(signals)
            self._begin(self._members[0])  # alone: what is wrong for all is said once
            while self._living or not self._stopping:
                self._step()
        return self._status

    @property
    def _living(self) -> list[Member]:
        return [member for member in self._members if member.lifeline is not None]

    @property
    def _stopping(self) -> bool:
        return self._deadline < math.inf

    def _step(self) -> None:
        due = min(self._deadline, *(member.due for member in self._members))
        wait = None if due == math.inf else max(0.0, due - time.monotonic())
        for key, _ in self._selector.select(wait):
            key.data()
        now = time.monotonic()
        for member in self._members:
            if now >= member.due:
                self._begin_again(member)
        if now >= self._deadline:
            log.error("these workers did not end in time and are killed: %s", [one.number for one in self._living])
            self._kill()

    # a worker's life

    def _begin(self, member: Member) -> None:
        """Raises OSError."""
        ours, theirs = socket.socketpair()
        member.due = math.inf
        pid = _fork()
        if pid == 0:
            _leave(lambda: self._become(member, ours, theirs))
        theirs.close()
        member.pid, member.lifeline, member.ready, member.since = pid, ours, False, time.monotonic()
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._heard(member, ours))

    def _begin_again(self, member: Member) -> None:
        try:
            self._begin(member)
        except OSError as error:
            pause = member.pause(0.0)
            log.error("worker %d cannot be started (%s); next in %g s", member.number, error.strerror, pause)
            member.due = time.monotonic() + pause

    def _become(self, member: Member, ours: socket.socket, theirs: socket.socket) -> int:
        """In the new process: nothing of the parent's is kept but what the workers share."""
        for other in self._living:
            assert other.lifeline is not None
            other.lifeline.close()
        ours.close()
        self._held.close()
        for handler in logging.getLogger().handlers[:]:
            log_no_more(handler)
        worker = Worker(member.number, len(self._members), self._shared, self._public_tls)
        station = Post(worker, theirs)
        config = self._config
        return running.guarded(
            config, lambda: running.run_loop(lambda: running.serve(config, station)), worker=member.number
        )

    def _heard(self, member: Member, lifeline: socket.socket) -> None:
        try:
            word = lifeline.recv(64)
        except OSError:
            word = b""
        if not word:
            self._lost(member, lifeline)
            return
        member.ready = True
        for other in self._members:
            if not self._complete and not self._stopping and other.lifeline is None:
                self._begin(other)
        if not self._complete and all(one.ready for one in self._members):
            self._complete = True
            running.notify("READY=1")

    def _lost(self, member: Member, lifeline: socket.socket) -> None:
        self._selector.unregister(lifeline)
        lifeline.close()
        member.lifeline = None
        status = os.waitstatus_to_exitcode(os.waitpid(member.pid, 0)[1])
        if self._stopping or not self._complete:
            self._status = self._status or (status if status > 0 else FAILED if status else OK)
            if not self._stopping:
                self._stop()
        elif not member.ready and not self._living:
            log.error("no worker is left, and none can start (%s): giving up", _how(status))
            self._status = status if status > 0 else FAILED
            self._stop()
        else:
            pause = member.pause(time.monotonic() - member.since)
            log.error("worker %d (process %d) %s; next in %g s", member.number, member.pid, _how(status), pause)
            member.due = time.monotonic() + pause

    # signals, and the end

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number in ENDING and self._stopping:
                self._kill()
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            elif number in ENDING:
                self._stop()
            else:
                for member in self._living:
                    if member.ready:
                        os.kill(member.pid, number)

    def _stop(self) -> None:
        running.notify("STOPPING=1")
        self._deadline = time.monotonic() + self._config.server.timeouts.drain + SPARE
        for member in self._members:
            member.due = math.inf
            if member.lifeline is not None:
                with contextlib.suppress(OSError):
                    member.lifeline.shutdown(socket.SHUT_WR)

    def _kill(self) -> None:
        self._deadline = time.monotonic() + SPARE
        for member in self._living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, KILL)


ENDING: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)
if sys.platform == "win32":
    PASSED_ON: tuple[int, ...] = ()
    KILL = signal.SIGTERM
else:
    PASSED_ON = (signal.SIGUSR1,)
    KILL = signal.SIGKILL


@contextlib.contextmanager
def heard_signals() -> Iterator[socket.socket]:
    """From the socket, the number of each signal as a byte."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        before = {number: signal.signal(number, _noted) for number in (*ENDING, *PASSED_ON)}
        descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)


def _noted(*_: Any) -> None:
    """Python has written its number to the wake-up descriptor."""


def _fork() -> int:
    if sys.platform == "win32":
        raise OSError("no second process can be forked here")
    else:  # a type checker skips a branch for another system, but calls code behind it unreachable
        return os.fork()


def _leave(work: Callable[[], int]) -> None:
    """The new process does `work` and ends, whatever happens: it must never go on as a second parent."""
    status = FAILED
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (signal.SIGINT, *PASSED_ON):
            signal.signal(number, signal.SIG_IGN)
        status = work()
    except BaseException:  # noqa: BLE001 - nobody is left to catch it
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _how(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
