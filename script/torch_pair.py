"""torch and torchvision, the pair that belongs together, before anything that would bring another torch.

On Linux the package registry's torch may be the build for NVIDIA cards, gigabytes of libraries that a machine without
one has no use for. There, and only there, PyTorch's own index of CPU builds is asked; where it cannot be reached, the
registry's build is taken, which runs on a CPU as well. Standard library only; parses on Python 3.6.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PAIR = ("torch", "torchvision")
NVIDIA = ("/dev/nvidia0", "/proc/driver/nvidia/version")


def pinned(constraints):
    """["torch==…", "torchvision==…"] as the constraints file has them."""
    lines = [line.strip() for line in Path(str(constraints)).read_text(encoding="utf-8").splitlines()]
    return sorted(line for line in lines if line.startswith(tuple(name + "==" for name in PAIR)))


def has_nvidia_gpu():
    """Whether this machine shows an NVIDIA card."""
    return any(Path(place).exists() for place in NVIDIA) or bool(shutil.which("nvidia-smi"))


def brings_cuda(python, pins):
    """Whether pip would install NVIDIA's libraries with these pins; asked without installing anything."""
    with tempfile.TemporaryDirectory(prefix="tessera-pip-") as folder:
        report = Path(folder) / "report.json"
        command = [str(python), "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--no-input"]
        command += ["--disable-pip-version-check", "--report", str(report), *pins]
        asked = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if asked.returncode != 0:
            return False  # the installation itself will say why
        names = [item["metadata"]["name"].lower() for item in json.loads(report.read_text("utf-8"))["install"]]
    return any(name.startswith(("nvidia-", "cuda-")) for name in names)


def wants_cpu_index(python, pins):
    """Whether the index of CPU builds should be asked: Linux, no card, and the registry's build is NVIDIA's."""
    return sys.platform.startswith("linux") and not has_nvidia_gpu() and brings_cuda(python, pins)


def is_installed(python, pins):
    """Whether these versions are there already (a local suffix such as +cpu does not matter)."""
    code = "import importlib.metadata as m; print(*(m.version(n).split('+')[0] for n in ('torch', 'torchvision')))"
    asked = subprocess.run([str(python), "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return asked.stdout.decode().split() == [pin.partition("==")[2] for pin in pins]


def install(python, constraints, run, say, trouble):
    """Installs the pair. `run(command, what)` runs a command and raises `trouble` where it fails."""
    pins = pinned(constraints)
    if len(pins) != len(PAIR):
        raise trouble("constraints.txt has to pin both torch and torchvision.")
    if is_installed(python, pins):
        return
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile"]
    if wants_cpu_index(python, pins):
        try:
            run([*command, "--index-url", CPU_INDEX, *pins], "Installing torch for the CPU")
            return
        except trouble:
            say("Tessera: the index of CPU builds of torch cannot be reached; taking the larger build …")
    run([*command, "-c", str(constraints), *pins], "Installing torch")
