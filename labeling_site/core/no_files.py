"""Files in forms are passed over: none of our forms asks for one, files come in chunks through the API.

Django reads the files of a form before any view, and before the check of its token; kept on disk, they would let any
visitor fill it.
"""

from __future__ import annotations

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, SkipFile


class NoFiles(FileUploadHandler):
    """Keeps no byte of any file; the fields beside it arrive."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None
