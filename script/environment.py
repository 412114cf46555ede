"""The Python environment in .venv, shared by script/start and script/test. Standard library only.

A stamp in the environment remembers what it was made from, so that a second start installs nothing. This file must
parse on any Python 3.6 or newer: an old one has to be able to say that it is too old.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "tessera-setup.json"
OLDEST = (3, 11)
OTHER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
MEGABYTES_TO_INSTALL = 700
MEGABYTES_WITH_TORCH = 3500
# What each kind of use installs. A start needs no torch: only what trains or tests does.
FILES = {
    "start": ["requirements.txt"],
    "vision": ["requirements.txt", "requirements-vision.txt"],
    "test": ["requirements.txt", "requirements-vision.txt", "requirements-dev.txt"],
}


class Trouble(Exception):
    """Set-up cannot go on; the message is a sentence for the person who typed the command."""


def say(sentence):
    print(sentence, flush=True)


def use_new_enough_python():
    """Goes on under Python 3.11 or newer: this one, else one found on PATH, else Trouble."""
    if sys.platform == "win32":
        raise Trouble("Tessera runs on Linux and macOS. On Windows, use it inside WSL.")
    if sys.version_info >= OLDEST:
        return
    for name in OTHER_PYTHONS:
        other = shutil.which(name)
        if other:
            os.execv(other, [other, *sys.argv])
    raise Trouble(
        "Tessera needs Python 3.11 or newer; this is Python {}.{}. Install a newer one (Debian, Ubuntu: python3.11 and "
        "python3.11-venv) and run this again.".format(*sys.version_info[:2])
    )


def venv_python():
    return VENV / "bin" / "python"


def can_make_venv():
    """Whether this Python has its venv module whole: Debian ships venv without ensurepip unless asked."""
    code = "import ensurepip, venv"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0


def venv_sentence():
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    return (
        f"This Python lacks its venv module. Install the package {package} "
        f"(Debian, Ubuntu: sudo apt install {package}) and run this again."
    )


def fingerprint(*names):
    """A hash of this Python's version and of the named files of the checkout, absent ones included."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for name in names:
        path = ROOT / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.exists() else b"absent"))
    return digest.hexdigest()


def read_stamp():
    """What the environment was made from, {} where nothing is known."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def write_stamp(**changed):
    draft = STAMP.with_suffix(".draft")
    draft.write_text(json.dumps(dict(read_stamp(), **changed)), encoding="utf-8")
    draft.replace(STAMP)


def requirement_files(kind):
    """The files that decide what `kind` ("start", "vision" or "test") needs."""
    return FILES[kind] + ["constraints.txt"]


def is_ready(kind):
    """Whether the environment is there and holds what `kind` needs. Changes nothing."""
    return venv_python().exists() and read_stamp().get(kind) == fingerprint(*requirement_files(kind))


def run_logged(command, what, **env):
    """Runs a set-up command with its output in .venv/setup.log; Trouble carries the last line that says why."""
    log = VENV / "setup.log"
    with log.open("ab") as output:
        begin = output.tell()
        code = subprocess.run(
            [str(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=str(ROOT),
            env=dict(os.environ, **env),
            check=False,
        ).returncode
    if code == 0:
        return
    with log.open("rb") as written:
        written.seek(begin)
        text = written.read().decode("utf-8", "replace")
    if "No space left on device" in text:
        raise Trouble(f"The disk that holds {ROOT} is full. Free some space and run this again.")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "npm error"))]
    telling = [line for line in errors if "complete log of this run" not in line] or lines or ["no reason given"]
    raise Trouble(f"{what} failed: {telling[-1][:300]} (all of it: {log})")


def make_venv():
    if not can_make_venv():
        raise Trouble(venv_sentence())
    if shutil.disk_usage(str(ROOT)).free < MEGABYTES_TO_INSTALL * 1024 * 1024:
        raise Trouble(
            f"The disk that holds {ROOT} is nearly full; the packages need {MEGABYTES_TO_INSTALL} MB. "
            "Free some space and run this again."
        )
    say(f"Tessera: making a Python environment in {VENV} …")
    VENV.mkdir(exist_ok=True)
    run_logged([sys.executable, "-m", "venv", "--clear", VENV], "Making the Python environment")


def same_python():
    """Whether .venv runs, and on the Python version that we are."""
    code = "import sys; print(sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [str(venv_python()), "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        ).stdout
    except OSError:
        return False
    return answer.decode().strip() == repr(sys.version_info[:2])


def start_compiling(processes):
    """Compiles what is installed to bytecode, on so many cores (0: all); pip would do it on one, after its own work.

    How it ends does not matter: packages bring a few files for newer Pythons, and what is not compiled here is compiled
    when it is imported.
    """
    with (VENV / "compile.log").open("ab") as output:
        command = [str(venv_python()), "-m", "compileall", "-q", "-j", str(processes), str(VENV / "lib")]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)


def install(kind):
    """Installs the packages of `kind` into .venv: torch and its partner first, then the rest around them."""
    command = [venv_python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile"]
    if (ROOT / "constraints.txt").exists():
        command += ["-c", "constraints.txt"]
    compiling = None
    if kind != "start":
        import torch_pair

        if shutil.disk_usage(str(ROOT)).free < MEGABYTES_WITH_TORCH * 1024 * 1024:
            raise Trouble(
                f"The disk that holds {ROOT} is nearly full; the packages with torch need {MEGABYTES_WITH_TORCH} MB. "
                "Free some space and run this again."
            )
        torch_pair.install(venv_python(), ROOT / "constraints.txt", run_logged, say, Trouble)
        compiling = start_compiling(1)  # beside pip, which uses one core
    for name in FILES[kind]:
        command += ["-r", name]
    try:
        run_logged(command, "Installing packages")
    finally:
        if compiling:
            compiling.terminate()
            compiling.wait()
    start_compiling(0).wait()


def ensure(kind):
    """Makes .venv hold what `kind` ("start", "vision" or "test") needs; quick where it does already."""
    import fcntl

    if is_ready(kind):
        return
    try:
        # Two starts at once: the second waits for the first. The lock is on a file that is there anyway.
        with (ROOT / "requirements.txt").open() as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if is_ready(kind):
                return
            if not same_python():
                make_venv()
            begin = time.time()
            say("Tessera: installing packages, which takes a minute or two the first time …")
            install(kind)
            # What has more holds what needs less.
            kinds = [each for each in FILES if set(FILES[each]) <= set(FILES[kind])]
            write_stamp(**{each: fingerprint(*requirement_files(each)) for each in kinds})
            say(f"Tessera: packages installed in {time.time() - begin:.0f} s.")
    except OSError as error:
        raise Trouble(
            f"{error.filename or VENV} cannot be written ({error.strerror}). Put the checkout where you may write."
        ) from error
