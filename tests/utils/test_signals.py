"""The first signal is a request, the second acts as ever; by real signals, which only processes made for it get."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from paddlex.utils.signals import StopRequest

ROOT = Path(__file__).parents[2]
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; ``get(number)`` sends it a signal, and ``handlers()`` is what acts on signals."""
    prepared = """
        import os, signal, sys, threading, time
        from paddlex.utils.signals import StopRequest, keep_signals_off_this_thread

        def get(number):
            os.kill(os.getpid(), number)

        def handlers():
            return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

        def say(word):
            print(word, flush=True)

        before = handlers()
    """
    code = textwrap.dedent(prepared) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, cwd=ROOT)


def said(code: str) -> str:
    """What such a process says; it must end well."""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("number", [int(number) for number in SIGNALS])
def test_the_first_signal_is_noted_and_the_block_goes_on(number: int) -> None:
    code = f"""
        with StopRequest() as stop:
            say(stop.signal_number)
            get({number})
            say(stop.signal_number)
        assert handlers() == before
    """
    assert said(code) == f"None\n{number}\n"


def test_the_second_ctrl_c_interrupts_as_ever() -> None:
    code = """
        with StopRequest():
            get(signal.SIGINT)
            say("noted")
            get(signal.SIGINT)
            say("not reached")
    """
    done = run(code)
    assert done.stdout == "noted\n"
    assert done.stderr.endswith("KeyboardInterrupt\n")


def test_the_second_sigterm_ends_the_process() -> None:
    code = """
        with StopRequest():
            get(signal.SIGTERM)
            say("noted")
            get(signal.SIGTERM)
            say("not reached")
    """
    done = run(code)
    assert (done.stdout, done.returncode) == ("noted\n", -signal.SIGTERM)


def test_a_patient_process_ends_by_itself_though_the_signal_is_repeated() -> None:
    code = """
        with StopRequest(patient=True):
            get(signal.SIGTERM)
            say("noted")
            get(signal.SIGTERM)
            say("patient")
        get(signal.SIGTERM)
        say("to the end")
    """
    assert said(code) == "noted\npatient\nto the end\n"


def test_after_the_block_signals_act_as_before() -> None:
    code = """
        with StopRequest(), StopRequest(patient=True):
            pass
        assert handlers() == before
    """
    assert said(code) == ""


def test_a_signal_that_comes_while_a_weak_reference_is_called_back_is_noted() -> None:
    code = """
        import weakref

        class Thing: pass

        with StopRequest() as stop:
            thing = Thing()
            reference = weakref.ref(thing, lambda _: get(signal.SIGINT))
            del thing
            say(stop.signal_number)
        assert handlers() == before
    """
    assert said(code) == f"{int(signal.SIGINT)}\n"


# Python itself ignores it there.
@pytest.mark.parametrize("then", ["while True: time.sleep(0.01)", "pass"], ids=["in the middle", "at the very end"])
def test_ctrl_c_interrupts_though_it_comes_while_a_weak_reference_is_called_back(then: str) -> None:
    code = f"""
        import weakref
        from paddlex.utils.signals import no_interrupt_lost

        class Thing: pass

        try:
            with no_interrupt_lost():
                thing = Thing()
                reference = weakref.ref(thing, lambda _: get(signal.SIGINT))
                del thing
                {then}
        except KeyboardInterrupt:
            say("interrupted")
        time.sleep(0.2)
    """
    assert said(code) == "interrupted\n"


# What is not done by Python is not interrupted: Paddle's store and others take an interrupted read for a lost connection.
def test_a_read_by_a_library_goes_on_when_a_signal_comes() -> None:
    code = """
        import ctypes

        keep_signals_off_this_thread()
        with StopRequest(patient=True) as stop:
            reading, writing = os.pipe()

            def send() -> None:
                for _ in range(5):
                    time.sleep(0.05)
                    get(signal.SIGTERM)
                os.write(writing, b"x")

            threading.Thread(target=send).start()
            say(ctypes.CDLL(None).read(reading, ctypes.create_string_buffer(1), 1))
            say(stop.signal_number)
    """
    assert said(code) == f"1\n{int(signal.SIGTERM)}\n"


def test_an_error_in_the_block_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), StopRequest():
        raise ZeroDivisionError


def test_outside_the_main_thread_nothing_is_changed() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    found: list[object] = []

    def work() -> None:
        with StopRequest() as stop:
            found.append([signal.getsignal(number) for number in SIGNALS])
            found.append(stop.signal_number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before, None]
