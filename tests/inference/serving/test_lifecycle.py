"""Starting, loading anew and stopping, of real processes and under load."""

from __future__ import annotations

import argparse
import base64
import logging
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from paddlex.cli import main
from paddlex.errors import ConfigError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.serving.server import announce, listen
from paddlex.inference.serving.settings import ServerSettings
from paddlex.serve_command import add_serving_arguments, read_settings

PHOTOS_AT_ONCE = 8


def metric(url: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_images_of_many_clients_share_batches_and_get_the_bare_predictors_answers(
    server, client: httpx.Client, photos: list[bytes], predictor: AnomalyPredictor
) -> None:
    names = [f'paddlex_batch_size_{kind}{{model="parts"}}' for kind in ("count", "sum")]
    batches, images = (metric(server.url, name) for name in names)
    many = photos * 8
    with ThreadPoolExecutor(PHOTOS_AT_ONCE) as pool:
        answers = list(pool.map(lambda photo: client.post("/judge", files={"files": ("a.jpg", photo)}).json(), many))
    batches, images = (metric(server.url, name) - before for name, before in zip(names, (batches, images), strict=True))
    assert images == len(many)
    assert batches < images
    expected = [result["raw_score"] for result in predictor.predict(photos)]
    scores = [answer["results"][0]["rawScore"] for answer in answers]
    assert scores == pytest.approx(expected * 8, rel=1e-4)


def wait_for(*events: threading.Event) -> None:
    """Wait until each has been set once more."""
    for event in events:
        event.clear()
    for event in events:
        assert event.wait(240)


def test_a_reload_under_load_drops_no_request_and_takes_effect(
    start_server: Callable[..., object], trained_copy: Path, patchcore: Path, photo: bytes
) -> None:
    server = start_server("--pipeline", f"parts={trained_copy}").wait_until_ready()
    inference = trained_copy / "best_model" / "inference"
    config = inference / "inference.yml"
    content = yaml.safe_load((patchcore / "best_model" / "inference" / "inference.yml").read_text(encoding="utf-8"))
    content["AnomalyDetection"]["calibration"]["image_threshold"] = 1234.5
    stop, judged = threading.Event(), [threading.Event() for _ in range(4)]

    def judge(one_more: threading.Event) -> list[tuple[int, float]]:
        seen = []
        with httpx.Client(base_url=server.url) as client:
            while not stop.is_set():
                response = client.post("/judge", files={"files": ("a.jpg", photo)})
                seen.append((response.status_code, response.json()["results"][0]["threshold"]))
                one_more.set()
        return seen

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(judge, one_more) for one_more in judged]
        wait_for(*judged)
        shutil.rmtree(inference)  # it is another model's by then
        shutil.copytree(patchcore / "best_model" / "inference", inference)
        config.write_text(yaml.safe_dump(content), encoding="utf-8")
        response = httpx.post(f"{server.url}/models/parts/reload")
        after = httpx.post(f"{server.url}/judge", files={"files": ("a.jpg", photo)}).json()
        wait_for(*judged)
        stop.set()
        seen = [entry for future in futures for entry in future.result()]
    reloaded = response.json()["result"]
    assert (response.status_code, reloaded["threshold"], reloaded["modelName"]) == (200, 1234.5, "PatchCore")
    assert after["results"][0]["threshold"] == 1234.5
    assert {status for status, _ in seen} == {200}
    assert len({threshold for _, threshold in seen}) == 2

    shutil.rmtree(trained_copy)
    broken = httpx.post(f"{server.url}/models/parts/reload")
    assert (broken.status_code, broken.json()["errorCode"]) == (409, 409)
    assert str(trained_copy) not in broken.text
    assert httpx.post(f"{server.url}/judge", files={"files": ("a.jpg", photo)}).status_code == 200
    assert server.stop() == 0


def test_reloads_do_not_pile_up(start_server: Callable[..., object], trained: Path) -> None:
    server = start_server("--pipeline", f"parts={trained}").wait_until_ready()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: httpx.post(f"{server.url}/models/parts/reload", timeout=120), range(12)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200 and set(statuses) <= {200, 503}
    assert metric(server.url, 'paddlex_model_reloads_total{model="parts"}') == statuses.count(200)
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 503)


