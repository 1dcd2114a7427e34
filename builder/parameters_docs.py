"""Writes docs/parameters.md: which parameter does something on which family.

`python -m builder.parameters_docs` writes it from the families' records and the manifest; a test
holds the page against them, and each cell against the real pipelines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from src.dialects import localai, openai
from src.dialects.extras import Extras
from src.dialects.localai.request import FIELD_NAMES as LOCALAI_NAMES
from src.dialects.modelslab.body import Img2Video, Text2Video, Unused, Video2Video
from src.dialects.modelslab.endpoint import PARAMETERS
from src.dialects.modelslab.request import FIELD_NAMES
from src.generation import MEDIA, Parameters, Task
from src.manifest import Manifest, ModelEntry, load_manifest
from src.pipelines import FAMILIES
from src.pipelines.settle import STARTS_FROM, honoured

PAGE = Path(__file__).parent.parent / "docs" / "parameters.md"

SHORT = {Task.TEXT2VIDEO: "t2v", Task.IMG2VIDEO: "i2v", Task.VIDEO2VIDEO: "v2v"}

INTRODUCTION = """\
# Parameters

<!-- Written by `make docs` from the families' records and the manifest; edits here are lost. -->

What each parameter does on each family of models, under our own names (diffusers', where it has
one).

- **yes**: it reaches the pipeline, for every task that the family does. Where only some of its
  tasks have a use for it they are named: t2v, i2v and v2v are text2video, img2video, video2video.
- **some**: only some models of the family have what it needs; the others answer with a warning.
  The second table says which.
- **warns**: the family has no use for it. The video is made, and `warnings` names the field.
- **error**: it asks for a task that the family does not do, and the job fails saying so.

A value that is wrong in itself is an error everywhere; [api.md](api.md),
[api-openai.md](api-openai.md) and [api-localai.md](api-localai.md) have the rules. So is the
name of an adapter that is not baked, except for IP-Adapters and ControlNets where a model has none
at all, which warns. `enhance_prompt` warns where no language model is baked, and
`frame_interpolation_scale` where RIFE is not: frames then come from ffmpeg, which has no such
figure.
"""

#: What LocalAI calls our parameters, where it is not the same.
LOCALAI = {theirs: ours for ours, theirs in LOCALAI_NAMES.items()}


#: What vLLM-Omni calls our parameters, where it is not the same.
VLLM = {
    "image": "input_reference",
    "video": "video_reference",
    "lora_models": "lora",
    "lora_strength": "lora",
}
#: Fields of the three APIs that are no parameters: the field, whose it is, what becomes of it.
OTHERS = (
    ("key", "ModelsLab", "Dropped unread: who may call is for the platform to decide."),
    ("model_id", "ModelsLab", "The model, by an id or alias of the manifest."),
    (
        "model",
        "LocalAI, vLLM-Omni",
        "The same; OpenAI's own names mean the default model, and warn.",
    ),
    ("request_id", "all", "Jobs of one name and one body make one video."),
    ("resolution", "ModelsLab", "Stands for width and height: the shorter side of 16:9."),
    ("portrait", "ModelsLab", "Turns resolution to 9:16."),
    ("size", "LocalAI, vLLM-Omni", "Stands for width and height, and goes over them."),
    ("seconds", "LocalAI, vLLM-Omni", "Times fps it is num_frames, which goes over it."),
    (
        "input_reference",
        "LocalAI, vLLM-Omni",
        "The image or the video to start from, whichever it is.",
    ),
    ("image_reference", "vLLM-Omni", "The image to start from."),
    ("video_reference", "vLLM-Omni", "The video to be drawn anew."),
    ("video_params", "vLLM-Omni", "Width, height, num_frames and fps, where not said outright."),
    ("response_format", "LocalAI, vLLM-Omni", "b64_json: the bytes come back in the answer."),
    ("params", "LocalAI", "Parameters by the names above; warns of others."),
    ("extra_params", "vLLM-Omni", "Parameters by the names above; warns of others."),
    ("audio", "LocalAI", "Warns: no model here is driven by sound."),
    ("user", "vLLM-Omni", "Warns: who may call is for the platform to decide."),
    ("frame_interpolation_model_path", "vLLM-Omni", "Warns: weights are never read from a path."),
    ("output_type", "ModelsLab", "mp4 or gif; base64 is an mp4 in the answer itself."),
    ("output_format", "LocalAI, vLLM-Omni", "mp4 or gif; stands in params and extra_params."),
    ("base64", "ModelsLab", "The bytes come back in the answer itself."),
    ("temp", "ModelsLab", "The result may be deleted after a day; stands in params, too."),
    ("instant_response", "ModelsLab", "Names the links that the result will have."),
    ("webhook", "ModelsLab", "Hears of the result."),
    ("track_id", "ModelsLab", "Echoed."),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one parameter does on one family."""

    parameter: str
    family: str
    #: The tasks that honour it, each with the ids of the models of the packaged manifest that do.
    honoured: dict[Task, tuple[str, ...]]
    #: Tasks of the family, each with the ids of its models that answer with a warning.
    warned: dict[Task, tuple[str, ...]]

    @property
    def words(self) -> str:
        """The cell as it stands in the table."""
        if not self.honoured:
            return "error" if self.parameter in STARTS_FROM.values() else "warns"
        some = any(self.warned.get(task) for task in self.honoured)
        tasks = " ".join(SHORT[task] for task in Task if task in self.honoured)
        every = FAMILIES[self.family].tasks.keys() == self.honoured.keys()
        names = "" if every or self.parameter in STARTS_FROM.values() else f" {tasks}"
        return ("some" if some else "yes") + names


