"""From a network to files that the engines of inference/ run."""

from paddlex.utils.paddle_environment import import_paddle

import_paddle()  # here, before any file of this room does it otherwise
