"""Unpacking is all or nothing: 24 hostile archives and damaged ones leave no file anywhere, a kill leaves no half."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.fetch import archive as archives
from bench.fetch.archive import complete, unpack
from bench.fetch.expected import Archive
from bench.spec import BenchError, ExitCode

PNG = b"\x89PNG\r\n\x1a\n"
FILES = {f"Train/{kind}/{n}.png": PNG + bytes([n]) * 700 for kind in ("images", "masks") for n in range(3)}
EXPECTED = Archive(
    name="Train.zip",
    url="https://example.org/Train.zip",
    digest="md5:00",
    at_most_bytes=10**7,
    folder="Train",
    files={r"Train/images/[0-9]+\.png": 3, r"Train/masks/[0-9]+\.png": 3},
    file_bytes=5000,
    unpacked_bytes=20000,
    starts_with=PNG,
)
LAX = dataclasses.replace(EXPECTED, files={r"(?s).*": 10**6}, file_bytes=10**10, unpacked_bytes=10**12)
"""Expects anything at all: what is still refused is refused for what it is."""


def entry(name: str, content: bytes = PNG, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, b"", type=kind, linkname=target)


def tar(path: Path, *more: tuple[tarfile.TarInfo, bytes], mode: str = "w", form: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, mode, format=form) as out:
        for info, content in (*(entry(n, c) for n, c in FILES.items()), *more):
            out.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, *more: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in (*FILES.items(), *more):
            out.writestr(name, content)
    return path


HOSTILE_TAR: dict[str, tuple[list[tuple[tarfile.TarInfo, bytes]], str]] = {
    "parent": ([entry("../escaped.png")], "leads elsewhere"),
    "link to a system folder": ([link("Train/e", "/etc")], "a symbolic link"),
    "link to the parent": ([link("Train/e", "../..")], "a symbolic link"),
    "hard link out": ([link("Train/e", "../../secret", tarfile.LNKTYPE)], "a hard link"),
    "device": ([entry("Train/e", b"", type=tarfile.CHRTYPE)], "a device"),
    "pipe": ([entry("Train/e", b"", type=tarfile.FIFOTYPE)], "a pipe"),
    "absolute": ([entry("/escaped.png")], "leads elsewhere"),
    "write through a link": ([link("Train/d", ".."), entry("Train/d/escaped.png")], "a symbolic link"),
    "twice": ([entry("Train/images/0.png")], "one name twice"),
    "case pair": ([entry("Train/images/A.png"), entry("Train/images/a.png")], "one name twice"),
    "setuid": ([entry("Train/s.png", mode=0o4755)], "setuid"),
    "newline": ([entry("Train/a\nb.png")], "forbidden characters"),
    "escape": ([entry("Train/a\x1b[2Jb.png")], "forbidden characters"),
    "right to left": ([entry("Train/a\u202egnp.exe")], "forbidden characters"),
    "300 characters": ([entry("Train/" + "n" * 300)], "extended header"),
    "2500 folders deep": ([entry("Train/" + "d/" * 2500 + "x.png")], "extended header"),
}


def symlink_in_zip() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("Train/l")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE_ZIP: dict[str, tuple[list[tuple[str | zipfile.ZipInfo, bytes]], str]] = {
    "parent": ([("../escaped.png", PNG)], "leads elsewhere"),
    "absolute": ([("/escaped.png", PNG)], "leads elsewhere"),
    "drive": ([("C:\\escaped.png", PNG)], "leads elsewhere"),
    "backslashes": ([("..\\..\\escaped.png", PNG)], "leads elsewhere"),
    "link": ([(symlink_in_zip(), b"/etc/passwd")], "a link or a device"),
    "bomb": ([("Train/bomb.png", PNG + bytes(30 * 10**6))], "more bytes than it should"),
    "20000 empty entries": ([(f"Train/images/{n + 3}.png", b"") for n in range(20000)], "more than 3 files like"),
    "case pair": ([("Train/IMAGES/7.png", PNG)], "one name twice"),
}
STRICT = {"bomb", "20000 empty entries"}
"""Refused by what is expected; the others are refused whatever is."""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Path]:
    """An empty folder data/ to unpack in; afterwards nothing but the archive has appeared beside it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").write_text("s")
    yield tmp_path
    assert {p.name for p in tmp_path.iterdir()} <= {"data", "secret", "a.tar", "a.zip", "a.tar.gz"}
    assert (tmp_path / "secret").read_text() == "s"
    assert not list(tmp_path.parent.glob("escaped*"))


