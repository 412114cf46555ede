"""What is looked at before anything starts, and the sentences that refuse."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from labeling_site.running import broker_server, preflight


def test_home_and_its_rooms_are_closed_to_other_accounts(tmp_path: Path) -> None:
    home = tmp_path / "data" / "home"
    preflight.make_home(home)
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in home.iterdir()} == set(preflight.FOLDERS)
    assert (home / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_home_below_a_file_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(preflight.Trouble, match="not a folder. Set TESSERA_HOME"):
        preflight.make_home(tmp_path / "file" / "home")
    with pytest.raises(preflight.Trouble, match="not a folder. Set TESSERA_HOME"):
        preflight.look_at_home(tmp_path / "file" / "home")
    assert (tmp_path / "file").read_text() == "x"


def test_a_nearly_full_disk_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(preflight.Trouble, match=r"nearly full: \d+ MB free, 99999999 MB needed"):
        preflight.require_space(tmp_path, 99_999_999)


def test_a_port_in_use_names_the_port_and_the_next_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(preflight.Trouble, match=rf"Port {port} on 127.0.0.1 is in use.*PORT={port + 1}"):
            preflight.listen("127.0.0.1", port)


def test_one_home_has_one_supervisor(tmp_path: Path) -> None:
    preflight.make_home(tmp_path)
    with preflight.lock_home(tmp_path), pytest.raises(preflight.Trouble, match="already runs on"):
        preflight.lock_home(tmp_path)
    preflight.lock_home(tmp_path).close()


def test_a_long_home_gets_a_short_socket_and_keeps_it(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    preflight.make_home(home)
    first = broker_server.choose_socket(home)
    assert len(str(first)) <= broker_server.LONGEST_SOCKET_PATH
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert broker_server.choose_socket(home) == first
    # A folder that others may enter is not trusted again.
    first.parent.chmod(0o755)
    second = broker_server.choose_socket(home)
    assert second.parent != first.parent
    first.parent.rmdir()
    second.parent.rmdir()
