"""Training: the one path from a config to a finished model."""

from paddlex.utils.paddle_environment import import_paddle

import_paddle()  # here, before any file of this room does it otherwise
