"""Text of HTML and XML."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree
from selectolax.lexbor import LexborHTMLParser, LexborNode

from streams.knowledge.extraction.refusal import Unreadable
from streams.knowledge.extraction.text import table_lines

_UNSAID: Final = ["script", "style", "noscript", "template", "svg", "iframe", "head", "nav", "form", "button"]
_BLOCK_TAGS: Final = """
address article aside blockquote body dd details div dl dt fieldset figcaption figure footer header hr html li main ol p
pre section summary table td th tr ul
"""
_BLOCKS: Final = frozenset(_BLOCK_TAGS.split())
_SPACE: Final = re.compile(r"\s+")


def from_html(text: str) -> str:
    """What a reader of the page would read, headings marked; scripts, styles and navigation are left out."""
    tree = LexborHTMLParser(text)
    tree.strip_tags(_UNSAID)
    parts: list[str] = []
    if tree.body is not None:
        _write(tree.body, parts)
    return "\n\n".join(filter(None, (_SPACE.sub(" ", part).strip() for part in _paragraphs(parts))))


_BREAK: Final = "\x1e"
"""Stands between paragraphs while they are collected; no parser lets it through as text."""


def _paragraphs(parts: list[str]) -> list[str]:
    return "".join(parts).split(_BREAK)


def _write(root: LexborNode, parts: list[str]) -> None:
    """Append the text below ``root``. A stack of its own: pages may be nested deeper than Python calls."""
    waiting: list[LexborNode | str] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        tag = node.tag or ""
        if tag == "-text":
            parts.append((node.text_content or "").replace(_BREAK, " "))
            continue
        if tag == "table":
            parts += [_BREAK, _BREAK.join(_table(node)), _BREAK]
            continue
        if tag == "br":
            parts.append(" ")
        before, after = _around(tag)
        parts.append(before)
        waiting.append(after)
        waiting += reversed(list(node.iter(include_text=True)))


def _around(tag: str) -> tuple[str, str]:
    if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
        return f"{_BREAK}{'#' * int(tag[1])} ", _BREAK
    if tag == "li":
        return f"{_BREAK}- ", _BREAK
    return (_BREAK, _BREAK) if tag in _BLOCKS else ("", "")


def _table(table: LexborNode) -> list[str]:
    rows = [
        [_SPACE.sub(" ", cell.text(separator=" ")).replace(_BREAK, " ").strip() for cell in row.css("td, th")]
        for row in table.css("tr")
    ]
    return list(table_lines([row for row in rows if any(row)]))


def from_xml(content: bytes) -> str:
    """The text of every element. Entities are not resolved and nothing is fetched.

    Raises ``Unreadable`` for what is not well-formed, and for documents that declare entities: those are how a small
    document becomes an endless one.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as fault:
        if fault.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from None
        raise Unreadable("damaged", f"It is no well-formed XML: {fault.msg}.") from None
    document = root.getroottree().docinfo.internalDTD
    if document is not None and any(True for _ in document.iterentities()):
        raise Unreadable("damaged", "It declares XML entities, which are not followed.")
    return "\n".join(filter(None, (_SPACE.sub(" ", str(text)).strip() for text in root.itertext())))
