"""Cases of a small study, for the tests of the runner: workers import them by this module's name."""

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import torch


def square(number, seconds, log, device, checkpoint):
    """Write a line to a file, so that a test can count, and take some time."""
    with open(log, "a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return {"square": number**2, "row": torch.arange(number)}


def dies_once(number, log, device, checkpoint):
    """Its first process is killed, as by a machine that runs out of memory."""
    with open(log, "a") as file:
        file.write(f"{number}\n")
    if number == 2 and Path(log).read_text().split().count("2") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": number**2}


def overlaps(number, log, device, checkpoint):
    """Write its number when it begins and when it ends."""
    for _ in range(2):
        with open(log, "a") as file:
            file.write(f"{number}\n")
        time.sleep(0.2)
    return {}


def whose(number, log, device, checkpoint):
    """The process that it runs in."""
    return {"process": os.getpid()}


def freezes(number, log, device, checkpoint):
    """Gets no share of the processor for some seconds."""
    with open(log, "a") as file:
        file.write(f"{number}\n")
    subprocess.Popen(["sh", "-c", f"sleep 8; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)
    return {"square": number**2}


def dies(number, device, checkpoint):
    os.kill(os.getpid(), signal.SIGKILL)


def raises(number, device, checkpoint):
    raise ValueError(f"{number} is not to be had")


def no_room(number, device, checkpoint):
    """From here on this process can write no file of more than a kilobyte."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    return {"row": torch.zeros(100_000)}


def goes_on(number, log, device, checkpoint):
    """Keeps what it has in its checkpoint, is killed, and goes on from there."""
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for step in range(done, 4):
        checkpoint.write_text(str(step + 1))
        with open(log, "a") as file:
            file.write(f"{step}\n")
        if step == 1 and done == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return {"steps": 4}
