"""Ask the service about one picture: ``python judge.py URL PICTURE``. Exit status: 0 OK, 1 NG, 2 no verdict."""

import base64
import json
import math
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

TIMEOUT_SECONDS = 60


def judge(url: str, picture: str) -> tuple[bool, float]:
    """Whether the part in the picture is anomalous, and its score; ValueError or OSError if there is no verdict."""
    body = {"image": base64.b64encode(Path(picture).read_bytes()).decode("ascii"), "visualize": False}
    headers = {"Content-Type": "application/json", "X-API-Key": os.environ.get("PADDLEX_API_KEY", "")}
    request = urllib.request.Request(f"{url}/image-anomaly-detection", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise ValueError(f"HTTP status {error.code}: {error.read(1000).decode(errors='replace')}") from error
    result = answer.get("result") or {}
    anomalous, score = result.get("isAnomalous"), result.get("score")
    if answer.get("errorCode") != 0 or type(anomalous) is not bool or not math.isfinite(score):
        raise ValueError(f"no verdict: {answer.get('errorMsg')}")
    return anomalous, score


if __name__ == "__main__":
    try:
        if len(sys.argv) != 3:
            raise ValueError("usage: python judge.py URL PICTURE")
        anomalous, score = judge(*sys.argv[1:])
    except Exception as error:  # whatever it is, it is no verdict; and Python's own exit status would be NG
        print(f"error: {error}".replace("\n", " "), file=sys.stderr)
        sys.exit(2)
    print("NG" if anomalous else "OK", f"{score:.6f}")
    sys.exit(1 if anomalous else 0)
