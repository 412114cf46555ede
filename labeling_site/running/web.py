"""Serves the site on a listening socket that the supervisor opened: `python -m labeling_site.running.web FD`.

uvicorn's own --fd takes every socket for a UNIX one: it then leaves Nagle's algorithm on, which costs 40 ms a reply,
and knows no client address. Handing it a real socket object avoids both. Several processes share the one socket.
"""

from __future__ import annotations

import socket
import sys

import uvicorn

from labeling_site.core import env


def main() -> None:
    config = uvicorn.Config(
        "labeling_site.asgi:application",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
        ws_max_size=64 * 1024,  # a page says which topics it follows, nothing longer
        proxy_headers=env.flag("BEHIND_PROXY", default=env.public_url().startswith("https://")),
    )
    door = socket.socket(fileno=int(sys.argv[1]))
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by every accepted connection
    uvicorn.Server(config).run(sockets=[door])


if __name__ == "__main__":
    main()
