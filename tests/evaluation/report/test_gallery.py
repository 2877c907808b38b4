"""The gallery: what it chooses, in which order, and how it outlines masks."""

import re

import numpy as np
import pytest

from paddlex.evaluation.report.gallery import choose, jpeg, outline_path, thumbnail_size


def scores(chapter):
    return [row.raw_score for row in chapter.rows]


class TestChoice:
    @pytest.fixture
    def chapters(self, evaluation_of):
        rows = evaluation_of(normal=[1, 9, 3, 11, 15, 12], anomalous=[8, 2, 6, 20, 10.5, 30]).rows
        return choose(rows, mistakes=2, close_calls=2)

    def test_mistakes_come_before_what_is_right(self, chapters):
        titles = ["Missed defects", "False alarms", "Defects found", "Good parts passed"]
        assert [chapter.title for chapter in chapters] == titles

    def test_the_worst_miss_has_the_lowest_score_and_is_first(self, chapters):
        assert scores(chapters[0]) == [2, 6]

    def test_the_worst_false_alarm_has_the_highest_score_and_is_first(self, chapters):
        assert scores(chapters[1]) == [15, 12]

    def test_right_decisions_are_those_closest_to_the_threshold(self, chapters):
        assert scores(chapters[2]) == [10.5, 20]
        assert scores(chapters[3]) == [9, 3]

    def test_each_chapter_knows_how_many_there_are(self, chapters):
        assert [chapter.total for chapter in chapters] == [3, 3, 3, 3]


class TestPictures:
    @pytest.mark.parametrize(
        ("shape", "size"), [((1000, 500), (200, 400)), ((300, 200), (200, 300)), ((60, 120), (240, 120))]
    )
    def test_thumbnails_keep_the_proportions(self, shape, size):
        assert thumbnail_size(*shape) == size

    def test_a_defect_of_one_pixel_in_a_large_image_is_outlined(self):
        mask = np.zeros((4000, 4000), bool)
        mask[2000, 1000] = True
        points = np.array([[int(x), int(y)] for x, y in re.findall(r"(-?\d+),(-?\d+)", outline_path(mask, (400, 400)))])
        assert points.min(0).tolist() == [98, 198]  # two pixels of the thumbnail around (100, 200)
        assert points.max(0).tolist() == [102, 202]

    @pytest.mark.parametrize("share", [0.001, 0.003, 0.01, 0.5])
    def test_noise_does_not_fill_the_page_with_paths(self, share):
        mask = np.random.default_rng(0).random((2000, 2000)) < share
        assert len(outline_path(mask, (400, 400))) < 10_000

    def test_a_noisy_picture_stays_small(self):
        assert len(jpeg(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8))) <= 36_000
