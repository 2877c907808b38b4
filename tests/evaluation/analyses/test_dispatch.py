"""What ``Evaluate.analyses`` asks for is made, once and in that order, and what cannot be made says why."""

from __future__ import annotations

import typing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from paddlex.config_schema import AnalysisName
from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, Sample, read_samples
from paddlex.errors import DatasetError
from paddlex.evaluation import analyses
from paddlex.evaluation.analyses import ANALYSES, NotMade, Subject, analyse
from paddlex.evaluation.analyses.subject import find_good_parts


@dataclass(frozen=True)
class Counted:
    """What an analysis of these tests finds."""

    photos: int

    def to_dict(self) -> dict[str, int]:
        return {"photos": self.photos}

    def words(self) -> list[str]:
        return [f"There are {self.photos} photos."]


def good_parts(count: int, root: Path = Path("data")) -> list[Sample]:
    return [Sample(root, f"good/{number}.png", None, VAL_LIST, number + 1) for number in range(count)]


def subject_with(count: int) -> Subject:
    return Subject(SimpleNamespace(), good_parts(count))


def count_photos(subject: Subject) -> Counted:
    return Counted(len(subject.spread(100)))


def test_the_words_of_the_config_are_the_analyses_that_there_are() -> None:
    assert set(typing.get_args(AnalysisName)) == set(ANALYSES)
    for reference in ANALYSES.values():
        assert callable(analyses._resolved(reference))


def test_each_is_made_once_in_the_order_asked_for() -> None:
    calls = []
    more = {name: lambda subject, name=name: calls.append(name) or count_photos(subject) for name in ("a", "b")}
    found = analyse(["b", "a", "b"], subject_with(3), more)
    assert list(found) == calls == ["b", "a"]
    assert found["a"].to_dict() == {"photos": 3}


@pytest.mark.parametrize("error", [DatasetError("what is wrong", where="val.txt"), OSError("no\nfile"), MemoryError()])
def test_one_that_cannot_be_made_says_why_in_one_line_and_the_others_are_made(error: Exception) -> None:
    def fails(subject: Subject) -> Counted:
        raise error

    found = analyse(["bad", "good"], subject_with(1), {"bad": fails, "good": count_photos})
    reason = " ".join(str(error).split()) or "MemoryError"
    assert found == {"bad": NotMade(reason), "good": Counted(1)}
    assert found["bad"].to_dict() == {"not_made": reason} and "\n" not in found["bad"].words()[0]


def test_an_error_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        analyse(["bad"], subject_with(1), {"bad": lambda subject: 1 / 0})


@pytest.mark.parametrize(
    ("photos", "reason"), [(0, "there are no good parts"), (2, "it needs 3 good parts, and there are 2")]
)
def test_too_few_good_parts_are_a_reason(photos: int, reason: str) -> None:
    found = analyse(["a"], subject_with(photos), {"a": lambda subject: subject.spread(10, fewest=3)})
    assert found["a"].words()[0].startswith(f"This could not be measured: {reason}. ")


def test_of_many_good_parts_some_from_all_over_the_list_are_taken() -> None:
    assert [sample.line for sample in subject_with(100).spread(4)] == [1, 26, 51, 76]
    assert len(subject_with(3).spread(4)) == 3


def test_of_many_good_parts_as_large_a_share_of_those_that_are_taken_scores_high() -> None:
    """The scores of parts 1 to 60 are 60 to 1: 24 of them, each in the middle of a twenty-fourth of the ranking."""
    subject = replace(subject_with(60), raw_scores={f"good/{number}.png": 60.0 - number for number in range(60)})
    scores = [subject.raw_scores[sample.image] for sample in subject.spread_by_score(24)]
    assert scores == [
        1 + rank
        for rank in (1, 3, 6, 8, 11, 13, 16, 18, 21, 23, 26, 28, 31, 33, 36, 38, 41, 43, 46, 48, 51, 53, 56, 58)
    ]
    assert sum(score > 57 for score in scores) == 1  # 5 % of 60 are 3
    assert [sample.line for sample in subject_with(3).spread_by_score(24)] == [1, 2, 3]


def test_the_good_parts_are_those_of_the_validation_list(demo_dataset: Path) -> None:
    samples = read_samples(demo_dataset, VAL_LIST)
    rows = [SimpleNamespace(sample=sample, is_anomalous=sample.mask is not None) for sample in samples]
    found, note = find_good_parts(rows, demo_dataset)
    assert (len(found), note) == (4, None) and {sample.list_name for sample in found} == {VAL_LIST}


def test_without_any_there_the_model_is_asked_about_parts_that_it_knows_and_says_so(demo_dataset: Path) -> None:
    rows = [SimpleNamespace(sample=None, is_anomalous=True)]
    found, note = find_good_parts(rows, demo_dataset)
    assert found == read_samples(demo_dataset, TRAIN_LIST) and "val.txt has no good part" in note


def test_a_data_set_without_any_gives_none(tmp_path: Path) -> None:
    assert find_good_parts([], tmp_path) == ([], None)
