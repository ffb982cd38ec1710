"""Runs the cases of a study side by side, on this machine or on a cluster, and keeps each as soon as it is finished.

A case is a dictionary of settings. What it gave is a file that is named after them, so a change of a setting makes
exactly its own cases anew, and a change of the code makes none: tests recompute part of every result instead.
"""

import argparse
import contextlib
import datetime
import hashlib
import importlib
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, NamedTuple

import torch

from . import commit

Settings = dict[str, Any]
FOLDER = Path("_build/results")
DEATHS = 3  # how often a case begins again when the process that works on it dies: dask's own number
_PATIENCE = 60  # seconds without a finished case, after which one looks whether any process is left
_ONE = threading.Lock()  # the cases of a process, one after another: they share torch's random numbers
_LOOKS = 3  # a process that died is replaced within one, on a busy machine within two
# The C library would give every large array back to the system and fetch it again: a third of the time.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}


class Case(NamedTuple):
    """What a finished case gave, and where it comes from."""

    result: dict[str, Any]
    provenance: dict[str, Any]


class Where(NamedTuple):
    """Where the cases run."""

    device: str = "cpu"
    jobs: int = 0  # processes on this machine; 0: one for each core, or one for a GPU
    scheduler: str = ""  # the address of a cluster; empty: processes of this machine, started and ended here

    @classmethod
    def asked(cls, parser: argparse.ArgumentParser) -> tuple["Where", argparse.Namespace]:
        """Add the options of every study to its own, and read the command line."""
        parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
        parser.add_argument("--jobs", type=int, default=0, help="processes on this machine (default: its cores)")
        parser.add_argument("--scheduler", default="", metavar="ADDRESS", help="of a dask cluster: tcp://host:8786")
        options = parser.parse_args()
        if options.jobs < 0:
            parser.error("--jobs must be at least 1, or 0 for the number of cores.")
        if options.device == "cuda" and not options.scheduler and not torch.cuda.is_available():
            parser.error(
                "torch finds no CUDA device: leave --device out, or give the --scheduler of a cluster with one."
            )
        return cls(options.device, options.jobs, options.scheduler), options


def run(
    function: Callable[..., dict[str, Any]], cases: Mapping[str, Settings], where: Where, title: str
) -> dict[str, Case]:
    """Make the cases that are not there yet, with a progress bar, and return all.

    Args:
        function: of a module, called with a case's settings by name, and with ``device`` and ``checkpoint``, a file in
            which it may keep what it has so far, as in files whose names begin with its name. They are deleted when the
            case is kept. It returns numbers, lists and tensors.
        cases: settings by name; they must be what JSON writes.
        where: on which machine.
        title: of the progress bar.

    Raises:
        SystemExit: stopped by Ctrl-C, by a case that failed, or by a cluster that went away; the message says what is
            kept. The same call goes on from there.
    """
    module = _main_module() if function.__module__ == "__main__" else function.__module__
    name = f"{module}:{function.__name__}"
    kind = {} if where.device == "cpu" else {"device": where.device}  # a GPU's cases are not those of a processor
    files = {case: kept_as(name, {**settings, **kind}) for case, settings in cases.items()}
    todo = {case: file for case, file in files.items() if not file.exists()}
    if len(todo) < len(files):
        folder = next(iter(files.values())).parent
        print(f"{title}: {len(files) - len(todo)} of {len(files)} cases are in {folder}; delete it to make them again.")
    if todo:
        _make(name, {case: (cases[case], file) for case, file in todo.items()}, len(cases), where, title)
    try:
        return {case: Case(**_read(file)) for case, file in files.items()}
    except OSError as error:
        raise SystemExit(f"{title}: {error}") from None


def kept_as(name: str, settings: Settings) -> Path:
    """The file of a case, named after its settings."""
    text = json.dumps(settings, sort_keys=True, allow_nan=False)
    study, function = name.rsplit(".", 1)[-1].split(":")
    return FOLDER.absolute() / study / f"{function}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pt"


