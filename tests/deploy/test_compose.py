"""deploy/compose.yaml: valid by the published schema, and every command in it works as a plain process."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from labeling_site.running import broker_server
from tests.support import postgres, running

COMPOSE = running.ROOT / "deploy" / "compose.yaml"
PUBLIC_URL = "https://label.example.org"
OURS = ("set-up", "web", "worker", "gpu-worker")


def compose_file() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def fill_in(value: str, given: dict[str, str]) -> str:
    """What Compose makes of ${NAME:-default} and ${NAME:?why}; KeyError for a required one that is not given."""

    def one(found: re.Match[str]) -> str:
        name, kind, rest = found[1], found[2], found[3]
        return given[name] if given.get(name) or kind == "?" else rest

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", one, value)


@dataclass
class Servers:
    database_url: str
    redis_port: int


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A PostgreSQL, and the broker service's own command, both over TCP."""
    binaries, valkey = postgres.find_binaries(), broker_server.find_server()
    if binaries is None:
        pytest.skip("PostgreSQL's programs are missing")
    assert valkey is not None
    command = compose_file()["services"]["broker"]["command"]
    assert command[0] == "valkey-server"
    port = running.free_port()
    where = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path_factory.mktemp("broker"))]
    process = subprocess.Popen([str(valkey), *command[1:], *where], stdout=subprocess.DEVNULL)
    try:
        with postgres.running_postgres(binaries) as url:
            yield Servers(url, port)
    finally:
        process.terminate()
        process.wait(timeout=10)


def environment_of(service: str, servers: Servers, home: Path) -> dict[str, str]:
    """The service's environment with our servers in the place of the other containers."""
    given = {"PUBLIC_URL": PUBLIC_URL, "SECRET_KEY": secrets.token_urlsafe(48), "POSTGRES_PASSWORD": "unused"}
    env = {name: fill_in(value, given) for name, value in compose_file()["services"][service]["environment"].items()}
    assert env["DATABASE_URL"] == "postgres://tessera:unused@database:5432/tessera"
    env["REDIS_URL"] = env["REDIS_URL"].replace("broker:6379", f"127.0.0.1:{servers.redis_port}")
    env |= {"DATABASE_URL": servers.database_url, "TESSERA_HOME": str(home)}
    return running.clean_environment(**env)


def command_of(service: str, port: int = 0) -> list[str]:
    parts = compose_file()["services"][service]["command"]
    assert parts[0] == "python"
    return [sys.executable, *(str(port) if part == "8000" else fill_in(part, {}) for part in parts[1:])]


def test_the_file_is_valid_by_the_published_schema() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", COMPOSE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_secrets_and_the_public_address_have_no_default() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "PUBLIC_URL"):
        assert re.findall(rf"\$\{{{name}:(.)", text) == ["?"] * text.count(f"${{{name}")
    for name, service in compose_file()["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} is open to everybody"


def test_every_service_has_a_command_that_is_tried_here() -> None:
    services = compose_file()["services"]
    assert {name for name, service in services.items() if service.get("image") == "tessera"} == set(OURS)
    assert set(services) - set(OURS) == {"database", "broker"}
    assert all(services[name]["command"] for name in OURS)


def test_preparation_then_web_then_workers(servers: Servers, tmp_path: Path) -> None:
    home = tmp_path / "data"
    home.mkdir()
    prepared = subprocess.run(
        command_of("set-up"),
        cwd=running.ROOT,
        env=environment_of("set-up", servers, home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert prepared.returncode == 0, prepared.stderr
    link = json.loads(prepared.stdout.splitlines()[-1])["setup_link"]
    assert link.startswith(f"{PUBLIC_URL}/")

    port = running.free_port()
    web_env = environment_of("web", servers, home)
    web = subprocess.Popen(command_of("web", port), cwd=running.ROOT, env=web_env, start_new_session=True)
    check = compose_file()["services"]["web"]["healthcheck"]["test"]
    assert check[:2] == ["CMD", "python"]
    health = [sys.executable, *(str(port) if part == "8000" else part for part in check[2:])]

    def is_well() -> bool:
        done = subprocess.run(health, cwd=running.ROOT, env=web_env, capture_output=True, check=False)
        return done.returncode == 0

    try:
        assert not is_well(), "the health check is content with a site that has not started"
        running.wait_until(is_well, seconds=40, what="the health check", every=0.3)
        # A name that is not the site's own is refused.
        assert running.answers(f"http://127.0.0.1:{port}/") == 400
    finally:
        web.send_signal(signal.SIGTERM)
        web.wait(timeout=30)

    for service in ("worker", "gpu-worker"):
        log = tmp_path / f"{service}.log"
        with log.open("wb") as output:
            worker = subprocess.Popen(
                command_of(service),
                cwd=running.ROOT,
                env=environment_of(service, servers, home) | {"LOG_LEVEL": "INFO"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            running.wait_until(
                lambda log=log: "Worker process is ready for action" in log.read_text(errors="replace"),
                seconds=40,
                what=f"the {service}",
            )
            assert worker.poll() is None
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=30) == 0, log.read_text(errors="replace")[-2000:]


def test_an_unsafe_production_setting_is_refused_by_the_preparation(servers: Servers, tmp_path: Path) -> None:
    env = environment_of("set-up", servers, tmp_path) | {"PUBLIC_URL": "http://label.example.org"}
    done = subprocess.run(
        command_of("set-up"), cwd=running.ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "PUBLIC_URL http://label.example.org is plain http" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_database_that_does_not_answer_is_one_sentence(servers: Servers, tmp_path: Path) -> None:
    env = environment_of("set-up", servers, tmp_path)
    env["DATABASE_URL"] = f"postgres://tessera:very-secret@127.0.0.1:{running.free_port()}/tessera"
    done = subprocess.run(
        command_of("set-up"), cwd=running.ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "Check DATABASE_URL" in done.stderr
    assert "very-secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_database_health_check_is_a_real_command(servers: Servers) -> None:
    check = compose_file()["services"]["database"]["healthcheck"]["test"]
    binaries = postgres.find_binaries()
    program = shutil.which(check[1]) or (str(binaries / check[1]) if binaries else "")
    if not program or not Path(program).exists():
        pytest.skip("needs root or PostgreSQL's client programs")
    host, port = re.findall(r"@([\d.]+):(\d+)/", servers.database_url)[0]
    done = subprocess.run([program, *check[2:], "-h", host, "-p", port], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
