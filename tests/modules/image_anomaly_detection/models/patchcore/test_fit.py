"""What a config of PatchCore asks for is what the network has."""

import pytest

from paddlex.errors import ConfigError
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.patchcore.fit import bank_names, bank_sizes
from paddlex.modules.image_anomaly_detection.models.patchcore.network import banks
from paddlex.modules.image_anomaly_detection.models.patchcore.options import PatchCoreOptions

COUNTS = {"layer2": 500, "layer3": 300, "layer2+layer3": 500}


def architecture(**settings) -> dict:
    options = PatchCoreOptions(image_size=64, layers=["layer2", "layer3"], **settings)
    return bank_sizes(options, {name: COUNTS[name] for name in bank_names(options)})


def parts_of(architecture: dict):
    card = ModelCard(
        model_name="PatchCore", backbone="efficientnet_lite0", layers=("layer2", "layer3"), image_size=64,
        architecture=architecture,
    )  # fmt: skip
    return banks(card)


def test_there_is_a_bank_for_each_stage_or_one_for_all():
    assert architecture() == {"banks": {"layer2": 500, "layer3": 300}}
    assert architecture(banks="concatenated", bank_size=40) == {"banks": {"layer2+layer3": 40}}


def test_images_are_not_weighted_unless_that_is_asked_for():
    assert all(not bank.neighbours for bank in parts_of(architecture()))


def test_images_are_weighted_by_as_many_neighbours_as_the_authors_take():
    weighted = parts_of(architecture(reweighting=True))
    assert [bank.neighbours for bank in weighted] == [9, 9]
    assert [bank.neighbours for bank in parts_of(architecture(reweighting=True, bank_size=5))] == [5, 5]


def test_a_weighting_in_a_bank_of_one_patch_is_an_error_with_advice():
    with pytest.raises(ConfigError, match=r"no neighbours.*Train\.reweighting.*Train\.bank_size"):
        architecture(reweighting=True, bank_size=1)


def test_only_models_with_banks_have_the_setting():
    assert [name for name, model in MODELS.items() if "reweighting" in model.options.model_fields] == [
        "PatchCore",
        "PatchCorePaDiM",
    ]
