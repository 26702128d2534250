"""Text of PDF files, page by page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from pypdf import PdfReader
from pypdf.errors import PdfReadError, PyPdfError

from streams.knowledge.extraction.refusal import Unreadable

PAGE_END: Final = "\f"
MOST_PAGES: Final = 5_000


def from_pdf(path: Path, most_characters: int) -> tuple[str, int]:
    """The text with a form feed between pages, and how many pages there are.

    A page that cannot be read is left empty as long as others can. Raises ``Unreadable``.
    """
    # What the library thinks of a file is for whoever made it; the reason of a refusal says what matters.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(path, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("encrypted", "The PDF is encrypted; upload it without a password.")
        count = len(reader.pages)
        if count > MOST_PAGES:
            raise Unreadable("too-large", f"The PDF has {count} pages; {MOST_PAGES} are the most.")
        return _pages(reader, most_characters), count
    except Unreadable:
        raise
    except (PyPdfError, ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, OSError) as fault:
        # A broken file can break the reader anywhere; these are what it then raises.
        raise Unreadable("damaged", f"The PDF cannot be read: {type(fault).__name__}.") from None


def _pages(reader: PdfReader, most_characters: int) -> str:
    pages, length, fault = [], 0, ""
    for page in reader.pages:
        try:
            text = page.extract_text()
        except (PdfReadError, ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
            text, fault = "", type(error).__name__
        length += len(text)
        if length > most_characters:
            raise Unreadable("too-large", f"The PDF holds more than {most_characters} characters of text.")
        pages.append(text.replace(PAGE_END, "\n").strip())
    if fault and not any(text.strip() for text in pages):
        raise Unreadable("damaged", f"None of the PDF's pages can be read: {fault}.")
    return PAGE_END.join(pages)
