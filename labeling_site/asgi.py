"""The one web entry point: static files from memory, pages and API through WSGI threads, sockets through Channels.

HTTP goes through Django's WSGI handler in a pool of threads that keep their database connections; under Django's own
ASGI handler each request pays several thread hops and a new connection (figures in docs/performance.md).
"""

import os
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling_site.settings")
_wsgi: Any = get_wsgi_application()

from a2wsgi import WSGIMiddleware  # noqa: E402  Django has to be ready first
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from labeling_site.core import env  # noqa: E402
from labeling_site.sockets import urlpatterns  # noqa: E402
from labeling_site.static_files import StaticFromMemory  # noqa: E402

application = StaticFromMemory(
    ProtocolTypeRouter(
        {
            "http": WSGIMiddleware(_wsgi, workers=env.number("WEB_THREADS", 8, at_least=1, at_most=256)),
            "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(urlpatterns))),
        }
    )
)
