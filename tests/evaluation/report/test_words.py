"""The sentences of the report: true to the figures, and never a number where there is none."""

import pytest

from paddlex.evaluation.numbers import figure, interval, percent
from paddlex.evaluation.report import words
from paddlex.inference.calibration import Calibration

SPACE = "\N{NO-BREAK SPACE}"


class TestNumbers:
    @pytest.mark.parametrize(
        ("part", "whole", "text"),
        [
            (63, 160, "39 %"),
            (0, 20, "0 %"),
            (20, 20, "100 %"),
            (1, 1000, "0.1 %"),
            (999, 1000, "99.9 %"),
            (1, 5000, "0.02 %"),
            (1, 10**6, "less than 0.01 %"),
        ],
    )
    def test_a_share_reads_0_or_100_per_cent_only_if_it_is(self, part, whole, text):
        assert percent(part, whole) == text.replace(" %", f"{SPACE}%")

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.7976, "0.798"),
            (1.0, "1.000"),
            (0.0, "0.000"),
            (0.99996, "0.99996"),
            (0.001658, "0.00166"),
            (None, "not measurable"),
        ],
    )
    def test_a_figure_reads_0_or_1_only_if_it_is(self, value, text):
        assert figure(value) == text

    def test_an_interval_of_no_width_says_so(self):
        assert interval((1.0, 1.0)) == "no width"
        assert interval((0.7364, 0.8551), 2) == "0.74 to 0.86"


class TestHeadline:
    def test_counts_and_shares_stand_in_words(self, evaluation_of):
        text = words.headline(evaluation_of(normal=[4, 5, 6, 11], anomalous=[7, 12, 13])).replace(SPACE, " ")
        assert text.startswith("Of 3 defective parts 2 were found (67 %); of 4 good parts 1 was called bad (25 %).")

    def test_the_auroc_is_explained_in_pairs(self, evaluation_of):
        # 11 of the 12 pairs have the anomalous score above the normal one: 7 beats 4, 5, 6; 12 and 13 beat all four
        text = words.headline(evaluation_of(normal=[4, 5, 6, 11], anomalous=[7, 12, 13]))
        assert "Image AUROC 0.917" in text
        assert "in 92; guessing would give 50" in text

    def test_all_and_none_are_words(self, evaluation_of):
        text = words.headline(evaluation_of(normal=[4, 5], anomalous=[12, 13]))
        assert "Of 2 defective parts all were found" in text
        assert "of 2 good parts none was called bad" in text

    @pytest.mark.parametrize(
        ("normal", "anomalous", "reason"),
        [([], [12.0, 3.0], "there are no normal images"), ([4.0, 11.0], [], "there are no anomalous images")],
    )
    def test_what_cannot_be_measured_comes_with_the_reason(self, evaluation_of, normal, anomalous, reason):
        text = words.headline(evaluation_of(normal=normal, anomalous=anomalous))
        assert f"The image AUROC is not measurable: {reason}." in text

    def test_without_masks_there_is_no_word_on_outlines(self, evaluation_of):
        text = words.headline(evaluation_of(normal=[4], anomalous=[12]))
        assert "How well defects are outlined is not measurable: no anomalous image has a mask" in text


class TestKeyFigures:
    def test_precision_without_normal_images_is_not_a_perfect_one(self, evaluation_of):
        figures = {item.name: item for item in words.key_figures(evaluation_of(normal=[], anomalous=[12, 3]))}
        precision = figures["Alarms that are right (precision)"]
        assert (precision.value, precision.spread) == ("not measurable", "there are no normal images")
        assert figures["Defects found (recall)"].spread.startswith("1 of 2")

    def test_without_defective_parts_false_alarms_are_all_there_is(self, evaluation_of):
        (figure,) = words.key_figures(evaluation_of(normal=[4, 11], anomalous=[]))
        assert (figure.name, figure.spread.startswith("1 of 2")) == ("False alarms", True)

    def test_precision_without_an_alarm_says_so(self, evaluation_of):
        figures = {item.name: item for item in words.key_figures(evaluation_of(normal=[1], anomalous=[3]))}
        assert figures["Alarms that are right (precision)"].spread == "nothing was called anomalous"


class TestThresholds:
    def calibration(self):
        scores = [float(score) for score in range(1, 20)]  # of 19 scores the 19th holds a rate of 5 %
        return Calibration(
            fusion="product", image_threshold=19.0, pixel_threshold=1.0, image_typical=10.0, pixel_typical=0.0,
            target_fpr=0.05, target_pixel_fpr=0.001, method="by hand", scores=scores,
        )  # fmt: skip

    def test_the_target_rate_stands_beside_what_came_of_it(self, evaluation_of):
        evaluation = evaluation_of([4, 11], [12], source="conformal quantile: score 19 of 19 in ascending order")
        text = " ".join(words.thresholds(evaluation, self.calibration())).replace(SPACE, " ")
        assert "(conformal quantile: score 19 of 19 in ascending order)" in text
        assert (
            "19 normal calibration images so that at most 5 % of new normal images exceed it; here 1 of 2 did." in text
        )

    def test_a_threshold_of_another_rule_promises_no_rate(self, evaluation_of):
        text = " ".join(words.thresholds(evaluation_of([4, 11], [12], "given by the user"), self.calibration()))
        assert "(given by the user)" in text
        assert "calibration image" not in text

    def test_a_model_without_calibration_promises_nothing(self, evaluation_of):
        assert "at most" not in " ".join(words.thresholds(evaluation_of([4], [12]), None))

    def test_a_better_threshold_is_named_with_what_it_would_have_given(self, evaluation_of):
        text = words.thresholds(evaluation_of(normal=[1, 2], anomalous=[6, 7, 12]), None)[-1]
        assert "F1 would be highest, 1.000 instead of 0.500" in text
        assert "3 of 3 defective parts found, 0 of 2 good parts called bad" in text


class TestNotes:
    def test_no_error_among_few_images_is_put_in_its_place(self, evaluation_of):
        # 0 of 21 at a true rate of 13.3 %: 0.867 ** 21 = 0.05
        notes = words.notes(evaluation_of(normal=[1] * 21, anomalous=[6, 12]))
        text = " ".join(notes).replace(SPACE, " ")
        assert "Not one false alarm in 21 images" in text
        assert "up to 13 %" in text
        assert "missed defect" not in text

    def test_an_interval_of_no_width_is_explained(self, evaluation_of):
        assert any("has no width" in note for note in words.notes(evaluation_of(normal=[1, 2], anomalous=[6, 12])))
