"""Which settings each of several models is trained with."""

from __future__ import annotations

from paddlex.config import schema_for
from paddlex.config_schema import CalibrationSection, Config

#: What is asked of a model, whichever it is: it is the same for all. How a model is made is its own.
_SHARED = {"seed", "tiling", "calibration"}
_OWN_CALIBRATION = {"fusion"}


def configs_of(config: Config) -> dict[str, Config]:
    """The config of each model of ``Benchmark.models``, in that order; of ``Global.model`` alone where none are named.

    The section ``Train`` is ``Global.model``'s. Any other model has the defaults of its own, and of this section takes over
    the seed, the tiling, and what calibration is to aim at. All other sections are the same for all; analyses, of which the
    table shows nothing, are not made.
    """
    return {model: _config_of(model, config) for model in config.Benchmark.models or [config.Global.model]}


def _config_of(model: str, config: Config) -> Config:
    values = config.model_dump(exclude={"Benchmark"})
    values["Global"]["model"] = model
    values["Evaluate"]["analyses"] = []
    if model != config.Global.model:
        aims = set(CalibrationSection.model_fields) - _OWN_CALIBRATION
        values["Train"] = config.Train.model_dump(include=_SHARED)
        values["Train"]["calibration"] = {key: values["Train"]["calibration"][key] for key in aims}
    return schema_for(model).model_validate(values)
