"""The GPU room: the only importer of torch, diffusers and transformers.

Importing it costs nothing: the families are data, and torch comes with the loader.
"""

from .families import FAMILIES
from .family import Family

__all__ = ["FAMILIES", "Family"]
