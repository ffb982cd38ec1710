"""A file that keeps a training run: written whole or not at all, and by one run at a time."""

import contextlib
import errno
import glob
import io
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ._files import checked_target, part_of, put

try:
    import fcntl
except ImportError:  # Windows: no lock, and still no file that is half written
    fcntl = None  # pyright: ignore[reportAssignmentType]

_locks: set[int] = set()  # descriptors that this process locks with


def _let_go() -> None:
    """In a child: a lock belongs to the run, and not to who copies its process and may outlive it."""
    while _locks:
        os.close(_locks.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


class Checkpoint:
    """A file for the state of a run.

    A new state is written beside the old one, under a name of its own, and then put in its place: whoever reads sees
    the old or the new one, whole. While a run has the file, the system's lock on ``NAME.lock`` keeps others off; it
    ends with the process, however that ends. A file system without locks loses no more than that.
    """

    def __init__(self, file: Any) -> None:
        self.file = checked_target("checkpoint", file)
        self._part = part_of(self.file)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Inside, no other run has the file.

        Raises:
            BlockingIOError: another one has it; the message says which.
            OSError: no file can be made in that folder.
        """
        lock = self.file.with_name(self.file.name + ".lock")
        descriptor, alone = self._locked(lock)
        try:
            if alone:
                for left in glob.glob(f"{glob.escape(str(self.file))}.*.part"):  # of a run that was killed in a write
                    with contextlib.suppress(OSError):
                        os.unlink(left)
            yield
        finally:
            if _is_at(descriptor, lock):
                with contextlib.suppress(OSError):
                    lock.unlink()
            _locks.discard(descriptor)
            os.close(descriptor)

    def _locked(self, lock: Path) -> tuple[int, bool]:
        """A descriptor of the lock's file, and whether the lock is held: some file systems have none."""
        while True:
            try:
                descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise self._unwritable(error) from error
            alone = False
            try:
                if fcntl is not None:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    alone = True
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    holder = os.read(descriptor, 200).decode(errors="replace")
                    os.close(descriptor)
                    raise BlockingIOError(
                        error.errno,
                        f"another run has this checkpoint{holder and f': {holder}'}. "
                        "Wait until it ends, or name another file",
                        str(self.file),
                    ) from None
            if alone and not _is_at(descriptor, lock):
                os.close(descriptor)  # the run before ended and took the file away: this lock locks nothing
                continue
            _locks.add(descriptor)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {platform.node()}, since {since}".encode())
            return descriptor, alone

    def _unwritable(self, error: OSError) -> OSError:
        return OSError(
            error.errno,
            f"no checkpoint can be written in {self.file.parent} ({error.strerror}): name a file in another folder",
            str(self.file),
        )

    def read(self, device: torch.device) -> Any:
        """What was written, or None.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is damaged, or of another kind.
        """
        if not self.file.exists():
            return None
        data = self.file.read_bytes()
        try:
            return torch.load(io.BytesIO(data), map_location=device, weights_only=True)
        except Exception as error:  # pickle, zip, system and key errors: whatever a damaged file makes of itself
            raise self.damaged() from error

    def damaged(self) -> ValueError:
        return ValueError(f"{self.file} is not a checkpoint of fit, or is damaged: delete it or name another.")

    def try_room(self, size: int) -> None:
        """Write as much as a checkpoint will take, and take it away again: better now than after an hour.

        Raises:
            OSError: it does not fit.
        """
        try:
            with self._part.open("wb") as out:
                for start in range(0, size, 1 << 20):
                    out.write(os.urandom(min(size - start, 1 << 20)))  # zeros might take no room
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise OSError(
                error.errno,
                f"there is no room for a checkpoint of {size / 1e6:.2g} MB ({error.strerror}){self._before()}. "
                "Make room, or name another file",
                str(self.file),
            ) from error
        finally:
            self._part.unlink(missing_ok=True)

    def write(self, data: bytes, steps: int) -> None:
        """Put a state in the place of the one before.

        Raises:
            OSError: it cannot be written; the one before is still there.
        """
        try:
            put(data, self.file, self._part)
        except OSError as error:
            raise OSError(
                error.errno,
                f"the checkpoint after {steps} steps could not be written ({error.strerror}){self._before()}. "
                "Make room, or name another file",
                str(self.file),
            ) from error

    def _before(self) -> str:
        return "; the one before is still there" if self.file.exists() else "; there is none yet"
