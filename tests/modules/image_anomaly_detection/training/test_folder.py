"""The output folder of a training: tidied up after killed ones, and left alone while another is at work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.training.folder import training_folder

HOLD = """
import sys
from pathlib import Path
from paddlex.modules.image_anomaly_detection.training.folder import training_folder
with training_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def output(tmp_path) -> Path:
    """What killed processes left in all places, and what belongs to others."""
    checkpoints = tmp_path / "checkpoints"
    for folder in (
        checkpoints / "step_0000002",
        checkpoints / ".step_0000003.abcd_123",
        checkpoints / ".step_0000002.abcd5678.old",  # its new one took its place
        checkpoints / ".step_0000001.abcd5678.old",  # its new one did not
        tmp_path / ".best_model.abcd1234",
        tmp_path / ".best_model.abcd1234.old",
        tmp_path / ".mine",
        tmp_path / ".cache.abcd1234",
    ):
        folder.mkdir(parents=True)
        (folder / "content").write_text(folder.name, encoding="utf-8")
    for name in (".config.abcd1234.yaml", ".train_result.abcd1234.json", ".predict_result.abcd1234.json", ".gitignore"):
        (tmp_path / name).touch()
    (tmp_path / "visualdl").mkdir()
    (tmp_path / "visualdl" / ".vdlrecords.train.abcd1234.log").touch()
    return tmp_path


def hidden(output: Path) -> set[str]:
    return {path.relative_to(output).as_posix() for path in output.rglob(".*")}


def test_what_killed_trainings_left_is_removed_and_what_was_taken_out_of_the_way_comes_back(output):
    with training_folder(output, MODELS["STFPM"].writes):
        assert hidden(output) == {".mine", ".cache.abcd1234", ".predict_result.abcd1234.json", ".gitignore"}
    assert (output / "best_model" / "content").read_text(encoding="utf-8") == ".best_model.abcd1234.old"
    kept = {path.name: (path / "content").read_text(encoding="utf-8") for path in (output / "checkpoints").iterdir()}
    assert kept == {"step_0000001": ".step_0000001.abcd5678.old", "step_0000002": "step_0000002"}


def test_while_another_process_holds_the_folder_nothing_is_touched(output):
    before = hidden(output)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, output / "new"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        (output / "new" / ".config.abcd1234.yaml").touch()
        with pytest.raises(TrainingError, match="another training is writing to the output folder"), \
                training_folder(output / "new"):  # fmt: skip
            pass
        assert (output / "new" / ".config.abcd1234.yaml").exists()
        holder.kill()
        holder.wait()
    with training_folder(output / "new"):
        assert not (output / "new" / ".config.abcd1234.yaml").exists(), "the kernel gave the lock back"
    assert hidden(output) == before


def test_a_path_that_cannot_be_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"output folder cannot be written: .*file.*Set Global\.output"), \
            training_folder(tmp_path / "file"):  # fmt: skip
        pass
