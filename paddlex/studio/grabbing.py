"""One picture of a network camera. A process of its own fetches it: whatever a stream does to the decoder, the studio goes on.

The address goes through a pipe, not into a command line, because it may hold a password and every user can list processes.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from urllib.parse import urlsplit

from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.utils.child_process import environment_of_child

_SCHEMES = ("rtsp", "rtsps", "http", "https")
_LONGEST_URL = 2048

#: Seconds until a camera must have sent a picture, and until its process is ended whatever it does.
_SECONDS, _MOST_SECONDS = 8, 12

_MOST_BYTES = 64 * 2**20

#: Cameras that are asked at once: each takes a process, and a thread of those that all requests share.
_PLACES = threading.BoundedSemaphore(4)


def grab(url: str) -> bytes:
    """One frame of a camera, as a JPEG.

    Args:
        url: of rtsp, rtsps, http or https; a user name and a password may be in it.

    Raises:
        RequestError: 422, it is no such URL; 502, the camera sends no picture. The URL is in neither.
        Busy: others are being asked.
    """
    _check(url)
    if not _PLACES.acquire(blocking=False):
        raise Busy("several cameras are being asked already")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "paddlex.studio.grabbing"], input=url.encode(), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=_MOST_SECONDS, env=environment_of_child(), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _failed() from error
    finally:
        _PLACES.release()
    if done.returncode or not done.stdout or len(done.stdout) > _MOST_BYTES:
        raise _failed()
    return done.stdout


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_right = parts.scheme.lower() in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise RequestError(422, "a camera has an address such as rtsp://10.0.0.7/stream", remedy="Correct it")


def _failed() -> RequestError:
    return RequestError(
        502, f"the camera has sent no picture within {_SECONDS} s", remedy="Check its address, user and password"
    )


def main() -> int:
    """A URL on standard input, a JPEG on standard output."""
    import cv2

    url = sys.stdin.buffer.read(_LONGEST_URL + 1).decode("ascii")
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000 * _SECONDS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000 * _SECONDS]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)  # no other backend: those take patterns and pipelines
    is_read, frame = capture.read()
    if not is_read or frame is None:
        return 1
    sys.stdout.buffer.write(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 97])[1].tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
