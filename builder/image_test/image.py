"""A base image from Debian's packages, the product's image upon it, and what is in that."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from . import host
from .shell import Failed, answer, log_of

BASE = "localhost/debian-python"
IMAGE = "localhost/worker-video:demo"
GATEWAY = "localhost/worker-video:gateway"
#: Debian whose Python is the product's, and what the base needs besides the essential packages.
SUITE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
#: What was downloaded for it, and what is to be read: Python's slim images have none of it either.
LEFT_OUT = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man")
#: Folders of the base that are there and empty, or are there as a file: what is mounted over them
#: leaves nothing behind in a layer.
WHEELS, CERTIFICATES = "/mnt", "/etc/ssl/certs/ca-certificates.crt"
#: Of what is printed of a command.
WIDTH = 90


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of an image."""

    made_by: str
    size_bytes: int


class Buildah:
    """buildah with a storage of its own, so that nothing else on the machine is touched."""

    def __init__(self, folder: Path, driver: str | None = None) -> None:
        """Without a driver it takes overlay, or vfs where the kernel has no overlay."""
        self.folder = folder
        self.driver = driver or self._working_driver()

    def command(self, *words: str) -> list[str]:
        """The whole command."""
        return self._command(self.driver, *words)

    def do(self, name: str, *words: str) -> str:
        """Run it, with what it prints in <name>.log; gives the last line. Raises Failed."""
        lines = log_of(self.command(*words), self.folder / f"{name}.log").splitlines()
        return lines[-1] if lines else ""

    @contextmanager
    def container(self, image: str) -> Iterator[tuple[str, Path]]:
        """A container of an image and the folder where its files are, while the block lasts."""
        name = self.do("from", "from", image)
        try:
            yield name, Path(self.do("mount", "mount", name))
        finally:
            self.do("rm", "rm", name)

    def has(self, image: str) -> bool:
        """Whether there is such an image."""
        return bool(answer(self.command("images", "-q", image)))

    def inspect(self, image: str) -> dict[str, Any]:
        """What an image is, as Docker would have it."""
        found = json.loads(answer(self.command("inspect", "--type", "image", image)) or "{}")
        described: dict[str, Any] = found.get("Docker", {})
        return described

    def _command(self, driver: str, *words: str) -> list[str]:
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        return ["buildah", "--storage-driver", driver, *places, *words]

    def _working_driver(self) -> str:
        return "overlay" if answer(self._command("overlay", "info")) else "vfs"


def make_base(buildah: Buildah) -> None:
    """Make the base image, unless there is one."""
    if buildah.has(BASE):
        return
    root, tar = buildah.folder / "rootfs", buildah.folder / "base.tar"
    shutil.rmtree(root, ignore_errors=True)
    bootstrap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)]
    log_of([*bootstrap, host.debian_mirror()], buildah.folder / "debootstrap.log")
    left_out = [f"--exclude=./{folder}/*" for folder in LEFT_OUT]
    log_of(["tar", "-C", str(root), *left_out, "-cf", str(tar), "."], buildah.folder / "tar.log")
    name = buildah.do("from", "from", "scratch")
    buildah.do("add", "add", name, str(tar), "/")
    buildah.do("commit", "commit", "--rm", name, BASE)
    tar.unlink()
    shutil.rmtree(root)


def build(
    buildah: Buildah, context: Path, dockerfile: str = "Dockerfile", tag: str = IMAGE
) -> None:
    """Build a Dockerfile, with pip's CPU build of torch where this machine has one."""
    wheels = buildah.folder / "wheels"
    arguments = {"BASE_IMAGE": BASE, "PIP_INDEX_URL": host.pip_setting("index-url")}
    volumes = {}
    if host.local_wheels(wheels):
        arguments["PIP_FIND_LINKS"] = WHEELS
        volumes[wheels.resolve()] = WHEELS
    certificates = host.certificates()
    if certificates:
        volumes[certificates.resolve()] = CERTIFICATES
    # Docker's own format: the other knows no HEALTHCHECK.
    command = ["bud", "--isolation", "chroot", "--format", "docker", "--layers", "--tag", tag]
    command += [
        "--file",
        str(context / dockerfile),
        "--ignorefile",
        str(_ignored(context, dockerfile)),
    ]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"] if value else []
    for source, target in volumes.items():
        command += ["--volume", f"{source}:{target}:ro"]
    buildah.do("build" if tag == IMAGE else "build-gateway", *command, str(context))


def _ignored(context: Path, dockerfile: str) -> Path:
    """What the Dockerfile's build leaves out: its own list, as BuildKit takes it, or everyone's."""
    own = context / f"{dockerfile}.dockerignore"
    return own if own.is_file() else context / ".dockerignore"


def layers(buildah: Buildah) -> list[Layer]:
    """The image's layers from the bottom, each with the size of its files as a tar.

    Raises Failed where the storage's own list does not tell.
    """
    described = buildah.inspect(IMAGE)
    listed = buildah.folder / "storage" / f"{buildah.driver}-layers" / "layers.json"
    sizes = {
        layer["diff-digest"]: int(layer.get("diff-size", 0))
        for layer in json.loads(listed.read_text("utf-8"))
        if "diff-digest" in layer
    }
    steps = [step for step in described["history"] if not step.get("empty_layer")]
    digests = described["rootfs"]["diff_ids"]
    if len(steps) != len(digests) or not sizes.keys() >= set(digests):
        raise Failed(f"{listed} does not tell of every layer of {IMAGE}")
    copied = iter(_copied(buildah))
    return [
        Layer(made_by=_made_by(step["created_by"], copied), size_bytes=sizes[digest])
        for step, digest in zip(steps, digests, strict=True)
    ]


def _made_by(created_by: str, copied: Iterator[str]) -> str:
    """An image's history names a COPY by its content alone; the build's log has its words."""
    command = created_by.rpartition("/bin/sh -c ")[2]  # a build's arguments stand before it
    words = " ".join(command.removeprefix("#(nop) ").split())
    if words.startswith(("COPY", "ADD")):
        return next(copied, words)
    return "the base image" if words in {"", "/bin/sh"} else f"RUN {shorten(words, WIDTH)}"


def _copied(buildah: Buildah) -> list[str]:
    """The COPY lines of the last stage; its number is that of all stages."""
    log = (buildah.folder / "build.log").read_text("utf-8", "replace")
    return [line for _, line in re.findall(r"^\[(\d+)/\1\] STEP [\d/]+: (COPY .*)$", log, re.M)]
