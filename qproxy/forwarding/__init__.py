"""The data plane: Qlik's traffic, HTTP and WebSocket, on raw asyncio protocols.

    listener    the public port: accepts, counts, sweeps deadlines, drains
    downstream  one browser connection: heads, pipelining, keep-alive
    exchange    one request and its answer, from head to last byte (request_body, patience: parts of it)
    upstream    one connection to a Qlik node
    pool        the connections to the nodes of one virtual proxy
    tunnel      two transports joined after a 101
    head, body, frames   grammar: heads, chunks, WebSocket frames
    conduct     what the data plane is given: decide, refuse, finished

It must not know how anybody logged in, and imports neither road nor gate: it is handed a Conduct.
"""
