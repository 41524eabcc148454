"""Seam 2: where sessions are kept (`store`, `memory`, `sqlite`) and the cache in front of it (`front`).

Must not know of requests, cookies, QPS or how anyone logged in; a session's rules are `model.Session`'s.
"""
