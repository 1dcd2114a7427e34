"""Which files of a repository are taken: of each kind of thing that repositories hold twice."""

import pytest

from builder.fetch_models import choose
from src.errors import ModelNotLoaded
from src.manifest import Served, load_manifest
from src.pipelines.weights.hub import RemoteFile
from src.pipelines.weights.needs import Needs, needs
from src.pipelines.weights.selection import select

INDEX = {
    "_class_name": "SomePipeline",
    "boundary_ratio": None,
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "image_encoder": [None, None],
}
REST = [
    "model_index.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer.json",
    "unet/config.json",
]


def listing(*paths: str) -> dict[str, RemoteFile]:
    return {path: RemoteFile(path, 1, path) for path in paths}


def stored(*paths: str, dtype: str | None = "float16") -> dict[str, str]:
    """What is stored -> where it comes from, of a pipeline that takes all but a safety checker."""
    components = dict.fromkeys(("unet", "text_encoder", "tokenizer", "image_encoder"), dtype)
    parts = select("o/n", listing(*REST, *paths), Needs(components=components), INDEX)
    found = {target: file.path for part in parts for target, file in part.sources.items()}
    return {target: path for target, path in found.items() if target not in REST}


UNET = "unet/diffusion_pytorch_model"


@pytest.mark.parametrize(
    ("there", "dtype", "taken"),
    [
        ([f"{UNET}.safetensors", f"{UNET}.bin"], "float16", [f"{UNET}.safetensors"]),
        (
            [f"{UNET}.safetensors", f"{UNET}.fp16.safetensors"],
            "float16",
            [f"{UNET}.fp16.safetensors"],
        ),
        ([f"{UNET}.safetensors", f"{UNET}.fp16.safetensors"], "bfloat16", [f"{UNET}.safetensors"]),
        ([f"{UNET}.safetensors", f"{UNET}.fp16.safetensors"], "float32", [f"{UNET}.safetensors"]),
        ([f"{UNET}.safetensors", f"{UNET}.fp16.safetensors"], None, [f"{UNET}.safetensors"]),
        ([f"{UNET}.fp16.safetensors", f"{UNET}.bin"], "bfloat16", [f"{UNET}.fp16.safetensors"]),
        ([f"{UNET}.safetensors", f"{UNET}.non_ema.safetensors"], None, [f"{UNET}.safetensors"]),
        ([f"{UNET}.bin", "unet/flax_model.msgpack", "unet/model.onnx"], None, [f"{UNET}.bin"]),
        (
            [f"{UNET}-0000{n}-of-00002.safetensors" for n in (1, 2)]
            + [f"{UNET}.safetensors.index.json"],
            "bfloat16",
            [f"{UNET}-0000{n}-of-00002.safetensors" for n in (1, 2)],
        ),
        (
            [f"{UNET}.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
            + [f"{UNET}.safetensors.index.fp16.json", f"{UNET}.safetensors"],
            "float16",
            [f"{UNET}.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)],
        ),
        (  # half of the shards is nothing
            [f"{UNET}-00001-of-00002.safetensors", f"{UNET}.bin"],
            "float16",
            [f"{UNET}.bin"],
        ),
        (  # diffusers' name in a folder of diffusers', whatever else lies there
            ["unet/model.safetensors", f"{UNET}.safetensors"],
            "float16",
            [f"{UNET}.safetensors"],
        ),
    ],
)
def test_of_the_same_weights_the_best_form_for_the_dtype_is_taken(
    there: list[str], dtype: str | None, taken: list[str]
) -> None:
    found = stored(*there, dtype=dtype)

    assert sorted(found.values()) == sorted(taken)
    assert all(target.startswith(UNET) for target in found)
    assert all(target.endswith(".safetensors") for target in found)
    assert not any("fp16" in target for target in found)


def test_what_no_pipeline_reads_is_left() -> None:
    found = stored(
        f"{UNET}.safetensors",
        *("ltx-2-19b-dev.safetensors", "ltx-2-19b-dev-fp8.safetensors", "v1.ckpt", "README.md"),
        *("safety_checker/config.json", "safety_checker/model.safetensors"),
        *("image_encoder/config.json", "image_encoder/model.safetensors"),
        *("zs2_576w/text2video_pytorch_model.pth", "unet/run.py", ".gitattributes"),
    )

    assert set(found) == {f"{UNET}.safetensors"}


def test_a_licence_goes_along_with_the_weights() -> None:
    found = stored(f"{UNET}.safetensors", "LICENSE.md", "Notice", "doc/LICENSE")

    assert set(found) == {f"{UNET}.safetensors", "LICENSE.md", "Notice"}


def test_transformers_names_are_preferred_for_its_classes() -> None:
    found = stored(f"{UNET}.safetensors", "text_encoder/diffusion_pytorch_model.safetensors")

    assert "text_encoder/diffusion_pytorch_model.safetensors" not in found


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (["unet/diffusion_pytorch_model.ckpt"], "o/n: has no weights as safetensors or .* in unet"),
        ([f"{UNET}-00001-of-00002.safetensors"], "o/n: has no weights"),
    ],
)
def test_weights_that_are_not_there_are_named(there: list[str], words: str) -> None:
    with pytest.raises(ModelNotLoaded, match=words):
        stored(*there)