def cells(manifest: Manifest) -> list[Cell]:
    """The whole table, row by row."""
    return [_cell(parameter, family, manifest) for parameter in parameters() for family in FAMILIES]


def parameters() -> tuple[str, ...]:
    """Every row: what a request starts from, and what shapes the frames."""
    return (*MEDIA, *(item.name for item in fields(Parameters)))


def _cell(parameter: str, family: str, manifest: Manifest) -> Cell:
    does: dict[Task, tuple[str, ...]] = {}
    warns: dict[Task, tuple[str, ...]] = {}
    for task in Task:
        models = [entry for entry in manifest if entry.family == family and task in entry.tasks]
        able = tuple(entry.id for entry in models if parameter in _honoured(entry, task))
        unable = tuple(entry.id for entry in models if entry.id not in able)
        does |= {task: able} if able else {}
        warns |= {task: unable} if unable else {}
    return Cell(parameter=parameter, family=family, honoured=does, warned=warns)


def _honoured(entry: ModelEntry, task: Task) -> frozenset[str]:
    return honoured(entry, FAMILIES[entry.family], task)


def page() -> str:
    """The whole page."""
    table = cells(load_manifest())
    return "\n".join(
        [
            INTRODUCTION,
            _table(("parameter", *(f"`{family}`" for family in FAMILIES)), _rows(table)),
            "\n## Where only some models do\n",
            _table(("parameter", "honoured by", "not by"), _partly(table)),
            "\n## What the APIs call them\n",
            _table(("ours", "ModelsLab", "LocalAI", "vLLM-Omni"), _names()),
            "\n## Fields that are no parameters\n",
            _table(
                ("field", "of", "what becomes of it"),
                ((f"`{field}`", api, words) for field, api, words in OTHERS),
            ),
        ]
    )


def _rows(table: list[Cell]) -> Iterator[tuple[str, ...]]:
    for parameter in parameters():
        yield f"`{parameter}`", *(cell.words for cell in table if cell.parameter == parameter)


def _partly(table: list[Cell]) -> Iterator[tuple[str, ...]]:
    for cell in table:
        able = {model for models in cell.honoured.values() for model in models}
        unable = {model for task in cell.honoured for model in cell.warned.get(task, ())}
        if able and unable:
            yield f"`{cell.parameter}`", _listed(able), _listed(unable)


def _listed(models: Iterable[str]) -> str:
    return ", ".join(f"`{model}`" for model in sorted(models))


def _names() -> Iterator[tuple[str, ...]]:
    modelslab = _modelslab()
    for name in parameters():
        yield (
            f"`{name}`",
            _code(modelslab.get(name, "")),
            _code(_word(LOCALAI_NAMES.get(name, name), localai.FIELDS, "params")),
            _code(_word(VLLM.get(name, name), openai.FIELDS, "extra_params")),
        )


def _word(name: str, fields: frozenset[str], beyond: str) -> str:
    """An API's own field for it, or the name in the API's open object."""
    if name in fields:
        return name
    return f"{beyond}.{name}" if name in Extras.model_fields else ""


def _modelslab() -> dict[str, str]:
    known = {name for body in (Text2Video, Img2Video, Video2Video) for name in body.model_fields}
    ours = {ours: theirs for ours, theirs in FIELD_NAMES.items() if theirs in known}
    same = known - Unused.model_fields.keys()
    return {name: name for name in same if name in PARAMETERS or name in MEDIA} | ours


def _code(name: str) -> str:
    return f"`{name}`" if name else ""


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    titles = tuple(head)
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
