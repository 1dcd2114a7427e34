from pathlib import Path

import pytest

from src.errors import UnknownModel
from src.generation import Task
from src.manifest import Manifest, ModelEntry, load_manifest

MODELSLAB = {
    Task.TEXT2VIDEO: [
        "cogvideox",
        "dark-sushi-mix-vid",
        "epicrealismnaturalsi-vid",
        "hellonijicute25d-vid",
    ],
    Task.IMG2VIDEO: ["svd"],
    Task.VIDEO2VIDEO: ["dark-sushi-mix", "epicrealismnaturalsi", "hellonijicute25d"],
}
#: pixels, frames, steps, guidance
ACCEPTED = {
    "what the official clients send unasked": (512 * 512, 30, 50, 7.5),
    "the documented maximum": (512 * 512, 25, 50, 8.0),
    "a seed's example": (512 * 512, 16, 40, 9.5),
    "another seed's example": (512 * 512, 16, 20, 12.0),
    "a wide frame": (854 * 480, 16, 20, 7.0),
}
ENTRY = """
[models.one]
aliases = ["first"]
family = "cogvideox"
repo = "owner/one"
licence = "Apache-2.0"
tasks = ["text2video"]
defaults = { fps = 8, num_frames = 9, width = 256, height = 256, num_inference_steps = 8 }
limits = { pixels = 65536, num_frames = 49, num_inference_steps = 100 }
"""


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load_manifest()


def written(folder: Path, text: str, name: str = "manifest.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, names in MODELSLAB.items() for name in names]
)
def test_every_model_that_modelslab_documents_is_served(
    manifest: Manifest, task: Task, name: str
) -> None:
    assert task in manifest.find(name).tasks


@pytest.mark.parametrize("call", ACCEPTED)
@pytest.mark.parametrize("entry", list(load_manifest()), ids=lambda entry: entry.id)
def test_documented_calls_are_within_limits(entry: ModelEntry, call: str) -> None:
    pixels, frames, steps, guidance = ACCEPTED[call]
    limits = entry.limits
    assert limits.pixels >= pixels
    assert limits.num_frames >= frames
    assert limits.num_inference_steps >= steps
    assert limits.guidance_scale >= guidance


@pytest.mark.parametrize("entry", list(load_manifest()), ids=lambda entry: entry.id)
def test_own_defaults_are_within_own_limits(entry: ModelEntry) -> None:
    own = entry.default_parameters()
    assert own.width is not None
    assert own.height is not None
    assert own.num_frames is not None
    assert own.num_inference_steps is not None
    assert own.fps is not None
    assert own.width * own.height <= entry.limits.pixels
    assert own.num_frames <= entry.limits.num_frames
    assert own.num_inference_steps <= entry.limits.num_inference_steps


@pytest.mark.parametrize(
    ("id_", "dtype"),
    [("cogvideox", "float16"), ("cogvideox-5b", "bfloat16"), ("svd", "float16")],
)
def test_dtype_is_what_the_authors_advise(manifest: Manifest, id_: str, dtype: str) -> None:
    assert manifest.find(id_).dtype == dtype


@pytest.mark.parametrize("name", ["svd", "SVD-XT", " svd-xt ", "Stable-Video-Diffusion"])
def test_names_are_found_whatever_their_case(manifest: Manifest, name: str) -> None:
    assert manifest.find(name).id == "svd"


def test_demo_does_every_task(manifest: Manifest) -> None:
    assert manifest.find("demo").tasks == set(Task)


def test_an_unknown_model_lists_those_present(manifest: Manifest) -> None:
    with pytest.raises(UnknownModel) as raised:
        manifest.find("zeroscop")
    message = str(raised.value)
    assert "zeroscop" in message
    assert all(entry.id in message for entry in manifest)


def test_without_models_there_is_none_to_list() -> None:
    with pytest.raises(UnknownModel, match="present are: none"):
        Manifest(models=()).find("svd")


def test_an_overlay_changes_single_keys_and_adds_models(tmp_path: Path) -> None:
    below = written(tmp_path, ENTRY, "below.toml")
    above = written(
        tmp_path,
        "[models.one]\ndefaults = { fps = 24 }\nlimits = { num_frames = 97 }\n"
        + ENTRY.replace("models.one", "models.two").replace("first", "second"),
        "above.toml",
    )
    one, two = load_manifest(below, above)
    assert (one.id, two.id) == ("one", "two")
    assert (one.defaults["fps"], one.defaults["num_frames"]) == (24, 9)
    assert (one.limits.num_frames, one.limits.pixels) == (97, 65536)


def test_repositories_are_the_model_and_its_components(manifest: Manifest) -> None:
    entry = manifest.find("tiny")
    assert entry.repos == ("worker-video/tiny", "worker-video/tiny-motion-adapter")


def test_only_keeps_some(manifest: Manifest) -> None:
    kept = manifest.only(lambda line: line.id == "svd")
    assert [entry.id for entry in kept] == ["svd"]


@pytest.mark.parametrize(
    ("found", "instead", "complaint"),
    [
        ('licence = "Apache-2.0"', 'license = "Apache-2.0"', "license"),
        ('repo = "owner/one"', 'repo = "../../etc"', "repo"),
        ('repo = "owner/one"', 'repo = "one"', "repo"),
        ('repo = "owner/one"', 'repo = "../one"', "repo"),
        ('family = "cogvideox"', 'family = "cogvideox"\ncomponents = { vae = "x" }', "components"),
        (
            'family = "cogvideox"',
            'family = "cogvideox"\ncomponents = { vae = "a/.." }',
            "components",
        ),
        ("fps = 8", "frame_rate = 8", "frame_rate"),
        ("fps = 8", 'fps = "fast"', "fps"),
        ("fps = 8, ", "", "missing: fps"),
        ('tasks = ["text2video"]', "tasks = []", "tasks"),
        ('tasks = ["text2video"]', 'tasks = ["audio"]', "tasks"),
        ("pixels = 65536", "pixels = 0", "pixels"),
        ('"first"', '"first", "ONE"', "names both"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, found: str, instead: str, complaint: str) -> None:
    assert found in ENTRY
    path = written(tmp_path, ENTRY.replace(found, instead))
    with pytest.raises(ValueError, match=complaint):
        load_manifest(path)
