"""Stops a computation after a while, in any thread and on any system."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_ulong, py_object
from functools import partial
from threading import Event, Lock, Thread, get_ident
from typing import Any

import mpmath
from sympy.core.parameters import global_parameters

_AGAIN = 0.2  # seconds between two interrupts, should something have swallowed the first


class OutOfTime(Exception):
    """The work was stopped."""


class _Interrupt(BaseException):
    """Raised inside the work by another thread; no ``except Exception`` on its way may catch it."""


class Budget:
    """An amount of computing time, spent by one thread.

    Where the system counts the time of each thread (Linux does), a busy machine takes nothing away.

    Args:
        seconds: the amount.
    """

    def __init__(self, seconds: float) -> None:
        self._clock = _clock(get_ident())
        self._end = self._clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 at least."""
        return max(0.0, self._end - self._clock())

    def run(self, work: Callable[[], Any], most: float) -> Any:
        """Return ``work()``.

        Args:
            work: what to compute, in Python: a single long call into compiled code is not interrupted.
            most: stop after so many seconds, or when the budget is spent.

        Raises:
            OutOfTime: it was stopped. SymPy's and mpmath's settings are as they were.
        """
        seconds = min(most, self.left())
        if seconds <= 0:
            raise OutOfTime
        digits, evaluate, distribute = mpmath.mp.prec, global_parameters.evaluate, global_parameters.distribute
        watch = _Watch(seconds, self._clock)
        with _swallowed_in_silence():
            try:
                try:
                    watch.start()
                    return work()
                finally:
                    watch.stop()
            except _Interrupt:
                watch.stop()  # the interrupt may have come before the first stop did its work
                mpmath.mp.prec = digits
                global_parameters.evaluate, global_parameters.distribute = evaluate, distribute
                raise OutOfTime from None


class _Watch:
    """Interrupts the thread that made it, unless stopped before."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._thread, self._clock, self._end = get_ident(), clock, clock() + seconds
        self._sending, self._over, self._stopped = Lock(), False, Event()

    def start(self) -> None:
        if _interrupt is None:
            return
        try:
            Thread(target=self._wait, daemon=True).start()
        except RuntimeError:  # no threads here, as in a browser: the time is only looked at between two steps
            pass

    def stop(self) -> None:
        """No interrupt comes after this."""
        with self._sending:
            self._over = True
            if _interrupt is not None:
                _interrupt(c_ulong(self._thread), None)  # takes back one that was sent and is still on its way
        self._stopped.set()

    def _wait(self) -> None:
        remaining = 0.0
        while not self._stopped.wait(max(0.01, remaining)):
            try:
                remaining = self._end - self._clock()
            except OSError:  # the thread has ended meanwhile, and its clock with it
                return
            if remaining > 0:  # it has not had all of its time yet
                continue
            with self._sending:
                if not self._over:
                    _interrupt(c_ulong(self._thread), py_object(_Interrupt))
            remaining = _AGAIN


_hooks = Lock()
_runs = 0
_before: Any
_report: Any


@contextmanager
def _swallowed_in_silence() -> Iterator[None]:
    """Print nothing of an interrupt that meets a finalizer or a callback of the garbage collector.

    Python lets no exception out of these, and says so on the screen; the next interrupt stops the work.
    """
    global _runs, _before, _report
    with _hooks:
        if _runs == 0:
            _before = sys.unraisablehook
            _report = sys.unraisablehook = _all_but_interrupts(_before)
        _runs += 1
    try:
        yield
    finally:
        with _hooks:
            _runs -= 1
            if _runs == 0 and sys.unraisablehook is _report:
                sys.unraisablehook = _before


def _all_but_interrupts(report: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda ignored: None if ignored.exc_type is _Interrupt else report(ignored)


def _clock(thread: int) -> Callable[[], float]:
    try:
        return partial(time.clock_gettime, time.pthread_getcpuclockid(thread))
    except (AttributeError, OSError):
        return time.monotonic


try:
    from ctypes import pythonapi

    _interrupt: Any = pythonapi.PyThreadState_SetAsyncExc
except (ImportError, AttributeError):  # not CPython
    _interrupt = None
