"""What every backend says when its engine refuses a graph or an input."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paddlex.errors import ModelError


def cannot_load(graph: Path, reason: object) -> ModelError:
    """The engine does not take the graph."""
    return ModelError(f"the graph cannot be loaded: {reason}", where=graph, remedy="Export the model again")


def cannot_run(graph: Path, batch: np.ndarray, reason: object) -> ModelError:
    """The engine does not take an input."""
    return ModelError(
        f"the graph cannot run on an input of shape {list(batch.shape)}: {reason}",
        where=graph,
        remedy="Check Deploy.transforms in inference.yml, or export the model again",
    )
