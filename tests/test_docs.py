"""The commands of the documentation, run as they stand, on a small demonstration data set in a folder of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paddlex.inference.pipelines.pipeline_config import load_pipeline_config

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/tutorial.md", "docs/trust.md")
IN_CHINESE = ("tutorial.md", "trust.md")  # with the same commands, so they need not be run

#: Makes a training of the docs' commands short; nothing else about them is changed.
SMALLER = "-o Train.image_size=64 -o Train.bank_size=100"
NOT_RUN = ("make ", "source ", "pip ", "python3 -m venv")


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.strip() and not line.startswith(NOT_RUN)]


@pytest.fixture(scope="module", params=PAGES)
def page_and_folder(request, tmp_path_factory, demo_dataset):
    """A page, and a working folder that looks like a clone with the data sets that the page speaks of."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("main.py", "paddlex"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "dataset").mkdir()
    (folder / "dataset" / "metal_grid").symlink_to(demo_dataset)
    shutil.copytree(demo_dataset / "images" / "train" / "good", folder / "dataset" / "my_parts" / "good")
    shutil.copytree(demo_dataset / "images" / "val" / "bent", folder / "dataset" / "my_parts" / "bad")
    return request.param, folder


def run(command: list[str] | str, folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        shell=isinstance(command, str),
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def unexplained_keys(output: Path) -> list[str]:
    """Keys of the modes' results that docs/outputs.md does not name."""
    text = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    results = sorted(output.glob("*_result.json"))
    keys = [f"{path.stem}: {key}" for path in results for key in json.loads(path.read_text(encoding="utf-8"))]
    return [key for key in keys if not re.search(rf"`{key.partition(': ')[2]}[`.]", text)]


@pytest.mark.slow
def test_the_commands_of_a_page_work_in_their_order(page_and_folder):
    page, folder = page_and_folder
    assert len(commands(page)) >= 5
    for command in commands(page):
        if "make_demo_dataset" in command:
            continue  # the small data set is there already
        run(f"{command} {SMALLER}" if "mode=train" in command else command, folder)
    for code in blocks(page, "python"):
        run([sys.executable, "-c", code], folder)
        assert list((folder / "output" / "results").rglob("*_res.json"))
    assert not unexplained_keys(folder / "output")


@pytest.mark.slow
def test_the_commands_of_the_pipeline_page_work_in_their_order(tmp_path, demo_dataset, trained):
    for name in ("main.py", "paddlex"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "metal_grid").symlink_to(demo_dataset)
    shutil.copytree(trained, tmp_path / "output")
    shutil.copytree(trained / "best_model" / "inference", tmp_path / "parts" / "bolt")
    shutil.copytree(demo_dataset / "images" / "val" / "good", tmp_path / "photos")
    text = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```(bash|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in examples].count("bash") >= 4
    for language, code in examples:
        run(["bash", "-euc", code] if language == "bash" else [sys.executable, "-c", code], tmp_path)
    (shipped,) = (ROOT / "paddlex" / "configs" / "pipelines").iterdir()
    assert (tmp_path / "my_pipeline.yaml").read_text(encoding="utf-8") == shipped.read_text(encoding="utf-8")


def test_the_yaml_of_the_pipeline_page_is_a_pipeline(tmp_path):
    (content,) = blocks("docs/pipeline.md", "yaml")
    (tmp_path / "my.yaml").write_text(content, encoding="utf-8")
    assert load_pipeline_config(tmp_path / "my.yaml").target_fpr == 0.01


@pytest.mark.parametrize("page", IN_CHINESE)
def test_a_chinese_page_has_the_commands_of_the_english_one(page):
    assert commands(f"docs/{page}") == commands(f"docs/zh/{page}")
    assert blocks(f"docs/{page}", "python") == blocks(f"docs/zh/{page}", "python")


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", *(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))],
)
def test_links_between_pages_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [target for target in targets if target and not (ROOT / page).parent.joinpath(target).exists()]
    assert not missing
