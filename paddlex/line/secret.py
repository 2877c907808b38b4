"""Who a port is to the other side. No password stands in a config, where everybody would see it, or in a message."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from paddlex.config_schema import Section, UserPath
from paddlex.errors import ConfigError
from paddlex.line.config import read_secret


class SignInOptions(Section):
    """A user name and where its password is.

    Attributes:
        user: its name at the other side; None for nobody.
        password_file: a file that holds the password and nothing else.
        password_variable: or the environment variable that holds it.
    """

    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password_file: UserPath | None = None
    password_variable: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        given = (self.password_file is not None) + (self.password_variable is not None)
        if given != (self.user is not None):
            raise ValueError("user goes with one of password_file and password_variable, and these go with user")
        return self

    def password(self) -> str | None:
        """The password, read anew each time: it may be changed while the station runs; None where there is no user.

        Raises:
            ConfigError: it is not where the config says.
        """
        if self.password_file is not None:
            return read_secret(self.password_file)
        if self.password_variable is None:
            return None
        if not os.environ.get(self.password_variable):
            remedy = "Set it in the station's environment"
            raise ConfigError("no password is in the environment variable", where=self.password_variable, remedy=remedy)
        return os.environ[self.password_variable]
