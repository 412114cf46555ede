"""script/start as a person meets it: on a fresh machine, on a machine that lacks something, from any folder."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import running


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a clone would hold, with no environment in it."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=running.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    folder = tmp_path / "checkout"
    for name in filter(None, names.split("\0")):
        if (running.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(running.ROOT / name, folder / name)
    return folder


def state_of(folder: Path) -> set[tuple[str, int, int]]:
    return {(str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


def start(checkout: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """script/start in `checkout`, run by the Python that is on PATH outside any environment of ours."""
    python = str(Path(sys.base_prefix) / "bin" / "python3")
    return subprocess.run(
        [python, str(checkout / "script" / "start"), *arguments],
        cwd="/",
        env=running.clean_environment(HOME=str(checkout.parent), **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_on_a_fresh_clone_says_what_is_to_do_and_changes_nothing(checkout: Path) -> None:
    before = state_of(checkout.parent)
    done = start(checkout, "--check", PORT=str(running.free_port()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "to do    packages" in done.stdout
    assert f"data folder {checkout.parent}/.tessera" in done.stdout
    assert done.stdout.rstrip().endswith("Nothing stands in the way.")
    assert state_of(checkout.parent) == before


def test_check_names_all_that_is_wrong_at_once(checkout: Path) -> None:
    (checkout.parent / "file").write_text("x")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        home = str(checkout.parent / "file" / "home")
        done = start(checkout, "--check", PORT=str(port), TESSERA_HOME=home, MIN_FREE_MB="99999999")
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in done.stdout
    assert "is not a folder. Set TESSERA_HOME" in done.stdout
    assert "nearly full" in done.stdout
    assert "Things to mend: 3." in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_a_python_without_its_venv_module_names_the_package(checkout: Path, arguments: list[str]) -> None:
    broken = checkout.parent / "broken"
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ModuleNotFoundError('ensurepip')")
    before = state_of(checkout)
    done = start(checkout, *arguments, PYTHONPATH=str(broken), PORT=str(running.free_port()))
    assert done.returncode == 1
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert f"Install the package {package} " in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert state_of(checkout) == before


def test_an_old_python_is_one_sentence(checkout: Path) -> None:
    # The interpreter here is new enough, so it is made to believe that it is an old one.
    pretend = "import sys, runpy; sys.version_info = (3, 9, 2); sys.argv = sys.argv[1:]; "
    pretend += "sys.path.insert(0, sys.argv[0].rpartition('/')[0]); runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", pretend, str(checkout / "script" / "start")],
        env=running.clean_environment(PATH="/nowhere"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Tessera: Tessera needs Python 3.11 or newer; this is Python 3.9.")
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_argument_is_refused(checkout: Path) -> None:
    before = state_of(checkout)
    done = start(checkout, "--port", "9000")
    assert done.returncode == 2
    assert "settings come from the environment" in done.stderr
    assert state_of(checkout) == before


def start_from(checkout: Path, home: Path, seconds: float) -> tuple[running.Site, float]:
    """script/start of `checkout`, run until it says that the site runs; the site and the seconds that took."""
    port = str(running.free_port())
    output_path = home.parent / f"{home.name}-{port}.out"
    begin = time.monotonic()
    with output_path.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [str(Path(sys.base_prefix) / "bin" / "python3"), str(checkout / "script" / "start")],
            cwd="/",
            env=running.clean_environment(TESSERA_HOME=str(home), HOME=str(home.parent), PORT=port),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    site = running.Site(f"http://127.0.0.1:{port}", home, process, output_path)
    try:
        running.wait_until(
            lambda: "is running at" in site.output or process.poll() is not None, seconds=seconds, what="the site"
        )
        assert process.poll() is None, site.output
    except AssertionError:
        site.stop()
        raise
    return site, time.monotonic() - begin


def test_it_starts_from_any_folder_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    site, _ = start_from(running.ROOT, tmp_path / "home", 120)
    assert running.answers(f"{site.url}/healthz") == 200
    assert site.stop(signal.SIGINT) == 0
    assert running.answers(f"{site.url}/healthz") == 0


@pytest.mark.long
def test_a_fresh_clone_starts_with_one_command_and_the_second_start_takes_seconds(
    checkout: Path, tmp_path: Path
) -> None:
    site, seconds = start_from(checkout, tmp_path / "home", 600)
    print(f"fresh clone: {seconds:.0f} s to the address")
    link = site.setup_link
    assert link and running.answers(link) == 200
    assert site.stop(signal.SIGINT) == 0
    again, seconds = start_from(checkout, tmp_path / "home", 60)
    print(f"second start: {seconds:.1f} s")
    assert seconds < 20
    assert "installing" not in again.output
    assert again.stop(signal.SIGINT) == 0


@pytest.mark.long
def test_a_machine_without_node_gets_one_for_the_set_up(checkout: Path, tmp_path: Path) -> None:
    # A PATH with a Python and nothing else.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    done = subprocess.run(
        [programs / "python3", str(checkout / "script" / "start"), "--set-up"],
        env=running.clean_environment(PATH=str(programs), HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bringing Node.js" in done.stdout
    assert (checkout / "static" / "vendor" / "flatbush.js").exists()
    assert (checkout / "static" / "vendor" / "clipper2-ts" / "Engine.js").exists(), "a module of several files"
    assert os.access(checkout / ".venv" / "bin" / "npm", os.X_OK)


@pytest.mark.parametrize("name", ["start", "test", "environment.py", "frontend.py", "torch_pair.py"])
def test_set_up_parses_on_an_old_python_so_that_it_can_say_so(name: str) -> None:
    source = (running.ROOT / "script" / name).read_text(encoding="utf-8")
    assert ast.parse(source, feature_version=(3, 6))
