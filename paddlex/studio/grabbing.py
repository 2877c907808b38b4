"""One picture of a network camera. A process of its own fetches it: whatever a stream does to the decoder, the studio goes on.

The address goes through a pipe, not into a command line, because it may hold a password and every user can list processes.
"""

from __future__ import annotations

import subprocess
import sys
import threading

from paddlex.errors import ImageReadError
from paddlex.inference.network_camera import LONGEST, check_address, opened_stream
from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.utils.child_process import environment_of_child

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
    try:
        check_address(url)
    except ImageReadError as error:
        raise RequestError(422, error.what, remedy=error.remedy) from None
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


def _failed() -> RequestError:
    return RequestError(
        502, f"the camera has sent no picture within {_SECONDS} s", remedy="Check its address, user and password"
    )


def main() -> int:
    """A URL on standard input, a JPEG on standard output."""
    import cv2

    url = sys.stdin.buffer.read(LONGEST + 1).decode("ascii")
    is_read, frame = opened_stream(url, _SECONDS).read()
    if not is_read or frame is None:
        return 1
    sys.stdout.buffer.write(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 97])[1].tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
