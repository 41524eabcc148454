"""What is written down of one request, from its first byte to its last: for the access log, the numbers and the pages.

Pure data. The data plane fills it in, the road adds what it learned, observe reads it when the request is over.
"""

from dataclasses import dataclass

from qproxy.errors import Failure
from qproxy.headers import RequestHead


@dataclass(slots=True)
class Record:
    """One request or, with `websocket`, one tunnel.

    `peer` is the address of the connection, `client` the browser's, which a trusted proxy may have named. `started`,
    `first_byte` and `ended` are seconds of one clock, `time` is the wall clock's time at the end (seconds since the
    epoch). `bytes_in` and `bytes_out` count body bytes from and to the browser. `session` is a short hash. Of a tunnel
    `closed_by` is "browser", "upstream" or "qproxy", and `close_code` None when no close frame was seen.
    """

    peer: str
    started: float
    head: RequestHead | None = None
    request_id: str = ""
    client: str = ""
    vp: str = ""
    user: str = ""
    session: str = ""
    status: int = 0
    failure: Failure | None = None
    detail: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    first_byte: float = 0.0
    ended: float = 0.0
    time: float = 0.0
    node: str = ""
    websocket: bool = False
    close_code: int | None = None
    closed_by: str = ""

    @property
    def duration(self) -> float:
        """In seconds; 0 for one that never ended."""
        return max(0.0, self.ended - self.started)
