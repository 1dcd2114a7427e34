"""What is used of the machine: Debian's packages, and the places where its pip and apt look."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from .shell import Failed, answer, log_of

#: Program -> Debian package.
PROGRAMS = {"buildah": "buildah", "debootstrap": "debootstrap", "unshare": "util-linux"}
MIRROR = "http://deb.debian.org/debian"


def install_programs(log: Path) -> None:
    """Install what is missing. Raises Failed, on anything but Debian with root as well."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if os.geteuid() != 0:
        raise Failed("image-test must run as root: it makes a base image and mounts file systems")
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failed(f"install {', '.join(missing)}: only on Debian does image-test do it itself")
    quiet = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"]
    log_of([*quiet, "update"], log)
    log_of([*quiet, "install", "--no-install-recommends", *missing], log)


def debian_mirror() -> str:
    """The mirror that apt uses here, or Debian's own."""
    sites = answer(["apt-get", "indextargets", "--format", "$(SITE)"]).splitlines()
    return next((site for site in sites if re.search(r"/debian/?$", site)), MIRROR)


def pip_setting(name: str) -> str:
    """A setting of pip, from its files and the environment; empty where it is not set."""
    pip = [sys.executable, "-m", "pip", "config", "get"]
    return answer([*pip, f":env:.{name}"]) or answer([*pip, f"global.{name}"])


def local_wheels(folder: Path) -> list[str]:
    """Put the wheels of pip's own find-links folders into one folder, and name them."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [
        wheel
        for place in pip_setting("find-links").split()
        for wheel in sorted(Path(place.removeprefix("file://")).glob("*.whl"))
    ]
    for wheel in found:
        copy = folder / wheel.name
        if not copy.exists():
            shutil.copy2(wheel, copy)
    return [wheel.name for wheel in found]


def certificates() -> Path | None:
    """The CAs that this machine trusts, as one file."""
    places = [pip_setting("cert"), "/etc/ssl/certs/ca-certificates.crt"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)
