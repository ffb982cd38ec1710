"""The runner of the studies, with real processes: whatever is killed, no finished case is lost or made twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask.config
import distributed
import pytest
import torch
from distributed import LocalCluster

from relunb.book.studies import _runner
from relunb.book.studies._runner import Where, kept_as, run
from tests import study_cases

pytestmark = pytest.mark.slow  # each starts a cluster of real processes

ROOT = Path(__file__).parents[1]
PROGRAM = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control hands on one that is ignored
from relunb.book.studies._runner import Where, run
from tests import study_cases
if __name__ == "__main__":
    cases = {{str(n): {{"number": n, "seconds": 1.0, "log": {log!r}}} for n in range(6)}}
    done = run(study_cases.square, cases, Where(jobs=2, scheduler={scheduler!r}), "squares")
    print([case.result["square"] for case in done.values()])
"""
SQUARES = "[0, 1, 4, 9, 16, 25]"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(_runner, "FOLDER", tmp_path / "kept")


def numbered(count, **more):
    return {f"case {n}": {"number": n, **more} for n in range(count)}


def test_a_case_is_made_once_and_again_when_a_setting_changes(tmp_path):
    log = tmp_path / "log"
    cases = numbered(3, seconds=0.0, log=str(log))
    done = run(study_cases.square, cases, Where(jobs=1), "squares")
    assert [case.result["square"] for case in done.values()] == [0, 1, 4]
    assert torch.equal(done["case 2"].result["row"], torch.arange(2))
    again = run(study_cases.square, cases, Where(jobs=1), "squares")
    assert sorted(log.read_text().split()) == ["0", "1", "2"], "nothing was made twice"
    assert again["case 1"].provenance == done["case 1"].provenance
    assert {"settings", "commit", "date", "device", "seconds", "torch", "python"} == done["case 1"].provenance.keys()
    assert done["case 1"].provenance["settings"] == cases["case 1"]
    cases["case 1"] = {**cases["case 1"], "seconds": 0.01}
    run(study_cases.square, cases, Where(jobs=1), "squares")
    assert sorted(log.read_text().split()) == ["0", "1", "1", "2"], "that one alone"


def test_a_case_is_kept_under_its_settings_and_not_under_their_order():
    assert kept_as("a.b:f", {"x": 1, "y": 2.5}) == kept_as("a.b:f", {"y": 2.5, "x": 1})
    assert kept_as("a.b:f", {"x": 1}) != kept_as("a.b:f", {"x": 2})
    assert kept_as("a.b:f", {"x": 1}).parent.name == "b"
    with pytest.raises(ValueError, match="JSON"):
        kept_as("a.b:f", {"x": float("nan")})


def test_a_case_whose_worker_is_killed_is_made_by_another(tmp_path):
    done = run(study_cases.dies_once, numbered(4, log=str(tmp_path / "log")), Where(jobs=2), "squares")
    assert [case.result["square"] for case in done.values()] == [0, 1, 4, 9]


def test_a_worker_that_is_silent_for_long_is_not_dead(tmp_path):
    """So it is at low priority, on a machine with other work."""
    log = tmp_path / "log"
    with dask.config.set({"distributed.scheduler.worker-ttl": "2s"}):
        run(study_cases.freezes, numbered(1, log=str(log)), Where(jobs=1), "squares")
    assert log.read_text().split() == ["0"], "made once"


def test_a_case_goes_on_from_its_checkpoint(tmp_path):
    log = tmp_path / "log"
    run(study_cases.goes_on, numbered(1, log=str(log)), Where(jobs=1), "steps")
    assert log.read_text().split() == ["0", "1", "2", "3"], "no step twice"
    assert [file.suffix for file in (tmp_path / "kept" / "study_cases").iterdir()] == [".pt"], "no checkpoint is left"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (study_cases.raises, "case 0 failed: ValueError: 0 is not to be had"),
        (study_cases.dies, "case 0 failed: its process died 4 times"),
        (study_cases.no_room, r"case 0 failed: OSError: no_room.* could not be kept .*Make room"),
    ],
)
def test_a_case_that_fails_is_named_and_what_is_kept_is_said(function, words, tmp_path):
    with pytest.raises(SystemExit, match=words + r".* 0 of 1 cases were finished .*the same command goes on"):
        run(function, numbered(1), Where(jobs=1), "study")
    assert not list((tmp_path / "kept").rglob("*.pt")) and not list((tmp_path / "kept").rglob("*.part"))


