"""The register of a small museum."""

from vitrine.errors import BadOperation, Denied, NotFound, QueryError, Refused, Stale, Tampered
from vitrine.register import Register

__all__ = ["BadOperation", "Denied", "NotFound", "QueryError", "Refused", "Register", "Stale", "Tampered"]
