"""Stopping between two steps instead of in the middle of one."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def keep_signals_off_this_thread() -> None:
    """Let SIGINT and SIGTERM land in a thread of their own, and neither in the calling one nor in those that it starts later.

    A signal ends what the operating system is just doing for the thread that it lands in, and Paddle's store takes an
    interrupted read for a lost connection. Python's handlers run in the main thread as ever, between two instructions.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on Windows, which interrupts no thread either
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        threading.Thread(target=_take_signals, name="signals", daemon=True).start()


def _take_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    threading.Event().wait()


@contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Let Ctrl-C interrupt the block wherever it lands.

    Where Python is called by what can pass on no error, a weak reference, a ``__del__`` or a library, it ignores a
    KeyboardInterrupt, and a run of hours would go on. It is raised again a moment later.
    """
    previous = sys.unraisablehook
    again: list[threading.Timer] = []

    def hook(ignored: sys.UnraisableHookArgs) -> None:
        if ignored.exc_type is not KeyboardInterrupt:
            previous(ignored)
            return
        again.append(threading.Timer(0.05, _thread.interrupt_main))  # at once it would be raised in here
        again[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = previous
        waiting = [timer for timer in again if timer.is_alive()]
        for timer in waiting:
            timer.cancel()
    if waiting:
        raise KeyboardInterrupt


class StopRequest:
    """While the block runs, the first SIGINT or SIGTERM is noted instead of acted on; the second acts as ever.

    Outside the main thread Python can receive no signals, and nothing is changed.

    Args:
        patient: once a signal has come, further ones change nothing, also after the block: Paddle's launcher sends three
            within half a second, and in the end kills.

    Attributes:
        signal_number: the signal that came, None so far.
    """

    def __init__(self, patient: bool = False) -> None:
        self._patient = patient
        self.signal_number: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._patient or self.signal_number is None:
            self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        if not self._patient:
            self._restore()

    def _restore(self) -> None:
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type]
