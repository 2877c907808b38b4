"""The first signal is a request, the second acts as ever; by real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from paddlex.utils.signals import StopRequest

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_block_goes_on(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert stop.signal_number is None
        os.kill(os.getpid(), number)
        reached = True
    assert reached
    assert stop.signal_number == number


def test_the_second_ctrl_c_interrupts_as_ever() -> None:
    with StopRequest() as stop, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal_number == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)


def stopped_twice(request: str) -> subprocess.CompletedProcess[str]:
    """A process that gets SIGTERM twice in the block and once after it."""
    code = (
        "import os, signal\nfrom paddlex.utils.signals import StopRequest\n"
        f"with {request}:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n    print('noted', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n    print('patient', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nprint('to the end')"
    )
    root = Path(__file__).parent.parent.parent
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=root)


def test_the_second_sigterm_ends_the_process() -> None:
    done = stopped_twice("StopRequest()")
    assert done.stdout == "noted\n"
    assert done.returncode == -signal.SIGTERM


def test_a_patient_process_ends_by_itself_though_the_signal_is_repeated() -> None:
    done = stopped_twice("StopRequest(patient=True)")
    assert done.stdout == "noted\npatient\nto the end\n"
    assert done.returncode == 0


def test_after_the_block_signals_act_as_before() -> None:
    with StopRequest():
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_an_error_in_the_block_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), StopRequest():
        raise ZeroDivisionError


def test_outside_the_main_thread_nothing_is_changed() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with StopRequest() as stop:
                assert signal.getsignal(signal.SIGINT) is before
                assert stop.signal_number is None
        except BaseException as error:
            errors.append(error)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
