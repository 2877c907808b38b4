"""Weight files become networks, or an error that says what does not fit."""

import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddlex.data.dataset import read_samples
from paddlex.errors import ConfigError, WeightsError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.modules.image_anomaly_detection.export.exporter import export
from paddlex.modules.image_anomaly_detection.model import build_network, load_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions
from paddlex.modules.image_anomaly_detection.training.gradient.new_run import new_network

OPTIONS = STFPMOptions(image_size=128)
IMAGES = np.random.default_rng(0).normal(size=(2, 3, 128, 128)).astype(np.float32)

#: Upstream PaddleX numbers the children of paddle.vision's resnet18.
UPSTREAM_NUMBERS = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}


@pytest.fixture(scope="module")
def weights(trained) -> dict[str, np.ndarray]:
    return paddle.load(str(trained / "best_model" / "model.pdparams"), return_numpy=True)


@pytest.fixture
def save(tmp_path):
    """Write arrays to a file without a card; returns its path."""

    def save(arrays: dict[str, np.ndarray], name: str = "model.pdparams") -> str:
        path = tmp_path / "weights" / name
        path.parent.mkdir(exist_ok=True)
        paddle.save({key: paddle.to_tensor(array) for key, array in arrays.items()}, str(path))
        return str(path)

    return save


@pytest.fixture
def upstream_file(weights, save) -> str:
    """The trained model as upstream's STFPM_pretrained.pdparams holds one: its names, a layer4, no fusion."""
    arrays = {}
    for name, array in weights.items():
        network, _, inner = name.partition(".")
        if network != "fusion":
            child, _, rest = inner.partition(".")
            arrays[f"{network}.model.{UPSTREAM_NUMBERS[child]}.{rest}"] = array
    for network in ("teacher", "student"):
        arrays[f"{network}.model.7.0.conv1.weight"] = np.ones((4, 2, 3, 3), np.float32)
    return save(arrays, "STFPM_pretrained.pdparams")


def maps(network) -> list[np.ndarray]:
    with paddle.no_grad():
        return [output.numpy() for output in network(paddle.to_tensor(IMAGES))]


# Our own files


def test_a_trained_model_comes_back_with_its_weights_and_its_card(trained, weights):
    network, card = load_network(str(trained / "best_model" / "model.pdparams"), "STFPM", STFPMOptions())
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name], err_msg=name)
    stored = json.loads((trained / "best_model" / "model.pdstates").read_text(encoding="utf-8"))
    assert card.calibration.to_dict() == stored["calibration"]
    assert card.teacher_weights == stored["teacher_weights"]
    assert not network.training


def test_the_card_decides_the_architecture_whatever_the_config_says(trained):
    other = STFPMOptions(image_size=512, backbone="resnet50", layers=["layer1"])
    _, card = load_network(str(trained / "best_model" / "model.pdparams"), "STFPM", other)
    assert (card.backbone, card.layers, card.image_size) == ("resnet18", ("layer1", "layer2", "layer3"), 128)


@pytest.mark.parametrize("name", ["model.pdparams", "model.pdstates"])
def test_a_flipped_bit_of_a_training_s_files_is_found(trained, tmp_path, name):
    for copied in ("model.pdparams", "model.pdstates", "manifest.json"):
        shutil.copy(trained / "best_model" / copied, tmp_path)
    load_network(str(tmp_path / "model.pdparams"), "STFPM", OPTIONS)
    content = bytearray((tmp_path / name).read_bytes())
    middle = len(content) // 2
    decimal = content.find(b".", middle) + 1 if name.endswith(".pdstates") else middle
    content[decimal] ^= 1  # in a card a digit becomes another: it can still be read
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"{name} is not as the training wrote it"):
        load_network(str(tmp_path / "model.pdparams"), "STFPM", OPTIONS)


def test_a_card_that_is_lost_is_missed(trained, tmp_path):
    for copied in ("model.pdparams", "manifest.json"):
        shutil.copy(trained / "best_model" / copied, tmp_path)
    with pytest.raises(WeightsError, match=r"model\.pdstates is not as the training wrote it"):
        load_network(str(tmp_path / "model.pdparams"), "STFPM", OPTIONS)


def test_smoothed_weights_are_not_calibrated(trained):
    _, card = load_network(str(trained / "best_model" / "model.pdema"), "STFPM", OPTIONS)
    assert card.calibration is None


def test_weights_without_a_card_are_read_as_the_config_describes_them(weights, save):
    network, card = load_network(save(weights), "STFPM", OPTIONS)
    assert card.calibration is None
    assert card.teacher_weights["source"].endswith("model.pdparams")
    np.testing.assert_array_equal(network.state_dict()["student.conv1.weight"].numpy(), weights["student.conv1.weight"])


# Upstream's


def test_upstreams_checkpoint_gives_the_same_map(trained, upstream_file):
    upstream, card = load_network(upstream_file, "STFPM", OPTIONS)
    ours, _ = load_network(str(trained / "best_model" / "model.pdparams"), "STFPM", OPTIONS)
    np.testing.assert_array_equal(maps(upstream)[0], maps(ours)[0])
    assert card.calibration is None


