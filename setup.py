"""The distribution. What it needs to run is in requirements.txt; Paddle is chosen there, or by hand for a GPU."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


#: What using a model needs beside one backend; the rest of requirements.txt is for making one.
CORE = ("numpy", "opencv-python-headless", "pyyaml", "tqdm")


def requirements() -> tuple[list[str], list[str]]:
    """Two lists from requirements.txt: for using a model, and for making one; a GPU user chooses Paddle by hand."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split("#")[0].strip() for line in lines]
    wanted = [line for line in wanted if line and not line.startswith("paddlepaddle")]
    return [line for line in wanted if line.startswith(CORE)], [line for line in wanted if not line.startswith(CORE)]


def version() -> str:
    """``__version__`` of the package, without importing it."""
    text = (ROOT / "paddlex" / "__init__.py").read_text(encoding="utf-8")
    return next(line.split('"')[1] for line in text.splitlines() if line.startswith("__version__"))


USING, MAKING = requirements()
# A lower bound that is followed by a CVE is the first version without that hole.
ONNX = ["onnxruntime>=1.20", "protobuf>=6.33.5"]  # CVE-2026-0994
OPENVINO = ["openvino>=2024.6"]
SERVING = [
    "fastapi>=0.133",  # the first that takes the Starlette below
    "starlette>=1.3.1",  # CVE-2026-48710, CVE-2025-62727; keeps to its limits on forms
    "uvicorn>=0.30",
    "h11>=0.16",  # CVE-2025-43859
    "python-multipart>=0.0.27",  # CVE-2026-42561, CVE-2026-40347
    "prometheus-client>=0.20",
    "pydantic>=2.7",
    "pillow>=12.3",  # reads an image's size without decoding it; CVE-2026-59199 and 13 more
    "httpcore>=1.0",  # fetches images from URLs, by way of the addresses that were checked
    "fastapi-offline>=1.7",  # Swagger UI's files, for factories without internet
]
STUDIO = [
    *SERVING,
    "sqlalchemy>=2.0.30",
    "alembic>=1.13",
    "argon2-cffi>=23.1",  # passwords
    "pyarrow>=17",  # exports to Parquet
    "jinja2>=3.1.6",  # the qualification report; CVE-2025-27516
    "markupsafe>=2.1",
    "scipy>=1.11",
]
POSTGRESQL = ["psycopg[binary]>=3.2"]
HEIC = ["pillow-heif>=1.0"]
RAY = [
    "ray[data]>=2.60",  # CVE-2025-62593; local_ray.py knows how this one is kept to the machine
    "pyarrow>=17",
    "requests>=2.33",  # Ray brings it; CVE-2026-25645
]
VISUALDL = ["visualdl>=2.5", "requests>=2.33"]

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
        "paddlex": ["configs/*/*.yaml", "configs/*/*.yml", "py.typed"],
        "paddlex.inference.serving": ["page/*"],
        "paddlex.studio": ["page/*", "page/*/*"],
        "paddlex.studio.database": ["migrations/*", "migrations/versions/*.py"],
        "paddlex.modules.image_anomaly_detection": ["pretrained/*"],
        "paddlex.modules.image_anomaly_detection.benchmark": ["templates/*"],
        "paddlex.modules.image_anomaly_detection.training": ["templates/*"],
        "paddlex.evaluation.qualification": ["templates/*"],
        "paddlex.evaluation.report": ["templates/*", "templates/*/*"],
    },
    install_requires=USING,
    extras_require={
        "train": MAKING,
        "cpu": ["paddlepaddle==3.2.2"],
        "onnx": ONNX,
        "openvino": OPENVINO,
        "serving": SERVING,
        "studio": STUDIO,
        "postgresql": POSTGRESQL,
        "heic": HEIC,
        "ray": RAY,
        "visualdl": VISUALDL,
        "dev": [
            *MAKING,
            *OPENVINO,
            *STUDIO,
            *POSTGRESQL,
            *HEIC,
            *RAY,
            *VISUALDL,
            "mypy>=1.11",
            "pytest>=9",
            "pytest-timeout>=2.4",
            "pytest-xdist>=3.6",
            "ruff>=0.6",
            "uv>=0.5",  # writes locks/
            "httpx>=0.27",
            "schemathesis>=4",
            "psutil>=5.9",
            "playwright>=1.49",  # drives the system's Chromium, which shows the page to its tests
            "nbclient>=0.10",
            "ipykernel>=6",
        ],
    },
    entry_points={"console_scripts": ["paddlex = paddlex.cli:main"]},
)
