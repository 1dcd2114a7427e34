"""Which network addresses this worker goes to when a caller names the host.

For whoever opens a connection that a request asks for: media that comes in, results that go
out to a caller's bucket, webhooks.
"""

from .public import is_literal, is_public
from .resolver import AddressRefused, VettedResolver

__all__ = ["is_public", "is_literal", "VettedResolver", "AddressRefused"]
