"""A process that holds a camera's stream open and hands out pictures: whatever it does to the decoder, the line goes on.

Standard input: the address in a line, then a byte for each picture that is wanted. Standard output: for each a header, see
``HEADER``, and the pixels; the first header, of no pixels, says that the stream is open. All pictures in between are taken and
thrown away, so that none that is handed out has waited in a buffer.
"""

from __future__ import annotations

import os
import struct
import sys
import threading

#: Height and width; then follow uint8 [H, W, 3] BGR.
HEADER = struct.Struct("<II")


def main() -> int:
    """The exit status: 1 where the stream cannot be opened or ends."""
    import cv2

    from paddlex.inference.network_camera import opened_stream
    from paddlex.inference.video import camera_index

    address = sys.stdin.buffer.readline().decode("ascii").rstrip("\n")
    seconds = float(sys.argv[1])
    index = camera_index(address)
    capture = opened_stream(address, seconds) if index is None else cv2.VideoCapture(index)
    if not capture.grab():
        return 1
    output = sys.stdout.buffer
    output.write(HEADER.pack(0, 0))
    output.flush()
    wanted = threading.Semaphore(0)
    threading.Thread(target=_listen, args=(wanted,), daemon=True).start()
    while True:
        is_wanted = wanted.acquire(blocking=False)
        if not capture.grab():
            return 1
        if is_wanted:
            is_read, frame = capture.retrieve()
            if not is_read or frame is None or frame.ndim != 3:
                return 1
            output.write(HEADER.pack(*frame.shape[:2]))
            output.write(frame.tobytes())
            output.flush()


def _listen(wanted: threading.Semaphore) -> None:
    while sys.stdin.buffer.read(1):
        wanted.release()
    os._exit(0)  # whoever wanted the pictures has gone


if __name__ == "__main__":
    sys.exit(main())
