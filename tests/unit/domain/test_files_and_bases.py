"""Decisions on the text of files and on the files of knowledge bases."""

from __future__ import annotations

from domain.aggregate import Conflicting, NotFound, Refused
from domain.configuration.commands import DeleteConfiguration, RestoreConfiguration
from domain.file.aggregate import FILE, FILE_TEXT
from domain.file.commands import RecordText, RequestText
from domain.file.events import CONFIGURED as FILE_EVENTS
from domain.file.events import FileTextExtracted, FileTextFailed, FileTextRequested
from domain.file.state import TextExtracted, TextPending, status_of, text_of
from domain.knowledge_base.aggregate import KNOWLEDGE_BASE, KNOWLEDGE_BASE_FILES
from domain.knowledge_base.commands import AttachFile, DetachFile
from domain.knowledge_base.events import CONFIGURED as BASE_EVENTS
from domain.knowledge_base.events import KnowledgeBaseFileAttached, KnowledgeBaseFileDetached
from domain.knowledge_base.state import files_of
from tests.unit.domain.specification import fold, given

UPLOADED = FILE_EVENTS.created(org_id="org", config={"name": "a.pdf"})
EXTRACTED = FileTextExtracted(attempt=1, kind="pdf", location="x", sha256="0", size_bytes=5, pages=1)
FAILED = FileTextFailed(attempt=1, code="damaged", reason="It is broken.")
MADE = BASE_EVENTS.created(org_id="org", config={"name": "Prices"})
ATTACH = AttachFile(org_id="org", file_id="f", attachment_id="t", most_files=1)
ATTACHED = KnowledgeBaseFileAttached(file_id="f", attachment_id="t")


def test_the_first_outcome_of_an_attempt_stands() -> None:
    given(FILE_TEXT, UPLOADED).when(RecordText(outcome=EXTRACTED)).then(EXTRACTED)
    given(FILE_TEXT, UPLOADED, FAILED).when(RecordText(outcome=EXTRACTED)).refused(Conflicting, because="is over")
    given(FILE_TEXT, UPLOADED, FAILED, FileTextRequested()).when(RecordText(outcome=EXTRACTED)).refused(
        Conflicting, because="is over"
    )
    deleted = FILE_EVENTS.deleted()
    given(FILE_TEXT, UPLOADED, deleted).when(RecordText(outcome=EXTRACTED)).refused(NotFound, because="file")


def test_only_a_failed_text_can_be_asked_for_again() -> None:
    ask = RequestText(org_id="org")
    given(FILE_TEXT, UPLOADED, FAILED).when(ask).then(FileTextRequested())
    given(FILE_TEXT, UPLOADED).when(ask).then()
    given(FILE_TEXT, UPLOADED, EXTRACTED).when(ask).refused(Conflicting, because="was extracted")
    given(FILE_TEXT, UPLOADED, FAILED).when(RequestText(org_id="rival")).refused(NotFound, because="file")


def test_a_restored_file_keeps_its_text() -> None:
    restore = RestoreConfiguration(org_id="org", revision=1, config=UPLOADED.config)
    renamed = FILE_EVENTS.updated(changes={"name": "b.pdf"})
    replaced = FILE_EVENTS.replaced(config=UPLOADED.config, restored=1)
    given(FILE, UPLOADED, EXTRACTED, renamed).when(restore).then(replaced)
    state = fold(FILE, [UPLOADED, EXTRACTED, renamed, replaced])
    assert (state.config["name"], isinstance(text_of(state), TextExtracted)) == ("a.pdf", True)


def test_a_deleted_file_is_told_by_what_it_was() -> None:
    given(FILE, UPLOADED, EXTRACTED).when(DeleteConfiguration(org_id="org")).then(FILE_EVENTS.deleted())
    state = fold(FILE, [UPLOADED, EXTRACTED, FILE_EVENTS.deleted()])
    assert (FILE.keys(state).deleted, status_of(text_of(state))) == (True, "done")
    again = text_of(fold(FILE, [UPLOADED, FAILED, FileTextRequested()]))
    assert (isinstance(again, TextPending), again.attempt) == (True, 2)


def test_files_are_attached_once_and_up_to_a_limit() -> None:
    given(KNOWLEDGE_BASE_FILES, MADE).when(ATTACH).then(ATTACHED)
    given(KNOWLEDGE_BASE_FILES, MADE, ATTACHED).when(ATTACH).then()
    other = AttachFile(org_id="org", file_id="g", attachment_id="u", most_files=1)
    given(KNOWLEDGE_BASE_FILES, MADE, ATTACHED).when(other).refused(Refused, because="the most")
    detach = DetachFile(org_id="org", file_id="f")
    given(KNOWLEDGE_BASE_FILES, MADE, ATTACHED).when(detach).then(KnowledgeBaseFileDetached(file_id="f"))
    given(KNOWLEDGE_BASE_FILES, MADE).when(detach).refused(NotFound, because="not attached")
    foreign = AttachFile(org_id="rival", file_id="f", attachment_id="t", most_files=1)
    given(KNOWLEDGE_BASE_FILES, MADE).when(foreign).refused(NotFound, because="knowledge base")


def test_a_deleted_base_is_told_by_what_it_was() -> None:
    state = fold(KNOWLEDGE_BASE, [MADE, ATTACHED, BASE_EVENTS.deleted()])
    assert KNOWLEDGE_BASE.keys(state).deleted
    assert [attached.file_id for attached in files_of(state)] == ["f"]
