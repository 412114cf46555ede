"""Files that the documents name exist: a newcomer who follows a path arrives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
NAMED = re.compile(r"`((?:tests|script|bench|deploy|docs)/[\w/.-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [document.parent / link for link in LINK.findall(text)]
    missing = [str(path) for path in [*links, *(ROOT / name for name in NAMED.findall(text))] if not path.exists()]
    assert not missing
