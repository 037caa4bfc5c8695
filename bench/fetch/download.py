"""A URL and a digest -> a file that has this digest, under its final name only when it has.

A broken transfer is taken up where it ended, or from the start where the server cannot do that.  Only https, never a
change of scheme; what the environment says of proxies is respected.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from bench.fetch.archive import writing
from bench.spec import BenchError, ExitCode

CHUNK = 1 << 20
REDIRECTS = 3
TIMEOUT_S = 60.0
ATTEMPTS = 5
"""Failures in a row, with no new byte between them, after which a transfer is given up."""

Tick = Callable[[int, int | None], None]
"""Told of (bytes so far, bytes in all or None)."""


class _Broken(Exception):
    """A transfer that may be tried again."""


def download(
    url: str,
    file: Path,
    digest: str,
    *,
    at_most_bytes: int,
    plain_http: bool = False,
    wait_s: float = 2.0,
    tick: Tick = lambda done, total: None,
) -> Path:
    """`file`, fetched from `url` unless it is there; its `digest` ("md5:..." or "sha256:...") is right in both cases.

    What has arrived of an unfinished transfer lies in `file` + ".part".  `plain_http` is for tests, which have a server
    of their own.  Raises BenchError (ENVIRONMENT) where the network or the disk fails, (DATA) for wrong content.
    """
    schemes = ("http", "https") if plain_http else ("https",)
    if urlsplit(url).scheme not in schemes:
        raise BenchError(f"{url} is not https", remedy="data is fetched over https only", code=ExitCode.ENVIRONMENT)
    if file.exists():
        if _digest_is(file, digest):
            return file
        problem = f"is not the file that {url} gives ({digest})"
        raise BenchError(problem, remedy="remove it, then start again", file=file, code=ExitCode.DATA)
    part = file.with_name(file.name + ".part")
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "r+b") as out:
        _lock(out, part)
        resumed = out.seek(0, os.SEEK_END) > 0
        _persist(url, out, part, at_most_bytes, schemes, wait_s, tick)
        if resumed and not _digest_is(part, digest):  # its beginning may be of another time
            out.truncate(0)
            _persist(url, out, part, at_most_bytes, schemes, wait_s, tick)
        if not _digest_is(part, digest):
            page = out.seek(0) == 0 and out.read(64).lstrip()[:1] == b"<"
            part.unlink()
            problem = "gave a web page instead of the file" if page else f"gave a file that is not {digest}"
            remedy = "try later, or download it by hand and compare its digest"
            raise BenchError(f"{url} {problem}", remedy=remedy, file=file, code=ExitCode.DATA)
        with writing(file):
            os.fsync(out.fileno())
            part.replace(file)
    return file


def _lock(out: IO[bytes], part: Path) -> None:
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BenchError("is being downloaded by another process", remedy="wait for it", file=part) from error
    except OSError:
        pass  # a file system without locks: the digest still decides


def _digest_is(file: Path, digest: str) -> bool:
    name, _, wanted = digest.partition(":")
    with writing(file), file.open("rb") as opened:
        found = hashlib.file_digest(opened, lambda: hashlib.new(name, usedforsecurity=False))
    return found.hexdigest() == wanted.lower()


def _persist(
    url: str, out: IO[bytes], part: Path, most: int, schemes: tuple[str, ...], wait_s: float, tick: Tick
) -> None:
    """Transfer until all is there; raises BenchError after ATTEMPTS failures that brought nothing new."""
    furthest, failures = 0, 0
    while True:
        try:
            return _transfer(url, out, part, most, schemes, tick)
        except (_Broken, OSError, http.client.HTTPException) as error:
            length = out.seek(0, os.SEEK_END)
            failures = 0 if length > furthest else failures + 1
            furthest = max(furthest, length)
            if failures >= ATTEMPTS:
                reason = getattr(error, "reason", error)
                raise BenchError(
                    f"{url} cannot be fetched ({reason or type(error).__name__})",
                    remedy="start the same command again to go on where it ended",
                    file=part,
                    code=ExitCode.ENVIRONMENT,
                ) from error
            time.sleep(wait_s * 2**failures)


def _transfer(url: str, out: IO[bytes], part: Path, most: int, schemes: tuple[str, ...], tick: Tick) -> None:
    """One connection: append what is missing; raises _Broken where it ends too early."""
    start = out.seek(0, os.SEEK_END)
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "bench"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with _opener(schemes).open(request, timeout=TIMEOUT_S) as response:
            if response.status != 206 or not _continues(response, start):
                if response.status == 206:
                    out.truncate(0)
                    raise _Broken("the server continues elsewhere than asked")
                out.truncate(0)
                start = out.seek(0)
            length = response.headers.get("Content-Length")
            total = start + int(length) if length and length.isascii() and length.isdigit() else None
            _receive(response, out, part, start, total, most, tick)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing is left to send; the digest tells whether that is right
            if error.headers.get("Content-Range", "").rpartition("/")[2] != str(start):
                out.truncate(0)
                raise _Broken("the server has another length") from error
            return
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _Broken(f"HTTP {error.code}") from error
        moved = f"more than {REDIRECTS} redirects, or one that leaves the web"
        what = moved if 300 <= error.code < 400 else f"HTTP {error.code} {error.reason}"
        problem = f"{url} cannot be fetched ({what})"
        remedy = "look whether the record has moved"
        raise BenchError(problem, remedy=remedy, file=part, code=ExitCode.ENVIRONMENT) from error


def _continues(response: Any, start: int) -> bool:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == start


def _receive(response: Any, out: IO[bytes], part: Path, done: int, total: int | None, most: int, tick: Tick) -> None:
    """Append the body; raises BenchError for more than `most` bytes, _Broken for fewer than `total`."""
    while True:
        if max(done, total or 0) > most:
            out.truncate(0)
            problem = f"the server sends more than the {most >> 20} MB that are expected"
            raise BenchError(problem, remedy="look at the publisher's page", file=part, code=ExitCode.DATA)
        chunk = response.read(CHUNK)
        if not chunk:
            break
        with writing(part):
            out.write(chunk)
            out.flush()
        done += len(chunk)
        tick(done, total)
    if total is not None and done != total:
        raise _Broken(f"it ended after {done} of {total} bytes")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """At most REDIRECTS of them, and none that leaves the scheme."""

    max_redirections = REDIRECTS
    max_repeats = 1

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme != urlsplit(req.full_url).scheme:
            fp.close()
            problem = f"{req.full_url} leads to {newurl}, which is another scheme"
            raise BenchError(
                problem, remedy="do not follow it; look at the publisher's page", code=ExitCode.ENVIRONMENT
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(schemes: tuple[str, ...]) -> urllib.request.OpenerDirector:
    """Proxies, redirects and the schemes that are allowed; urllib's own opener would read files and ftp as well."""
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler(),
        _Redirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPSHandler(),
    ]
    if "http" in schemes:
        handlers.append(urllib.request.HTTPHandler())
    opener = urllib.request.OpenerDirector()
    for handler in handlers:
        opener.add_handler(handler)
    return opener
