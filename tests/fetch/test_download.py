"""Downloads against a server of our own: resumed or restarted, never partial, never of another scheme."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.fetch.download import download
from bench.spec import BenchError, ExitCode

CONTENT = bytes(range(256)) * 2000
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MOST = 10**6


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT in the manner its paths name, and remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        kind, _, rest = self.path.strip("/").partition("/")
        getattr(self, kind)(rest)

    def reply(self, content: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def start(self) -> int:
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0

    def ranged(self, most: str = "") -> None:
        """With Range; a `most` cuts every answer off after so many bytes."""
        start = self.start()
        if start >= len(CONTENT):
            return self.reply(b"", 416, Content_Range=f"bytes */{len(CONTENT)}")
        body = CONTENT[start:]
        sent = body[: int(most)] if most else body
        more = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        return self.reply(sent, 206 if start else 200, len(body), **more)

    def plain(self, cuts: str = "") -> None:
        """Without Range; the first `cuts` answers end half-way."""
        cut = len(self.server.asked) <= int(cuts or 0)
        self.reply(CONTENT[: len(CONTENT) // 2] if cut else CONTENT, length=len(CONTENT))

    def confused(self, rest: str) -> None:
        """Answers a range with another one."""
        if self.start():
            return self.reply(CONTENT[5:], 206, Content_Range=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")
        return self.reply(CONTENT)

    def page(self, rest: str) -> None:
        self.reply(b"<!DOCTYPE html><html>please log in</html>")

    def huge(self, rest: str) -> None:
        self.reply(b"x", length=10**12)

    def endless(self, rest: str) -> None:
        self.send_response(200)
        self.end_headers()
        with_more = bytes(1 << 16)
        try:
            for _ in range(1000):
                self.wfile.write(with_more)
        except OSError:
            pass

    def status(self, code: str) -> None:
        self.reply(b"", int(code))

    def recovers(self, failures: str) -> None:
        if len(self.server.asked) <= int(failures):
            return self.reply(b"", 503)
        return self.reply(CONTENT)

    def hop(self, left: str) -> None:
        to = "/plain" if left == "1" else f"/hop/{int(left) - 1}"
        self.reply(b"", 302, Location=to)

    def to(self, where: str) -> None:
        self.reply(
            b"", 302, Location={"file": "file:///etc/passwd", "https": "https://127.0.0.1/x", "ftp": "ftp://x/y"}[where]
        )

    def loop(self, rest: str) -> None:
        self.reply(b"", 302, Location="/loop")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(server: Server, path: str, file: Path, digest: str = DIGEST) -> Path:
    return download(server.url + path, file, digest, at_most_bytes=MOST, plain_http=True, wait_s=0)


def fails(server: Server, path: str, file: Path, word: str, code: ExitCode, digest: str = DIGEST) -> str:
    with pytest.raises(BenchError) as caught:
        fetch(server, path, file, digest)
    line = str(caught.value)
    assert word in line
    assert "\n" not in line
    assert caught.value.remedy
    assert caught.value.code == code
    assert not file.exists()
    return line


def test_a_file_gets_its_name_when_its_digest_is_right(server, tmp_path):
    seen: list[tuple[int, int | None]] = []
    file = tmp_path / "new" / "a.zip"
    url = f"{server.url}/plain"
    md5 = "md5:" + hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    found = download(
        url, file, md5, at_most_bytes=MOST, plain_http=True, tick=lambda done, total: seen.append((done, total))
    )
    assert found == file
    assert file.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [p.name for p in file.parent.iterdir()] == ["a.zip"]
    assert fetch(server, "/plain", file) == file
    assert len(server.asked) == 1  # what is there and right is not asked for again


def test_a_broken_transfer_goes_on_where_it_ended(server, tmp_path):
    fetch(server, "/ranged/100000", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [r for _, r in server.asked] == [None, *(f"bytes={n}00000-" for n in range(1, 6))]


def test_a_server_without_ranges_is_asked_from_the_start(server, tmp_path):
    fetch(server, "/plain/2", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_part_of_an_earlier_run_is_used(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT[:1234])
    fetch(server, "/ranged", tmp_path / "a")
    assert server.asked == [("/ranged", "bytes=1234-")]


@pytest.mark.parametrize("part", [b"of another time" * 50, CONTENT + b"longer", CONTENT[:-3] + b"???"])
def test_a_wrong_part_is_thrown_away(server, tmp_path, part):
    (tmp_path / "a.part").write_bytes(part)
    fetch(server, "/ranged", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.asked[-1] == ("/ranged", None)


def test_a_whole_part_needs_no_byte_more(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    fetch(server, "/ranged", tmp_path / "a")
    assert len(server.asked) == 1


def test_a_server_that_continues_elsewhere_is_asked_from_the_start(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT[:1234])
    fetch(server, "/confused", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_server_that_always_breaks_is_given_up_with_what_came_kept(server, tmp_path):
    line = fails(server, "/plain/1000", tmp_path / "a", "it ended after 256000 of 512000 bytes", ExitCode.ENVIRONMENT)
    assert "start the same command again" in line
    assert (tmp_path / "a.part").stat().st_size == len(CONTENT) // 2


@pytest.mark.parametrize(
    ("path", "word", "code"),
    [
        ("/page", "a web page instead", ExitCode.DATA),
        ("/huge", "more than the 0 MB", ExitCode.DATA),
        ("/endless", "more than the 0 MB", ExitCode.DATA),
        ("/status/404", "HTTP 404", ExitCode.ENVIRONMENT),
        ("/status/500", "HTTP 500", ExitCode.ENVIRONMENT),
        ("/hop/4", "more than 3 redirects", ExitCode.ENVIRONMENT),
        ("/loop", "more than 3 redirects", ExitCode.ENVIRONMENT),
        ("/to/file", "leaves the web", ExitCode.ENVIRONMENT),
        ("/to/ftp", "another scheme", ExitCode.ENVIRONMENT),
        ("/to/https", "another scheme", ExitCode.ENVIRONMENT),
    ],
)
def test_what_is_not_the_file_is_refused(server, tmp_path, path, word, code):
    fails(server, path, tmp_path / "a", word, code)


def test_three_redirects_and_a_tired_server_are_borne(server, tmp_path):
    assert fetch(server, "/hop/3", tmp_path / "a").read_bytes() == CONTENT
    server.asked.clear()
    assert fetch(server, "/recovers/4", tmp_path / "b").read_bytes() == CONTENT


def test_another_digest_is_refused_and_nothing_is_kept(server, tmp_path):
    fails(server, "/plain", tmp_path / "a", "is not sha256:00", ExitCode.DATA, digest="sha256:" + "00" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_under_the_final_name_is_told_and_left(server, tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(BenchError, match=r"is not the file that.*remove it"):
        fetch(server, "/plain", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize("url", ["http://127.0.0.1/a", "ftp://127.0.0.1/a", "file:///etc/passwd", "/etc/passwd"])
def test_only_https_is_fetched(tmp_path, url):
    with pytest.raises(BenchError, match="is not https"):
        download(url, tmp_path / "a", DIGEST, at_most_bytes=MOST)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_told(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(BenchError, match=r"cannot be fetched .*refused") as caught:
        download(f"https://127.0.0.1:{port}/a", tmp_path / "a", DIGEST, at_most_bytes=MOST, wait_s=0)
    assert caught.value.code == ExitCode.ENVIRONMENT


@pytest.mark.parametrize("seen", range(1, 11))
def test_an_interruption_leaves_no_final_name_and_is_taken_up(server, tmp_path, seen):
    """Ctrl-C after each of ten pieces; the next call goes on from there."""
    pieces = 0

    def tick(done: int, total: int | None) -> None:
        nonlocal pieces
        pieces += 1
        if pieces == seen:
            raise KeyboardInterrupt

    url = f"{server.url}/ranged/50000"
    with pytest.raises(KeyboardInterrupt):
        download(url, tmp_path / "a", DIGEST, at_most_bytes=MOST, plain_http=True, wait_s=0, tick=tick)
    assert [p.name for p in tmp_path.iterdir()] == ["a.part"]
    assert (tmp_path / "a.part").stat().st_size == 50000 * seen
    assert fetch(server, "/ranged", tmp_path / "a").read_bytes() == CONTENT


def test_two_processes_do_not_share_a_part(server, tmp_path):
    found: list[str] = []

    def tick(done: int, total: int | None) -> None:
        with pytest.raises(BenchError) as caught:
            fetch(server, "/plain", tmp_path / "a")
        found.append(caught.value.problem)

    download(f"{server.url}/plain", tmp_path / "a", DIGEST, at_most_bytes=MOST, plain_http=True, tick=tick)
    assert set(found) == {"is being downloaded by another process"}
