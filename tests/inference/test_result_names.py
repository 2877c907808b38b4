"""How the files of results are called, in Python as in mode predict."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from paddlex.inference import result_names
from paddlex.inference.postprocess import Limit
from paddlex.inference.result_names import Names, name_of, safe_name, split_ending, stem_for
from paddlex.inference.results import AnomalyResult

LIMIT = Limit(threshold=6, typical=2)


def result_of(input_path: str | None, root: str | None = None, **more: object) -> AnomalyResult:
    values = {
        "input_path": input_path, "is_anomalous": False, "score": 0.2, "raw_score": 1.0, "threshold": 6.0,
        "pixel_threshold": 6.0, "anomalous_area": 0.0, "regions": [], "anomaly_map": np.zeros((2, 3), np.float32),
        "pred": np.zeros((1, 2, 3), np.uint8), "input_img": np.zeros((2, 3, 3), np.uint8), **more,
    }  # fmt: skip
    return AnomalyResult(values, LIMIT, root)


def test_results_of_the_same_name_have_files_of_their_own(tmp_path: Path) -> None:
    results = [result_of(path) for path in ("good/001.png", "bad/001.png", "001.jpg", None, None)]
    names = [result.save_to_json(tmp_path).name for result in results]
    assert names == ["001_res.json", "001_2_res.json", "001_3_res.json", "image_res.json", "image_2_res.json"]
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())


def test_the_sub_folders_of_an_input_folder_are_kept(tmp_path: Path) -> None:
    for name in ("good/001.png", "bad/001.png", "bad/deep/001.png", "001.png"):
        result_of(f"{tmp_path}/parts/{name}", f"{tmp_path}/parts/").save_to_json(tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.json")}
    assert found == {"001_res.json", "good/001_res.json", "bad/001_res.json", "bad/deep/001_res.json"}


def test_a_result_that_is_saved_again_keeps_its_name_and_all_its_files_have_it(tmp_path: Path) -> None:
    first, second = result_of("x/a.png"), result_of("y/a.png")
    first.save_to_json(tmp_path)
    assert second.save_to_json(tmp_path).name == "a_2_res.json"
    assert second.save_to_json(tmp_path).name == "a_2_res.json"
    assert second.save_mask(tmp_path).name == "a_2_mask.png"
    assert first.save_mask(tmp_path).name == "a_mask.png"


def test_a_path_of_one_s_own_is_one_result_s_too(tmp_path: Path) -> None:
    paths = [result_of("a.png").save_to_json(tmp_path / "res.json") for _ in range(3)]
    assert [path.name for path in paths] == ["res.json", "res_2.json", "res_3.json"]
    assert all(path.is_file() for path in paths)


def test_a_path_of_one_s_own_and_a_name_in_the_folder_do_not_meet(tmp_path: Path) -> None:
    result_of("b.png").save_to_json(tmp_path / "a_res.json")
    assert result_of("a.png").save_to_json(tmp_path).name == "a_2_res.json"


def test_one_folder_under_two_names_is_one_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    assert result_of("a.png").save_to_json(tmp_path / "out").name == "a_res.json"
    assert result_of("a.png").save_to_json(tmp_path / "link").name == "a_2_res.json"


def test_a_second_process_gives_the_same_names_again(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from test_result_names import result_of\n"
        "for path in ('x/a.png', 'y/a.png', None, None):\n"
        "    print(result_of(path).save_to_json(sys.argv[1]).name)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent), *filter(None, sys.path)]
    told = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(2)]
    assert told[0] == told[1] == ["a_res.json", "a_2_res.json", "image_res.json", "image_2_res.json"]
    assert len(list(tmp_path.iterdir())) == 4


def test_frames_have_their_number(tmp_path: Path) -> None:
    assert result_of("film.mp4", frame=7, time=0.7).save_to_json(tmp_path).name == "film_000007_res.json"


def test_names_that_differ_in_case_or_composition_alone_do_not_meet_on_any_file_system(tmp_path: Path) -> None:
    names = Names()
    stems = [names.claim(tmp_path / name, {}).name for name in ("Ä", "ä", "A\u0308")]
    assert stems == ["Ä", "ä_2", "A\u0308_3"]


def test_a_number_that_another_input_has_for_a_name_is_passed_over(tmp_path: Path) -> None:
    names = Names()
    assert [names.claim(tmp_path / name, {}).name for name in ("a_2", "a", "a", "a_2")] == ["a_2", "a", "a_3", "a_2_2"]


@pytest.mark.parametrize("alike", [False, True])
def test_many_names_take_little_memory(alike: bool) -> None:
    names, folder = Names(), Path("/out")
    tracemalloc.start()
    try:
        given = {names.claim(folder / ("image" if alike else f"photo {n}"), {}).name for n in range(20_000)}
        assert len(given) == 20_000
        del given
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, result_names.__file__)])
        assert sum(trace.size for trace in ours.traces) < 20_000 * 50
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("input_path", "name"),
    [
        ("http://host/a/b.jpg?x=1.png", "b"),
        ("what?.jpg", "what_"),
        ('a<b>c:d"e|f*g\\h.jpg', "a_b_c_d_e_f_g_h"),
        ("a\nb\x1b[31m\u202e.jpg", "a_b_[31m_"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf_"),
        ("CON.jpg", "CON_"),
        ("folder/ .jpg", "_"),
        ("camera:0", "camera_0"),
        (None, "image"),
    ],
)
def test_a_name_is_one_that_every_file_system_holds(input_path: str | None, name: str) -> None:
    assert name_of(input_path) == name


def test_a_sub_folder_is_one_that_every_file_system_holds() -> None:
    assert stem_for(Path("out"), "/parts", "/parts/a:b/aux/c\n/1.png") == Path("out/a_b/aux_/c_/1")


@pytest.mark.parametrize("letter", ["a", "部"])
def test_long_names_are_shortened_and_stay_apart(tmp_path: Path, letter: str) -> None:
    length = 251 // len(letter.encode())
    results = [result_of(f"{letter * (length - 1)}{last}.png", frame=n, time=0.0) for n, last in enumerate("xyz")]
    paths = [result.save_to_json(tmp_path) for result in [result_of(r["input_path"]) for r in results] + results]
    assert len(set(paths)) == 6
    assert all(path.is_file() and len(os.fsencode(path.name)) < 255 for path in paths)
    assert len({safe_name(letter * length + last) for last in "xyz"}) == 3


@pytest.mark.parametrize(
    ("path", "stem", "ending"),
    [
        ("out/a_res.png", "out/a", "_res.png"),
        ("out/a_mask_res.png", "out/a_mask", "_res.png"),
        ("out/a_heatmap.png", "out/a", "_heatmap.png"),
        ("out/a.b_map.tiff", "out/a.b", "_map.tiff"),
        ("res.json", "res", ".json"),
        ("_res.json", "_res", ".json"),
    ],
)
def test_a_path_is_a_name_and_what_follows_it(path: str, stem: str, ending: str) -> None:
    assert split_ending(Path(path)) == (Path(stem), ending)
