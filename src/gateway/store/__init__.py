"""What the gateway keeps, in SQL: videos, their requests and bytes, keys, and what was used."""

from .database import Database
from .keys import Keys
from .standing import Standing
from .usage import Usage
from .videos import Videos

__all__ = ["Database", "Keys", "Standing", "Usage", "Videos"]
