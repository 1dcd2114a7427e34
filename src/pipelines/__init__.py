"""The GPU room: the only importer of torch, diffusers and transformers.

Importing it costs nothing: the families are data, and torch comes with the loader.
"""

from .animatediff import ANIMATEDIFF
from .cogvideox import COGVIDEOX
from .family import Family
from .stable_video_diffusion import STABLE_VIDEO_DIFFUSION

#: Every family, by the name that the manifest uses.
FAMILIES: dict[str, Family] = {
    family.name: family for family in (ANIMATEDIFF, COGVIDEOX, STABLE_VIDEO_DIFFUSION)
}

__all__ = ["FAMILIES", "Family"]
