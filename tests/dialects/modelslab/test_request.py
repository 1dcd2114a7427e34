"""What ModelsLab's clients really send, and what is wrong with what they send."""

from typing import Any

import pytest

from src.dialects.modelslab import ModelsLab
from src.dialects.modelslab.body import Img2Video, Text2Video, Unused, Video2Video
from src.errors import InvalidRequest
from src.generation import Delivery, GenerationRequest, VideoFormat

#: The least body of each endpoint, all in one: `endpoint` chooses.
LEAST = {
    "text2video": {"prompt": "a cat"},
    "img2video": {"init_image": "https://e.x/a.png"},
    "video2video": {"prompt": "a cat", "init_video": "https://e.x/a.mp4"},
}
ENDPOINT_OF = {
    **dict.fromkeys(Text2Video.model_fields, "text2video"),
    **dict.fromkeys(
        Video2Video.model_fields.keys() - Text2Video.model_fields.keys(), "video2video"
    ),
    **dict.fromkeys(Img2Video.model_fields.keys() - Text2Video.model_fields.keys(), "img2video"),
}


def decode(said: dict[str, Any], endpoint: str = "text2video") -> GenerationRequest:
    return ModelsLab().decode_request({"endpoint": endpoint, **LEAST[endpoint], **said})


def refusal(said: dict[str, Any], endpoint: str = "text2video") -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode(said, endpoint)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "written", "understood"),
    [
        ("num_frames", 16, 16),
        ("num_frames", "16", 16),
        ("num_frames", " 16 ", 16),
        ("num_frames", "16.0", 16),
        ("num_frames", 16.0, 16),
        ("num_frames", "+16", 16),
        ("num_frames", "1.6e1", 16),
        ("width", 1, 1),
        ("height", "4096", 4096),
        ("fps", "8", 8),
        ("num_inference_steps", "50", 50),
        ("guidance_scale", "7.5", 7.5),
        ("guidance_scale", " 7.5 ", 7.5),
        ("guidance_scale", 9, 9.0),
        ("guidance_scale", ".5", 0.5),
        ("guidance_scale", 0, 0.0),
        ("seed", 0, 0),
        ("seed", "3848624113", 3848624113),
        ("seed", 2**63 - 1, 2**63 - 1),
        ("seed", str(2**63 - 1), 2**63 - 1),
        ("seed", -1, None),
        ("seed", "-1", None),
        ("seed", None, None),
        ("clip_skip", 0, None),
        ("clip_skip", 1, None),
        ("clip_skip", 2, 1),
        ("clip_skip", "2", 1),
        ("clip_skip", None, None),
        ("negative_prompt", "", None),
        ("negative_prompt", " ", None),
        ("negative_prompt", None, None),
        ("prompt", "🦊 狐狸 弹吉他", "🦊 狐狸 弹吉他"),
        ("prompt", " kept as it is ", " kept as it is "),
        ("prompt", "x" * 10_000, "x" * 10_000),
        ("use_improved_sampling", "yes", True),
        ("use_improved_sampling", "TRUE", True),
        ("use_improved_sampling", " true ", True),
        ("use_improved_sampling", 1, True),
        ("use_improved_sampling", "1", True),
        ("use_improved_sampling", True, True),
        ("use_improved_sampling", "no", None),
        ("use_improved_sampling", "false", None),
        ("use_improved_sampling", 0, None),
        ("use_improved_sampling", False, None),
        ("enhance_prompt", "yes", True),
        ("improved_sampling_seed", "7", 7),
        ("upscale_width", "1024", 1024),
        ("upscale_height", 640, 640),
        ("upscale_strength", "0.6", 0.6),
        ("upscale_guidance_scale", 12, 12.0),
        ("upscale_num_inference_steps", "20", 20),
        ("lora_models", "a,b", ("a", "b")),
        ("lora_models", " a , b ,", ("a", "b")),
        ("lora_models", ["a", "b"], ("a", "b")),
        ("lora_models", "a", ("a",)),
        ("lora_models", [], None),
        ("lora_strength", 0.7, (0.7,)),
        ("lora_strength", "0.7, 0.5", (0.7, 0.5)),
        ("lora_strength", [0.7, "0.5"], (0.7, 0.5)),
        ("motion_loras", "zoom-in,pan-left", ("zoom-in", "pan-left")),
        ("motion_lora_strength", "1", (1.0,)),
        ("motion_module", "v2_sd15_mm", "v2_sd15_mm"),
        ("adapter_lora", "v3_sd15_adapter", "v3_sd15_adapter"),
        ("domain_lora_scale", "1", 1.0),
        ("ip_adapter_id", "plus", "plus"),
        ("ip_adapter_scale", "0.6", 0.6),
        ("controlnet", "canny", "canny"),
        ("guidance_scale_2", "3", 3.0),
        ("boundary_ratio", 0.9, 0.9),
        ("true_cfg_scale", "6", 6.0),
        ("enable_frame_interpolation", "yes", True),
        ("enable_frame_interpolation", "no", None),
        ("frame_interpolation_exp", "2", 2),
        ("frame_interpolation_scale", 0.5, 0.5),
        ("strength", "0.7", 0.7),
        ("strength", 0, 0.0),
        ("strength", 1, 1.0),
        ("min_guidance_scale", 1, 1.0),
        ("max_guidance_scale", "3", 3.0),
        ("motion_bucket_id", "127", 127),
        ("noise_aug_strength", "0.02", 0.02),
        ("latent_interpolation_method", "SLERP", "slerp"),
    ],
)
def test_values_as_clients_write_them(field: str, written: object, understood: object) -> None:
    request = decode({field: written}, ENDPOINT_OF[field])
    got = getattr(request.parameters, field)
    assert got == understood
    assert type(got) is type(understood)
    assert request.warnings == ()