def test_no_case_waits_behind_another_at_a_worker(tmp_path, monkeypatch):
    """Dask hands out all that it is given, and does not always take back what waits behind a long case."""
    most = []

    class Client(distributed.Client):
        def submit(self, *args, **more):
            future = super().submit(*args, **more)
            most.append(sum(future.status == "pending" for future in self.futures.values()))
            return future

    monkeypatch.setattr(distributed, "Client", Client)
    done = run(study_cases.square, numbered(7, seconds=0.1, log=str(tmp_path / "log")), Where(jobs=2), "squares")
    assert [case.result["square"] for case in done.values()] == [0, 1, 4, 9, 16, 25, 36]
    assert len(most) == 7 and max(most) == 2


def test_a_study_without_a_process_ends_after_three_looks(monkeypatch):
    """Where no process starts at all, as on a machine without memory."""
    looks = []

    class Empty(LocalCluster):
        def __init__(self, n_workers, **more):
            super().__init__(n_workers=0, **more)

    class Client(distributed.Client):
        def scheduler_info(self, *args, **more):
            looks.append(time.monotonic())
            return super().scheduler_info(*args, **more)

    monkeypatch.setattr(distributed, "LocalCluster", Empty)
    monkeypatch.setattr(distributed, "Client", Client)
    monkeypatch.setattr(_runner, "_PATIENCE", 0.2)
    with pytest.raises(SystemExit, match="no process is left, and no new one started.* 0 of 2 cases were finished"):
        run(study_cases.square, numbered(2), Where(jobs=2), "squares")
    assert len(looks) == 3


def test_processes_that_are_slow_to_end_hide_no_word(monkeypatch):
    close = LocalCluster.close

    def slow(cluster, *args):
        close(cluster, *args)
        raise TimeoutError

    monkeypatch.setattr(LocalCluster, "close", slow)
    with pytest.raises(SystemExit, match="case 0 failed: ValueError"):
        run(study_cases.raises, numbered(1), Where(jobs=1), "study")


def start(tmp_path, scheduler=""):
    program = PROGRAM.format(log=str(tmp_path / "log"), scheduler=scheduler)
    (tmp_path / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "program.py")]
    return subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(tmp_path):
    return list((tmp_path / "_build").rglob("*.pt"))


def wait_for(condition, process, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or process.poll() is not None:
            process.kill()
            pytest.fail(process.communicate()[0])
        time.sleep(0.05)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_the_client_is_stopped_in_the_middle(tmp_path, blow):
    client = start(tmp_path)
    wait_for(lambda: finished(tmp_path), client)
    client.send_signal(blow)
    output, _ = client.communicate(timeout=60)
    kept = {file: file.stat().st_mtime_ns for file in finished(tmp_path)}
    assert client.returncode != 0 and 0 < len(kept) < 6
    if blow == signal.SIGINT:
        assert "squares: stopped." in output and "the same command goes on" in output
        assert "Traceback" not in output
    time.sleep(1.5)  # what was at work has ended with it, or has finished its case
    begun = len((tmp_path / "log").read_text().split())
    kept |= {file: file.stat().st_mtime_ns for file in finished(tmp_path)}
    second = start(tmp_path)
    output, _ = second.communicate(timeout=100)
    assert second.returncode == 0 and output.rstrip().endswith(SQUARES), output
    assert all(file.stat().st_mtime_ns == when for file, when in kept.items()), "a finished case was made again"
    assert len((tmp_path / "log").read_text().split()) == begun + 6 - len(kept), "the others once"


def cluster(tmp_path, port):
    """A scheduler and a worker as on other machines, on loopback."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        address,
        "--no-dashboard",
        "--no-show",
    ]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    worker += ["--host", "127.0.0.1", "--death-timeout", "60"]
    quiet = {"cwd": tmp_path, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return address, [subprocess.Popen(command, **quiet) for command in (scheduler, worker)]


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_scheduler_of_a_cluster_is_killed_in_the_middle(tmp_path):
    started = []
    try:
        address, both = cluster(tmp_path, free_port())
        started += both
        client = start(tmp_path, address)
        started.append(client)
        wait_for(lambda: finished(tmp_path), client)
        both[0].send_signal(signal.SIGKILL)
        output, _ = client.communicate(timeout=100)
        assert client.returncode != 0 and "the same command goes on" in output, output
        kept = {file: file.stat().st_mtime_ns for file in finished(tmp_path)}
        both[1].kill()
        address, both = cluster(tmp_path, free_port())
        started += both
        second = start(tmp_path, address)
        started.append(second)
        output, _ = second.communicate(timeout=100)
        assert second.returncode == 0 and output.rstrip().endswith(SQUARES), output
        assert all(file.stat().st_mtime_ns == when for file, when in kept.items()), "a finished case was made again"
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_no_scheduler_at_an_address_is_said(tmp_path):
    with pytest.raises(SystemExit, match="study: no scheduler answers at tcp://127.0.0.1:9"):
        run(study_cases.raises, numbered(1), Where(scheduler="tcp://127.0.0.1:9"), "study")