def test_sigterm_finishes_every_request_in_flight_and_ends_with_0(
    start_server: Callable[..., object], trained: Path, photos: list[bytes]
) -> None:
    server = start_server("--pipeline", f"parts={trained}", "--drain_delay", "2").wait_until_ready()
    files = [("files", (str(index), data)) for index, data in enumerate(photos * 4)]
    with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=server.url) as client:
        assert client.get("/readyz").status_code == 200
        futures = [pool.submit(httpx.post, f"{server.url}/judge", files=files) for _ in range(4)]
        while metric(server.url, "paddlex_http_requests_in_flight") < 5:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        while client.get("/readyz").status_code == 200:
            time.sleep(0.01)
        assert client.get("/healthz").status_code == 200  # alive, but wants no new customers
        responses = [future.result() for future in futures]
        url = server.url
    assert [response.status_code for response in responses] == [200] * 4
    assert all([entry["errorCode"] for entry in response.json()["results"]] == [0] * 20 for response in responses)
    assert server.process.wait(240) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_sigterm_while_the_models_are_loaded_is_a_clean_stop_too(
    start_server: Callable[..., object], trained: Path
) -> None:
    server = start_server("--pipeline", f"parts={trained}", "--drain_delay", "0")
    response = httpx.get(f"{server.url}/readyz")
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) > 0
    assert server.stop() == 0


def test_a_server_whose_model_is_not_there_says_so_and_ends_with_1(start_server: Callable[..., object]) -> None:
    server = start_server("--pipeline", "no/such/file.yaml")
    assert server.process.wait(240) == 1
    assert "the pipeline's file does not exist (no/such/file.yaml)" in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pipeline", "a=one.yaml", "--pipeline", "a=two.yaml"), "two pipelines are called a"),
        (("--pipeline", "anomaly_detection", "--host", "192.0.2.1"), "the service cannot listen"),
        (("--pipeline", "a.yaml", "--api_key_file", "no/such/key"), "the API key cannot be read"),
        (("--pipeline", "a.yaml", "--max_batch", "0"), "--max_batch must be at least 1, not 0"),
        (("--pipeline", "a.yaml", "--port", "80811"), "--port must be at most 65535, not 80811"),
        (("--pipeline", "a.yaml", "--port", "-1"), "--port must be at least 0, not -1"),
        (("--pipeline", "a.yaml", "--drain_delay", "nan"), "--drain_delay must be at least 0, not nan"),
        (("--pipeline", "a.yaml", "--batch_wait_ms", "inf"), "--batch_wait_ms must be at most 60000, not inf"),
        (("--pipeline", "a.yaml", "--max_body_mb", "1e9"), "--max_body_mb must be below 100000, not 1000000000.0"),
        (("--pipeline", "a.yaml", "--max_megapixels", "nan"), "--max_megapixels must be above 0, not nan"),
        (("--pipeline", "a.yaml", "--pipeline", "b.yaml", "--threshold", "1"), "--threshold with several pipelines"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_why(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--serve", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_without_a_pipeline_there_is_nothing_to_serve(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--serve"])
    assert caught.value.code == 2
    assert "--serve needs --pipeline" in capsys.readouterr().err


def settings_of(*arguments: str) -> ServerSettings:
    parser = argparse.ArgumentParser()
    add_serving_arguments(parser)
    return read_settings(parser.parse_args(arguments))


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PADDLEX_API_KEY", raising=False)
    assert settings_of().api_key is None
    monkeypatch.setenv("PADDLEX_API_KEY", "fedcba9876543210")
    assert settings_of().api_key == "fedcba9876543210"
    key_file = tmp_path / "key"
    key_file.write_text("0123456789abcdef\n", encoding="utf-8")
    settings = settings_of("--api_key_file", str(key_file))
    assert settings.api_key == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(settings)
    key_file.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="empty"):
        settings_of("--api_key_file", str(key_file))


def test_a_door_that_is_open_to_all_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for host, key, is_warned in (("0.0.0.0", None, True), ("0.0.0.0", "a key", False), ("127.0.0.1", None, False)):
        caplog.clear()
        with listen(host, 0) as listener, caplog.at_level(logging.INFO, "paddlex"):
            logging.getLogger("paddlex").propagate = True
            announce(ServerSettings(host=host, port=0, api_key=key), listener)
        assert ("Everyone who reaches" in caplog.text) is is_warned


def test_a_url_is_refused_by_a_server_that_allows_urls_if_it_leads_inside(
    serve_here: Callable[..., str], web_server
) -> None:
    (web_server.folder / "part.png").write_bytes(b"secret")
    url = serve_here(allow_urls=True)
    for target in (
        web_server.url,
        web_server.url.replace("127.0.0.1", "localhost"),
        "http://[::1]:80",
        "http://0x7f.1:80",
    ):
        response = httpx.post(f"{url}/image-anomaly-detection", json={"image": f"{target}/part.png"})
        assert response.status_code == 403
        assert "secret" not in response.text
    assert web_server.requests == []


def test_base64_of_a_bomb_is_413_and_the_server_stays_small(serve_here: Callable[..., str], make_png) -> None:
    url = serve_here(max_pixels=1_000_000)
    body = {"image": base64.b64encode(make_png(2000, 2000)).decode()}
    response = httpx.post(f"{url}/image-anomaly-detection", json=body)
    assert (response.status_code, response.json()["errorCode"]) == (413, 413)
    assert "2000 x 2000 pixels" in response.json()["errorMsg"]
