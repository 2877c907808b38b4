"""The service: an HTTP interface to the predictors. It needs the ``serving`` extra (FastAPI, uvicorn and friends)."""
