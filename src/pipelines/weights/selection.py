"""Which files of a repository are fetched, and what they are called when stored.

Repositories hold much that no pipeline reads: the same weights as pickles, for other frameworks, in
several precisions, as single files for other software. Pure: a listing in, parts out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...errors import ModelNotLoaded
from .checks import WEIGHTLESS
from .folders import INDEX, LORA_FILE
from .hub import RemoteFile
from .needs import ROOT, Needs

CONFIG = "config.json"
PICKLES = frozenset({".bin", ".pkl", ".pt", ".pth", ".ckpt"})
RIFE = "flownet.pkl"
#: What its converter writes beside a configuration.
RIFE_WEIGHTS = "model.safetensors"
#: Configurations, vocabularies, templates. No code: nothing of a repository is ever run.
SMALL = frozenset({".json", ".txt", ".model", ".jinja"})
#: Licences ask to go along with the weights wherever these are copied to.
LICENCE = re.compile(r"(licen[sc]e|notice)[\w.-]*", re.IGNORECASE)
#: diffusion_pytorch_model.fp16-00001-of-00002.safetensors, in all ways that libraries write it.
WEIGHTS = re.compile(
    r"(?P<stem>diffusion_pytorch_model|pytorch_model|model)"
    r"(?:\.(?P<before>[a-z]\w*))?"
    r"(?:-(?P<shard>\d{5})-of-(?P<count>\d{5}))?"
    r"(?:\.(?P<after>[a-z]\w*))?"
    r"\.(?P<format>safetensors|bin)"
)
SHARD_TABLE = re.compile(r".+\.index(\.\w+)?\.json|.+\.\w+\.index\.json")
#: Variants by the dtype that is wanted, the best first; "" is the file without a variant's name.
VARIANTS = {
    "float16": ("fp16", "", "bf16"),
    "bfloat16": ("bf16", "", "fp16"),
    "float32": ("", "fp32", "bf16", "fp16"),
    None: ("", "fp32", "bf16", "fp16"),
}
#: transformers looks for the one, diffusers for the other.
STEMS = {True: ("model", "diffusion_pytorch_model"), False: ("diffusion_pytorch_model", "model")}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Files that belong together: a component, or one that stands for itself."""

    folder: str = ROOT
    #: What its weights are to be stored in; None for what they are.
    dtype: str | None = None
    #: Stored as they are, under their own names.
    plain: tuple[RemoteFile, ...] = ()
    config: RemoteFile | None = None
    #: Path to store at -> weights.
    weights: Mapping[str, RemoteFile] | None = None
    #: RIFE's pickle, which has a converter of its own.
    rife: RemoteFile | None = None

    @property
    def sources(self) -> dict[str, RemoteFile]:
        """Everything that is fetched for it, by the path that it is stored at."""
        own = {file.path: file for file in (*self.plain, self.config) if file}
        rife = {name: self.rife for name in (CONFIG, RIFE_WEIGHTS) if self.rife}
        return own | dict(self.weights or {}) | rife


def select(
    repo: str, listing: Mapping[str, RemoteFile], needs: Needs, index: Mapping[str, Any]
) -> list[Part]:
    """The parts of a repository that are needed, by its listing and its model_index.json.

    Raises ModelNotLoaded for what is needed and not there.
    """
    parts = [Part(plain=tuple(_licences(listing)))]
    if needs.components is not None:
        parts.append(Part(plain=(listing[INDEX],)))
        for name, library, cls in _components(index):
            if name in needs.components:
                parts.append(_component(repo, listing, name, needs.components[name], library, cls))
    for folder, dtype in needs.folders.items():
        parts.append(_folder(repo, listing, folder, dtype, library="", network=True))
    parts += _single_files(repo, listing, needs)
    return [part for part in parts if part.sources]


def refuse_pickles(repo: str, parts: Iterable[Part]) -> None:
    """Raises ModelNotLoaded for a pickle among the files: it cannot be read as it was published."""
    for part in parts:
        for file in part.sources.values():
            if PurePosixPath(file.path).suffix in PICKLES:
                raise ModelNotLoaded(
                    f"{repo}: {file.path} is a pickle, which is not read here; "
                    "`python -m builder.fetch_models` bakes it as safetensors"
                )


def _single_files(repo: str, listing: Mapping[str, RemoteFile], needs: Needs) -> Iterator[Part]:
    for file, dtype in needs.files.items():
        if file not in listing:
            raise ModelNotLoaded(f"{repo}: has no {file}, which the manifest names")
        yield Part(dtype=dtype, weights={file: listing[file]})
    if needs.lora:
        lora = _lora(repo, listing)
        yield Part(weights={lora.path: lora})
    if needs.rife:
        yield Part(rife=_rife(repo, listing))