@pytest.mark.parametrize(
    ("written", "names", "strengths"),
    [
        ({"name": "anime"}, ("anime",), (1.0,)),
        ({"name": "anime", "scale": "0.8"}, ("anime",), (0.8,)),
        ({"adapter": "anime", "lora_scale": 0.5, "int_id": 7}, ("anime",), (0.5,)),
        ({"lora_name": "x", "path": "owner/anime", "scale": 0}, ("owner/anime",), (0.0,)),
        ('{"name": "anime", "local_path": "owner/anime"}', ("owner/anime",), (1.0,)),
        ({"name": "anime", "path": "/loras/anime.safetensors"}, ("anime",), (1.0,)),
        ([{"name": "a", "scale": 0.7}, {"name": "b"}], ("a", "b"), (0.7, 1.0)),
    ],
)
def test_a_lora_as_vllm_omni_writes_it(
    written: object, names: tuple[str, ...], strengths: tuple[float, ...]
) -> None:
    parameters = decode({"lora": written}, "text2video").parameters

    assert (parameters.lora_models, parameters.lora_strength) == (names, strengths)


def test_loras_in_both_forms_are_not_mixed_and_the_one_left_out_is_named() -> None:
    request = decode({"lora": {"name": "a"}, "lora_models": "b", "lora_strength": 1}, "text2video")

    assert request.parameters.lora_models == ("a",)
    assert request.warnings == (
        "lora_models: not used beside lora, ignored",
        "lora_strength: not used beside lora, ignored",
    )
    assert decode({"lora": "", "lora_models": "b"}).name_of("lora_models") == "lora_models"


@pytest.mark.parametrize(
    ("field", "written", "attribute"),
    [
        ("ip_adapter_image", ["https://e.x/a.png"], "ip_adapter_image"),
        ("end_image", "https://e.x/a.png", "last_image"),
        ("controlnet_images", "https://e.x/a.png", "controlnet_images"),
        ("controlnet_images", ["https://e.x/a.png", "https://e.x/b.png"], "controlnet_images"),
    ],
)
def test_further_images_are_references_under_the_callers_name(
    field: str, written: str | list[str], attribute: str
) -> None:
    references = decode({field: written}, "text2video").media()[attribute]

    assert [item.value for item in references] == (
        written if isinstance(written, list) else [written]
    )
    assert {item.field for item in references} == {field}


@pytest.mark.parametrize("spelt", ["sample_shift", "shift_sample", "flow_shift"])
def test_the_shift_of_the_schedule_is_known_under_three_names(spelt: str) -> None:
    request = decode({spelt: "3"}, "text2video")

    assert (request.parameters.flow_shift, request.warnings) == (3.0, ())


