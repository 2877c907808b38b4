"""The anomaly detection pipeline: one model with its settings, from one YAML file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from paddlex.errors import PaddleXError
from paddlex.inference.bank_predictor import open_predictor
from paddlex.inference.inputs import Source
from paddlex.inference.pipelines.pipeline_config import PipelineConfig
from paddlex.inference.results import AnomalyResult


class AnomalyDetectionPipeline:
    """A model that is loaded and set up as a ``PipelineConfig`` says.

    Args:
        config: the settings.
        device: ``auto`` (None), ``cpu``, ``gpu`` or ``gpu:0``.
        threads: CPU threads to use; None for the config's, ``OMP_NUM_THREADS``, or all cores.
        quiet: do not log which model runs where.

    Attributes:
        config: the settings.
        predictor: the loaded model, or the bank of them.

    Raises:
        ModelError: the folder cannot be used, or holds another model.
        DownloadError: the official model cannot be fetched.
        DeviceError: the device is not there.
    """

    def __init__(
        self, config: PipelineConfig, device: str | None = None, *, threads: int | None = None, quiet: bool = False
    ) -> None:
        self.config = config
        self.predictor = open_predictor(
            config.model_dir,
            product=config.product,
            model_name=config.model_name,
            device=device,
            run_mode=config.run_mode,
            threads=threads or config.threads,
            threshold=config.threshold,
            score_threshold=config.score_threshold,
            target_fpr=config.target_fpr,
            min_area=config.min_area,
            tiling=config.tiling,
            bit_depth=config.bit_depth,
            max_megapixels=config.max_megapixels,
            quiet=quiet,
        )

    def predict(
        self,
        input: Source | Iterable[Source],
        batch_size: int | None = None,
        on_error: Callable[[Source, PaddleXError], None] | None = None,
    ) -> Iterator[AnomalyResult]:
        """Yield one result an image, in order; see ``BatchPredictor.predict``.

        Args:
            input: a file, folder, glob, URL, video, camera (0 or ``camera:0``), encoded bytes, array (uint8 [H, W, 3], BGR) or
                an iterable of these.
            batch_size: images that the network takes at once; None for the config's.
            on_error: called with the source and the error for an image that cannot be read or judged, which is then left
                out; without it the error is raised.
        """
        return self.predictor.predict(input, self.config.batch_size if batch_size is None else batch_size, on_error)
