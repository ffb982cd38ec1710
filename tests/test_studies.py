"""The runner of the studies, with real processes: whatever is killed, no finished case is lost or made twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
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


def test_a_case_whose_worker_is_killed_is_made_by_another_and_no_other_again(tmp_path):
    log = tmp_path / "log"
    done = run(study_cases.dies_once, numbered(4, log=str(log)), Where(jobs=2), "squares")
    assert [case.result["square"] for case in done.values()] == [0, 1, 4, 9]
    assert sorted(log.read_text().split()) == ["0", "1", "2", "2", "3"]


def test_a_gpus_cases_are_not_those_of_a_processor(tmp_path, capsys):
    cases = numbered(2, seconds=0.0, log=str(tmp_path / "log"))
    run(study_cases.square, cases, Where(jobs=1), "squares")
    assert "cases are in" not in capsys.readouterr().out
    run(study_cases.square, cases, Where(jobs=1), "squares")
    said = f"squares: 2 of 2 cases are in {tmp_path / 'kept' / 'study_cases'}; delete it to make them again."
    assert said in capsys.readouterr().out
    done = run(study_cases.square, cases, Where(device="cuda", jobs=1), "squares")
    assert (tmp_path / "log").read_text().split() == ["0", "1", "0", "1"]
    assert [case.result["square"] for case in done.values()] == [0, 1]
    assert done["case 0"].provenance["settings"] == cases["case 0"]


def test_a_damaged_case_is_named(tmp_path):
    cases = numbered(2, seconds=0.0, log=str(tmp_path / "log"))
    run(study_cases.square, cases, Where(jobs=1), "squares")
    file = sorted((tmp_path / "kept" / "study_cases").iterdir())[0]
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(SystemExit, match=rf"squares: .*{file.name} is damaged .*Delete it: the same command makes"):
        run(study_cases.square, cases, Where(jobs=1), "squares")
    file.unlink()
    assert len(run(study_cases.square, cases, Where(jobs=1), "squares")) == 2


ROOM_FOR_FOUR = """
mount -t tmpfs -o size=16k tmpfs {kept} || exit 77
{python} {program} && exit 1
ls {kept}/*/*.pt
mount -o remount,size=1m {kept}
{python} {program}
"""


def test_the_disk_is_full_in_the_middle_and_then_has_room(tmp_path):
    """A real disk of four pages, seen by these processes alone: each case takes one."""
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk of his own")
    (tmp_path / "_build" / "results").mkdir(parents=True)
    log = tmp_path / "log"
    (tmp_path / "program.py").write_text(PROGRAM.format(log=str(log), scheduler=""))
    kept = tmp_path / "_build" / "results"
    script = ROOM_FOR_FOUR.format(kept=kept, python=sys.executable, program=tmp_path / "program.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0 and done.stdout.rstrip().endswith(SQUARES), done.stdout + done.stderr
    assert "could not be kept" in done.stderr and "Make room" in done.stderr
    whole = done.stdout.count(".pt\n")
    assert 0 < whole < 6 and f"squares: {whole} of 6 cases are in" in done.stdout
    assert len(log.read_text().split()) <= 6 + 2, "those that were running, and no other, are made again"


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


def worker(tmp_path, address, *words, before=()):
    """A worker as on another machine, on loopback."""
    program = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-dashboard", "--no-nanny"]
    program += ["--host", "127.0.0.1", "--death-timeout", "60", *words]
    return in_background(tmp_path, [*before, *program])


def cluster(tmp_path, port, *words, before=()):
    """A scheduler and a worker as on other machines, on loopback."""
    address = f"tcp://127.0.0.1:{port}"
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show"]
    scheduler = in_background(tmp_path, program)
    return address, [scheduler, worker(tmp_path, address, *(words or ("--nthreads", "1")), before=before)]


def in_background(tmp_path, command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    quiet = {"cwd": tmp_path, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, **quiet)


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


@pytest.fixture
def started():
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_a_worker_with_several_threads_is_refused(tmp_path, started):
    """Torch's random numbers are those of a process: two cases in one would take each other's."""
    address, both = cluster(tmp_path, free_port(), "--nthreads", "4")
    started += both
    client = start(tmp_path, address)
    started.append(client)
    output, _ = client.communicate(timeout=60)
    assert client.returncode != 0 and "has 4 threads, and cases need a process each" in output, output
    assert "--nthreads 1, and with --nworkers for several" in output and not finished(tmp_path)


def test_cases_of_one_process_run_one_after_another(tmp_path):
    """A worker that comes later than the others may have several threads all the same."""
    log = tmp_path / "log"
    words = [
        ("tests.study_cases:overlaps", {"number": n, "log": str(log)}, str(tmp_path / f"{n}.pt")) for n in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: _runner._case(*each, "cpu", "-"), words))
    lines = log.read_text().split()
    assert len(lines) == 8 and lines[::2] == lines[1::2], "each ends before the next begins"


def test_what_a_worker_with_a_disk_of_its_own_has_made_comes_home(tmp_path, started):
    """Its folder of results is another one; what it made is kept there, and here."""
    away = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"', str(tmp_path / "_build")]
    if subprocess.run([*away[:4], "mount -t tmpfs tmpfs /tmp"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk of his own")
    (tmp_path / "_build").mkdir()
    address, both = cluster(tmp_path, free_port(), before=away)
    started += both
    for _ in range(2):
        client = start(tmp_path, address)
        started.append(client)
        output, _ = client.communicate(timeout=100)
        assert client.returncode == 0 and output.rstrip().endswith(SQUARES), output
        assert len(finished(tmp_path)) == 6
    assert len((tmp_path / "log").read_text().split()) == 6
    for file in finished(tmp_path)[:3]:
        file.unlink()  # lost here, and still there
    client = start(tmp_path, address)
    started.append(client)
    output, _ = client.communicate(timeout=100)
    assert client.returncode == 0 and output.rstrip().endswith(SQUARES), output
    assert len((tmp_path / "log").read_text().split()) == 6 and len(finished(tmp_path)) == 6


def test_two_clients_with_cases_of_one_name_get_each_its_own(tmp_path, started):
    address, both = cluster(tmp_path, free_port())
    started += both
    log = str(tmp_path / "log")

    def client(number):
        case = {"case": {"number": number, "seconds": 1.0, "log": log}}
        return run(study_cases.square, case, Where(scheduler=address), "squares")["case"].result["square"]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(client, (3, 5))) == [9, 25]


def test_a_study_on_gpus_waits_for_one_and_says_so(tmp_path, started, monkeypatch, capsys):
    """Workers without one get no case. The resource alone decides: no test machine needs a GPU for this."""
    monkeypatch.setattr(_runner, "_PATIENCE", 1.0)
    address, both = cluster(tmp_path, free_port())
    started += both
    log = tmp_path / "log"
    timer = threading.Timer(
        6.0, lambda: started.append(worker(tmp_path, address, "--nthreads", "1", "--resources", "GPU=1"))
    )
    timer.start()
    done = run(study_cases.whose, numbered(3, log=str(log)), Where(device="cuda", scheduler=address), "squares")
    timer.join()
    assert {case.result["process"] for case in done.values()} == {started[-1].pid}
    waiting = f"squares: waiting for a worker: dask worker {address} --nthreads 1 --resources GPU=1"
    assert capsys.readouterr().out.count(waiting) == 1


def test_no_scheduler_at_an_address_is_said(tmp_path):
    with pytest.raises(SystemExit, match="study: no scheduler answers at tcp://127.0.0.1:9"):
        run(study_cases.raises, numbered(1), Where(scheduler="tcp://127.0.0.1:9"), "study")