def refuse(sandbox: Path, file: Path, archive: Archive, word: str) -> BenchError:
    with pytest.raises(BenchError) as caught:
        unpack(file, archive, sandbox / "data")
    line = str(caught.value)
    assert word in line
    assert file.name in line
    assert "\n" not in line
    assert line.isprintable()
    assert caught.value.code == ExitCode.DATA
    assert list((sandbox / "data").iterdir()) == []
    return caught.value


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder.parent)): p.read_bytes() for p in folder.rglob("*.*") if p.name != ".complete"}


@pytest.mark.parametrize("name", HOSTILE_TAR)
def test_a_hostile_tar_is_refused_and_leaves_nothing(sandbox, name, figure):
    members, word = HOSTILE_TAR[name]
    file = tar(sandbox / "a.tar", *members)
    refuse(sandbox, file, LAX, word)
    refuse(sandbox, file, EXPECTED, "")
    figure("F3 hostile archives", "1 refused, 0 files left")
    assert len(HOSTILE_TAR) == 16


@pytest.mark.parametrize("name", HOSTILE_ZIP)
def test_a_hostile_zip_is_refused_and_leaves_nothing(sandbox, name, figure):
    members, word = HOSTILE_ZIP[name]
    file = zipped(sandbox / "a.zip", *members)
    refuse(sandbox, file, EXPECTED if name in STRICT else LAX, word)
    refuse(sandbox, file, EXPECTED, "")
    figure("F3 hostile archives", "1 refused, 0 files left")
    assert len(HOSTILE_ZIP) == 8


@pytest.mark.parametrize("make", [zipped, tar])
def test_a_good_archive_is_unpacked_whole_with_its_marker(sandbox, make):
    """The control of all refusals: the same members without the hostile one."""
    file = make(sandbox / ("a.zip" if make is zipped else "a.tar"))
    seen: list[int] = []
    folder = unpack(file, EXPECTED, sandbox / "data", seen.append)
    assert tree(folder) == FILES
    assert sum(seen) == sum(map(len, FILES.values()))
    assert complete(EXPECTED, sandbox / "data")
    assert list((sandbox / "data").iterdir()) == [folder]
    assert {stat.S_IMODE(p.stat().st_mode) & 0o7111 for p in folder.rglob("*.png")} == {0}
    before = (folder / ".complete").stat().st_mtime_ns
    assert unpack(file, EXPECTED, sandbox / "data") == folder
    assert (folder / ".complete").stat().st_mtime_ns == before


def test_the_marker_is_the_same_for_the_same_content_and_notices_a_loss(sandbox):
    texts = set()
    for make, name in ((zipped, "a.zip"), (tar, "a.tar")):
        folder = unpack(make(sandbox / name), EXPECTED, sandbox / "data")
        texts.add((folder / ".complete").read_text())
        (folder / ".DS_Store").write_bytes(b"")  # what a file manager leaves behind is no loss
        assert complete(EXPECTED, sandbox / "data")
        assert not complete(dataclasses.replace(EXPECTED, digest="md5:11"), sandbox / "data")
        (folder / "images" / "1.png").unlink()
        assert not complete(EXPECTED, sandbox / "data")
        with pytest.raises(BenchError, match="is there already"):
            unpack(sandbox / name, EXPECTED, sandbox / "data")
        shutil.rmtree(folder)
    assert len(texts) == 1


def test_folders_and_debris_of_file_managers_are_passed_over(sandbox):
    folder = zipfile.ZipInfo("Train/empty/")
    folder.external_attr = (stat.S_IFDIR | 0o2755) << 16
    debris = [("Train/.DS_Store", b"x"), ("__MACOSX/Train/._0.png", b"x"), ("Train/images/Thumbs.db", b"x")]
    assert tree(unpack(zipped(sandbox / "a.zip", (folder, b""), *debris), EXPECTED, sandbox / "data")) == FILES


def test_a_compressed_tar_is_read(sandbox):
    file = tar(sandbox / "a.tar.gz", mode="w:gz", form=tarfile.USTAR_FORMAT)
    assert tree(unpack(file, EXPECTED, sandbox / "data")) == FILES