def _make(name: str, todo: dict[str, tuple[Settings, Path]], total: int, where: Where, title: str) -> None:
    try:
        import dask.config
        from distributed import Client, LocalCluster, wait
    except ModuleNotFoundError:
        raise SystemExit(f"{title}: studies need dask: pip install 'relunb[studies]'.") from None
    from tqdm import tqdm

    os.environ.update(_MEMORY)
    with contextlib.ExitStack() as stack:
        if where.scheduler:
            try:
                client = stack.enter_context(Client(where.scheduler, timeout="30s"))
            except (OSError, ValueError) as error:  # nobody there, or no address
                raise SystemExit(f"{title}: no scheduler answers at {where.scheduler}: {error}") from None
        else:
            # At low priority, on a machine with other work, a process may be silent for minutes and is not dead.
            patient = {"distributed.scheduler.worker-ttl": None, "distributed.comm.timeouts.connect": "300s"}
            stack.enter_context(dask.config.set(patient))
            jobs = where.jobs or (1 if where.device == "cuda" else os.cpu_count() or 1)
            cluster = LocalCluster(
                n_workers=min(jobs, len(todo)),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                resources={"GPU": 1} if where.device == "cuda" else None,
                silence_logs=50,
            )
            stack.callback(_closed, cluster)
            client = stack.enter_context(Client(cluster))
        bar = stack.enter_context(tqdm(total=total, initial=total - len(todo), desc=title, unit="case"))
        needs = {"GPU": 1} if where.device == "cuda" else None
        code = commit()
        left, futures = list(todo.items()), {}
        try:
            waiting, alone = set(), 0
            while left or waiting:
                # No case waits at a worker: one that stands behind a long case there stays there, whoever is idle.
                threads: Any = client.nthreads()
                for worker, count in threads.items():
                    if count > 1:
                        why = f"{worker} has {count} threads, and cases need a process each: start workers with"
                        _stopped(title, f"{why} --nthreads 1, and with --nworkers for several on a machine", todo)
                able = sum("GPU" in has for has in _resources(client)) if needs else len(threads)
                while left and len(waiting) < max(1, able):
                    case, (settings, file) = left.pop(0)
                    future = client.submit(
                        _case,
                        name,
                        settings,
                        str(file),
                        where.device,
                        code,
                        key=f"{title}: {case}, {file.stem}",  # of its settings: another client may have such a case
                        resources=needs,
                        pure=False,
                    )
                    futures[future] = case, file
                    waiting.add(future)
                try:
                    finished: Any = wait(waiting, timeout=_PATIENCE, return_when="FIRST_COMPLETED")
                    done = finished.done
                except TimeoutError:
                    alone = 0 if any(not needs or "GPU" in has for has in _resources(client)) else alone + 1
                    if alone == _LOOKS and not where.scheduler:
                        _stopped(title, "no process is left, and no new one started", todo)
                    if alone == 1 and where.scheduler:
                        which = "--nthreads 1 --resources GPU=1" if needs else "--nthreads 1"
                        bar.write(f"{title}: waiting for a worker: dask worker {where.scheduler} {which}")
                    continue
                for future in done:
                    case, file = futures.pop(future)
                    if future.status != "finished":
                        _stopped(title, f"{case} failed: {_reason(future)}", todo)
                    if not file.exists():  # its worker is on a machine with a disk of its own
                        _keep(file, future.result())
                    bar.update()
                waiting -= done
        except KeyboardInterrupt:
            _stopped(title, "stopped", todo)
        except (OSError, CancelledError) as error:
            _stopped(title, f"the cluster is gone, or the disk is full ({error})", todo)


def _resources(client: Any) -> list[dict[str, float]]:
    """Those of each worker."""
    return [worker["resources"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]


def _closed(cluster: Any) -> None:
    """Ended processes; those that take too long end with this one, and what is said of the study is said."""
    with contextlib.suppress(TimeoutError):
        cluster.close()


def _case(name: str, settings: Settings, file: str, device: str, code: str) -> dict[str, Any]:
    """One case, in a worker. What it gave goes home, and is kept here as well where this machine can write."""
    kept = Path(file)
    with _ONE:
        if kept.exists():
            return _read(kept)
        module, function = name.split(":")
        if device == "cpu":
            torch.set_num_threads(1)
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
        here = kept.parent.is_dir()
        checkpoint = kept.with_suffix(".fit") if here else Path(tempfile.gettempdir(), f"{kept.stem}.fit")
        start = time.perf_counter()
        result = getattr(importlib.import_module(module), function)(**settings, device=device, checkpoint=checkpoint)
        gpu = device == "cuda" and torch.cuda.is_available()
        provenance = {
            "settings": settings,
            "commit": code,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "device": torch.cuda.get_device_name() if gpu else processor(),
            "seconds": round(time.perf_counter() - start, 1),
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        }
        case = {"result": result, "provenance": provenance}
        if here:
            _keep(kept, case)
        for begun in checkpoint.parent.glob(f"{checkpoint.name}*"):
            begun.unlink()
        return case


def _keep(file: Path, case: dict[str, Any]) -> None:
    """Whole or not at all, also where two write at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole(file) as part, open(part, "wb") as stream:
            torch.save({"case": case}, stream)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, RuntimeError) as error:  # torch's own writer says RuntimeError where the disk is full
        raise OSError(f"{file.name} could not be kept in {file.parent}: {error}. Make room") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return torch.load(file, map_location="cpu")["case"]
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch raises errors of many types on what it did not write
        raise OSError(
            f"{file} is damaged ({type(error).__name__}). Delete it: the same command makes that case again."
        ) from None


def _reason(future: Any) -> str:
    try:
        error = future.exception()
    except Exception as raised:  # the future was cancelled, or its scheduler is gone
        error = raised
    if type(error).__name__ == "KilledWorker":
        return f"its process died {DEATHS + 1} times"
    return f"{type(error).__name__}: {error}"


def _stopped(title: str, why: str, todo: dict[str, tuple[Settings, Path]]) -> None:
    kept = sum(file.exists() for _, file in todo.values())
    raise SystemExit(
        f"\n{title}: {why}. {kept} of {len(todo)} cases were finished in this run and are kept, with the checkpoints "
        "of the others; the same command goes on."
    ) from None


def provenance(cases: Mapping[str, Case], **more: Any) -> dict[str, Any]:
    """What a result says of the cases that it was gathered from."""
    each = [case.provenance for case in cases.values()]

    def of(key: str) -> str:
        return ", ".join(sorted({str(p[key]) for p in each}))

    return {
        "command": " ".join([f"python -m {_main_module()}", *sys.argv[1:]]),
        **{key: of(key) for key in ("commit", "date", "device", "torch", "python")},
        "cases": len(each),
        "seconds": round(sum(p["seconds"] for p in each)),
        **more,
    }


def _main_module() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else Path(sys.argv[0]).name


def written(result: dict[str, Any], file: Path) -> None:
    """Write a result as JSON, lists on one line."""
    import re

    text = re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), json.dumps(result, indent=1))
    with whole(file) as part:
        part.write_text(text + "\n", encoding="utf8")
    print(f"wrote {file}")


@contextlib.contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Write ``file`` by another name, so that who stops in the middle keeps the one before."""
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def processor() -> str:
    """The name of the processor."""
    try:
        lines: list[str] = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
