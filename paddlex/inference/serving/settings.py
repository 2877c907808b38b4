"""What the service may do, and how much of everything it takes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

MEGABYTE = 2**20


@dataclass(frozen=True)
class ServerSettings:
    """The settings of one server process. Times are in seconds, sizes in bytes.

    Attributes:
        host, port: where it listens; port 0 takes a free one.
        api_key: what clients must send; None lets everyone in who reaches the port.
        allowed_hosts: names under which it may be addressed, beside localhost.
        allow_urls: whether images may be fetched from the internet.
        max_body_bytes: the largest request.
        max_pixels: width times height of the largest image.
        max_images: images in one request.
        max_batch: images that the network takes at once.
        batch_wait: how long an image waits for others to share its batch.
        queue_size: images that wait for one model.
        max_requests: at work at once; what comes on top gets 503.
        max_connections: at once; who comes on top takes the place of one without a request.
        header_timeout: for the head of a request to arrive.
        body_grace, body_rate: a body may take ``body_grace`` seconds, and a second more for each ``body_rate`` bytes.
        write_timeout, write_rate: who reads less than ``write_rate`` bytes a second of an answer for so long is cut off.
        idle_timeout: for a connection without a request.
        request_timeout: for an image from its arrival to its result.
        drain_delay: how long the service goes on accepting after SIGTERM, with ``/readyz`` at 503 already.
        drain_timeout: how long it then waits for the requests in flight.
        url_timeout, max_redirects: for an image at a URL.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    api_key: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    allow_urls: bool = False
    max_body_bytes: int = 64 * MEGABYTE
    max_pixels: int = 50_000_000
    max_images: int = 256
    max_batch: int = 8
    batch_wait: float = 0.002
    queue_size: int = 64
    max_requests: int = 128
    max_connections: int = 512
    header_timeout: float = 10.0
    body_grace: float = 10.0
    body_rate: float = 64 * 2**10
    write_timeout: float = 30.0
    write_rate: float = 2 * 2**10
    idle_timeout: float = 65.0
    request_timeout: float = 60.0
    drain_delay: float = 1.0
    drain_timeout: float = 30.0
    url_timeout: float = 10.0
    max_redirects: int = 3

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    @property
    def max_json_values(self) -> int:
        """Values in a JSON body, counted by its commas, of which an image's URL may hold some."""
        return 16 * (self.max_images + 16)

    @property
    def max_bytes_in_flight(self) -> int:
        """Bodies of all requests together; as much again of answers that are not read yet."""
        return 4 * self.max_body_bytes

    @property
    def max_pixels_in_flight(self) -> int:
        """Decoded images of all requests together; one costs up to about 40 bytes a pixel until its answer is made."""
        return 2 * self.max_pixels


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
