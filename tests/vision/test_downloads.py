"""Downloads arrive whole and with the known hash, from allowed hosts, or leave nothing behind."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl.vision import weights
from automl.vision.downloads import DownloadError, Rules, download
from automl.vision.weights_registry import Weights

CONTENT = b"weights " * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()
HERE = Rules(hosts=frozenset({"127.0.0.1"}), schemes=frozenset({"http"}), private=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/missing":
            self.send_error(404)
        else:
            self.send_response(200)
            cut = self.path == "/cut"
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if cut else CONTENT)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def nothing_new(folder: Path) -> bool:
    return list(folder.iterdir()) == []


def test_a_file_arrives_under_its_name(server: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.pth"
    assert download(f"{server}/a", path, sha256=SHA[:8], rules=HERE) == SHA
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["a.pth"]


def test_redirects_are_followed_and_checked(server: str, tmp_path: Path) -> None:
    download(f"{server}/to//to//a", tmp_path / "a", sha256=SHA, rules=HERE)
    (tmp_path / "a").unlink()
    for target, refusal in (
        ("http://10.0.0.1/a", "not among the hosts"),
        ("file:///etc/passwd", "is not http"),
        ("http://user@127.0.0.1/a", "not among the hosts"),
        ("/to//to//to//to//to//to//a", "redirects"),
    ):
        with pytest.raises(DownloadError, match=refusal):
            download(f"{server}/to/{target}", tmp_path / "a", sha256=SHA, rules=HERE)
    assert nothing_new(tmp_path)


@pytest.mark.parametrize(
    ("path", "sha", "refusal"),
    [
        ("/a", "0" * 64, "has the sha256"),
        ("/cut", SHA, "sha256"),
        ("/missing", SHA, "status 404"),
        ("/a", "", "known sha256"),
        ("/a", "abc", "known sha256"),
    ],
)
def test_what_is_not_right_leaves_nothing(server: str, tmp_path: Path, path: str, sha: str, refusal: str) -> None:
    old = tmp_path / "a"
    old.write_text("as it was")
    with pytest.raises(DownloadError, match=refusal):
        download(f"{server}{path}", old, sha256=sha, rules=HERE)
    assert old.read_text() == "as it was"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_file_that_is_too_large_is_given_up(server: str, tmp_path: Path) -> None:
    small = Rules(hosts=HERE.hosts, schemes=HERE.schemes, private=True, max_bytes=100)
    with pytest.raises(DownloadError, match="larger than 100 bytes"):
        download(f"{server}/a", tmp_path / "a", sha256=SHA, rules=small)
    assert nothing_new(tmp_path)


def test_without_being_told_otherwise_only_public_hosts_by_https(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="is not https"):
        download(f"{server}/a", tmp_path / "a", sha256=SHA)
    with pytest.raises(DownloadError, match=r"169\.254\.169\.254 is not among the hosts"):
        download("https://169.254.169.254/latest", tmp_path / "a", sha256=SHA)
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: answer)
    with pytest.raises(DownloadError, match=r"github.com is at 127\.0\.0\.1"):
        download("https://github.com/a", tmp_path / "a", sha256=SHA)
    assert nothing_new(tmp_path)


def test_weights_are_fetched_only_when_that_is_allowed(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Weights("made.up", ("resnet18",), "imagenet", "mit", "whole", f"{server}/made.pth", SHA[:8])
    unknown = Weights("no.hash", ("resnet18",), "imagenet", "mit", "whole", f"{server}/a.pth")
    monkeypatch.setattr(weights, "REGISTRY", (unknown, entry))
    assert weights.fetch("resnet18", weights.Policy(tmp_path, rules=HERE)) is None
    found = weights.fetch("resnet18", weights.Policy(tmp_path, download=True, rules=HERE))
    assert found is not None
    assert (found.path.name, found.sha256) == ("made.up.pth", SHA), "what has no known hash is never fetched"
    again = weights.find("resnet18", weights.Policy(tmp_path))
    assert again == found
