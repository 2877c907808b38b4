"""The pipeline on a local Ray cluster: the same answers, nothing done twice, and what is said when it cannot be done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

import paddlex
from paddlex.errors import ConfigError, ImageReadError, ModelError, ScaleOutError
from paddlex.inference.pipelines.pipeline_config import PipelineConfig
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.scale_out.job import Outcome, ScaleOut, judge_on_ray
from paddlex.inference.scale_out.parquet_parts import schema, write_part
from paddlex.inference.scale_out.ray_worker import Attempts, Judge
from paddlex.inference.scale_out.shards import Images, Shard, cut, list_pending

ROOT = Path(paddlex.__file__).parent.parent


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A Ray cluster of two cores on this machine; yields its address."""
    ray = pytest.importorskip("ray")
    context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield context.address_info["gcs_address"]
    ray.shutdown()


@pytest.fixture(scope="module")
def job(trained: Path) -> ScaleOut:
    return ScaleOut(PipelineConfig(model_dir=str(trained), batch_size=2), device="cpu", workers=2, shard_size=3)


@pytest.fixture(scope="module")
def photos(demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images and a broken one in a folder, two more in a sub-folder, and two in a "bucket" beside it."""
    folder = tmp_path_factory.mktemp("scale out")
    val = demo_dataset / "images" / "val"
    kinds = sorted(path.name for path in val.iterdir())
    for number, kind in enumerate(kinds):
        shutil.copy(next((val / kind).iterdir()), folder / f"{number} ü.jpg")
    (folder / "broken.jpg").write_bytes(b"no image")
    shutil.copytree(val / "good", folder / "sub")
    shutil.copytree(val / "bent", folder.with_name("the bucket"))
    (folder.with_name("the bucket") / "broken.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def run(cluster: str, job: ScaleOut, photos: Path) -> tuple[Outcome, Path]:
    """One run over the folder and the bucket."""
    output = photos.with_name("output")
    bucket = photos.with_name("the bucket").as_uri()
    return judge_on_ray(job, [str(photos), bucket, str(photos / "0 ü.jpg")], str(output)), output


def rows_of(folder: Path) -> dict[str, dict]:
    """Each ``input_path`` -> its row; no path may stand twice."""
    rows = pads.dataset(folder, format="parquet").to_table().to_pylist()
    assert max(Counter(row["input_path"] for row in rows).values()) == 1
    return {row["input_path"]: row for row in rows}


# What comes out


def test_every_image_has_the_answer_of_the_built_in_path(run, predictor: AnomalyPredictor, photos: Path) -> None:
    rows = rows_of(run[1])
    bucket = photos.with_name("the bucket")
    expected = {
        ("" if source == photos else "file://") + result["input_path"]: result
        for source in (photos, bucket)
        for result in predictor.predict(str(source), on_error=lambda *_: None)
    }
    judged = {path: row for path, row in rows.items() if row["error"] is None}
    assert set(expected) == set(judged)
    for path, row in judged.items():
        result = expected[path]
        assert row["is_anomalous"] == result["is_anomalous"]
        assert row["raw_score"] == pytest.approx(result["raw_score"], rel=1e-4)
        assert row["threshold"] == result["threshold"]
        assert row["anomalous_area"] == pytest.approx(result["anomalous_area"], abs=1e-3)
        assert [region["bbox"] for region in row["regions"]] == [region["bbox"] for region in result["regions"]]


def test_a_broken_image_is_a_row_with_an_error(run, photos: Path) -> None:
    rows = rows_of(run[1])
    broken = {path: row for path, row in rows.items() if row["error"] is not None}
    assert set(broken) == {str(photos / "broken.jpg"), f"file://{photos.with_name('the bucket') / 'broken.png'}"}
    for path, row in broken.items():
        assert Path(path).name in row["error"]
        assert (row["is_anomalous"], row["score"], row["regions"]) == (None, None, None)


def test_the_outcome_counts_what_the_files_hold(run) -> None:
    outcome, output = run
    rows = rows_of(output).values()
    assert outcome.failed == sum(row["error"] is not None for row in rows) == 2
    assert outcome.images == len(rows) - 2
    assert outcome.anomalous == sum(bool(row["is_anomalous"]) for row in rows)
    assert (outcome.before, outcome.workers) == (0, 2)


def test_the_parts_have_the_stated_schema_and_are_all_there_is(run) -> None:
    for path in run[1].iterdir():
        assert path.name.startswith("part-")
        assert pq.read_schema(path).remove_metadata().equals(schema())
        assert pq.read_metadata(path).num_rows <= 3
    assert pads.dataset(run[1], format="parquet").schema.field("regions").type.value_type.field(
        "bbox"
    ).type == pa.list_(pa.int32(), 4)


def test_rows_tell_which_model_they_come_from(run, job: ScaleOut, trained_copy: Path) -> None:
    assert len({row["model_digest"] for row in rows_of(run[1]).values()}) == 1
    changed = trained_copy / "best_model" / "inference" / "inference.yml"
    changed.write_text(changed.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    other = replace(job, config=replace(job.config, model_dir=str(trained_copy)))
    with pytest.raises(ConfigError, match="the folder holds results made with another model_digest"):
        judge_on_ray(other, ["."], str(run[1]))


# Going on


def test_a_second_run_does_nothing_again(run, job: ScaleOut, photos: Path) -> None:
    first, output = run
    before = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    again = judge_on_ray(job, [str(photos), photos.with_name("the bucket").as_uri()], str(output))
    assert {path: path.stat().st_mtime_ns for path in output.iterdir()} == before
    assert (again.images, again.anomalous, again.failed) == (first.images, first.anomalous, first.failed)
    assert again.before == first.images + first.failed


def kill_a_worker(it_is_time: Callable[[], bool]) -> None:
    """Kill one of the processes that hold a model, in the middle of the work."""
    while not it_is_time():
        time.sleep(0.01)
    worker = next(process for process in psutil.process_iter() if process.name().startswith("ray::MapWorker"))
    worker.kill()


def wait_until_workers_are_gone() -> None:
    deadline = time.monotonic() + 120
    while any(process.name().startswith("ray::MapWorker") for process in psutil.process_iter(["name"])):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_run_is_gone_on_with_even_if_a_worker_dies(
    cluster: str, job: ScaleOut, trained: Path, images, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(120):
        shutil.copy(images[number % len(images)], tmp_path / "in" / f"{number}.jpg")
    output = tmp_path / "out"
    command = [sys.executable, "-m", "paddlex", "--pipeline", "anomaly_detection", "--model_dir", str(trained)]
    command += ["--device", "cpu", "--input", str(tmp_path / "in"), "--engine", "ray", "--ray_address", cluster]
    command += ["--workers", "1", "--shard_size", "1", "--batch_size", "2", "--save_path", str(output)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 300
        while not (output.is_dir() and len(list(output.glob("part-*"))) >= 2) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    wait_until_workers_are_gone()  # one may finish the shard that it has begun
    done = {path: path.stat().st_mtime_ns for path in output.glob("part-*")}
    assert 2 <= len(done) < 120
    killer = threading.Thread(target=kill_a_worker, args=(lambda: len(list(output.glob("part-*"))) > len(done) + 2,))
    killer.start()
    outcome = judge_on_ray(replace(job, shard_size=5), [str(tmp_path / "in")], str(output))
    killer.join()
    assert (outcome.before, outcome.images, outcome.failed) == (len(done), 120, 0)
    assert set(rows_of(output)) == {str(path) for path in (tmp_path / "in").iterdir()}
    assert {path: path.stat().st_mtime_ns for path in done} == done


def test_names_that_are_not_utf_8_are_judged_once_and_have_their_rows(
    cluster: str, job: ScaleOut, photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"\xe9")
    folder.mkdir()
    shutil.copy(photos / "0 ü.jpg", folder / os.fsdecode(b"good \xff.jpg"))
    (folder / os.fsdecode(b"bad \xff.jpg")).write_bytes(b"no image")
    first = judge_on_ray(job, [str(folder)], str(tmp_path / "out"))
    assert (first.images, first.failed, first.before) == (1, 1, 0)
    rows = rows_of(tmp_path / "out")
    assert set(rows) == {f"{tmp_path}/\\udce9/good \\udcff.jpg", f"{tmp_path}/\\udce9/bad \\udcff.jpg"}
    assert judge_on_ray(job, [str(folder)], str(tmp_path / "out")).before == 2


def test_a_shard_whose_worker_died_again_and_again_is_given_up(cluster: str, tmp_path: Path) -> None:
    import ray

    attempts = ray.remote(num_cpus=0)(Attempts).remote()
    for attempt in (1, 2, 3):
        assert ray.get(attempts.begin.remote("deadly")) == attempt
    worker = Judge(PipelineConfig(), None, None, str(tmp_path), {"model_digest": "0"}, attempts)
    shard = Shard(bucket="", prefix="", paths=["a.jpg", "b.jpg"], name="deadly")
    assert worker({"shard": [json.dumps(asdict(shard))]}) == {
        "images": [2],
        "anomalous": [0],
        "failed": [2],
        "stopped": [""],
    }
    rows = rows_of(tmp_path)
    assert set(rows) == {"a.jpg", "b.jpg"}
    assert rows["a.jpg"]["error"] == "the worker died 3 times while it judged this image's shard"


def test_an_answer_that_is_not_finite_is_the_error_of_its_image_alone(
    predictor: AnomalyPredictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps_of = predictor.anomaly_maps

    def anomaly_maps(images: Sequence[np.ndarray]) -> np.ndarray:
        maps = maps_of(images)
        maps[[image.min() == 255 for image in images], 0, 0] = np.inf
        return maps

    monkeypatch.setattr(predictor, "anomaly_maps", anomaly_maps)
    good, white = str(photos / "0 ü.jpg"), str(tmp_path / "white.png")
    cv2.imwrite(white, np.full((64, 64, 3), 255, np.uint8))
    config = PipelineConfig(batch_size=2)
    worker = Judge(config, None, None, str(tmp_path), {}, None)
    worker._pipeline = SimpleNamespace(config=config, predictor=predictor)
    rows = {row["input_path"]: row for row in worker._rows(Shard("", "", [good, white, good], "name"))}
    assert rows[good]["error"] is None and rows[good]["raw_score"] > 0
    assert rows[white]["is_anomalous"] is None
    assert rows[white]["error"].startswith("the network's answer is not finite")


# What cannot be done


def test_whatever_model_the_folder_holds_judges(run, job: ScaleOut, patchcore: Path, photos: Path) -> None:
    output, part = photos.with_name("of another model"), photos / "0 ü.jpg"
    judge_on_ray(replace(job, config=PipelineConfig(model_dir=str(patchcore))), [str(part)], str(output))
    (row,), known = rows_of(output).values(), rows_of(run[1])[str(part)]
    alone = next(AnomalyPredictor(patchcore, device="cpu").predict(str(part)))
    assert row["raw_score"] == pytest.approx(alone["raw_score"], rel=1e-4)
    assert row["model_digest"] != known["model_digest"]


def test_another_model_than_the_one_named_is_refused(job: ScaleOut, patchcore: Path, photos: Path) -> None:
    config = PipelineConfig(model_name="STFPM", model_dir=str(patchcore))
    with pytest.raises(ModelError, match="the folder holds the model PatchCore, not STFPM"):
        judge_on_ray(replace(job, config=config), [str(photos)], str(photos.with_name("never")))


def test_results_with_other_limits_do_not_mix(run, job: ScaleOut, photos: Path) -> None:
    other = replace(job, config=replace(job.config, threshold=1.0))
    with pytest.raises(ConfigError, match="the folder holds results made with another threshold"):
        judge_on_ray(other, [str(photos)], str(run[1]))


@pytest.mark.parametrize("content", [b"no parquet", b""])
def test_a_foreign_file_among_the_parts_is_named(job: ScaleOut, photos: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "part-1.parquet").write_bytes(content)
    with pytest.raises(ConfigError, match=r"there is a file that is no result of ours: .*part-1\.parquet"):
        judge_on_ray(job, [str(photos)], str(tmp_path))


def test_a_model_that_cannot_be_loaded_stops_the_run_in_one_line(
    cluster: str, job: ScaleOut, photos: Path, trained_copy: Path, tmp_path: Path
) -> None:
    inference = trained_copy / "best_model" / "inference"
    for path in inference.iterdir():
        if path.name != "inference.yml":
            path.write_bytes(path.read_bytes()[:1000])
    broken = replace(job, config=replace(job.config, model_dir=str(inference)))
    with pytest.raises(ScaleOutError, match="a worker cannot go on: ") as caught:
        judge_on_ray(broken, [str(photos)], str(tmp_path / "out"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_more_workers_than_cores_are_refused(cluster: str, job: ScaleOut, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ScaleOutError, match=r"too few CPUs for 3 workers\. Ask for fewer --workers, .*; it has 2\."):
        judge_on_ray(replace(job, workers=3), [str(photos)], str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/no/such/folder", r"no such file or folder \(/no/such/folder\)"),
        ("line.mp4", r"no such file or folder \(line\.mp4\)"),
        ("camera:0", r"a video cannot be divided between workers \(camera:0\)\. Judge it without --engine ray"),
        ("file:///no/such/folder", r"the bucket holds no images \(file:///no/such/folder\)"),
    ],
)
def test_an_input_that_is_not_there_is_named(job: ScaleOut, tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ImageReadError, match=message):
        judge_on_ray(job, [source], str(tmp_path / "out"))


def test_a_bucket_of_an_unknown_kind_is_refused(job: ScaleOut, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the bucket cannot be opened: .*ftp://host/folder"):
        judge_on_ray(job, ["ftp://host/folder"], str(tmp_path / "out"))


# How the work is cut


@pytest.mark.parametrize(
    ("images", "workers", "size", "largest", "count"),
    [
        (1000, 2, None, 63, 16),
        (20, 2, None, 16, 2),
        (1_000_000, 4, None, 1024, 977),
        (10, 2, 3, 3, 4),
        (0, 2, None, 0, 0),
    ],
)
def test_shards_are_an_eighth_of_a_workers_share_within_bounds(images, workers, size, largest, count) -> None:
    paths = [f"{number}.jpg" for number in range(images)]
    shards = list(cut([Images("", "", paths)], workers, size))
    assert [path for shard in shards for path in shard.paths] == paths
    assert max((len(shard.paths) for shard in shards), default=0) == largest
    assert len({shard.name for shard in shards}) == len(shards) == count


def test_an_image_that_is_named_twice_is_judged_once(photos: Path) -> None:
    (here,) = list_pending([str(photos), str(photos / "0 ü.jpg"), f"{photos}/sub/../0 ü.jpg"], done=set())
    assert len(here.paths) == len(set(here.paths)) == len(list(photos.rglob("*.jpg")))


def test_an_input_that_cannot_be_found_is_one_image_among_several_and_alone_an_error(photos: Path) -> None:
    missing = f"{photos}/gone[2].jpg"
    (here,) = list_pending([missing, str(photos / "0 ü.jpg")], done=set())
    assert here.paths == [missing, str(photos / "0 ü.jpg")]
    with pytest.raises(ImageReadError, match="holds no images"):
        list_pending([missing], done=set())


def test_a_part_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(pa.ArrowInvalid):
        write_part(str(tmp_path), "1", [{"input_path": "a", "score": "high"}], {"model_digest": "0"})
    assert list(tmp_path.iterdir()) == []


def test_a_video_is_refused(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 64))
    writer.write(np.zeros((64, 64, 3), np.uint8))
    writer.release()
    with pytest.raises(ImageReadError, match="a video cannot be divided between workers"):
        list_pending([str(tmp_path / "a.avi")], done=set())
