"""A webhook: each answer is POSTed as JSON to a URL, which has it when it answers with 2xx."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from paddlex.config_schema import UserPath
from paddlex.errors import ConfigError, LineError
from paddlex.line.config import read_secret
from paddlex.line.contract import Answer, DeliveryError, PortOptions, State, Trigger
from paddlex.utils.posting import PostError, checked_url, place_of, post_json


class WebhookOptions(PortOptions):
    """Of a webhook; the shipped file explains each."""

    url: str
    token_file: UserPath | None = None
    ca_file: UserPath | None = None
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0


class WebhookPort:
    """See ``Port``. It takes no triggers.

    Args:
        name: of the port.
        options: where to.

    Raises:
        ConfigError: the URL is none, or a file cannot be read.
    """

    options: ClassVar[type[PortOptions]] = WebhookOptions

    def __init__(self, name: str, options: WebhookOptions) -> None:
        try:
            self._url = checked_url(options.url)
        except ValueError as error:
            remedy = "Correct it, such as https://mes.example/answers, and put a token into token_file"
            raise ConfigError(f"the url cannot be used: {error}", where=f"Ports.{name}.url", remedy=remedy) from None
        self.name, self._timeout = name, options.timeout_s
        token = None if options.token_file is None else read_secret(options.token_file)
        self._headers = [] if token is None else [("Authorization", f"Bearer {token}")]
        try:
            self._tls = None if options.ca_file is None else ssl.create_default_context(cafile=options.ca_file)
        except (OSError, ssl.SSLError) as error:
            what = f"the certificates cannot be read: {error.strerror or error}"
            raise ConfigError(what, where=options.ca_file, remedy=f"Correct Ports.{name}.ca_file") from None

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        """Nothing: it connects for each answer."""

    def deliver(self, answer: Answer) -> None:
        try:
            post_json(self._url, answer.to_json(), self._timeout, self._headers, self._tls)
        except PostError as error:
            remedy = f"See that it runs, and Ports.{self.name}"
            where, may_have_arrived = place_of(self._url), error.may_have_arrived
            raise DeliveryError(str(error), where=where, remedy=remedy, may_have_arrived=may_have_arrived) from None

    def beat(self, state: State) -> None:
        """Nothing: the other side is only told of parts."""

    def check(self) -> str:
        parts, place = urlsplit(self._url), place_of(self._url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), self._timeout).close()
        except OSError as error:
            remedy = f"See that it runs, and Ports.{self.name}.url"
            raise LineError(f"it cannot be reached: {error.strerror or error}", where=place, remedy=remedy) from None
        return f"{place} takes connections; nothing was posted"

    def close(self) -> None:
        """Nothing: what is under way ends by its timeout."""
