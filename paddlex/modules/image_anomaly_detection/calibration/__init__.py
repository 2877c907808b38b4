"""What is normal for a trained network: the statistics of its fusion, and the thresholds."""

from paddlex.utils.paddle_environment import import_paddle

import_paddle()  # here, before any file of this room does it otherwise
