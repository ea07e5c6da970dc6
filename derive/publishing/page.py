"""A document as text or bytes, which a notebook shows as what it is, not as a string."""

from __future__ import annotations

from base64 import b64encode
from html import escape


class Page(str):
    """A document that is text: a str in every respect, but that its repr is short. kind: its format."""

    kind: str

    def __new__(cls, text: str, kind: str) -> Page:
        page = super().__new__(cls, text)
        page.kind = kind
        return page

    def __reduce__(self) -> tuple[type[Page], tuple[str, str]]:
        return Page, (str(self), self.kind)

    def __repr__(self) -> str:
        return f"<{self.kind} document, {len(self):,} characters>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What can be shown is; a whole page stands in a frame, so that its style stays its own."""
        match self.kind:
            case "latex" | "markdown":
                return {f"text/{self.kind}": str(self)}
            case "html":
                frame = f'<iframe srcdoc="{escape(self)}" style="width:100%;height:45rem;border:0"></iframe>'
                return {"text/html": frame}
            case _:
                return {"text/plain": str(self)}


class BinaryPage(bytes):
    """A document that is bytes, of a PDF: bytes in every respect, but that its repr is short."""

    kind: str

    def __new__(cls, data: bytes, kind: str) -> BinaryPage:
        page = super().__new__(cls, data)
        page.kind = kind
        return page

    def __reduce__(self) -> tuple[type[BinaryPage], tuple[bytes, str]]:
        return BinaryPage, (bytes(self), self.kind)

    def __repr__(self) -> str:
        return f"<{self.kind} document, {len(self):,} bytes>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {f"application/{self.kind}": b64encode(self).decode("ascii"), "text/plain": repr(self)}
