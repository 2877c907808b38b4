"""Pictures that are sent: decoded before anything is kept of them, within the bounds of the service."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from starlette.requests import Request

from paddlex.inference.serving.image_guard import read_size
from paddlex.inference.serving.judging import Service
from paddlex.studio.pictures import decode_for_people

T = TypeVar("T")


async def taken(request: Request, service: Service, data: bytes, use: Callable[[np.ndarray], T]) -> T:
    """What becomes of a picture.

    Args:
        request: that it came with.
        service: whose limits count.
        data: the file as it came.
        use: gets what it shows, uint8 [H, W, 3] BGR; called on a thread.

    Raises:
        ImageReadError: it is no picture, damaged, or too large.
        RequestError: other pictures take all the memory there is.
    """
    size = await service.in_thread(partial(read_size, data, service.settings.max_pixels))
    hold = request.scope["hold"].part()
    try:
        await hold.take(service.budgets.pixels, size.pixels)
        return await service.in_thread(lambda: use(decode_for_people(data)))
    finally:
        hold.close()
