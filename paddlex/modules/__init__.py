"""Making a model. Everything below needs Paddle, so its environment is prepared here, before anything imports it."""

from paddlex.utils.paddle_environment import prepare_paddle_environment

prepare_paddle_environment()
