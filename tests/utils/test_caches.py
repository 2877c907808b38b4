"""There is always a place for what can be fetched or computed again, and nobody else can put things there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import paddlex
from paddlex.utils.caches import cache_folder, cache_path

ROOT = Path(paddlex.__file__).parent.parent
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("PADDLEX_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "paddlex"


def test_a_cache_that_cannot_be_written_to_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "file"))
    elsewhere = cache_path("models/a")
    assert tmp_path not in elsewhere.parents
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path))
    assert cache_path("file") == tmp_path / "file"


#: Prints the place of something in the cache, as a user whom the machine does not know and who has no HOME.
NOBODY = """
import os, sys
from paddlex.utils.caches import cache_path
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
path = cache_path("models/a")
print(path)
print(oct(path.parent.parent.stat().st_mode & 0o777))
"""


def as_nobody(temporary: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, "54321"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "TMPDIR": str(temporary)},
        capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


needs_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become a user whom nobody knows"
)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files that every user may enter, as /tmp is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


@needs_root
def test_a_user_without_home_has_a_cache_of_their_own_among_the_temporary_files(temporary: Path) -> None:
    assert as_nobody(temporary) == [f"{temporary}/paddlex-54321/models/a", "0o700"]


@needs_root
def test_a_folder_that_another_user_has_put_there_is_not_used(temporary: Path) -> None:
    (temporary / "paddlex-54321").mkdir()
    (temporary / "paddlex-54321").chmod(0o777)
    path, mode = as_nobody(temporary)
    assert not path.startswith(f"{temporary}/paddlex-54321/")
    assert mode == "0o700"


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_user_without_home_makes_a_model_and_leaves_nothing_where_they_stand(
    temporary: Path, demo_dataset: Path
) -> None:
    """Paddle would make a folder named ~ there."""
    (temporary / "here").mkdir()
    (temporary / "here").chmod(0o777)
    unknown = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    reads_all = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # this checkout may be another's
    overrides = [
        "Global.mode=check_dataset", f"Global.dataset_dir={demo_dataset}", f"Global.output={temporary}/here/output",
        "Global.device=cpu",
    ]  # fmt: skip
    done = subprocess.run(
        [*unknown, *reads_all, sys.executable, ROOT / "main.py", "-c", CONFIG,
         *(part for override in overrides for part in ("-o", override))],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "TMPDIR": str(temporary)},
        cwd=temporary / "here", capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(temporary / "here") == ["output"]