def test_a_component_without_its_folder_is_named() -> None:
    with pytest.raises(ModelNotLoaded, match=r"no folder unet, which its model_index\.json names"):
        select("o/n", listing("model_index.json"), Needs(components={"unet": None}), INDEX)


@pytest.mark.parametrize(
    ("adapter", "there", "taken"),
    [
        (
            "animatelcm",
            [
                *("config.json", "diffusion_pytorch_model.safetensors", "AnimateLCM_sd15_t2v.ckpt"),
                *("diffusion_pytorch_model.fp16.safetensors",),
                *("AnimateLCM_sd15_t2v_lora.safetensors", "README.md"),
            ],
            {
                *("config.json", "diffusion_pytorch_model.safetensors"),
                "AnimateLCM_sd15_t2v_lora.safetensors",
            },
        ),
        (
            "animateDiff-lightning",
            [
                f"animatediff_lightning_{n}step_{kind}.safetensors"
                for n in (1, 2, 4, 8)
                for kind in ("comfyui", "diffusers")
            ],
            {"animatediff_lightning_4step_diffusers.safetensors"},
        ),
        (
            "ip-adapter_sd15",
            [
                *("models/ip-adapter_sd15.safetensors", "models/ip-adapter_sd15.bin"),
                *("models/ip-adapter-plus_sd15.safetensors", "models/image_encoder/config.json"),
                *("models/image_encoder/model.safetensors", "sdxl_models/ip-adapter_sdxl.bin"),
                "models/image_encoder/pytorch_model.bin",
            ],
            {
                *("models/ip-adapter_sd15.safetensors", "models/image_encoder/config.json"),
                "models/image_encoder/model.safetensors",
            },
        ),
        (
            "zoom-in",
            [
                *("diffusion_pytorch_model.safetensors", "README.md"),
                "diffusion_pytorch_model.fp16.safetensors",
            ],
            {"diffusion_pytorch_model.safetensors"},
        ),
        (
            "openpose",
            [
                *("config.json", "diffusion_pytorch_model.bin", "images/bag.png"),
                *("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.bin"),
                "diffusion_pytorch_model.fp16.safetensors",
            ],
            {"config.json", "diffusion_pytorch_model.safetensors"},
        ),
    ],
)
def test_of_an_adapter_only_what_is_put_on_is_taken(
    adapter: str, there: list[str], taken: set[str]
) -> None:
    chosen = choose(load_manifest(), ["dark-sushi-mix"])
    repo = next(item.repo for item in chosen.adapters if item.id == adapter)
    assert repo
    parts = select(repo, listing(*there), needs(chosen, "served")[repo], {})

    assert {target for part in parts for target in part.sources} == taken


def test_a_repository_that_two_want_in_two_dtypes_stays_as_published() -> None:
    one = Needs(folders={"": "float16", "a": "float16"})
    other = Needs(folders={"": "bfloat16", "b": "float32"}, files={"c": None})

    assert (one | other).folders == {"": None, "a": "float16", "b": "float32"}
    assert (one | other).files == {"c": None}


def test_every_model_of_the_manifest_says_what_it_needs() -> None:
    chosen = load_manifest()
    found = needs(chosen, "served")

    served: list[Served] = [*chosen.models, *chosen.adapters, *chosen.tools]
    assert set(found) == {repo for entry in served for repo in entry.repos}
    wan = found["Wan-AI/Wan2.1-T2V-1.3B-Diffusers"].components
    assert wan
    assert wan["vae"] == "float32"
    assert wan["transformer"] == wan["text_encoder"] == "bfloat16"
    assert "safety_checker" not in (found["Stax124/DarkSushiMix"].components or {})
    assert "motion_adapter" not in (found["Stax124/DarkSushiMix"].components or {})


@pytest.mark.parametrize(
    ("models", "tools"), [(["tiny"], 0), (["wan2.1"], 2), (["tiny", "wan2.1"], 2)]
)
def test_tools_come_along_with_weights_that_mean_something(models: list[str], tools: int) -> None:
    assert len(choose(load_manifest(), models).tools) == tools
    assert choose(load_manifest(), models, tools=False).tools == ()
