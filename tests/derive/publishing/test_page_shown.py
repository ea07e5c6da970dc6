"""What `document` gives is text, or bytes, and a notebook shows what it is."""

from __future__ import annotations

import copy
import pickle
import shutil
from base64 import b64decode

import pytest

import chalkgrad as cg

MIME = {"latex": "text/latex", "markdown": "text/markdown", "html": "text/html", "text": "text/plain"}


@pytest.mark.usefixtures("judged_once")
@pytest.mark.parametrize("format", ["latex", "markdown", "html", "text", "tex", "notebook"])
def test_text_is_a_string_that_shows_itself(format: str) -> None:
    page = cg.document(cg.load("vanilla"), format=format, level="brief")  # type: ignore[call-overload]
    assert isinstance(page, str) and page == str(page) == f"{page}" and page.encode() == str(page).encode()
    assert repr(page) == f"<{format} document, {len(page):,} characters>"
    for other in (pickle.loads(pickle.dumps(page)), copy.deepcopy(page)):
        assert other == page and repr(other) == repr(page)
    ((mime, shown),) = page._repr_mimebundle_().items()
    assert mime == MIME.get(format, "text/plain")
    assert shown == page or (format == "html" and shown.startswith("<iframe srcdoc="))


@pytest.mark.usefixtures("judged_once")
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here")
def test_a_pdf_is_bytes_that_show_themselves() -> None:
    page = cg.document(cg.load("vanilla"), format="pdf", level="brief")
    assert isinstance(page, bytes) and page.startswith(b"%PDF")
    assert repr(page) == f"<pdf document, {len(page):,} bytes>"
    assert b64decode(page._repr_mimebundle_()["application/pdf"]) == page  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(page)) == page
