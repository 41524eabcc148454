"""qproxy: the public entrypoint of a client-managed Qlik Sense site."""

__version__ = "0.1.0"
