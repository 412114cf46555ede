"""Files that other programs read. One module a format; no Django, no database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from annotations.formats.coco import write_coco
from annotations.formats.csv_file import write_csv
from annotations.formats.jsonl import write_jsonl
from annotations.formats.model import (
    ExportCounts,
    ExportedAnnotation,
    ExportedClass,
    ExportedImage,
    ExportOptions,
    Task,
    Writer,
)
from annotations.formats.report import FidelityReport, Loss

__all__ = [
    "FORMATS",
    "ExportCounts",
    "ExportOptions",
    "ExportedAnnotation",
    "ExportedClass",
    "ExportedImage",
    "FidelityReport",
    "Format",
    "Loss",
    "Task",
    "export_key",
]


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write labels. `name` is what people choose and the folder the files go to."""

    name: str
    extension: str
    content_type: str
    write: Writer


FORMATS = {
    one.name: one
    for one in (
        Format("coco", "json", "application/json", write_coco),
        Format("csv", "csv", "text/csv", write_csv),
        Format("jsonl", "jsonl", "application/jsonl", write_jsonl),
    )
}

_NAME_BYTES = 180
"""A file system allows 255 bytes; date, ending and the report's ending come on top."""


def export_key(format_: Format, *, export_id: int | str, project: str, when: datetime) -> str:
    """Where an export lies: `Labeling/export/<format>/<export id>/<project>_<YYYYMMDD>_<HHMMSS>.<extension>`, UTC.

    Signs of the project's name that some file systems or stores refuse become `_`; a very long name is cut.
    """
    safe = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*#%]', "_", project).strip(" .") or "project"
    safe = safe.encode()[:_NAME_BYTES].decode(errors="ignore")
    stamp = when.astimezone(UTC).strftime("%Y%m%d_%H%M%S")
    return f"Labeling/export/{format_.name}/{export_id}/{safe}_{stamp}.{format_.extension}"
