"""The web process on a socket it was handed, with one process and with several."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest

from tests.support import running


@pytest.mark.long
def test_several_web_processes_answer_on_one_port(tmp_path: Path) -> None:
    site = running.start_site(tmp_path / "home", WEB_PROCESSES="2")
    try:
        assert all(running.answers(f"{site.url}/healthz") == 200 for _ in range(6))
    finally:
        assert site.stop() == 0


def test_a_small_reply_does_not_wait_for_nagle(live_site: running.Site) -> None:
    url = f"{live_site.url}/healthz"
    urllib.request.urlopen(url, timeout=10).read()
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        urllib.request.urlopen(url, timeout=10).read()
        times.append(time.perf_counter() - begin)
    # Nagle's algorithm against a delayed acknowledgement costs at least 40 ms on every single reply.
    assert min(times) < 0.035
