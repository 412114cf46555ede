"""The site's own settings, in a throw-away home that no test can mistake for a person's data.

A database or broker other than the embedded ones is taken only from TESSERA_TEST_DATABASE_URL and
TESSERA_TEST_REDIS_URL, never from the variables a running site reads: tests flush what they use.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# The first process of a test run makes the folder; parallel workers inherit its name and take a room of their own.
MADE_HOME = "TESSERA_TEST_HOME" not in os.environ
TEST_HOME = Path(os.environ["TESSERA_TEST_HOME"] if not MADE_HOME else tempfile.mkdtemp(prefix="tessera-test-"))
os.environ["TESSERA_TEST_HOME"] = str(TEST_HOME)


def _remove_home(maker: int = os.getpid()) -> None:
    if os.getpid() == maker:  # a forked child leaves its parent's folder alone
        shutil.rmtree(TEST_HOME, ignore_errors=True)


if MADE_HOME:
    atexit.register(_remove_home)
_home = TEST_HOME / os.environ.get("PYTEST_XDIST_WORKER", "main")
for _folder in ("db", "run", "media", "static", "valkey"):
    (_home / _folder).mkdir(parents=True, exist_ok=True, mode=0o700)

for _name in [
    *("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "STORAGE_URL", "STATIC_ROOT", "SECRET_KEY", "PORT", "HOST"),
    *("DEBUG", "PRODUCTION", "LOCAL_FOLDERS", "EXTRA_HOSTS", "BEHIND_PROXY", "TIME_ZONE"),
]:
    os.environ.pop(_name, None)
os.environ["TESSERA_HOME"] = str(_home)
for _name in ("DATABASE_URL", "REDIS_URL"):
    if _value := os.environ.get(f"TESSERA_TEST_{_name}"):
        os.environ[_name] = _value

from labeling_site.settings import *  # noqa: E402, F403  the environment above decides what they say
from labeling_site.settings import DATABASES, STORAGES, USES_SQLITE  # noqa: E402

if USES_SQLITE:
    # A file, as in use: an in-memory database has other locks than WAL.
    DATABASES["default"]["TEST"] = {"NAME": str(_home / "db" / "test.sqlite3")}
DATABASES["default"]["CONN_MAX_AGE"] = 0
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# One round instead of a million: passwords in tests guard nothing.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
