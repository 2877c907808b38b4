"""``paddlex --qualify``: a folder of pictures in, a report to sign out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from paddlex.cli import main
from paddlex.errors import DatasetError
from paddlex.evaluation.qualification.study import read_study


def name_in_study(name: str) -> str:
    """Pictures of several folders have the same names."""
    return name.replace("/", "_")


@pytest.fixture
def study(demo_dataset: Path, tmp_path: Path) -> Path:
    """Good parts, bad ones, two of them taken three times, and what two people say."""
    root = tmp_path / "study"
    pictures = {line.split()[0]: line for line in (demo_dataset / "val.txt").read_text().splitlines()}
    good = [name for name in pictures if "/good/" in name][:4]
    bad = [name for name in pictures if "/good/" not in name][:4]
    for folder, names in (("good", good), ("challenge", bad)):
        (root / folder).mkdir(parents=True)
        for name in names:
            shutil.copy(demo_dataset / name, root / folder / name_in_study(name))
    for part, name in (("first", good[0]), ("second", bad[0])):
        (root / "repeated" / part).mkdir(parents=True)
        for take in range(3):
            shutil.copy(demo_dataset / name, root / "repeated" / part / f"{take}.png")
    rows = [f"{kind}/{name_in_study(n)},{who},{word}" for who in ("Anna", "Li") for kind, names, word in
            (("good", good, "good"), ("challenge", bad, "bad")) for n in names]  # fmt: skip
    (root / "ratings.csv").write_text("\n".join(["picture,person,verdict", *rows]), encoding="utf-8")
    return root


def test_the_report_says_of_each_question_what_the_study_proves(
    patchcore: Path, study: Path, tmp_path: Path, capsys
) -> None:
    target = tmp_path / "report"
    assert main(["--qualify", str(study), "--model_dir", str(patchcore), "--save_path", str(target)]) == 0
    figures = json.loads((target / "qualification.json").read_text(encoding="utf-8"))
    page = (target / "qualification.html").read_text(encoding="utf-8")
    with (target / "per_picture.csv").open(encoding="utf-8-sig") as file:
        rows = {row["picture"]: row["verdict"] for row in csv.DictReader(file)}
    assert len(rows) == 4 + 4 + 2 * 3
    missed = figures["challenge"]["missed"]
    assert missed["count"] == sum(rows[name] == "good" for name in rows if name.startswith("challenge/"))
    assert missed["of"] == 4
    assert figures["good"]["false_alarms"]["of"] == 4
    assert figures["repeatability"]["deviation"] == pytest.approx(0, abs=1e-9)  # the very same pictures
    assert figures["repeatability"]["changed"]["count"] == 0
    assert len(figures["agreement"]["pairs"]) == 3
    assert figures["agreement"]["disputed"] == 0
    assert "Signature" in page
    assert str(figures["words"][0]) in capsys.readouterr().out


def test_what_a_study_lacks_is_said_and_proves_nothing(patchcore: Path, study: Path, tmp_path: Path) -> None:
    for name in ("good", "repeated"):
        shutil.rmtree(study / name)
    (study / "ratings.csv").unlink()
    target = tmp_path / "report"
    assert main(["--qualify", str(study), "--model_dir", str(patchcore), "--save_path", str(target)]) == 0
    figures = json.loads((target / "qualification.json").read_text(encoding="utf-8"))
    assert figures["good"] is figures["repeatability"] is figures["agreement"] is figures["detectability"] is None
    assert any("nothing is proven about false alarms" in sentence for sentence in figures["words"])


def test_a_picture_that_cannot_be_read_is_not_left_out(patchcore: Path, study: Path, tmp_path: Path, caplog) -> None:
    (study / "challenge" / "broken.png").write_bytes(b"no picture")
    target = tmp_path / "report"
    assert main(["--qualify", str(study), "--model_dir", str(patchcore), "--save_path", str(target)]) == 1
    assert not target.exists()


@pytest.mark.parametrize("scale", ["0", "-1", "inf", "nan"])
def test_a_scale_that_is_none_is_refused(study: Path, tmp_path: Path, scale: str, caplog) -> None:
    arguments = ["--qualify", str(study), "--model_dir", "any", "--save_path", str(tmp_path / "report")]
    assert main([*arguments, f"--pixels_per_mm={scale}"]) == 1
    assert "--pixels_per_mm" in caplog.text and "Set it above 0" in caplog.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("good/nothing.png,Anna,good", "there is no picture"),
        ("../../etc/passwd,Anna,good", "there is no picture"),
        ("challenge,Anna,good", "there is no picture"),
        ("only one cell", "no rating"),
        ("x.png,Anna,perhaps", "no rating"),
        ("x.png,,good", "no rating"),
    ],
)
def test_a_line_of_the_ratings_that_cannot_be_is_named(study: Path, line: str, said: str) -> None:
    (study / "ratings.csv").write_text(f"picture,person,verdict\n{line}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=said) as caught:
        read_study(study)
    assert "ratings.csv:2" in str(caught.value)


def test_a_picture_is_rated_once_by_each(study: Path) -> None:
    path = study / "ratings.csv"
    path.write_text(
        path.read_text(encoding="utf-8") + "\n" + path.read_text(encoding="utf-8").splitlines()[1], encoding="utf-8"
    )
    with pytest.raises(DatasetError, match="has rated"):
        read_study(study)


def test_a_part_that_was_taken_once_and_an_empty_study_are_refused(study: Path, tmp_path: Path) -> None:
    for path in sorted((study / "repeated" / "first").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DatasetError, match="repeats nothing"):
        read_study(study)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no study"):
        read_study(tmp_path / "empty")
