"""The config is strict: what is wrong is named, with where it stands and what was probably meant."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from paddlex.config import find_config, load_config, read_loosely, schema_for
from paddlex.errors import ConfigError
from paddlex.modules.image_anomaly_detection.models import MODELS

SHIPPED_NAME = "paddlex/configs/image_anomaly_detection/STFPM.yaml"
IMAGE_SIZE = "must be a whole number of pixels from 32 to 4096, [height, width], auto, or auto:NUMBER"
SHIPPED = Path(__file__).parent.parent / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def message_of(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


# What stands in a file


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    message = message_of(tmp_path / "nothing.yaml")
    assert "the config file does not exist (FILE)" in message
    assert SHIPPED_NAME in message


@pytest.mark.parametrize("below", ["modules/image_anomaly_detection", "image_anomaly_detection"])
@pytest.mark.parametrize("root", ["paddlex/configs", "configs", "/opt/PaddleX/paddlex/configs"])
def test_the_shipped_config_is_found_under_paddlexs_path_and_from_any_folder(
    root: str, below: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(f"{root}/{below}/STFPM.yaml").samefile(SHIPPED)


def test_a_config_that_is_there_is_never_passed_over_for_the_shipped_one(tmp_path: Path, monkeypatch) -> None:
    own = tmp_path / "configs" / "modules" / "image_anomaly_detection" / "STFPM.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("Train: {seed: 7}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_config("configs/modules/image_anomaly_detection/STFPM.yaml").Train.seed == 7


def test_the_file_of_a_pipeline_is_no_config_and_the_error_says_where_it_belongs(write) -> None:
    assert "--pipeline" in message_of(write("pipeline_name: anomaly_detection\n"))


def test_a_folder_is_not_a_config(tmp_path: Path) -> None:
    assert message_of(tmp_path).startswith("the config file cannot be read: ")


def test_text_in_another_encoding_is_refused_with_the_remedy(write) -> None:
    assert message_of(write("Global: {output: 输出}".encode("gbk"))).endswith(
        "(FILE line 1). Correct it, and save it as UTF-8."
    )


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("Global:\n\tmode: train\n", "found character '\\t' that cannot start any token", 2),
        ("Global: {mode: train\n", "expected ',' or '}', but got '<stream end>'", 2),
        ("Global:\n  mode: a: b\n", "mapping values are not allowed here", 2),
        ("Global: {}\n---\nTrain: {}\n", "but found another document", 2),
    ],
)
def test_yaml_that_cannot_be_read_is_an_error_with_its_line(write, text: str, problem: str, line: int) -> None:
    assert message_of(write(text)).startswith(f"the config is not valid YAML: {problem} (FILE line {line}). ")


def test_a_list_is_not_a_config(write) -> None:
    assert message_of(write("- Global\n")) == (
        "the config is not a mapping of sections (FILE). Start from a shipped config."
    )


def test_a_key_that_stands_twice_is_an_error_with_the_line_of_the_second(write) -> None:
    message = message_of(write("Train:\n  seed: 1\n  batch_size: 4\n  seed: 2\n"))
    assert message == "the config has the key Train.seed twice (FILE line 4). Correct it, and save it as UTF-8."


def test_a_section_given_as_a_scalar_is_an_error(write) -> None:
    assert message_of(write("Global: {}\nTrain: 5\n")) == (
        "Train must be a section of keys, not 5 (FILE line 2). Correct the value."
    )


def test_an_inner_section_given_as_a_list_is_an_error(write) -> None:
    assert message_of(write("CheckDataset:\n  split: [80, 20]\n")) == (
        "CheckDataset.split must be a section of keys, not [80, 20] (FILE line 2). Correct the value."
    )


@pytest.mark.parametrize(
    ("text", "key", "line", "nearest"),
    [
        ("Train:\n  seed: 1\n  epoch_iters: 3\n", "Train.epoch_iters", 3, "Did you mean Train.epochs_iters?"),
        ("Global:\n  batch_size: 3\n", "Global.batch_size", 2, "Did you mean Train.batch_size or Predict.batch_size?"),
        ("Train:\n  strength: 3\n", "Train.strength", 2, f"The keys of Train are those in {SHIPPED_NAME}."),
        (
            "Evaluate:\n  strength: 3\n",
            "Evaluate.strength",
            2,
            "The keys of Evaluate are weight_path, log_interval, analyses.",
        ),
        (
            "train:\n  epochs_iters: 3\n",
            "train.epochs_iters",
            2,
            "It is written Train.epochs_iters: small and capital letters differ.",
        ),
        ("TRAIN:\n  epoch: 3\n", "TRAIN.epoch", 2, "Did you mean Train.epochs_iters?"),
        (
            "Train:\n  Batch_Size: 3\n",
            "Train.Batch_Size",
            2,
            "It is written Train.batch_size: small and capital letters differ.",
        ),
        ("Train:\n  lr: 3\n", "Train.lr", 2, f"The keys of Train are those in {SHIPPED_NAME}."),
        (
            "Train:\n  calibration:\n    target_frp: 0.1\n",
            "Train.calibration.target_frp",
            3,
            "Did you mean Train.calibration.target_fpr?",
        ),
        (
            "Train:\n  calibraton:\n    rule: best_f1\n",
            "Train.calibraton.rule",
            3,
            "Did you mean Train.calibration.rule?",
        ),
        (
            "Colours: 3\n",
            "Colours",
            1,
            "The sections are Global, CheckDataset, Train, Evaluate, Export, Predict, Benchmark.",
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_key(
    write, text: str, key: str, line: int, nearest: str
) -> None:
    assert message_of(write(text)) == f"unknown key {key} (FILE line {line}). {nearest}"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("patchcore", "Did you mean PatchCore?"), ("YOLO", "It is one of STFPM, PatchCore, PaDiM, PatchCorePaDiM.")],
)
def test_an_unknown_model_to_compare_is_named_with_its_line_and_the_nearest(write, name: str, remedy: str) -> None:
    path = write(f"Benchmark:\n  models: [STFPM, {name}]\n")
    assert message_of(path).startswith(f"unknown model '{name}' (FILE line 2). ")
    assert message_of(path).endswith(remedy)
    assert message_of(write(""), f"Benchmark.models=[{name}]").startswith(
        f"unknown model '{name}' (-o Benchmark.models="
    )


def test_models_to_compare_are_a_list(write) -> None:
    assert message_of(write("Benchmark:\n  models: STFPM\n")) == (
        "Benchmark.models must be a list, such as [a, b], not 'STFPM' (FILE line 2). Correct the value."
    )


def test_of_several_problems_the_first_is_told_and_the_others_counted(write) -> None:
    message = message_of(write("Train:\n  sede: 1\n  batch_size: no\nPredict:\n  batch_size: 0\n"))
    assert re.search(r"\(and 2 more problems\)", message)


def test_a_key_that_is_no_name_is_an_error(write) -> None:
    assert message_of(write("Train:\n  ? [seed]\n  : 3\n")) == (
        "the config has a key that is no name (FILE line 2). Correct it, and save it as UTF-8."
    )


def test_an_alias_is_an_error(write) -> None:
    assert message_of(write("Train: &all\n  seed: *all\n")) == (
        "the config has the alias *all: write out what it stands for (FILE line 2). Correct it, and save it as UTF-8."
    )


def test_a_value_of_a_megabyte_is_not_repeated_whole(write) -> None:
    path = write(f"Train: {{seed: {'x' * 10**6}}}")
    message = message_of(path)
    assert message.startswith("Train.seed must be a whole number, not 'xxx")
    assert len(message) < 200


def test_a_tag_that_would_make_an_object_is_an_error(write) -> None:
    message = message_of(write("Train:\n  seed: !!python/object/apply:os.getpid []\n"))
    assert message.startswith("Train.seed must be a whole number")
    message = message_of(write("Train:\n  seed: !!python/name:os.getpid\n"))
    assert message == (
        "the config has a value that cannot be read at Train.seed (FILE line 2). Correct it, and save it as UTF-8."
    )


# Values


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        (
            "Global.mode", "fly",
            "must be check_dataset, train, evaluate, export, predict or benchmark, not 'fly'",
        ),
        ("Train.batch_size", "many", "must be a whole number, not 'many'"),
        ("Train.seed", "1.5", "must be a whole number, not 1.5"),
        ("Train.batch_size", "0", "must be 1 or more, not 0"),
        ("Train.image_size", "16", f"{IMAGE_SIZE}, not '16'"),
        ("Train.image_size", "8192", f"{IMAGE_SIZE}, not '8192'"),
        ("Train.learning_rate", "0", "must be more than 0, not 0"),
        ("Train.learning_rate", ".nan", "must be a finite number, not nan"),
        ("Train.weight_decay", ".inf", "must be a finite number, not inf"),
        ("Train.warmup_steps", "-1", "must be 0 or more, not -1"),
        ("Train.momentum", "1", "must be less than 1, not 1"),
        ("Train.num_classes", "2", "must be 1, not 2"),
        ("Train.nesterov", "maybe", "must be True or False, not 'maybe'"),
        ("Train.backbone", "resnet999", "must be resnet18, resnet34, resnet50, wide_resnet50_2, "
         "efficientnet_lite0, efficientnet_lite1 or efficientnet_lite2, not 'resnet999'"),
        ("Train.layers", "layer1", "must be a list, such as [a, b], not 'layer1'"),
        ("Train.layers", "[layer1, layer4]", "must be layer1, layer2 or layer3, not 'layer4'"),
        ("Train.layers", "[]", "must be a list of 1 or more, not []"),
        ("Train.calibration.holdout_percent", "80", "must be 50 or less, not 80"),
        ("Train.calibration.target_fpr", "0", "must be more than 0, not 0"),
        ("CheckDataset.split.train_percent", "120", "must be 100 or less, not 120"),
        ("Global.output", "", "must be text, not empty"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_that_names_key_value_and_override(
    write, key: str, value: str, complaint: str
) -> None:
    assert message_of(write(""), f"{key}={value}").startswith(f"{key} {complaint} (-o {key}={value}). ")


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("Global.mode=Train", "Did you mean train?"),
        ("Global.mode=evalute", "Did you mean evaluate?"),
        ("Global.mode=fly", "Correct the value."),
        ("Train.seed='7'", "Leave the quotes out."),
        ("Train.nesterov=maybe", "Correct the value."),
    ],
)
def test_the_remedy_for_a_wrong_value_fits_the_value(write, override: str, remedy: str) -> None:
    assert message_of(write(""), override).endswith(remedy)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("Train.dy2st=True", "CINN"),
        ("Predict.engine=paddle", "Predict.kernel_option.run_mode"),
        ("CheckDataset.split.gallery_percent=10", "image retrieval"),
        ("Pdparams2safetensors.input_path=x", ".pdparams"),
    ],
)
def test_a_key_of_paddlex_that_is_not_taken_is_refused_with_the_reason(write, override: str, words: str) -> None:
    message = message_of(write(""), override)
    assert f"{override.partition('=')[0]} is a key of PaddleX" in message
    assert words in message


@pytest.mark.parametrize(
    "key",
    [
        "Global.output", "Global.dataset_dir", "Train.resume_path", "Train.pretrain_weight_path", "Evaluate.weight_path",
        "Export.weight_path", "Predict.model_dir", "Predict.input",
    ],
)  # fmt: skip
def test_a_leading_tilde_is_the_home_folder_where_a_path_is_meant(write, key: str, monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    section, _, name = key.partition(".")
    expected = "/home/someone/my parts"
    assert getattr(getattr(load_config(write(""), [f"{key}=~/my parts"]), section), name) == expected
    assert getattr(getattr(load_config(write(f"{section}: {{{name}: ~/my parts}}")), section), name) == expected


def test_none_is_null_as_in_paddlex_and_quoted_it_is_text(write) -> None:
    assert load_config(write("Predict: {model_dir: x}"), ["Predict.model_dir=None"]).Predict.model_dir is None
    assert load_config(write("Predict: {model_dir: None}")).Predict.model_dir is None
    assert load_config(write("Predict: {model_dir: 'None'}")).Predict.model_dir == "None"


def test_a_value_from_the_file_is_reported_with_its_line(write) -> None:
    message = message_of(write("Train:\n  seed: 3\n  batch_size: -2\n"))
    assert message == "Train.batch_size must be 1 or more, not -2 (FILE line 3). Correct the value."


@pytest.mark.parametrize("value", ["2026-13-01", "!colour 3", "="])
def test_a_value_that_yaml_cannot_construct_is_an_error(write, value: str) -> None:
    assert message_of(write(""), f"Train.seed={value}") == (
        f"Train.seed cannot be read (-o Train.seed={value}). Correct the value, or quote it."
    )


@pytest.mark.parametrize("text", ["007", "1e3", "2026-01-31", "no", "1_000", "0x10", "12:30", "3.10"])
def test_text_is_kept_as_written_in_a_file(write, text: str) -> None:
    assert load_config(write(f"Global:\n  dataset_dir: {text}\n")).Global.dataset_dir == text


@pytest.mark.parametrize(
    "text",
    [
        "007", "1e3", "2026-01-31", "no", "*.png", "[1].png", "a: b.png", "part #2.png", "!new.png", "&co.png", "@2x.png",
        "%TEMP%", "C:\\images", "图 像/a b.png", "http://host/a.png?x=1&y=2#z", "{a}.png", "a=b",
    ],
)  # fmt: skip
def test_text_is_kept_as_written_in_an_override(write, text: str) -> None:
    assert load_config(write(""), [f"Predict.input={text}"]).Predict.input == text


@pytest.mark.parametrize("word", ["off", "'off'", '"off"'])
def test_a_word_that_yaml_takes_for_false_is_that_word_where_a_key_has_words(write, word: str) -> None:
    assert load_config(write(f"Train: {{robust: {word}}}")).Train.robust == "off"
    assert load_config(write(""), [f"Train.robust={word}"]).Train.robust == "off"


@pytest.mark.parametrize(
    ("text", "value"), [("null", None), ("~", None), ("", None), ("'null'", "null"), ('"007"', "007")]
)
def test_null_and_quotes_mean_in_an_override_what_they_mean_in_yaml(write, text: str, value: str | None) -> None:
    assert load_config(write("Predict: {input: x}"), [f"Predict.input={text}"]).Predict.input == value


@pytest.mark.parametrize("text", ["1e-4", "0.0001", "1.0e-4"])
def test_scientific_notation_is_a_number(write, text: str) -> None:
    path = write(f"Train:\n  weight_decay: {text}\n")
    assert load_config(path).Train.weight_decay == 0.0001
    assert load_config(path, [f"Train.learning_rate={text}"]).Train.learning_rate == 0.0001


def test_lists_can_be_given_by_an_override(write) -> None:
    config = load_config(write(""), ["Train.layers=[layer1, layer2]", "Predict.input=[a b.png, 007]"])
    assert config.Train.layers == ["layer1", "layer2"]
    assert config.Predict.input == ["a b.png", "007"]


@pytest.mark.parametrize("text", ["[64, 96]", "['64', 96]"])
def test_height_and_width_are_numbers_wherever_they_stand(write, text: str) -> None:
    assert load_config(write(f"Train: {{image_size: {text}}}")).Train.image_size == [64, 96]
    config = load_config(write(""), [f"Train.image_size={text}"])
    assert config.Train.image_size == [64, 96]
    assert load_config(write(config.to_yaml())) == config


def test_a_file_with_a_byte_order_mark_is_read(write) -> None:
    assert load_config(write("\ufeffGlobal: {output: x}")).Global.output == "x"


# Overrides


@pytest.mark.parametrize("override", ["Global.mode", "=train", "", " =train"])
def test_an_override_without_key_or_equals_is_an_error(write, override: str) -> None:
    message = message_of(write(""), override)
    assert message == f"an override must read KEY=VALUE (-o {override}). For example -o Global.mode=train."


def test_an_unknown_key_in_an_override_is_named_with_the_override(write) -> None:
    message = message_of(write(""), "Global.modle=train")
    assert message == "unknown key Global.modle (-o Global.modle=train). Did you mean Global.mode?"


def test_a_key_below_a_value_is_an_error(write) -> None:
    path = write("Train: {seed: 3}")
    assert message_of(path, "Train.seed.x=1") == (
        "Train.seed is not a section (-o Train.seed.x=1). Did you mean Train.seed?"
    )


def test_a_section_cannot_be_overridden_whole(write) -> None:
    assert message_of(write(""), "Train=5") == "Train must be a section of keys, not 5 (-o Train=5). Correct the value."


def test_overrides_win_over_the_file_and_the_last_over_the_first(write) -> None:
    config = load_config(write("Train: {seed: 1}"), ["Train.seed=2", "Train.seed=3"])
    assert config.Train.seed == 3


def test_spaces_around_key_and_value_do_not_count(write) -> None:
    assert load_config(write(""), [" Train.seed = 4 "]).Train.seed == 4


# The whole


@pytest.mark.parametrize("text", ["", "# nothing\n", "Train:\nGlobal:\n", "Train:\n  calibration:\n", "Predict: {}\n"])
def test_empty_files_and_sections_mean_the_defaults(write, text: str) -> None:
    assert load_config(write(text)) == schema_for("STFPM")()


def test_two_configs_do_not_share_their_lists(write) -> None:
    first, second = load_config(write("")), load_config(write(""))
    first.Train.layers.append("layer9")
    first.Global.output = "elsewhere"
    assert second == schema_for("STFPM")()


@pytest.mark.parametrize("model", MODELS)
def test_a_config_reaches_another_process_whole(write, model: str) -> None:
    config = load_config(write(f"Global: {{model: {model}}}\nTrain: {{batch_size: 3, layers: [layer2]}}\n"))
    code = (
        "import pickle, sys; config = pickle.load(sys.stdin.buffer); "
        "sys.stdout.buffer.write(pickle.dumps((config, config.to_yaml())))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(config), capture_output=True, check=True)
    back, there = pickle.loads(done.stdout)
    assert (back, type(back), there) == (config, type(config), config.to_yaml())


def test_to_yaml_loads_to_the_same_config(write) -> None:
    config = load_config(
        write(""),
        ["Global.output=007", "Global.dataset_dir=数据 集", "Train.weight_decay=1e-5", "Train.layers=[layer2]",
         "Predict.input=[1e3, '*.png', 'null']", "CheckDataset.split.train_percent=80", "Train.warmup_steps=0"],
    )  # fmt: skip
    assert load_config(write(config.to_yaml())) == config


@pytest.mark.parametrize(
    "override",
    [
        "Global.model=STFPM", "Global.mode=train", "Global.dataset_dir=x", "Global.device=gpu:0,1", "Global.output=x",
        "CheckDataset.convert.enable=True", "CheckDataset.convert.src_dataset_type=MVTec_AD",
        "CheckDataset.split.enable=True", "CheckDataset.split.train_percent=80", "CheckDataset.split.val_percent=20",
        "Train.num_classes=1", "Train.epochs_iters=20", "Train.batch_size=4", "Train.learning_rate=0.01",
        "Train.pretrain_weight_path=x.pdparams", "Train.warmup_steps=10", "Train.resume_path=x", "Train.log_interval=10",
        "Train.eval_interval=10", "Evaluate.weight_path=x", "Evaluate.log_interval=10", "Export.weight_path=x",
        "Predict.batch_size=4", "Predict.model_dir=x", "Predict.input=x.png", "Predict.kernel_option.run_mode=paddle",
    ],
)  # fmt: skip
def test_a_key_that_users_of_paddlex_know_works(override: str) -> None:
    key, _, text = override.partition("=")
    values = dict(_leaves(load_config(SHIPPED, [override]).model_dump()))
    assert values[key] == yaml.safe_load(text)


def test_a_broken_config_can_still_be_read_loosely(write) -> None:
    path = write("Global: {mode: train, output: 007}\nTrain: {sede: 1}\n")
    assert read_loosely(path, ["nonsense", "Global.mode=export"])["Global"] == {"mode": "export", "output": "007"}


@pytest.mark.parametrize("text", ["Global: [", "- a", "Train: {seed: 2026-13-01}", "Train: &a {seed: *a}", "5"])
def test_reading_loosely_never_raises(write, text: str) -> None:
    assert read_loosely(write(text), ["Global.mode=train", "Global.mode.x=1"]) == {"Global": {"mode": "train"}}


def _leaves(values: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


# What people write


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Global:\n\tmode: train\n", "spaces, not with tabs"),
        ('Predict:\n  input: "C:\\images\\a.jpg"\n', "single quotes"),
        ("Global:\n mode: train\n   device: cpu\n", "indentation"),
    ],
)
def test_yaml_that_many_write_wrongly_has_advice_of_its_own(write, text: str, words: str) -> None:
    assert words in message_of(write(text))


def test_a_section_without_a_colon_is_told_from_the_override_that_meets_it(write) -> None:
    message = message_of(write("Train:\n  seed: 3\nGlobal:\n  mode train\n"), "Global.device=cpu")
    assert message.startswith("Global must be a section of keys, not 'mode train' (FILE line 3)")


@pytest.mark.parametrize("override", [f"Train.seed={'1' * 5000}", f"Train.{'x' * 5000}=1", f"Train.seed={'x' * 5000}"])
def test_a_huge_override_is_a_short_error(write, override: str) -> None:
    assert len(message_of(write(""), override)) < 400


@pytest.mark.parametrize("override", ["Train.seed=*x", "Train.seed=&a *a", "Train.layers=[*a]", "Train.layers=[[[["])
def test_an_alias_in_an_override_is_text_and_no_number_or_list(write, override: str) -> None:
    assert "must be a" in message_of(write(""), override)


def test_a_path_with_a_zero_byte_is_refused(write) -> None:
    assert "zero byte" in message_of(write('Global: {output: "a\\0b"}'))
