"""The tool that every knowledge base gets when it is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from domain.knowledge.tool import definition

_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9]+")
_LONGEST_NAME: Final = 64


def tool_id(base_id: str) -> str:
    """The id of the tool of this base. It follows from the base's, so that there can be only one."""
    return str(uuid5(NAMESPACE_URL, f"urn:callfold:knowledge-base-tool:{base_id}"))


def tool_config(base_id: str, base: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a ``knowledgeBase`` tool that searches the base."""
    words = _NO_NAME.sub("_", str(base["name"])).strip("_").lower()
    about = f"{base['name']}: {base['description']}" if base.get("description") else str(base["name"])
    function = {
        "name": f"search_{words or 'knowledge_base'}"[:_LONGEST_NAME].rstrip("_"),
        "description": f"Looks up what the documents say about {about}",
    }
    tool = {"type": "knowledgeBase", "knowledgeBaseId": base_id, "function": function}
    return {**tool, "function": definition(tool)}
