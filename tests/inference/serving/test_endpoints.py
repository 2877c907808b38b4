"""What a client of a running server gets, against what the bare predictor says of the same images."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import requests

from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult
from paddlex.inference.serving.answers import detection_json
from paddlex.inference.serving.batching import Judgement

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def expected(predictor: AnomalyPredictor, photo: bytes) -> AnomalyResult:
    return next(predictor.predict(photo))


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


# PaddleX's endpoint


def test_paddlex_documented_python_client_works(
    server, images: list[str], tmp_path: Path, expected: AnomalyResult
) -> None:
    """The steps of PaddleX's own example: requests, base64, no more than ``image``; a JPEG comes back."""
    payload = {"image": base64.b64encode(Path(images[1]).read_bytes()).decode("ascii")}
    response = requests.post(f"{server.url}/image-anomaly-detection", json=payload)
    assert response.status_code == 200
    answer = response.json()
    assert UUID.fullmatch(answer["logId"])
    assert (answer["errorCode"], answer["errorMsg"]) == (0, "Success")
    picture = base64.b64decode(answer["result"]["image"])
    assert picture.startswith(b"\xff\xd8\xff")
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape[2] == 3
    assert answer["result"]["size"] == list(expected["pred"].shape[1:])
    assert answer["result"]["labelMap"] == expected["pred"].ravel().tolist()


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_paddlex_clients_that_send_another_content_type_work(
    client: httpx.Client, photo_base64: str, content_type: str | None
) -> None:
    """PaddleX's Go example sends no Content-Type, its Node.js example (axios with a string) a form's."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = client.post("/image-anomaly-detection", content=json.dumps({"image": photo_base64}), headers=headers)
    assert response.status_code == 200


def test_the_answer_is_the_bare_predictors(client: httpx.Client, photo_base64: str, expected: AnomalyResult) -> None:
    result = client.post("/image-anomaly-detection", json={"image": photo_base64, "visualize": False}).json()["result"]
    assert result["image"] is None
    assert result["rawScore"] == pytest.approx(expected["raw_score"], rel=1e-4)
    assert result["score"] == pytest.approx(expected["score"], rel=1e-4)
    assert result["isAnomalous"] is expected["is_anomalous"]
    assert (result["threshold"], result["pixelThreshold"]) == (expected["threshold"], expected["pixel_threshold"])
    assert result["anomalousArea"] == pytest.approx(expected["anomalous_area"], abs=1e-3)
    assert [region["bbox"] for region in result["regions"]] == [region["bbox"] for region in expected["regions"]]


def test_another_threshold_moves_the_decision_and_the_score(client: httpx.Client, photo_base64: str) -> None:
    def judge(**more: float) -> dict:
        body = {"image": photo_base64, "visualize": False, **more}
        return client.post("/image-anomaly-detection", json=body).json()["result"]

    raw = judge()["rawScore"]
    below, above = judge(threshold=0.9 * raw), judge(threshold=1.1 * raw)
    assert (below["isAnomalous"], above["isAnomalous"]) == (True, False)
    assert below["score"] > 0.5 > above["score"]


def test_a_threshold_on_the_scale_of_the_scores_is_where_the_score_is_half(
    client: httpx.Client, photo_base64: str, expected: AnomalyResult, predictor: AnomalyPredictor
) -> None:
    body = {"image": photo_base64, "visualize": False, "scoreThreshold": expected["score"]}
    result = client.post("/image-anomaly-detection", json=body).json()["result"]
    assert result["score"] == pytest.approx(0.5, abs=1e-3)
    assert result["threshold"] == pytest.approx(expected["raw_score"], rel=1e-3)
    for wrong in ({"scoreThreshold": 1.0}, {"scoreThreshold": 0.6, "threshold": 1.0}, {"threshold": -1.7e308}):
        assert client.post("/image-anomaly-detection", json={**body, **wrong}).status_code == 422


def test_a_score_threshold_is_on_the_scale_of_the_model_that_judged(predictor: AnomalyPredictor) -> None:
    result = predictor.judge([np.full((32, 32, 3), 128, np.uint8)])[0]
    reloaded = copy.copy(predictor)
    reloaded.limits = replace(predictor.limits, image=predictor.limits.image.moved_to(1234.5))
    text, *_ = detection_json(Judgement(result, reloaded), score_threshold=0.5, picture=False, label_map=False)
    assert json.loads(text)["threshold"] == 1234.5


def test_a_threshold_far_out_of_the_calibrations_range_is_warned_of(
    client: httpx.Client, photo_base64: str, predictor: AnomalyPredictor
) -> None:
    assert predictor.folder.calibration is not None
    lowest, highest = (pick(predictor.folder.calibration.scores) for pick in (min, max))
    for threshold in (lowest / 2, 100 * highest):
        body = {"images": [photo_base64], "labelMap": False, "threshold": threshold}
        result = client.post("/image-anomaly-detection/batch", json=body).json()["results"][0]["result"]
        assert "would reject" in result["warning"]
    body = {"image": photo_base64, "visualize": False}
    assert "warning" not in client.post("/image-anomaly-detection", json=body).json()["result"]


def test_a_log_id_of_the_clients_comes_back(client: httpx.Client, photo_base64: str) -> None:
    answer = client.post("/image-anomaly-detection", json={"image": photo_base64, "logId": "line 4"}).json()
    assert answer["logId"] == "line 4"


def test_base64_may_be_broken_into_lines_or_a_data_url(client: httpx.Client, photo: bytes) -> None:
    for text in (base64.encodebytes(photo).decode(), "data:image/jpeg;base64," + to_base64(photo)):
        assert client.post("/image-anomaly-detection", json={"image": text}).status_code == 200


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (1, 4000), (4000, 1)])
def test_images_of_any_shape_are_judged(
    client: httpx.Client, make_png: Callable[..., bytes], size: tuple[int, int]
) -> None:
    result = client.post("/image-anomaly-detection", json={"image": to_base64(make_png(*size))}).json()["result"]
    assert result["size"] == list(size)
    assert len(result["labelMap"]) == size[0] * size[1]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 422, "Invalid JSON"),
        (b"[" * 100_000, 422, "recursion limit"),
        (b"{}", 422, "image: Field required"),
        (b'{"image": 5}', 422, "image: "),
        (b'{"image": "QUJD", "treshold": 2}', 422, "treshold"),
        (b'{"image": "QUJD", "threshold": NaN}', 422, "threshold"),
        (b'{"image": "QUJD", "visualize": 0}', 422, "visualize"),
        (b'{"image": "QUJD", "model": "other"}', 404, "there is no model 'other'"),
        (b'{"image": "QUJD"}', 415, "unknown format"),
        (b'{"image": ""}', 415, "empty"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(client: httpx.Client, body: bytes, status: int, message: str) -> None:
    response = client.post("/image-anomaly-detection", content=body)
    answer = response.json()
    assert (response.status_code, answer["errorCode"]) == (status, status)
    assert message in answer["errorMsg"]
    assert UUID.fullmatch(answer["logId"])


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "file:///etc/passwd", "../../etc/passwd", "~/.ssh/id_rsa", "C:\\boot.ini"]
)
def test_a_path_is_never_opened(client: httpx.Client, text: str) -> None:
    response = client.post("/image-anomaly-detection", json={"image": text})
    assert response.status_code in (400, 415)
    response = client.post("/image-anomaly-detection", json={"image": "QUJD", "model": text})
    assert response.status_code == 404
    response = client.post("/judge", files={"files": (text, b"no image")})
    assert response.status_code == 415
    assert text.endswith(response.json()["results"][0]["name"])  # an old browser's C:\\ is left out
    assert client.post(f"/models/{text}/reload").status_code in (404, 405)


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page//etc/passwd", "/docs/../../etc/passwd"]
)
def test_static_files_are_those_of_their_folder(server, path: str) -> None:
    url = httpx.URL(server.url).copy_with(raw_path=path.encode())
    assert httpx.get(url).status_code == 404


# Uploads and batches


def test_uploaded_files_are_judged_in_their_order(
    client: httpx.Client, images: list[str], photos: list[bytes], predictor: AnomalyPredictor
) -> None:
    files = [("files", (Path(path).parent.name, data)) for path, data in zip(images, photos, strict=True)]
    answer = client.post("/judge", files=files).json()
    assert (answer["errorCode"], answer["errorMsg"]) == (0, "Success")
    assert [entry["name"] for entry in answer["results"]] == [name for _, (name, _) in files]
    for entry, expected in zip(answer["results"], predictor.predict(photos), strict=True):
        assert entry["rawScore"] == pytest.approx(expected["raw_score"], rel=1e-4)
        assert entry["isAnomalous"] is expected["is_anomalous"]


def test_a_heat_map_is_128_at_the_pixel_threshold(
    client: httpx.Client, photo: bytes, expected: AnomalyResult, predictor: AnomalyPredictor
) -> None:
    entry = client.post("/judge", files={"files": ("part.jpg", photo)}).json()["results"][0]
    heat = cv2.imdecode(np.frombuffer(base64.b64decode(entry["heatMap"]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert heat.dtype == np.uint8
    assert heat.shape == expected["anomaly_map"].shape
    limit = predictor.limits.pixel
    np.testing.assert_allclose(heat, limit.normalise(expected["anomaly_map"]) * 255, atol=1)
    at_threshold = np.isclose(expected["anomaly_map"], limit.threshold, rtol=2e-3)
    assert set(heat[at_threshold].tolist()) <= {127, 128}


def test_a_heat_map_of_a_large_image_is_at_most_512_pixels_long(
    client: httpx.Client, make_png: Callable[..., bytes]
) -> None:
    entry = client.post("/judge", files={"files": ("part.png", make_png(600, 1200))}).json()["results"][0]
    heat = cv2.imdecode(np.frombuffer(base64.b64decode(entry["heatMap"]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert heat.shape == (256, 512)
    assert entry["size"] == [600, 1200]


def test_a_broken_file_does_not_spoil_the_others(client: httpx.Client, photo: bytes) -> None:
    files = [("files", ("a.jpg", b"no image")), ("files", ("b.jpg", photo)), ("files", ("c.jpg", photo[:200]))]
    response = client.post("/judge", files=files)
    assert response.status_code == 200
    assert [entry["errorCode"] for entry in response.json()["results"]] == [415, 0, 415]
    assert response.json()["results"][0]["errorMsg"].startswith("the image is truncated, damaged")


def test_a_file_of_several_pages_is_refused_and_one_of_12_bits_is_not_taken_for_a_dark_one(
    client: httpx.Client, photo: bytes
) -> None:
    page = np.full((40, 40, 3), 128, np.uint8)
    several = cv2.imencodemulti(".tif", [page, page])[1].tobytes()
    dark = cv2.imencode(".png", np.full((40, 40), 2047, np.uint16))[1].tobytes()
    answer = client.post("/judge", files=[("files", ("a", several)), ("files", ("b", dark)), ("files", ("c", photo))])
    several_answer, dark_answer, _ = answer.json()["results"]
    assert (several_answer["errorCode"], dark_answer["errorCode"]) == (415, 415)
    assert "2 pages" in several_answer["errorMsg"] and "bit" in dark_answer["errorMsg"]


def test_only_broken_files_are_an_error(client: httpx.Client) -> None:
    response = client.post("/judge", files=[("files", ("a.jpg", b"no image")), ("files", ("b.jpg", b""))])
    answer = response.json()
    assert (response.status_code, answer["errorCode"]) == (415, 415)
    assert [entry["name"] for entry in answer["results"]] == ["a.jpg", "b.jpg"]


def test_a_form_without_files_or_no_form_is_an_error(client: httpx.Client, photo: bytes) -> None:
    assert client.post("/judge", files={"image": ("a.jpg", photo)}).status_code == 422
    assert client.post("/judge", content=photo, headers={"Content-Type": "image/jpeg"}).status_code == 415
    assert client.post("/judge", content=b"--x", headers={"Content-Type": "multipart/form-data"}).status_code == 400


def test_a_batch_is_judged_like_its_images(client: httpx.Client, photos: list[bytes]) -> None:
    texts = [to_base64(data) for data in photos]
    single = [client.post("/image-anomaly-detection", json={"image": text}).json()["result"] for text in texts]
    texts.insert(1, "no base64!")
    batch = client.post("/image-anomaly-detection/batch", json={"images": texts}).json()["results"]
    assert [item["errorCode"] for item in batch] == [0, 400, 0, 0, 0, 0]
    for item, alone in zip([batch[0], *batch[2:]], single, strict=True):
        assert item["result"]["labelMap"] == alone["labelMap"]
        assert item["result"]["rawScore"] == pytest.approx(alone["rawScore"], rel=1e-4)
        assert item["result"]["image"] is None


def test_a_batch_comes_without_label_maps_and_with_pictures_if_asked_to(
    client: httpx.Client, photo_base64: str
) -> None:
    body = {"images": [photo_base64], "labelMap": False, "visualize": True}
    result = client.post("/image-anomaly-detection/batch", json=body).json()["results"][0]["result"]
    assert "labelMap" not in result
    assert base64.b64decode(result["image"]).startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("charset", ["undefined", "punycode", "utf-7", "zlib"])
def test_a_form_in_an_odd_charset_is_no_fault_of_ours(client: httpx.Client, photo: bytes, charset: str) -> None:
    head = '--b\r\nContent-Disposition: form-data; name=files; filename="\u00e9+2AA-"\r\n\r\n'
    content_type = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    response = client.post("/judge", content=head.encode() + photo + b"\r\n--b--\r\n", headers=content_type)
    assert response.status_code in (200, 400, 422)


def test_what_we_did_wrong_is_told_in_the_form_of_every_error(
    serve_here: Callable[..., str], predictor: AnomalyPredictor
) -> None:
    broken = copy.copy(predictor)
    url = serve_here(broken)
    del broken.folder
    response = httpx.get(f"{url}/models")
    assert (response.status_code, response.json()["errorCode"]) == (500, 500)
    assert "log says why" in response.json()["errorMsg"]


# Models


def test_the_models_are_described(client: httpx.Client, predictor: AnomalyPredictor) -> None:
    parts, strict = client.get("/models").json()["models"]
    assert (parts["name"], parts["isDefault"], strict["name"], strict["isDefault"]) == ("parts", True, "strict", False)
    limits = predictor.limits
    assert (parts["threshold"], parts["typical"]) == (limits.image.threshold, limits.image.typical)
    assert (parts["pixelThreshold"], parts["pixelTypical"]) == (limits.pixel.threshold, limits.pixel.typical)
    assert parts["calibrationScores"] == predictor.folder.calibration.scores
    assert (parts["modelName"], parts["inputSize"], parts["device"]) == ("STFPM", [128, 128], "cpu")
    assert parts["targetFpr"] == 0.05
    assert (strict["threshold"], strict["thresholdSource"]) == (1.5, "given by the user")


def test_a_model_is_chosen_by_its_name(client: httpx.Client, photo: bytes, photo_base64: str) -> None:
    entry = client.post("/judge?model=strict", files={"files": ("part.jpg", photo)}).json()["results"][0]
    assert entry["threshold"] == 1.5
    answer = client.post("/image-anomaly-detection", json={"image": photo_base64, "model": "strict"}).json()
    assert answer["result"]["threshold"] == 1.5
    assert answer["result"]["image"] is None  # Serving.visualize of its file
    assert client.post("/judge?model=none", files={"files": ("part.jpg", photo)}).status_code == 404


# Operation


def test_the_server_is_alive_and_ready(client: httpx.Client) -> None:
    for path in ("/healthz", "/readyz", "/health"):
        assert client.get(path).json()["errorMsg"] == "Healthy"


def test_metrics_count_what_was_judged(client: httpx.Client, photo: bytes) -> None:
    def read(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    judged = 'paddlex_images_judged_total{model="strict"}'
    answered = 'paddlex_http_requests_total{endpoint="/judge",method="POST",status="200"}'
    rejected = 'paddlex_images_rejected_total{status="415"}'
    before = read(judged), read(answered), read(rejected)
    client.post("/judge?model=strict", files=[("files", ("a", photo)), ("files", ("b", photo)), ("files", ("c", b"x"))])
    assert (read(judged), read(answered), read(rejected)) == (before[0] + 2, before[1] + 1, before[2] + 1)
    assert read('paddlex_queue_depth{model="strict"}') == 0
    client.request("MADE-UP", "/no/such/path/made-up")
    assert "made-up" not in client.get("/metrics").text.lower()


def test_the_documentation_needs_no_other_server(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "://" not in page.text
    for path in re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text):
        assert client.get(f"/{path}").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/image-anomaly-detection", "/image-anomaly-detection/batch", "/judge", "/models"} <= set(paths)


def test_every_answer_tells_browsers_to_be_careful(client: httpx.Client) -> None:
    for path in ("/healthz", "/docs", "/nothing", "/docs/start.js"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "://" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
