"""Which torch set-up installs: the registry's, or the CPU build where that one would be NVIDIA's for nothing."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support import running


class Trouble(Exception):
    pass


@pytest.fixture
def pair() -> ModuleType:
    spec = importlib.util.spec_from_file_location("torch_pair", running.ROOT / "script" / "torch_pair.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def registry(folder: Path, *names: str) -> Path:
    """A python whose pip answers a dry run with packages of these names, and which has no torch."""
    report = json.dumps({"install": [{"metadata": {"name": name}} for name in names]})
    program = folder / "python"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nif '--report' not in sys.argv: sys.exit(1)\n"
        f"open(sys.argv[sys.argv.index('--report') + 1], 'w').write({report!r})\n"
    )
    program.chmod(0o755)
    return program


def installed(pair: ModuleType, python: Path, *, reachable: bool = True) -> tuple[list[list[str]], list[str]]:
    """The installations that were tried, and what was said."""
    commands: list[list[str]] = []
    said: list[str] = []

    def run(command: list[str], what: str) -> None:
        commands.append(command)
        if not reachable and "--index-url" in command:
            raise Trouble(what)

    pair.install(python, running.ROOT / "constraints.txt", run, said.append, Trouble)
    return commands, said


CUDA = ("torch", "nvidia-cublas", "triton")


def test_a_small_build_of_the_registry_is_taken(
    pair: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "has_nvidia_gpu", lambda: False)
    commands, said = installed(pair, registry(tmp_path, "torch", "sympy"))
    assert [("--index-url" in command) for command in commands] == [False]
    assert {part for part in commands[0] if "==" in part} == set(pair.pinned(running.ROOT / "constraints.txt"))
    assert said == []


def test_without_a_card_the_cpu_build_is_asked_for(pair: ModuleType, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pair, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(pair.sys, "platform", "linux")
    commands, _said = installed(pair, registry(tmp_path, *CUDA))
    assert [command[command.index("--index-url") + 1] for command in commands] == [pair.CPU_INDEX]


def test_where_its_index_is_out_of_reach_set_up_goes_on(pair: ModuleType, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pair, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(pair.sys, "platform", "linux")
    commands, said = installed(pair, registry(tmp_path, *CUDA), reachable=False)
    assert [("--index-url" in command) for command in commands] == [True, False]
    assert "cannot be reached" in said[0]


def test_with_a_card_the_registry_has_it(pair: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair, "has_nvidia_gpu", lambda: True)
    commands, _said = installed(pair, registry(tmp_path, *CUDA))
    assert [("--index-url" in command) for command in commands] == [False]


def test_what_is_there_is_not_installed_again(pair: ModuleType) -> None:
    assert installed(pair, Path(sys.executable)) == ([], [])
