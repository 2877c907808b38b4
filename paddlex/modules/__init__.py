"""Making a model. Everything below needs Paddle, so it is prepared and imported here first."""

from paddlex.utils.paddle_environment import import_paddle

import_paddle()
