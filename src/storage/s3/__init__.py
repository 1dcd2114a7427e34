"""Buckets of S3, and of everything that speaks its language.

Importing it loads no client: botocore comes in with the first one.
"""

from .attempts import BucketAttempts
from .client import Clients, Patience
from .lifecycle import install
from .place import Place, place_of
from .store import S3Storage
from .upload import Sizes

__all__ = [
    "S3Storage",
    "BucketAttempts",
    "Place",
    "place_of",
    "install",
    "Clients",
    "Patience",
    "Sizes",
]
