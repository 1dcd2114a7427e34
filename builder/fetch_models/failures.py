"""What stops a bake, said so that whoever runs it can mend it."""

from src.errors import ModelNotLoaded


class BakeFailed(ModelNotLoaded):
    """The weights could not be baked; the message names what, why and what to do."""
