"""Asks a web process whether it is well: for the supervisor, and as the health check of a container.

Run as `python -m labeling_site.running.health [host] [port]`; the exit code is 0 when it answers 200.
"""

from __future__ import annotations

import http.client
import sys
from urllib.parse import urlsplit

from labeling_site.core import env


def answer(host: str, port: int, public_url: str) -> str:
    """The status of /healthz at `host`:`port` as text, "nothing (why)" where there is no answer within 2 s.

    The request carries the public name, because the site refuses names that are not its own.
    """
    line = http.client.HTTPConnection(host, port, timeout=2)
    try:
        line.request("GET", "/healthz", headers={"Host": urlsplit(public_url).netloc})
        return str(line.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return f"nothing ({error})"
    finally:
        line.close()


def main() -> None:
    arguments = sys.argv[1:]
    host = arguments[0] if arguments else "127.0.0.1"
    port = int(arguments[1]) if len(arguments) > 1 else env.number("PORT", 8000)
    found = answer(host, port, env.public_url())
    sys.exit(0 if found == "200" else f"{host}:{port} answers {found}")


if __name__ == "__main__":
    main()
