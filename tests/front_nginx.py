"""A real proxy in front of qproxy that logs people in itself: nginx, which asks for a name and a password.

It does what docs/logins/trusted-header.md tells an administrator to do. One process, all that it writes in a folder of
its own.
"""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import needs
from extras import search_path
from waiting import wait_until

FILE = """\
worker_processes 1;
user root;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upstream {{ default upgrade; '' ''; }}
    proxy_http_version 1.1;
    {tls}
    server {{
        listen 127.0.0.1:{port}{ssl};
        location / {{
            # What browsers send under these names is deleted, everywhere.
            proxy_set_header {user} "";
            proxy_set_header X-Login-Groups "";
            proxy_set_header X-Login-Secret "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Connection $connection_upstream;
            proxy_set_header Upgrade $http_upgrade;
            proxy_pass {upstream};
        }}
        location /qproxy/login/ {{
            auth_basic "Qlik";
            auth_basic_user_file {folder}/passwords;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Authorization "";
            proxy_set_header {user} $remote_user;
            proxy_set_header X-Login-Groups "Sales;Board";
            proxy_set_header X-Login-Secret "{secret}";
            proxy_pass {upstream};
        }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, port: int, upstream: str, *, user: str, secret: str = "", tls: str = "") -> Iterator[None]:
    """Listens on `port`; the header `user` says who logged in; ann's password is "front"."""
    needs.require("nginx")
    folder.mkdir()
    (folder / "passwords").write_text("ann:{PLAIN}front\n")
    (folder / "nginx.conf").write_text(
        FILE.format(
            folder=folder, port=port, upstream=upstream, user=user, secret=secret, tls=tls, ssl=" ssl" if tls else ""
        )
    )
    process = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], env={"PATH": search_path()})
    try:
        wait_until(lambda: _answers(port))
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
