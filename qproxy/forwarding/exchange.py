"""One request and its answer, from the head to the last byte.

Holds the state that both connections of a request share: what is still to come, who waits for whom, what to do when
one side goes away. Nothing is buffered beyond one read and the transports' own high-water marks.
"""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from qproxy.errors import Failure, Refused
from qproxy.forwarding import sockets, tunnel
from qproxy.forwarding.body import LARGE, LAST_CHUNK, BadChunk, Piece, chunk
from qproxy.forwarding.conduct import Answer, Decision, Forward, HandOver
from qproxy.forwarding.head import write_answer, write_request
from qproxy.forwarding.patience import Patience
from qproxy.forwarding.request_body import RequestBody
from qproxy.forwarding.response import write_response
from qproxy.headers import RequestHead, ResponseHead
from qproxy.records import Record

if TYPE_CHECKING:
    from qproxy.forwarding.downstream import Downstream
    from qproxy.forwarding.upstream import Upstream

DECISIONS: Final = (Forward, Answer, HandOver)
SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class Exchange:
    """Made by a Downstream for each request; ends exactly once, through `_finish`."""

    __slots__ = (
        "_body", "_chunk_out", "_close", "_forward", "_keep_upstream", "_over",
        "_patience", "_pending", "_repeatable", "_task",
        "downstream", "head", "record", "started", "upstream",
    )  # fmt: skip

    def __init__(self, downstream: "Downstream", head: RequestHead, record: Record) -> None:
        self.downstream = downstream
        self.head = head
        self.record = record
        self.upstream: Upstream | None = None
        self._forward: Forward | None = None
        self._task: asyncio.Task[None] | None = None
        self._body = RequestBody(head.length) if head.length else None
        self._pending = b""
        self._chunk_out = False
        self._close = not head.keep_alive
        self._keep_upstream = False
        self._repeatable = False
        self.started = False
        """Whether the final answer has begun to go out: from then on a failure can only break it off."""
        self._over = False
        self._patience: Patience | None = None

    # the road: decide, then connect

    def start(self) -> None:
        try:
            decision = self.downstream.listener.conduct.decide(self.head, self.record)
        except Refused as refused:
            self.fail(refused.failure, refused.detail)
            return
        except Exception as error:  # noqa: BLE001 - a page for the person, a traceback for the log
            self._bug(error)
            return
        if isinstance(decision, Forward):
            self._pass_on(decision)
        elif isinstance(decision, DECISIONS):
            self._follow(decision)
        else:
            self._spawn(self._decide(decision))

    async def _decide(self, waiting: Awaitable[Decision]) -> None:
        try:
            decision = await waiting
        except Refused as refused:
            self.fail(refused.failure, refused.detail)
        else:
            self._follow(decision)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        self._task = self.downstream.listener.loop.create_task(work)
        self._task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        if task is self._task:
            self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bug(error)

    def _bug(self, error: BaseException) -> None:
        self.downstream.listener.log_bug(error)
        self.fail(Failure.INTERNAL, type(error).__name__)

    def _follow(self, decision: Decision) -> None:
        if self._over:
            return
        if isinstance(decision, Forward):
            self._pass_on(decision)
        elif isinstance(decision, Answer):
            self._answer(decision)
        else:
            self._over = True
            self.downstream.hand_over(decision.head, self._body.held() if self._body is not None else b"")

    def _pass_on(self, forward: Forward) -> None:
        self._forward = forward
        self._repeatable = safe = self.head.length == 0 and self.head.method in SAFE_METHODS
        pool = forward.pool.only or forward.pool.choose(forward.affinity)
        resting = pool.take(safe=safe, now=0.0 if safe else self.downstream.listener.loop.time())
        if resting is not None:
            self._attach(resting, forward)
        else:
            self._spawn(self._connect(forward))

    async def _connect(self, forward: Forward, again: bool = False, avoid: str = "") -> None:
        """To whichever node can be reached. What harms nobody by being late waits for one; a socket does not, for its
        clients try again by themselves."""
        patient = self._repeatable and not self.head.websocket
        try:
            upstream = await forward.pool.open(forward.affinity, fresh=again, patient=patient, avoid=avoid)
        except Refused as refused:
            self.fail(refused.failure, refused.detail)
            return
        upstream.again = again
        if self._over:
            upstream.abort()
        else:
            self._attach(upstream, forward)

    def _attach(self, upstream: "Upstream", forward: Forward) -> None:
        self.upstream = upstream
        self.record.node = upstream.node
        upstream.hold(self)
        downstream = self.downstream
        if downstream.write_paused:
            upstream.pause_reading()
        head, body = write_request(self.head, forward.fields), self._body
        upstream.transport.write(head if body is None else head + body.held())
        if downstream.paused and not upstream.write_paused:
            downstream.resume()

    # the request's body

    @property
    def body_done(self) -> bool:
        return self._body is None or self._body.done

    @property
    def awaits_body(self) -> bool:
        """Whether the browser is the one to go on: QPS takes more of the body, and it was not told to wait."""
        upstream = self.upstream
        told_to_wait = b"expect" in self.head.named and not self.record.bytes_in
        return not self.body_done and upstream is not None and not upstream.write_paused and not told_to_wait

    def from_browser(self, data: bytes) -> None:
        body = self._body
        if body is None or body.done:
            self.downstream.hold(data)
            return
        try:
            framed, size, rest = body.take(data)
        except BadChunk as error:
            self.fail(Failure.BAD_FRAMING, str(error))
            return
        self.record.bytes_in += size
        if self.upstream is not None:
            self.upstream.transport.write(framed)
        elif body.hold(framed):
            self.downstream.pause()
        if rest:
            self.downstream.hold(rest)

    # the answer

    def interim(self, head: ResponseHead) -> None:
        """100 for whoever asked for it, 103 for everybody who knows it; other 1xx end here (RFC 9110 section 15.2)."""
        wanted = head.status == 103 or (head.status == 100 and b"expect" in self.head.named)
        if wanted and self.head.minor == 1 and not self.started:
            if head.status == 100:
                self.head.named = {name: value for name, value in self.head.named.items() if name != b"expect"}
            head.cookies.clear()
            head.named.clear()
            self.downstream.write(write_response(head, chunked=False, close=False))

    def answered(self, head: ResponseHead) -> bool:
        """The answer's head is there; whether its body is wanted."""
        self.record.first_byte = self.downstream.listener.loop.time()
        assert self._forward is not None
        if (self._forward.sees_all or not head.plain) and not self._rewritten(head):
            return False
        body = self._body
        if self.downstream.closing or self.head.websocket or not (body is None or body.done):
            self._close = True
        if head.length < 0:
            self._chunk_out = self.head.minor == 1
            self._close = self._close or not self._chunk_out
        self._keep_upstream = head.keep_alive
        self.record.status = head.status
        self._pending = write_response(head, chunked=self._chunk_out, close=self._close)
        return True

    def _rewritten(self, head: ResponseHead) -> bool:
        """Let the road change the head; False: the browser was answered something else instead."""
        assert self._forward is not None
        try:
            instead = self._forward.rewrite(head)
        except Exception as error:  # noqa: BLE001 - ours, so QPS must not be blamed
            self._bug(error)
            return False
        if instead is None:
            return True
        self._drop_upstream()
        self._answer(instead)
        return False

    @property
    def _ends_here(self) -> bool:
        """Whether the browser's connection ends with this answer: asked for, in doubt, or a refused upgrade."""
        head, body = self.head, self._body
        return self._close or self.downstream.closing or head.websocket or not (body is None or body.done)

    def relay(self, data: Piece) -> None:
        if not data and not self._pending:
            return
        self.record.bytes_out += len(data)
        self._write(chunk([data]) if self._chunk_out else data)

    def _write(self, data: Piece) -> None:
        transport, pending = self.downstream.transport, self._pending
        if not pending:
            transport.write(data)
            return
        self._pending = b""
        self.started = True
        if len(data) < LARGE:
            transport.write(pending + data)
        else:
            transport.writelines((pending, data))

    def ended(self, data: Piece) -> None:
        """The answer's last bytes."""
        downstream = self.downstream
        self.record.bytes_out += len(data)
        self._write(chunk([data]) + LAST_CHUNK if self._chunk_out else data)
        upstream, self.upstream = self.upstream, None
        body = self._body
        clean = self._keep_upstream and b"authorization" not in self.head.named and (body is None or body.done)
        now = downstream.listener.loop.time()
        if upstream is not None:
            upstream.release(clean=clean, now=now)
        self._finish(now)

    def _answer(self, answer: Answer) -> None:
        if self._over:
            return
        self.record.status = answer.status
        self.record.failure = answer.failure or self.record.failure
        if self.head.method != b"HEAD":
            self.record.bytes_out += len(answer.body)
        self._close = self._ends_here or answer.status == 101
        self.started = True
        self.downstream.write(write_answer(answer, self.head.method, close=self._close))
        self._finish(self.downstream.listener.loop.time())

    # ends

    def _finish(self, now: float) -> None:
        if not self._over:
            self._over = True
            record, downstream, body = self.record, self.downstream, self._body
            record.ended = now
            downstream.listener.conduct.finished(record)
            # The browser of a refused socket has frames to send yet, its own close at least.
            drained = (body is None or body.done) and record.status != 101
            downstream.exchange_over(now, close=self._close, drained=drained)

    def fail(self, failure: Failure, detail: str) -> None:
        """A page while nothing was sent; afterwards a broken transfer, never a short success."""
        if self._over:
            return
        if failure is Failure.UPSTREAM_BAD_ANSWER and self.upstream is not None:
            self.upstream.pool.failed(detail)
        self._drop_upstream()
        self.record.failure = failure
        self.record.detail = detail
        if failure.blame == "browser" and not self.body_done:
            self._close = True
        if self.started:
            self._close = True
            self._break_off()
            self._finish(self.downstream.listener.loop.time())
        else:
            self._answer(self.downstream.listener.conduct.refuse(failure, self.record))

    def _break_off(self) -> None:
        """To HTTP/1.0 the end of an answer may be the end of the connection: only a reset tells that it is not."""
        if self.head.minor == 0:
            sockets.reset(self.downstream.transport)
        else:
            self.downstream.transport.abort()

    def _drop_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.release(clean=False, now=0.0)

    def lost(self, *, nothing_came: bool) -> None:
        """QPS's connection is gone midway. Where nothing can happen twice, the request is repeated once: on a new
        connection when a pooled one was stale, on another node when there is one."""
        upstream, self.upstream = self.upstream, None
        forward = self._forward
        assert upstream is not None
        assert forward is not None
        stale = upstream.used and nothing_came
        if not stale:
            upstream.pool.failed("connections end before the answer does")
        elsewhere = nothing_came and not upstream.again and forward.pool.only is None
        if self._repeatable and (stale or elsewhere):
            self._spawn(self._connect(forward, True, "" if stale else upstream.node))
        else:
            self.fail(Failure.UPSTREAM_GONE, "the connection ended before the answer did")

    def browser_gone(self, failure: Failure = Failure.BROWSER_GONE) -> None:
        if self._over:
            return
        self._over = True
        if self._task is not None:
            self._task.cancel()
        self._drop_upstream()
        self.record.failure = failure
        self.record.ended = self.downstream.listener.loop.time()
        self.downstream.listener.conduct.finished(self.record)

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """QPS's 101: both transports become one tunnel."""
        upstream, forward = self.upstream, self._forward
        assert upstream is not None
        assert forward is not None
        if forward.owner is None or not self.head.websocket or not tunnel.accepts(self.head, head):
            self.fail(Failure.UPSTREAM_BAD_ANSWER, "a 101 that nobody asked for, or with a wrong Sec-WebSocket-Accept")
            return
        if not self._rewritten(head):
            return
        self._over = True
        self.upstream = None
        self.record.status = 101
        self.record.websocket = True
        self.record.first_byte = self.downstream.listener.loop.time()
        answer = write_response(head, chunked=False, close=False)
        tunnel.join(self.downstream, upstream, forward.owner, self.record, (answer, rest))

    # flow and time

    def upstream_full(self, full: bool) -> None:
        if full:
            self.downstream.pause()
        else:
            self.downstream.resume()

    def browser_full(self, full: bool) -> None:
        if self.upstream is not None:
            if full:
                self.upstream.pause_reading()
            else:
                self.upstream.resume_reading()

    def check(self, now: float) -> None:
        """Called by the listener's sweep."""
        if self.downstream.gone_unseen():
            self.downstream.transport.abort()
            return
        if self._patience is None:
            self._patience = Patience(self)
        end = self._patience.end(now)
        if end is None:
            return
        failure, limit = end
        if failure is Failure.BROWSER_STALLED:
            self.browser_gone(failure)
            self.downstream.transport.abort()
        else:
            self.fail(failure, f"silent for {limit:g} s")
