"""Lists of configurations: the newest within bounds of time, by id, or whatever else a resource can be filtered by."""

from __future__ import annotations

from typing import Any

from api.configuration.references import UNBOUNDED
from api.configuration.resource import Resource
from api.models.filters import ListFilters, PagedFilters
from api.piecewise import count_documents, each_document
from domain.log.ports import Document, Documents


async def find(
    resource: Resource, filters: ListFilters, documents: Documents, org_id: str, **within: str
) -> tuple[list[Document], int]:
    """The documents of the page asked for, and how many there are in all where the list says so.

    ``within`` are values that fields of the configuration must have, where the path says so.
    """
    paged = filters if isinstance(filters, PagedFilters) else None
    offset, oldest_first = (paged.offset(), paged.sort_order == "ASC") if paged else (0, False)
    bounds: dict[str, Any] = {"org_id": org_id, "created": filters.created(), "updated": filters.updated()}
    ids = _ids(filters)
    if ids is None and not within and not resource.always_filtered and not _is_filtered(filters):
        page = await _page(resource, filters, documents, offset, oldest_first, bounds)
        total = await count_documents(documents, resource.kind, **bounds) if resource.style == "page" else len(page)
        return page, total
    if ids is not None:
        found = _by_id(resource, ids, filters, documents, org_id)
        found.sort(key=lambda document: (document.keys.created_at, document.id), reverse=not oldest_first)
        passing = [document for document in found if _passes(resource, filters, document, within)]
        return passing[offset : offset + filters.limit], len(passing)
    reference = getattr(filters, "assistant_id", None)
    page, passed = [], 0
    async for document in each_document(
        documents, resource.kind, reference=reference, oldest_first=oldest_first, **bounds
    ):
        if _passes(resource, filters, document, within):
            if offset <= passed < offset + filters.limit:
                page.append(document)
            passed += 1
    return page, passed


def page_body(results: list[dict[str, Any]], total: int, filters: PagedFilters) -> dict[str, Any]:
    """``{results, metadata}`` as Vapi's paged lists have it."""
    return {"results": results, "metadata": page_metadata(total, filters)}


def page_metadata(total: int, filters: PagedFilters) -> dict[str, Any]:
    """What is said beside the results of a page."""
    pages = -(-total // filters.limit) if filters.limit else 0
    return {
        "itemsPerPage": filters.limit,
        "totalItems": total,
        "currentPage": filters.page,
        "totalPages": pages,
        "hasNextPage": filters.page < pages,
        "sortOrder": filters.sort_order,
        "itemsBeyondRetention": False,
    }


_COMMON = frozenset(PagedFilters.model_fields) | {"id", "id_any"}


def _is_filtered(filters: ListFilters) -> bool:
    """Whether anything is asked for beyond page, time and id."""
    return any(getattr(filters, name) is not None for name in type(filters).model_fields if name not in _COMMON)


def _ids(filters: ListFilters) -> list[str] | None:
    """The ids asked for, each once."""
    one: str | None = getattr(filters, "id", None)
    several: list[str] | None = getattr(filters, "id_any", None)
    if several is None:
        return None if one is None else [one]
    return [known for known in dict.fromkeys(several) if one in (None, known)]


async def _page(
    resource: Resource,
    filters: ListFilters,
    documents: Documents,
    offset: int,
    oldest_first: bool,
    bounds: dict[str, Any],
) -> list[Document]:
    if filters.limit == 0 or offset > UNBOUNDED:
        return []
    found = each_document(
        documents, resource.kind, limit=filters.limit, offset=offset, oldest_first=oldest_first, **bounds
    )
    return [document async for document in found]


def _by_id(
    resource: Resource, ids: list[str], filters: ListFilters, documents: Documents, org_id: str
) -> list[Document]:
    found = (documents.get(resource.kind, object_id, org_id=org_id) for object_id in ids)
    return [document for document in found if document is not None and filters.admit(document.keys)]


def _passes(resource: Resource, filters: ListFilters, document: Document, within: dict[str, str]) -> bool:
    config = document.state.config
    return all(config.get(field) == value for field, value in within.items()) and (
        resource.matches is None or resource.matches(document.state, filters)
    )
