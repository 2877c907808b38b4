"""The distribution. What it needs to run is in requirements.txt; Paddle is chosen there, or by hand for a GPU."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements() -> list[str]:
    """The lines of requirements.txt, but for Paddle: a GPU build must not have the CPU build put over it."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split("#")[0].strip() for line in lines]
    return [line for line in wanted if line and not line.startswith("paddlepaddle")]


def version() -> str:
    """``__version__`` of the package, without importing it."""
    text = (ROOT / "paddlex" / "__init__.py").read_text(encoding="utf-8")
    return next(line.split('"')[1] for line in text.splitlines() if line.startswith("__version__"))


setup(
    name="image-anomaly-toolkit",
    version=version(),
    description="Image anomaly detection on PaddlePaddle, in the manner of PaddleX: find the bad parts.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["paddlex", "paddlex.*"]),
    package_data={
        "paddlex": ["configs/*/*.yaml", "py.typed"],
        "paddlex.modules.image_anomaly_detection": ["pretrained/*"],
        "paddlex.modules.image_anomaly_detection.report": ["*.html", "*.css"],
    },
    install_requires=requirements(),
    extras_require={
        "cpu": ["paddlepaddle==3.2.2"],
        "dev": ["mypy>=1.11", "pytest>=8", "ruff>=0.6"],
    },
    entry_points={"console_scripts": ["paddlex = paddlex.cli:main"]},
)
