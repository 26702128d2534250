"""The text of files of every kind, and why others give none."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.knowledge.extraction.reading import Reading, read
from streams.knowledge.extraction.refusal import Unreadable
from tests.unit.streams.knowledge.made_files import archive, docx, encrypted_pdf, pdf, with_entry

HTML = """<!doctype html><html><head><title>t</title><style>p {}</style></head><body><nav>Home</nav>
<h1>Prices</h1><p>Cleaning <b>costs</b>
90 dollars.<script>alert(1)</script></p><ul><li>Cash</li><li>Card</li></ul>
<table><tr><th>Service</th><th>Price</th></tr><tr><td>Whitening</td><td>240</td></tr></table></body></html>"""
JSON = (
    '{"clinic": {"open": true, "phones": ["555-1", "555-2"], "fax": null}, "staff": [{"name": "Ann"}, {"name": "Bo"}]}'
)
OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)


def reading(folder: Path, content: bytes, name: str, media_type: str = "application/octet-stream") -> Reading:
    path = folder / "source"
    path.write_bytes(content)
    return read(path, name, media_type, 100_000)


@pytest.mark.parametrize(
    ("name", "content", "kind", "text"),
    [
        ("a.txt", b"Plain\r\ntext  \r\n\r\n\r\n\r\nhere\x07", "text", "Plain\ntext\n\nhere"),
        ("a.md", "# Prices\n\nCafé".encode(), "markdown", "# Prices\n\nCafé"),
        ("a.txt", "Café: 5 €".encode("cp1252"), "text", "Café: 5 €"),
        ("a.txt", "Café".encode("utf-16"), "text", "Café"),
        ("a.txt", "\ufeffCafe\u0301".encode(), "text", "Café"),
        ("a.csv", b"Service;Price\nCleaning;90\n\nWhitening;240;new\n", "csv",
         "Service: Cleaning; Price: 90\nService: Whitening; Price: 240; new"),
        ("a.tsv", b"Service\tPrice\nCleaning\t90\n", "csv", "Service: Cleaning; Price: 90"),
        ("a.json", JSON.encode(), "json",
         "clinic open: yes\nclinic phones: 555-1, 555-2\nstaff name: Ann\n\nstaff name: Bo"),
        ("a.jsonl", b'{"a": 1}\n{"a": 2.50}\n', "json", "a: 1\n\na: 2.50"),
        ("a.html", HTML.encode(), "html",
         "# Prices\n\nCleaning costs 90 dollars.\n\n- Cash\n\n- Card\n\nService: Whitening; Price: 240"),
        ("a.xml", b"<?xml version='1.0'?><a><b>One</b><b> two\n three </b></a>", "xml", "One\ntwo three"),
        ("a.pdf", pdf(["Prices (2026)", "Cleaning: 90"], ["Whitening: 240"]), "pdf",
         "Prices (2026)\nCleaning: 90\fWhitening: 240"),
        ("a.docx", docx("Prices", ["Ours are fair.", "Ask us."], [["Service", "Price"], ["Cleaning", "90"]]), "docx",
         "# Prices\n\nOurs are fair.\n\nService: Cleaning; Price: 90\n\nAsk us."),
    ],
)  # fmt: skip
def test_the_text_of_every_kind(tmp_path: Path, name: str, content: bytes, kind: str, text: str) -> None:
    found = reading(tmp_path, content, name)
    assert (found.kind, found.text) == (kind, text)


def test_a_pdf_tells_how_many_pages_it_has(tmp_path: Path) -> None:
    assert reading(tmp_path, pdf(["One"], [], ["Three"]), "a.pdf").pages == 3


@pytest.mark.parametrize(
    ("name", "media_type", "content", "kind"),
    [
        ("prices", "application/pdf", pdf(["Prices"]), "pdf"),
        ("prices", "application/octet-stream", pdf(["Prices"]), "pdf"),
        ("prices", "application/octet-stream", docx("Prices", []), "docx"),
        ("prices", "application/octet-stream", HTML.encode(), "html"),
        ("prices", "text/csv; charset=utf-8", b"a,b\n1,2", "csv"),
        ("prices.weird", "text/x-own", b"Prices", "text"),
        ("README", "application/octet-stream", b"Prices", "text"),
    ],
)
def test_a_kind_is_known_by_its_type_or_by_what_it_shows(
    tmp_path: Path, name: str, media_type: str, content: bytes, kind: str
) -> None:
    assert reading(tmp_path, content, name, media_type).kind == kind


@pytest.mark.parametrize(
    ("name", "content", "code", "reason"),
    [
        ("a.pdf", b"MZ\x90 a program", "type-mismatch", "said to be a PDF, but its content is a program"),
        ("a.txt", pdf(["Prices"]), "type-mismatch", "said to be plain text, but its content is a PDF"),
        ("a.txt", b"text\x00", "type-mismatch", "neither text nor a known format"),
        ("a.csv", b"\x89PNG\r\n", "type-mismatch", "is a picture"),
        ("a.docx", b"plain text", "type-mismatch", "said to be a Word file"),
        ("a.docx", archive({"other.txt": b"x"}), "type-mismatch", "not a Word file"),
        ("a.doc", OFFICE, "unsupported-type", r"No text is read from \.doc files"),
        ("a.mp3", b"ID3\x04", "unsupported-type", r"\.mp3"),
        ("a.weird", b"text of some kind", "unsupported-type", r"\.weird"),
        ("a.pdf", encrypted_pdf("secret"), "encrypted", "without a password"),
        ("a.pdf", b"%PDF-1.7\nnothing behind it", "damaged", "cannot be read"),
        ("a.pdf", pdf(["Prices"])[:300], "damaged", "cannot be read"),
        ("a.docx", archive({"word/document.xml": b"<w:document"}), "damaged", "cannot be read"),
        ("a.docx", docx("Prices", [])[:-30], "damaged", "archive cannot be opened"),
        ("a.json", b"{", "damaged", "no JSON"),
        ("a.json", b"[" * 50_000, "damaged", "nested"),
        ("a.json", b"[" * 200 + b"]" * 200, "damaged", "nested more than"),
        ("a.xml", b"<?xml version='1.0'?><a>", "damaged", "no well-formed XML"),
    ],
)
def test_what_gives_no_text_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes, code: str, reason: str
) -> None:
    with pytest.raises(Unreadable, match=reason) as refused:
        reading(tmp_path, content, name)
    assert refused.value.code == code


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BOMB = f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "ha">{LAUGHS}]><l>&l11;</l>'.encode()
FEW_LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x "ha">]><l>&x;</l>'
PASSWORDS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>'


@pytest.mark.parametrize("content", [BOMB, FEW_LAUGHS, PASSWORDS], ids=["bomb", "few", "file"])
def test_entities_of_xml_are_not_followed(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"entities|amplification") as refused:
        reading(tmp_path, content, "a.xml")
    assert refused.value.code == "damaged"


@pytest.mark.parametrize("content", [BOMB, FEW_LAUGHS, PASSWORDS], ids=["bomb", "few", "file"])
def test_entities_of_a_word_file_are_not_followed(tmp_path: Path, content: bytes) -> None:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    entity = content[content.rindex(b"&") :].partition(b"<")[0]
    body = b'<w:document xmlns:w="%b"><w:body><w:p><w:r><w:t>a%bz</w:t></w:r></w:p></w:body></w:document>'
    document = content[: content.rindex(b"<l>")].replace(b"DOCTYPE l", b"DOCTYPE w:document")
    infected = with_entry(docx("Prices", []), "word/document.xml", document + body % (namespace.encode(), entity))
    told = told_of(tmp_path, infected)
    assert "ha" not in told
    assert "root:" not in told


def told_of(folder: Path, content: bytes) -> str:
    """The text, or the reason why there is none."""
    try:
        return reading(folder, content, "a.docx").text
    except Unreadable as refused:
        return refused.reason


def test_an_archive_that_would_unpack_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    bomb = with_entry(docx("Prices", []), "word/document.xml", bytes(70 * 1024 * 1024))
    assert len(bomb) < 200_000
    with pytest.raises(Unreadable, match="unpacks to more than is read") as refused:
        reading(tmp_path, bomb, "a.docx")
    assert refused.value.code == "too-large"


def test_a_pdf_with_too_much_text_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(pdf(*[["Prices " * 10] * 20] * 3))
    with pytest.raises(Unreadable, match="more than 1000 characters"):
        read(path, "a.pdf", "application/pdf", 1000)
