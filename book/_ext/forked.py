"""Kernels that begin with torch, SymPy and matplotlib imported: forked from one process that did so, once for all.

That process imports none of our files, so a kernel still says which of them its chapter loaded. Only on Linux:
elsewhere a library may start threads when it is imported, and those are lost in a fork.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

IMPORTED = ("ipykernel.kernelapp", "matplotlib.pyplot", "numpy", "sympy", "torch")


class Parent:
    """The process that kernels are forked from. It ends with this one, and its kernels with it."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def fork(self, arguments: list[str], folder: str) -> int:
        """Start a kernel that works in a folder; its process id."""
        with self._one_at_a_time:
            if self._process is None:
                # In a session of its own: Ctrl-C at a terminal is for this process alone.
                options: Any = {"text": True, "start_new_session": True}
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                self._process = subprocess.Popen([sys.executable, __file__], **pipes, **options)
            asked, answer = self._process.stdin, self._process.stdout
            assert asked and answer
            asked.write(json.dumps([arguments, folder]) + "\n")
            asked.flush()
            told = answer.readline()
            if not told:
                raise RuntimeError("the process that kernels are forked from has ended; what it said is above")
            return int(told)


PARENT = Parent()


class Kernel:
    """What Jupyter asks of a process, for one that is another's child."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it runs. How it ended only its parent knows."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 1
        return None

    def wait(self) -> int:
        """Jupyter calls this when it has ended."""
        return 1

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forked(LocalProvisioner):
    """Starts the kernel that the command would start, without what it would import first."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        process: Any = Kernel(PARENT.fork(arguments, kwargs["cwd"]))
        self.process, self.pid, self.pgid = process, process.pid, process.pid
        return self.connection_info


def use() -> None:
    """From here on the kernels that this process starts are forked, where they can be."""
    if sys.platform != "linux":
        return
    factory = KernelProvisionerFactory.instance()
    factory.provisioners["forked"] = EntryPoint("forked", f"{__name__}:Forked", factory.GROUP_NAME)
    factory.default_provisioner_name = "forked"


def _serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a kernel that ended leaves nothing behind
    sys.path.remove(str(Path(__file__).parent))
    # As a kernel has them: where figures go, and whose end is its own.
    os.environ |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "JPY_PARENT_PID": str(os.getpid())}
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        arguments, folder = json.loads(line)
        if os.fork() == 0:
            _be_a_kernel(arguments, folder)


def _be_a_kernel(arguments: list[str], folder: str) -> None:
    os.setsid()  # a group that is sent signals; before its number is told
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.write(1, f"{os.getpid()}\n".encode())
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    sys.argv[1:] = arguments
    importlib.import_module("ipykernel.kernelapp").launch_new_instance()
    os._exit(0)


if __name__ == "__main__":
    _serve()
