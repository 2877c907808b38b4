"""Whether there are enough good parts, asked of every model by mode evaluate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from paddlex.engine import main
from paddlex.modules.image_anomaly_detection.models import MODELS


def test_evaluate_says_whether_there_are_enough_good_parts(
    trained_model: Path, model_name: str, shipped: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(trained_model, tmp_path / "output"))
    wanted = [f"Global.dataset_dir={demo_dataset}", f"Global.output={output}", "Global.device=cpu"]
    wanted += ["Global.mode=evaluate", "Evaluate.analyses=[learning_curve]"]
    assert main(["-c", str(shipped), *(part for one in wanted for part in ("-o", one))]) == 0
    result = json.loads((output / "evaluate_result.json").read_text(encoding="utf-8"))["analyses"]["learning_curve"]
    assert (result["photos"], result["is_enough"]) == (24, False)
    assert result["photos_needed"] >= 219
    assert result["words"]
    if MODELS[model_name].refitter is None:
        assert result["not_fitted_again"] and result["points"] == []
    else:
        assert [point["certainty"]["photos"] for point in result["points"]] == [4, 7, 11, 19]
        assert all(point["left_out"] and point["drawn"] for point in result["points"])
    assert "Are there enough good parts?" in (output / "evaluate" / "report.html").read_text(encoding="utf-8")
