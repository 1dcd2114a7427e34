"""What every test stands on."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

#: A machine that stumbles is no fault: neither an example nor the making of one has a time limit.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

#: Settings of whoever runs the tests must not leak into them.
LEAKY = (
    "RUNPOD_",
    "GATEWAY_",
    "BUCKET_",
    "MODELS_DIR",
    "MODEL_CACHE_DIR",
    "VOLUME_MODELS_DIR",
    "DOWNLOAD_MODELS",
    "HASH_WEIGHTS",
    "OUTPUT_DIR",
    "DEFAULT_MODEL",
    "MANIFEST_PATH",
)


@pytest.fixture(autouse=True)
def clean_environ() -> Iterator[None]:
    """Each test starts without the worker's settings and leaves the environment as it was."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(LEAKY):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def tiny_models(root: Path) -> Path:
    """Tiny random weights for every model, laid out as baked ones; written once, then reused."""
    from filelock import FileLock

    from builder.tiny_models import build_loras, build_models
    from src.manifest import load_manifest
    from src.pipelines.loader import quieten_libraries

    quieten_libraries()
    folder = root / "out" / "tiny-models"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # the tests run in several processes
        build_models(folder, load_manifest())
        build_loras(folder, load_manifest())
    return folder
