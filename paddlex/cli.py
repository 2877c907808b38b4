"""The ``paddlex`` command: its arguments, and which task they name.

Each task is imported when it is asked for, because an installation that only uses models lacks what making them needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from paddlex import __version__
from paddlex.config_arguments import Parser, add_config_arguments
from paddlex.line_command import add_line_arguments
from paddlex.qualify_command import add_qualify_arguments
from paddlex.serve_command import add_serving_arguments
from paddlex.studio_command import add_studio_arguments, check_studio_arguments
from paddlex.utils.console import say, visible
from paddlex.utils.extras import install, missing_for_making

_EPILOG = """\
exit status: 0 done, every image judged; 1 failed, or an image could not be judged; 2 wrong command line;
3 with --fail_on_anomaly: every image judged, and one is anomalous; 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status, see ``--help``."""
    parser = Parser(
        prog="paddlex",
        description="Image anomaly detection: find the bad parts.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"paddlex {__version__}")
    add_config_arguments(parser, required=False)
    _add_demo_arguments(parser)
    _add_pipeline_arguments(parser)
    add_serving_arguments(parser)
    add_studio_arguments(parser)
    add_line_arguments(parser)
    add_qualify_arguments(parser)
    _add_refit_arguments(parser)
    _add_scale_out_arguments(parser)
    _add_arguments_of_paddlex(parser)
    arguments = parser.parse_args(argv)

    if arguments.install is not None or arguments.paddle2onnx:
        return _say_what_to_do_instead(arguments.install)
    if arguments.engine not in ("local", "ray"):
        parser.error(
            f"--engine says where the pipeline runs, local or ray, not {arguments.engine!r}; "
            "how the network is run (PaddleX's engines) is said by --run_mode onnx, openvino, paddle or auto"
        )
    if arguments.make_demo_dataset:
        return _make_demo_dataset(arguments.make_demo_dataset)
    if arguments.config:
        return _run_config(arguments)
    if arguments.get_pipeline_config:
        from paddlex.pipeline_command import save_pipeline_config

        return save_pipeline_config(arguments.get_pipeline_config, arguments.save_path)
    if arguments.qualify:
        if not (arguments.model_dir and arguments.save_path):
            parser.error("--qualify needs --model_dir and --save_path")
        from paddlex.qualify_command import run_qualification

        return run_qualification(arguments)
    if arguments.refit:
        if not (arguments.model_dir and arguments.input and arguments.save_path):
            parser.error(
                "--refit needs --model_dir MODEL, --input PICTURES of good parts, and --save_path for the new folder"
            )
        from paddlex.refit_command import run_refit

        return run_refit(arguments)
    check_studio_arguments(parser, arguments)
    if arguments.studio:
        from paddlex.studio_command import run_studio

        return run_studio(arguments)
    if arguments.check and not arguments.line:
        parser.error("--check is for --line FILE")
    if arguments.line:
        from paddlex.line_command import run_line

        return run_line(arguments)
    if arguments.serve:
        if not arguments.pipeline:
            parser.error("--serve needs --pipeline")
        from paddlex.serve_command import run_service

        return run_service(arguments)
    if arguments.pipeline:
        if len(arguments.pipeline) > 1:
            parser.error("only --serve takes more than one --pipeline")
        arguments.pipeline = arguments.pipeline[0]
        if not arguments.input:
            parser.error("--pipeline needs --input")
        if arguments.engine == "ray" and not arguments.save_path:
            parser.error("--engine ray needs --save_path")
        if (arguments.save or arguments.save_anomalous_only) and (arguments.engine == "ray" or not arguments.save_path):
            parser.error("--save and --save_anomalous_only need --save_path, and --engine local")
        if arguments.engine == "ray" and arguments.json:
            parser.error("--json is for --engine local; Ray's results are Parquet files in --save_path")
        if arguments.engine == "local" and (arguments.ray_address or arguments.workers or arguments.shard_size):
            parser.error("--ray_address, --workers and --shard_size are for --engine ray")
        from paddlex.pipeline_command import run_pipeline

        return run_pipeline(arguments)
    parser.error(
        "give --pipeline NAME --input IMAGES, --serve --pipeline NAME, --studio WORKSPACE, --line FILE, --refit, "
        "-c CONFIG, --get_pipeline_config NAME or --make_demo_dataset FOLDER; --help explains them"
    )


def _add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("demonstration")
    group.add_argument(
        "--make_demo_dataset", metavar="FOLDER", help="write the demonstration data set (a woven metal grid) and exit"
    )


def _add_pipeline_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a pipeline: judge images with a trained model")
    add = group.add_argument
    add("--pipeline", action="append", metavar="NAME|FILE", help="anomaly_detection, or a YAML file of its shape")
    add("--input", nargs="+", metavar="IMAGES", help="files, folders, globs, URLs, videos or camera:0")
    add(
        "--save_path",
        type=os.path.expanduser,
        metavar="FOLDER",
        help="write the files of each image, and summary.csv, there",
    )
    add(
        "--save",
        nargs="+",
        choices=("picture", "mask", "heatmap", "map", "json"),
        help="which files these are (default: picture json)",
    )
    add("--save_anomalous_only", action="store_true", default=None, help="write them of anomalous images alone")
    add(
        "--model_dir",
        type=os.path.expanduser,
        metavar="FOLDER",
        help="the model: an inference folder or a training's output folder; or a folder of such, one a product",
    )
    add("--product", metavar="NAME|auto", help="of a folder of models: whose is meant; auto: whichever a photo shows")
    add("--device", help="auto (default), cpu, gpu or gpu:0")
    add("--batch_size", type=int, metavar="N", help="images that the network takes at once")
    limit = group.add_mutually_exclusive_group()
    limit.add_argument("--threshold", type=float, metavar="X", help="the raw score above which a part is anomalous")
    limit.add_argument("--score_threshold", type=float, metavar="X", help="or a score of the model's own scale, 0 to 1")
    limit.add_argument("--target_fpr", type=float, metavar="X", help="or the share of good parts that may be, 0 to 1")
    add("--min_area", type=float, metavar="X", help="share of the image below which a region is left out")
    add("--tile_size", type=int, metavar="N", help="scan large images in tiles of N pixels; 0 for whole images")
    add(
        "--bit_depth",
        type=int,
        metavar="N",
        help="bits of the camera's 16-bit pictures (default: as the model was trained)",
    )
    add("--run_mode", metavar="MODE", help="how the network is run: auto, onnx, openvino, mkldnn, paddle, ...")
    add("--use_hpip", action="store_true", default=None, help="run the network in the fastest way there is")
    add(
        "--hpi_config",
        type=_mapping,
        metavar="JSON",
        help='with --use_hpip: PaddleX\'s settings, {"backend": "openvino"}',
    )
    add("--json", action="store_true", help="one JSON object an image, each on a line of standard output")
    add("--fail_on_anomaly", action="store_true", help="exit with 3 if an image is anomalous")
    add("--get_pipeline_config", metavar="NAME", help="write a pipeline's YAML file (to --save_path, or here) and exit")


def _add_refit_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a refit: let a model learn anew, without Paddle")
    group.add_argument(
        "--refit",
        action="store_true",
        help="fit the model of --model_dir to the pictures of good parts in --input, all of them, and write it to the new "
        "folder --save_path; with --target_fpr, --bit_depth, --product, --run_mode and --json as above",
    )
    group.add_argument(
        "--false_alarms",
        type=os.path.expanduser,
        metavar="PATH",
        help="further good parts, which a model has called anomalous: they are learnt from, but no threshold rests on them",
    )
    group.add_argument("--seed", type=int, metavar="N", help="of what is drawn (default: the model's)")
    group.add_argument(
        "--regions",
        type=os.path.expanduser,
        metavar="FILE",
        help="inspect what a YAML file says, in the keys of Train.regions and with size: [width, height] of the photos it is "
        "drawn for; an empty file for everything (default: as the model does)",
    )


def _add_scale_out_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a pipeline on many machines")
    add = group.add_argument
    add("--engine", metavar="local|ray", default="local", help="where the pipeline runs (default: local)")
    add("--ray_address", metavar="HOST:PORT", help="a running Ray cluster; without it one is started on this machine")
    add("--workers", type=_count, metavar="N", help="models that work at once (default: one a GPU, or one a core)")
    add(
        "--shard_size",
        type=_count,
        metavar="N",
        help="images that are judged, and saved, as one piece (default: by the number of images)",
    )


def _add_arguments_of_paddlex(parser: argparse.ArgumentParser) -> None:
    """What PaddleX's command has and this one answers with what to do instead."""
    for name in ("--install", "--paddle2onnx"):
        how: dict[str, Any] = {"nargs": "*"} if name == "--install" else {"action": "store_true"}
        parser.add_argument(name, help=argparse.SUPPRESS, **how)
    for name in ("--paddle_model_dir", "--onnx_model_dir", "--opset_version"):
        parser.add_argument(name, help=argparse.SUPPRESS)