NO_WHOLE_NUMBER = [16.5, "16.5", "many", "nan", "0x10", "1_6", "١٦", "1e999", True, [16], {}]
NO_NUMBER = [
    "high",
    "7,5",
    "nan",
    "inf",
    "-Infinity",
    True,
    [7],
    {},
    float("nan"),
    float("inf"),
    10**400,
]
NO_FLAG = ["maybe", 2, 0.5, [True], {}]
NO_NAME = [7, True, ["a"], {}, "x" * 201]
NO_MEDIA = [
    7,
    True,
    ["https://e.x/1.png", "https://e.x/2.png"],
    [None],
    [""],
    {"url": "https://e.x"},
]
NO_NAMES = [["a", 7], [["a"]], {}, True, ",", ["x"] * 33, ["x" * 201]]
BAD: dict[str, list[object]] = {
    "model_id": NO_NAME,
    "prompt": [7, True, ["a"], {}, "x" * 10_001, "x" * 100_000, "\ud800"],
    "negative_prompt": [7, False, ["a"], {}, "x" * 10_001],
    "enhance_prompt": NO_FLAG,
    "seed": [*NO_WHOLE_NUMBER, 2**63, str(2**63), -2, 10**400],
    "width": [*NO_WHOLE_NUMBER, 0, -512, float("nan"), float("inf")],
    "height": [*NO_WHOLE_NUMBER, 0, -512],
    "resolution": [*NO_WHOLE_NUMBER, 0, "480p", "512x0"],
    "portrait": NO_FLAG,
    "num_frames": [*NO_WHOLE_NUMBER, 0, -1],
    "fps": [*NO_WHOLE_NUMBER, 0, -7, 241],
    "num_inference_steps": [*NO_WHOLE_NUMBER, 0, -1],
    "guidance_scale": [*NO_NUMBER, -0.1],
    "sample_shift": [*NO_NUMBER, 0, -1, 101],
    "clip_skip": [*NO_WHOLE_NUMBER, -1, 13],
    "use_improved_sampling": NO_FLAG,
    "improved_sampling_seed": [*NO_WHOLE_NUMBER, -1, 2**63],
    "upscale_width": [*NO_WHOLE_NUMBER, 0],
    "upscale_height": [*NO_WHOLE_NUMBER, 0],
    "upscale_strength": [*NO_NUMBER, -0.1, 1.1],
    "upscale_guidance_scale": [*NO_NUMBER, -1],
    "upscale_num_inference_steps": [*NO_WHOLE_NUMBER, 0],
    "motion_module": NO_NAME,
    "adapter_lora": NO_NAME,
    "domain_lora_scale": [*NO_NUMBER, 11, -11],
    "motion_loras": NO_NAMES,
    "motion_lora_strength": ["a,b", [True], [[1]], {}, "nan", 11, [1] * 33],
    "lora_models": NO_NAMES,
    "lora_strength": ["a,b", [True], [[1]], {}, "nan", 11, [1] * 33],
    "ip_adapter_id": NO_NAME,
    "ip_adapter_image": NO_MEDIA,
    "ip_adapter_scale": [*NO_NUMBER, 11],
    "controlnet": NO_NAME,
    "controlnet_images": [7, True, {}, [None], ["https://e.x/1.png"] * 33],
    "end_image": NO_MEDIA,
    "guidance_scale_2": [*NO_NUMBER, -1],
    "boundary_ratio": [*NO_NUMBER, -0.1, 1.1],
    "true_cfg_scale": [*NO_NUMBER, -1],
    "enable_frame_interpolation": NO_FLAG,
    "frame_interpolation_exp": [*NO_WHOLE_NUMBER, 0, 5],
    "frame_interpolation_scale": [*NO_NUMBER, 0, -1, 5],
    "lora": ["anime", "{", 7, True, {}, {"name": 7}, {"name": "a", "scale": "much"},
             {"name": "a", "scale": 11}, '{"name": "a", "scale": NaN}', "[" * 100_000,
             {"path": "x" * 201}, [{"name": "a"}] * 33],
    "output_type": ["webm", 7, True, ["mp4"], {}],
    "base64": NO_FLAG,
    "temp": NO_FLAG,
    "instant_response": NO_FLAG,
    "webhook": ["ftp://e.x/a", "e.x", "https://", "https:///a", "http://a b", 7, True, ["https://e.x"],
                "https://e.x/" + "x" * 2048],
    "track_id": [True, 1.5, ["a"], {}, "x" * 1001],
    "request_id": [7, True, "../up", "a b", ".hidden", "狐", ["a"], {}, "x" * 129],
    "init_image": NO_MEDIA,
    "init_video": NO_MEDIA,
    "strength": [*NO_NUMBER, -0.1, 1.1],
    "min_guidance_scale": [*NO_NUMBER, -1],
    "max_guidance_scale": [*NO_NUMBER, -1],
    "motion_bucket_id": [*NO_WHOLE_NUMBER, -1, 1024],
    "noise_aug_strength": [*NO_NUMBER, -0.1, 1.1],
    "latent_interpolation_method": ["cubic", 7, True, ["lerp"], {}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_a_bad_value_is_named_with_its_field_and_rule(field: str, value: object) -> None:
    message = refusal({field: value}, ENDPOINT_OF[field])
    assert message.startswith(f"{field} must be ")
    assert ", got " in message
    assert len(message) < 300
    assert "; " not in message


def test_every_field_that_is_used_has_its_bad_values_above() -> None:
    assert ENDPOINT_OF.keys() - Unused.model_fields.keys() == BAD.keys()


@pytest.mark.parametrize(
    ("said", "endpoint", "message"),
    [
        ({"width": "wide"}, "text2video", "width must be a whole number, at least 1, got 'wide'"),
        ({"seed": 2**63}, "text2video",
         "seed must be a whole number from -1 to 2^63 - 1, got 9223372036854775808"),
        ({"strength": 1.5}, "video2video", "strength must be a number from 0 to 1, got 1.5"),
        ({"output_type": "webm"}, "text2video",
         "output_type must be one of mp4, gif, base64, got 'webm'"),
        ({"sample_shift": 0}, "text2video",
         "sample_shift must be a number above 0 and at most 100, got 0"),
        ({"prompt": None}, "text2video", "prompt is required"),
        ({"prompt": ""}, "video2video", "prompt is required"),
        ({"init_image": None}, "img2video", "init_image is required"),
        ({"init_video": " "}, "video2video", "init_video is required"),
        ({"init_image": ["https://e.x/1", "https://e.x/2"]}, "img2video",
         "init_image must be one URL, data URI or base64 string (alone, or in an array of exactly "
         "one), got ['https://e.x/1', 'https://e.x/2']"),
        ({"prompt": None, "width": 0, "fps": "fast"}, "text2video",
         "prompt is required; width must be a whole number, at least 1, got 0; "
         "fps must be a whole number from 1 to 240, got 'fast'"),
        ({"lora_models": "a,b,c", "lora_strength": "1,2"}, "text2video",
         "lora_strength must be one number, or one for each of lora_models (3), got 2"),
        ({"motion_loras": "a", "motion_lora_strength": "1,2"}, "text2video",
         "motion_lora_strength must be one number, or one for each of motion_loras (1), got 2"),
    ],
)  # fmt: skip
def test_messages_word_by_word(said: dict[str, Any], endpoint: str, message: str) -> None:
    assert refusal(said, endpoint) == message


@pytest.mark.parametrize(
    ("said", "kept_out"),
    [
        ({"webhook": "ftp://user:hunter2@e.x/a"}, "hunter2"),
        ({"webhook": "ftp://e.x/a?token=hunter2"}, "hunter2"),
        ({"width": {"password": "hunter2"}}, "hunter2"),
        ({"output_type": "A" * 5_000_000}, "A" * 100),
        ({"width": [["A" * 5_000_000]]}, "A" * 100),
    ],
)
def test_messages_hold_no_secrets_and_no_megabytes(said: dict[str, Any], kept_out: str) -> None:
    assert kept_out not in refusal(said)


@pytest.mark.parametrize(
    ("said", "endpoint", "warnings"),
    [
        ({"foo": 1}, "text2video", ["foo: unknown field, ignored"]),
        ({"api_key": "hunter2"}, "text2video", ["api_key: unknown field, ignored"]),
        ({"a\nb": 1}, "text2video", [r"'a\nb': unknown field, ignored"]),
        ({"watermark": "yes"}, "text2video", ["watermark: not supported, ignored"]),
        ({"init_audio": "https://e.x/a"}, "text2video", ["init_audio: not supported, ignored"]),
        ({"duration": 5, "aspect_ratio": "16:9"}, "text2video",
         ["duration: not supported, ignored", "aspect_ratio: not supported, ignored"]),
        ({"watermark": "no", "id": None, "init_audio": "", "foo": None}, "text2video", []),
        ({"init_image": "https://e.x/a.png"}, "text2video",
         ["init_image: not a field of text2video, ignored"]),
        ({"motion_bucket_id": "wrong, but of no use"}, "text2video",
         ["motion_bucket_id: not a field of text2video, ignored"]),
        ({"init_image": "https://e.x/a.png"}, "video2video",
         ["init_image: not a field of video2video, ignored"]),
        ({"resolution": 480, "portrait": True, "width": 64}, "text2video",
         ["resolution: not used beside width and height, ignored",
          "portrait: not used beside width and height, ignored"]),
        ({"sample_shift": 3, "shift_sample": 5}, "text2video",
         ["shift_sample: unknown field, ignored"]),
        ({"prompt": "a", "prompt ": "b"}, "text2video", ["prompt : unknown field, ignored"]),
    ],
)  # fmt: skip
def test_nothing_is_dropped_in_silence(
    said: dict[str, Any], endpoint: str, warnings: list[str]
) -> None:
    assert list(decode(said, endpoint).warnings) == warnings


def test_a_flood_of_unknown_fields_is_summed_up() -> None:
    warnings = decode({f"field_{number}": 1 for number in range(1000)}).warnings
    assert len(warnings) == 21
    assert warnings[-1] == "980 more unknown fields, ignored"


def test_names_may_have_spaces_around_them() -> None:
    request = decode({"track_id ": 300, " seed": "7", "fps ": None})
    assert request.delivery.track_id == 300
    assert request.parameters.seed == 7
    assert request.warnings == ()


@pytest.mark.parametrize("spelling", ["sample_shift", "shift_sample"])
def test_both_spellings_of_the_shift(spelling: str) -> None:
    request = decode({spelling: "3"})
    assert request.parameters.flow_shift == 3.0
    assert request.name_of("flow_shift") == spelling


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ({"resolution": 480}, (854, 480)),
        ({"resolution": "720"}, (1280, 720)),
        ({"resolution": 480, "portrait": "yes"}, (480, 854)),
        ({"resolution": 320}, (568, 320)),
        ({"resolution": "512x384"}, (512, 384)),
        ({"resolution": "512 X 384"}, (512, 384)),
        ({"portrait": True}, (512, 910)),
        ({"endpoint": "text2video_ultra", "portrait": True}, (480, 854)),
        ({"portrait": "no"}, (None, None)),
        ({"resolution": 480, "width": 64}, (64, None)),
    ],
)
def test_sizes_by_resolution(said: dict[str, Any], size: tuple[int, int]) -> None:
    parameters = decode(said).parameters
    assert (parameters.width, parameters.height) == size