def test_upstreams_checkpoint_can_be_exported(trained, upstream_file, demo_dataset, tmp_path):
    export(*load_network(upstream_file, "STFPM", OPTIONS), tmp_path / "inference")
    exported, original = AnomalyPredictor(tmp_path / "inference", device="cpu"), AnomalyPredictor(trained, device="cpu")
    image = str(read_samples(demo_dataset, "val.txt")[0].image_path)
    (result,) = exported.predict(image)
    np.testing.assert_allclose(result["anomaly_map"], original.paper_maps([result["input_img"]])[0], atol=1e-4)


def test_upstreams_checkpoint_can_be_evaluated(upstream_file, demo_dataset, main_runner, tmp_path):
    done = main_runner(
        "Global.mode=evaluate", f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path}", "Global.device=cpu",
        f"Evaluate.weight_path={upstream_file}", "Train.image_size=128", "Evaluate.analyses=[]",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "evaluate_result.json").read_text(encoding="utf-8"))
    assert 0 <= result["metrics"]["image_auroc"] <= 1
    assert result["metrics"]["image_threshold"] == 0.01  # upstream's constant


def test_upstreams_checkpoint_can_be_the_start_of_a_new_model_teacher_and_student(weights, upstream_file):
    network, card = new_network(ModelCard.from_config("STFPM", OPTIONS), upstream_file)
    for part in ("teacher", "student"):
        for name, tensor in getattr(network, part).state_dict().items():
            np.testing.assert_array_equal(tensor.numpy(), weights[f"{part}.{name}"], err_msg=f"{part}.{name}")
    assert card.teacher_weights["source"] == upstream_file


# What does not fit


def test_unknown_tensors_are_named(weights, save):
    path = save({**weights, "student.extra.weight": np.ones(3, np.float32)})
    with pytest.raises(WeightsError, match=r"1 unknown \['student\.extra\.weight'\].*model\.pdparams"):
        load_network(path, "STFPM", OPTIONS)


def test_missing_tensors_are_named(weights, save):
    path = save({name: array for name, array in weights.items() if name != "student.bn1._mean"})
    with pytest.raises(WeightsError, match=r"1 tensors missing \['student\.bn1\._mean'\]"):
        load_network(path, "STFPM", OPTIONS)


def test_tensors_of_another_shape_are_named(weights, save):
    path = save({**weights, "teacher.conv1.weight": np.ones((64, 3, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match=r"1 of another shape \['teacher\.conv1\.weight'\]"):
        load_network(path, "STFPM", OPTIONS)


@pytest.mark.parametrize(
    "options", [{"backbone": "resnet34"}, {"backbone": "resnet50"}, {"layers": ["layer1", "layer2"]}]
)
def test_weights_of_another_architecture_say_which_keys_to_set(upstream_file, options):
    with pytest.raises(
        WeightsError, match=r"of another architecture.*Set Global.model, Train\.backbone and Train\.layers"
    ):
        load_network(upstream_file, "STFPM", STFPMOptions(image_size=128, **options))


def test_a_teacher_alone_is_no_model(weights, save):
    path = save({name: array for name, array in weights.items() if name.startswith("teacher.")})
    with pytest.raises(WeightsError, match="holds no student"):
        load_network(path, "STFPM", OPTIONS)


CARD = '{"model_name": "STFPM", "backbone": "resnet18", "layers": ["layer1"], "image_size": %s}'


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "not JSON", '{"layers": ["layer1"]}', "[" * 100_000, "1" * 10**6, '{"a": 1, "a": 2}',
        CARD % "NaN", CARD % ("1" + "0" * 50), CARD % "-1", CARD % '"large"',
    ],
)  # fmt: skip
def test_a_damaged_card_is_named(trained, tmp_path, content):
    folder = Path(shutil.copytree(trained / "best_model", tmp_path / "model"))
    (folder / "model.pdstates").write_text(content, encoding="utf-8")
    with pytest.raises(WeightsError, match=r"card is damaged.*model\.pdstates"):
        load_network(str(folder / "model.pdparams"), "STFPM", OPTIONS)


def test_a_model_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match=r"unknown model 'SPADE' \(Global\.model\)\. It is one of STFPM"):
        build_network(ModelCard.from_config("SPADE", OPTIONS))


def test_an_image_too_small_for_the_layers_is_refused():
    with pytest.raises(ConfigError, match=r"image is too small.*Train\.image_size"):
        build_network(ModelCard.from_config("STFPM", STFPMOptions(image_size=48, layers=["layer3"])))


# New ones


def test_layers_are_matched_from_the_finest_on_whatever_their_order_in_the_config():
    card = ModelCard.from_config("STFPM", STFPMOptions(layers=["layer3", "layer1", "layer3"]))
    assert card.layers == ("layer1", "layer3")


@pytest.mark.parametrize("layers", [["layer1"], ["layer2"], ["layer1", "layer2"], ["layer1", "layer3"]])
def test_the_bundled_teacher_serves_any_choice_of_layers(layers):
    options = STFPMOptions(image_size=64, layers=layers)
    network, _ = new_network(ModelCard.from_config("STFPM", options), None)
    network.eval()
    with paddle.no_grad():
        product, _ = network(paddle.to_tensor(IMAGES[..., :64, :64]))
    assert (product.numpy() > 0).all()
