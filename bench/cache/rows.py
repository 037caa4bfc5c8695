"""Rows of bytes, all of one shape <-> a .npy file: written in any order by several threads, read as one memory map."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.spec import BenchError, ExitCode

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Rows:
    """A .npy file of uint8 (number, *shape) to write into; what an earlier process wrote there stays.

    Its whole space is taken at once: a full disk shows before anything is decoded, and writing costs half.
    """

    def __init__(self, path: Path, number: int, shape: tuple[int, ...]) -> None:
        self.path, self.row_bytes = path, int(np.prod(shape))
        buffer = io.BytesIO()
        facts = {"descr": "|u1", "fortran_order": False, "shape": (number, *shape)}
        np.lib.format.write_array_header_1_0(buffer, facts)
        self.header = buffer.getvalue()
        with writing(path):
            self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._take(len(self.header) + number * self.row_bytes)
            except BaseException:
                os.close(self.file)
                raise

    def _take(self, size: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self.file, 0, size)
        else:
            os.truncate(self.file, size)
        self._put(self.header, 0)

    def write(self, index: int, row: np.ndarray) -> None:
        """Raises BenchError (ENVIRONMENT) naming the file where the disk refuses."""
        with writing(self.path):
            self._put(np.ascontiguousarray(row).data.cast("B"), len(self.header) + index * self.row_bytes)

    def _put(self, content: bytes | memoryview, at: int) -> None:
        left = memoryview(content)
        while left:  # one pwrite may be short without an error
            written = os.pwrite(self.file, left, at)
            left, at = left[written:], at + written

    def finish(self) -> list[int]:
        """All of it onto the disk; returns the file's `mark`."""
        with writing(self.path):
            os.fsync(self.file)
            return mark(os.fstat(self.file))

    def close(self) -> None:
        os.close(self.file)


def mark(stat: os.stat_result) -> list[int]:
    """What changes when an array's file does; renaming it, or its folder, changes none of it."""
    return [stat.st_size, stat.st_mtime_ns]


def mapped(path: Path) -> np.ndarray:
    """The array in `path`, read-only, shared with every process that reads it; raises OSError or ValueError."""
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def tensor(array: np.ndarray) -> Tensor:
    """A tensor over the same memory, which is not to be written to: torch knows no read-only tensors, and warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """A refusing disk as one BenchError (ENVIRONMENT) that names `path`."""
    try:
        yield
    except OSError as error:
        remedy = "free some space, or move `.bench` to another disk" if error.errno in FULL else "check the path"
        problem = f"cannot be written ({error.strerror or error})"
        raise BenchError(problem, remedy=remedy, file=path, code=ExitCode.ENVIRONMENT) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all processes that lock `path`; a process that dies, however it dies, holds no lock."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def put(path: Path, content: bytes) -> None:
    """Put `content` at `path`, durably; a kill leaves the old content or the new."""
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What stands in `folder`, onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