def _say_what_to_do_instead(plugins: Sequence[str] | None) -> int:
    """PaddleX's plugins are extras of the package here."""
    if plugins is None:
        text = "Training and mode export write inference.onnx beside Paddle's graph: there is nothing to convert"
    elif any(plugin == "serving" for plugin in plugins):
        text = f"The service is an extra: {install('serving')}"
    elif any(plugin.startswith("hpi") or plugin == "paddle2onnx" for plugin in plugins):
        text = f"The fast engines are extras: {install('onnx')}, or {install('openvino')}"
    else:
        text = f"Training is an extra: {install('train', 'cpu')}"
    print(f"paddlex: there are no plugins to install. {text}.", file=sys.stderr)
    return 1


def _mapping(text: str) -> dict[str, Any]:
    """JSON, or what YAML takes for a mapping; argparse says of anything else that it is invalid."""
    from paddlex.utils.strict import compose_yaml, construct_yaml

    node = compose_yaml(text)
    value = None if node is None else construct_yaml(node)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


_mapping.__name__ = "JSON"  # argparse's word for what it is not


def _count(text: str) -> int:
    """A whole number from 1 on; argparse says of anything else that it is invalid."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _run_config(arguments: argparse.Namespace) -> int:
    try:
        from paddlex.engine import run_config
    except ModuleNotFoundError as error:
        if (missing := missing_for_making(error)) is None:
            raise
        say(f"paddlex: {missing}", sys.stderr)
        return 1
    return run_config(arguments.config, arguments.override, arguments.progress)


def _make_demo_dataset(folder: str) -> int:
    from paddlex.data.demo import make_demo_dataset
    from paddlex.errors import PaddleXError, in_one_line

    try:
        say(visible(make_demo_dataset(folder)))
    except (PaddleXError, OSError) as error:
        say(visible(f"paddlex: {in_one_line(error)}"), sys.stderr)
        return 1
    return 0