# ------------------------------------------------------------------ what is expected, and damage


def without_one(sandbox: Path) -> Path:
    with zipfile.ZipFile(sandbox / "a.zip", "w") as out:
        for name, content in list(FILES.items())[1:]:
            out.writestr(name, content)
    return sandbox / "a.zip"


def flipped(sandbox: Path) -> Path:
    file = zipped(sandbox / "a.zip", method=zipfile.ZIP_STORED)
    content = bytearray(file.read_bytes())
    content[content.index(PNG) + 300] ^= 4
    file.write_bytes(content)
    return file


def text_for_png(sandbox: Path) -> Path:
    with zipfile.ZipFile(sandbox / "a.zip", "w") as out:
        for number, (name, content) in enumerate(FILES.items()):
            out.writestr(name, b"MZ" + content if number == 3 else content)
    return sandbox / "a.zip"


def empty_file(sandbox: Path) -> Path:
    with zipfile.ZipFile(sandbox / "a.zip", "w") as out:
        for number, (name, content) in enumerate(FILES.items()):
            out.writestr(name, b"" if number == 3 else content)
    return sandbox / "a.zip"


def half(sandbox: Path, make: Callable[..., Path], name: str) -> Path:
    file = make(sandbox / name)
    os.truncate(file, file.stat().st_size // 2)
    return file


def written(sandbox: Path, content: bytes) -> Path:
    (sandbox / "a.zip").write_bytes(content)
    return sandbox / "a.zip"


def lying(sandbox: Path) -> Path:
    """A zip whose directory states fewer bytes than its data decompress to."""
    file = zipped(sandbox / "a.zip")
    size = len(FILES["Train/masks/2.png"]).to_bytes(4, "little")
    head, _, tail = file.read_bytes().rpartition(size)
    return written(sandbox, head + (9).to_bytes(4, "little") + tail)


def encrypted(sandbox: Path) -> Path:
    content = bytearray(zipped(sandbox / "a.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return written(sandbox, bytes(content))


def wrong_checksum(sandbox: Path) -> Path:
    file = tar(sandbox / "a.tar")
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    return file


FAULTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "one missing": (without_one, "holds 2 of 3 files like"),
    "one too many": (lambda s: zipped(s / "a.zip", ("Train/images/9.png", PNG)), "more than 3 files like"),
    "unexpected": (lambda s: zipped(s / "a.zip", ("Train/run.sh", b"#!")), "Train/run.sh, which is not expected"),
    "elsewhere": (lambda s: zipped(s / "a.zip", ("Val/images/9.png", PNG)), "not expected"),
    "2000 folders": (
        lambda s: zipped(s / "a.zip", *[(f"Train/{n}/", b"") for n in range(2000)]),
        "more than the 6 files",
    ),
    "file and folder": (lambda s: zipped(s / "a.zip", ("Train/images", PNG)), "one name twice"),
    "large": (lambda s: zipped(s / "a.zip", ("Train/.DS_Store", bytes(5001))), "more bytes than it should"),
    "flipped bit": (flipped, "is damaged"),
    "no PNG": (text_for_png, "not the kind of file"),
    "empty file": (empty_file, "shorter than stated"),
    "half a zip": (lambda s: half(s, zipped, "a.zip"), "is damaged"),
    "half a tar": (lambda s: half(s, tar, "a.tar"), "ends in the middle"),
    "web page": (lambda s: written(s, b"<!DOCTYPE html><html>404</html>"), "a web page"),
    "nothing": (lambda s: written(s, b""), "empty"),
    "text": (lambda s: written(s, b"version https://git-lfs.github.com/spec/v1\n" * 20), "something else"),
    "a lie about size": (lying, "is damaged"),
    "encrypted": (encrypted, "encrypted"),
    "wrong checksum": (wrong_checksum, "does not add up"),
    "pax header": (
        lambda s: tar(s / "a.tar", entry("Train/\u00e9.png"), form=tarfile.PAX_FORMAT),
        "extended header",
    ),
    "huge claim": (lambda s: tar(s / "a.tar", *claiming(9 * 2**30)), "not octal"),
    "missing archive": (lambda s: s / "a.zip", "cannot be read"),
}


def claiming(size: int) -> list[tuple[tarfile.TarInfo, bytes]]:
    info, content = entry("Train/c.png", b"")
    info.size = size

    class Claim(tarfile.TarInfo):
        def tobuf(self, *args: object, **more: object) -> bytes:  # type: ignore[override]
            return info.tobuf(tarfile.GNU_FORMAT)

    return [(Claim("Train/c.png"), content)]


@pytest.mark.parametrize("name", FAULTS)
def test_an_archive_that_is_not_as_expected_is_refused_and_leaves_nothing(sandbox, name):
    make, word = FAULTS[name]
    refuse(sandbox, make(sandbox), EXPECTED, word)


# ------------------------------------------------------------------ kills, disks, neighbours


def test_without_the_list_of_members_a_bomb_would_be_written(sandbox):
    """Negative control: with limits lifted the same bomb unpacks, so it is the limits that refuse it."""
    file = zipped(sandbox / "a.zip", *HOSTILE_ZIP["bomb"][0])
    lax = dataclasses.replace(EXPECTED, files={r".*": 7}, file_bytes=10**9, unpacked_bytes=10**9)
    assert (unpack(file, lax, sandbox / "data") / "bomb.png").stat().st_size > 30 * 10**6


def test_a_full_disk_is_told_and_leaves_nothing(sandbox, monkeypatch):
    file = zipped(sandbox / "a.zip")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 3))  # type: ignore[attr-defined]
        with pytest.raises(BenchError, match="MB free") as caught:
            unpack(file, EXPECTED, sandbox / "data")
    assert caught.value.code == ExitCode.ENVIRONMENT
    opened = os.open

    def full(path: str, *args: int, **more: int) -> int:
        if path == "Train/masks/1.png":
            raise OSError(28, "No space left on device")
        return opened(path, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(archives.os, "open", full)
        with pytest.raises(BenchError, match=r"cannot be written .*No space left") as caught:
            unpack(file, EXPECTED, sandbox / "data")
    assert caught.value.code == ExitCode.ENVIRONMENT
    assert list((sandbox / "data").iterdir()) == []
    assert unpack(file, EXPECTED, sandbox / "data").is_dir()  # control


CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from test_archive import EXPECTED
from bench.fetch.archive import unpack
calls = 0
def tick(count):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
unpack(Path(sys.argv[1]), EXPECTED, Path(sys.argv[2]), tick)
"""


@pytest.mark.parametrize("member", [1, 4, 6])
def test_a_kill_leaves_nothing_under_the_name_and_the_next_run_is_whole(sandbox, member):
    file = zipped(sandbox / "a.zip")
    words = [str(file), str(sandbox / "data"), str(member), str(Path(__file__).parent)]
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", CHILD, *words], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    left = [p.name for p in (sandbox / "data").iterdir()]
    assert left == [".Train.unpacking"]
    assert not complete(EXPECTED, sandbox / "data")
    (sandbox / "data" / left[0] / "Train" / "stale.png").write_bytes(b"of the run before")
    assert tree(unpack(file, EXPECTED, sandbox / "data")) == FILES
    assert [p.name for p in (sandbox / "data").iterdir()] == ["Train"]


def test_an_interruption_leaves_nothing(sandbox):
    def tick(count: int) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        unpack(zipped(sandbox / "a.zip"), EXPECTED, sandbox / "data", tick)
    assert list((sandbox / "data").iterdir()) == []


def test_nothing_that_is_there_is_touched(sandbox):
    own = sandbox / "data" / "Train" / "mine.png"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(BenchError, match="is there already"):
        unpack(zipped(sandbox / "a.zip"), EXPECTED, sandbox / "data")
    assert own.read_text() == "mine"
    own.unlink()
    own.parent.rmdir()
    (sandbox / "data" / ".Train.unpacking").symlink_to(sandbox / "secret")
    with pytest.raises(BenchError, match="cannot be written"):
        unpack(sandbox / "a.zip", EXPECTED, sandbox / "data")
    (sandbox / "data" / ".Train.unpacking").unlink()


def test_two_processes_do_not_share_a_folder(sandbox):
    file = zipped(sandbox / "a.zip")
    inner: list[str] = []

    def tick(count: int) -> None:
        with pytest.raises(BenchError) as caught:
            unpack(file, EXPECTED, sandbox / "data")
        inner.append(caught.value.problem)

    unpack(file, EXPECTED, sandbox / "data", tick)
    assert set(inner) == {"is being unpacked by another process"}
