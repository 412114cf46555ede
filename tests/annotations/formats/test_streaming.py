"""A large export takes no more memory than a small one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Runs by itself, so that the peak is that of the writer: 20,000 images with 5 annotations each, made lazily.
PROGRAM = """
import sys
from pathlib import Path
from annotations.formats import *
from annotations.geometry import Box, Part, Polygon

format_name, task, folder = sys.argv[1], Task(sys.argv[2]), Path(sys.argv[3])

def peak():
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
    return int(line.split()[1])

def shape(i):
    x, y = i % 500, i % 300
    if task is Task.BOX:
        return Box(x, y, 20, 30)
    corners = ((0, 0), (20, 0), (30, 20), (20, 40), (0, 40))
    return Polygon((Part(tuple((float(x + a), float(y + b)) for a, b in corners)),))

def images(count):
    for i in range(count):
        objects = [ExportedAnnotation(i * 5 + k + 1, k % 3 + 1, f"class {k % 3}", shape(i + k)) for k in range(5)]
        yield ExportedImage(i + 1, f"folder/{i:06}.jpg", "store", 640, 480, annotations=objects)

def write(count, name):
    classes = [ExportedClass(k + 1, f"class {k}") for k in range(3)]
    with open(folder / name, "wb") as out, open(folder / "report", "wb") as report_out:
        return FORMATS[format_name].write(images(count), classes=classes, task=task, options=ExportOptions(),
                                          out=out, report=FidelityReport(report_out))

write(200, "warm")
before = peak()
counts = write(20_000, "export")
print(counts.images, counts.annotations, (peak() - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only on Linux is the peak of memory kept there")
@pytest.mark.parametrize(
    ("format_name", "task"),
    [("coco", "instance_segmentation"), ("csv", "object_detection"), ("jsonl", "object_detection")],
)
def test_a_hundred_thousand_annotations_grow_memory_by_less_than_60_mb(format_name, task, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, format_name, task, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    images, annotations, grown = map(int, done.stdout.split())
    assert (images, annotations) == (20_000, 100_000)
    assert grown < 60
    text = (tmp_path / "export").read_text()
    if format_name == "coco":
        data = json.loads(text)
        assert (len(data["images"]), len(data["annotations"])) == (20_000, 100_000)
    else:
        assert len(text.splitlines()) == (20_000 if format_name == "jsonl" else 100_001)
