"""Label files, images, the cache of their pixels, the split, and loaders."""

from __future__ import annotations

from .images import Picture, Resize, read, resize_rule
from .records import Example, Labeled, LabelFile, Problem
from .tables import read as read_labels

__all__ = ["Example", "LabelFile", "Labeled", "Picture", "Problem", "Resize", "read", "read_labels", "resize_rule"]