def _licences(listing: Mapping[str, RemoteFile]) -> Iterator[RemoteFile]:
    return (file for path, file in sorted(listing.items()) if LICENCE.fullmatch(path))


def _components(index: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, library and class of each component that a model has."""
    for name, value in index.items():
        if isinstance(value, list) and len(value) == 2 and all(value):
            yield name, str(value[0]), str(value[1])


def _component(
    repo: str,
    listing: Mapping[str, RemoteFile],
    name: str,
    dtype: str | None,
    library: str,
    cls: str,
) -> Part:
    network = f"{name}/{CONFIG}" in listing and not WEIGHTLESS.search(cls)
    part = _folder(repo, listing, name, dtype, library=library, network=network)
    if not part.sources:
        raise ModelNotLoaded(f"{repo}: has no folder {name}, which its {INDEX} names")
    return part


def _folder(
    repo: str,
    listing: Mapping[str, RemoteFile],
    folder: str,
    dtype: str | None,
    *,
    library: str,
    network: bool,
) -> Part:
    """A folder's small files and, of a network, one set of its weights."""
    files = {
        PurePosixPath(path).name: file
        for path, file in listing.items()
        if PurePosixPath(path).parent == PurePosixPath(folder)
    }
    small = {
        name: file
        for name, file in sorted(files.items())
        if PurePosixPath(name).suffix in SMALL and not SHARD_TABLE.fullmatch(name)
    }
    small.pop(INDEX, None)
    config = small.pop(CONFIG, None) if network else None
    if folder == ROOT:
        small = {name: file for name, file in small.items() if not LICENCE.fullmatch(name)}
    weights = _weights(files, dtype, library) if network else {}
    if network and not (config and weights):
        lacking = "weights as safetensors or PyTorch's pickle" if config else CONFIG
        raise ModelNotLoaded(f"{repo}: has no {lacking} in {folder or 'its own folder'}")
    return Part(
        folder=folder,
        dtype=dtype,
        plain=tuple(small.values()),
        config=config,
        weights={str(PurePosixPath(folder, name)): file for name, file in weights.items()},
    )


def _weights(
    files: Mapping[str, RemoteFile], dtype: str | None, library: str
) -> dict[str, RemoteFile]:
    """The one set of weights to take, by the names that its files are stored under."""
    sets = _sets(files)
    for format_ in ("safetensors", "bin"):
        for stem in STEMS[library == "transformers"]:
            for variant in VARIANTS[dtype]:
                for sharded in (False, True):
                    found = sets.get((format_, stem, variant, sharded))
                    if found:
                        return found
    return {}


def _sets(
    files: Mapping[str, RemoteFile],
) -> dict[tuple[str, str, str, bool], dict[str, RemoteFile]]:
    """Every whole set of weights: one file, or all of its shards."""
    sets: dict[tuple[str, str, str, bool], dict[str, RemoteFile]] = defaultdict(dict)
    counts: dict[tuple[str, str, str, bool], int] = {}
    for name, file in sorted(files.items()):
        match = WEIGHTS.fullmatch(name)
        if not match:
            continue
        stem = match["stem"].replace("pytorch_model", "model")
        if match["stem"].startswith("diffusion"):
            stem = match["stem"]
        shard = f"-{match['shard']}-of-{match['count']}" if match["shard"] else ""
        variant = match["before"] or match["after"] or ""
        key = (match["format"], stem, variant, bool(shard))
        sets[key][f"{stem}{shard}.safetensors"] = file
        counts[key] = int(match["count"] or 1)
    return {key: found for key, found in sets.items() if len(found) == counts[key]}


def _lora(repo: str, listing: Mapping[str, RemoteFile]) -> RemoteFile:
    """The LoRA of a repository that holds one, as pipelines/adapters.py will look for it."""
    if LORA_FILE in listing:
        return listing[LORA_FILE]
    files = [path for path in sorted(listing) if re.fullmatch(r"[^/]+\.safetensors", path)]
    whole = [path for path in files if not re.search(r"\.fp16\.|\.bf16\.", path)] or files
    if len(whole) != 1:
        raise ModelNotLoaded(
            f"{repo}: has {len(whole)} safetensors files where one LoRA was looked for; "
            "name its file in the manifest"
        )
    return listing[whole[0]]


def _rife(repo: str, listing: Mapping[str, RemoteFile]) -> RemoteFile:
    found = [path for path in sorted(listing) if PurePosixPath(path).name == RIFE]
    if not found:
        raise ModelNotLoaded(f"{repo}: has no {RIFE}")
    return listing[min(found, key=len)]
