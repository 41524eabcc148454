"""The control plane: qproxy's own pages and, on the internal listener, what Qlik and administrators ask of it.

aiohttp lives here and only here. It must not carry Qlik's traffic: that is qproxy/forwarding.
"""
