"""One server process: from settings and models to an exit status."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from paddlex.errors import ConfigError, PaddleXError
from paddlex.inference.serving.app import create_app
from paddlex.inference.serving.extension import Extension
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.protocol import guarded_protocol
from paddlex.inference.serving.registry import ModelRegistry, PipelineLoader
from paddlex.inference.serving.settings import ServerSettings
from paddlex.inference.serving.web_pages import PAGE
from paddlex.utils.logging import logger


def run_server(
    pipelines: Mapping[str, str],
    load: PipelineLoader,
    settings: ServerSettings,
    products: Sequence[str] = (),
    extension: Extension | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status: 0 after a clean stop, 1 if the models cannot be loaded.

    Raises:
        ConfigError: the address cannot be used.
    """
    listener = listen(settings.host, settings.port)
    announce(settings, listener, has_users=extension is not None)
    server = Server(pipelines, load, settings, products=products, extension=extension)
    server.run(sockets=[listener])
    logger.info("Stopped.")
    return 0 if server.failure is None else 1


class Server(uvicorn.Server):
    """uvicorn's server, which first says on ``/readyz`` that it will stop, and after a signal ends with status 0.

    Args:
        pipelines: name -> pipeline; the first is the default.
        load: loads one.
        settings: of the server.
        page: the folder of the page.
        products: see ``ModelRegistry``.
        extension: what is added to the service.

    Attributes:
        service: what the routes work with.
        failure: why the models could not be loaded; None if they could.
    """

    def __init__(
        self,
        pipelines: Mapping[str, str],
        load: PipelineLoader,
        settings: ServerSettings,
        page: Path = PAGE,
        products: Sequence[str] = (),
        extension: Extension | None = None,
    ) -> None:
        metrics = Metrics()
        registry = ModelRegistry(pipelines, load, settings, metrics, products)
        self.service = Service(settings, registry, metrics, record=None if extension is None else extension.record)
        self.failure: BaseException | None = None
        self._stop_at: float | None = None
        config = uvicorn.Config(
            create_app(self.service, page=page, on_failure=self._give_up, extension=extension),
            http=guarded_protocol(settings),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",  # what a client does wrong is counted in /metrics, and fills no disk
            access_log=False,
            proxy_headers=False,  # whom a proxy speaks for is not for the client to say
            server_header=False,
            timeout_graceful_shutdown=int(settings.drain_timeout),
        )
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stop_at is None:
            logger.info("%s: finishing what is at work.", signal.Signals(sig).name)
            self.service.is_draining = True
            self._stop_at = time.monotonic() + self.service.settings.drain_delay
        elif not self.should_exit:
            self.should_exit = True  # asked twice: accept nothing more
        elif sig == signal.SIGINT:
            self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        if threading.current_thread() is threading.main_thread():
            for number in HANDLED_SIGNALS:  # Paddle takes SIGTERM for itself when it is imported, whenever that is
                signal.signal(number, self.handle_exit)
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def _give_up(self, error: BaseException) -> None:
        self.failure = error
        if isinstance(error, PaddleXError):
            logger.error("%s", error)
        else:
            logger.error("The models cannot be loaded.", exc_info=error)
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(256)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the service cannot listen: {reason}", where=f"{host}:{port}", remedy="Choose another --host or --port"
        ) from error
    return listener


def announce(settings: ServerSettings, listener: socket.socket, *, has_users: bool = False) -> None:
    """Log where the service is, and who can reach it where it asks nobody who they are."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    port = listener.getsockname()[1]
    logger.info("Serving on http://%s:%d (API: http://%s:%d/docs). Loading the models.", host, port, host, port)
    if not settings.is_loopback and settings.api_key is None and not has_users:
        logger.warning(
            "Everyone who reaches %s may use this service. Set an API key (--api_key_file), or bind to 127.0.0.1.", host
        )