@pytest.mark.parametrize(
    ("said", "delivery"),
    [
        ({}, Delivery()),
        ({"output_type": "gif"}, Delivery(format=VideoFormat.GIF)),
        ({"output_type": " MP4 "}, Delivery()),
        ({"output_type": "base64"}, Delivery(as_base64=True)),
        ({"base64": "yes"}, Delivery(as_base64=True)),
        ({"base64": "yes", "output_type": "gif"}, Delivery(format=VideoFormat.GIF, as_base64=True)),
        ({"temp": "yes", "instant_response": "TRUE"}, Delivery(temp=True, instant_response=True)),
        ({"webhook": " https://e.x/hook?a=b "}, Delivery(webhook="https://e.x/hook?a=b")),
        ({"webhook": "HTTP://e.x"}, Delivery(webhook="HTTP://e.x")),
        ({"webhook": None, "track_id": None}, Delivery()),
        ({"track_id": "video_001"}, Delivery(track_id="video_001")),
        ({"track_id": 300}, Delivery(track_id=300)),
        ({"track_id": 300.0}, Delivery(track_id=300)),
    ],
)
def test_how_the_result_is_wanted(said: dict[str, Any], delivery: Delivery) -> None:
    assert decode(said).delivery == delivery


@pytest.mark.parametrize(
    "value", ["https://e.x/a.png", ["https://e.x/a.png"], " https://e.x/a.png "]
)
def test_an_image_may_be_alone_or_in_an_array(value: object) -> None:
    image = decode({"init_image": value}, "img2video").image
    assert image is not None
    assert (image.field, image.value) == ("init_image", "https://e.x/a.png")


def test_the_official_client_s_plain_call_passes() -> None:
    request = ModelsLab().decode_request(
        {
            "key": "sk-1", "model_id": "cogvideox", "prompt": "a cat", "negative_prompt": None,
            "seed": None, "width": 512, "height": 512, "num_frames": 30,
            "num_inference_steps": 50, "guidance_scale": 7.5, "fps": 8,
            "webhook": None, "track_id": None,
        }
    )  # fmt: skip
    assert request.model == "cogvideox"
    assert request.parameters.given() == {
        "prompt": "a cat", "width": 512, "height": 512, "num_frames": 30,
        "num_inference_steps": 50, "guidance_scale": 7.5, "fps": 8,
    }  # fmt: skip
    assert request.warnings == ()


def test_an_image_to_video_needs_no_prompt_and_no_model() -> None:
    request = decode({}, "img2video")
    assert request.model is None
    assert request.parameters.given() == {}


def test_guidance_may_fall_over_the_frames() -> None:
    parameters = decode({"min_guidance_scale": 3, "max_guidance_scale": 1}, "img2video").parameters
    assert (parameters.min_guidance_scale, parameters.max_guidance_scale) == (3.0, 1.0)
