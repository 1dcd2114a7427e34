"""Writes docs/parameters.md: which parameter does something on which family.

`python -m builder.parameters_docs` writes it from the families' records and the manifest; a test
holds the page against them, and each cell against the real pipelines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

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

A value that is wrong in itself is an error everywhere; [api.md](api.md) has the rules. So is the
name of an adapter that is not baked, except for IP-Adapters and ControlNets where a model has none
at all, which warns. `enhance_prompt` warns where no language model is baked, and
`frame_interpolation_scale` where RIFE is not: frames then come from ffmpeg, which has no such
figure.
"""

#: What LocalAI's seed document calls our parameters, where it is not the same.
LOCALAI = {
    "start_image": "image",
    "end_image": "last_image",
    "cfg_scale": "guidance_scale",
    "step": "num_inference_steps",
}


#: Fields of the three APIs that are no parameters: the field, whose it is, what becomes of it.
#: LocalAI's and vLLM-Omni's bodies are read as ModelsLab's until their dialects are there.
OTHERS = (
    ("key", "ModelsLab", "Dropped unread: who may call is for the platform to decide."),
    ("model_id", "ModelsLab", "The model, by an id or alias of the manifest."),
    ("model", "LocalAI, vLLM-Omni", "Warns."),
    ("resolution", "ModelsLab", "Stands for width and height: the shorter side of 16:9."),
    ("portrait", "ModelsLab", "Turns resolution to 9:16."),
    ("size", "LocalAI, vLLM-Omni", "Warns."),
    ("seconds", "LocalAI, vLLM-Omni", "Warns."),
    ("input_reference", "LocalAI, vLLM-Omni", "Warns."),
    ("image_reference", "vLLM-Omni", "Warns."),
    ("start_image", "LocalAI", "Warns."),
    ("cfg_scale", "LocalAI", "Warns."),
    ("step", "LocalAI", "Warns."),
    ("response_format", "LocalAI", "Warns."),
    ("user", "vLLM-Omni", "Warns."),
    ("extra_params", "vLLM-Omni", "Warns."),
    ("frame_interpolation_model_path", "vLLM-Omni", "Warns: weights are never read from a path."),
    ("output_type", "ModelsLab", "mp4 or gif; base64 is an mp4 in the answer itself."),
    ("base64", "ModelsLab", "The bytes come back in the answer itself."),
    ("temp", "ModelsLab", "Read, and warns: not acted on yet."),
    ("instant_response", "ModelsLab", "Read, and warns: not acted on yet."),
    ("webhook", "ModelsLab", "Read, and warns: not acted on yet."),
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
    localai = {ours: theirs for theirs, ours in LOCALAI.items()}
    same = {"prompt", "negative_prompt", "width", "height", "num_frames", "fps", "seed"}
    for name in parameters():
        local = localai.get(name, name if name in same else "")
        yield f"`{name}`", _code(modelslab.get(name, "")), _code(local), _code(_vllm(name))


def _modelslab() -> dict[str, str]:
    known = {name for body in (Text2Video, Img2Video, Video2Video) for name in body.model_fields}
    ours = {ours: theirs for ours, theirs in FIELD_NAMES.items() if theirs in known}
    same = known - Unused.model_fields.keys()
    return {name: name for name in same if name in PARAMETERS or name in MEDIA} | ours


def _vllm(name: str) -> str:
    """vLLM-Omni's own word, from the seed document's two tables."""
    own = {"image": "input_reference", "lora_models": "lora", "lora_strength": "lora"}
    same = {
        *("prompt", "negative_prompt", "width", "height", "num_frames", "fps", "seed"),
        *("num_inference_steps", "guidance_scale", "guidance_scale_2", "boundary_ratio"),
        *("flow_shift", "true_cfg_scale", "enable_frame_interpolation"),
        *("frame_interpolation_exp", "frame_interpolation_scale"),
    }
    return own.get(name, name if name in same else "")


def _code(name: str) -> str:
    return f"`{name}`" if name else ""


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    titles = tuple(head)
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
