"""Two processes that torchrun started give the weights of one with twice the accumulation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from automl.vision.spec import tasks
from tests.support import running
from tests.vision import pictures
from tests.vision.training import run

CALM = {"number_of_epochs": 2, "training_batch_size": 4, "early_stopping": False, "learning_rate": 0.1}
PROGRAM = """
import os
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from automl.vision.spec import tasks
from tests.vision.training import run
from tests.vision.test_distributed import CALM
run(tasks.CLASSIFICATION, Path(sys.argv[1]), Path(sys.argv[2]), **CALM)
names = [Path(f"/proc/self/task/{each}/comm").read_text() for each in os.listdir("/proc/self/task")]
print("threads", sum("gloo" in name for name in names), flush=True)
"""


def test_two_processes_are_one_with_double_accumulation(tmp_path: Path) -> None:
    labels = pictures.colours(tmp_path / "data")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    started = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1"),
            *(f"--master-port={running.free_port()}", str(program), str(labels), str(tmp_path / "two")),
        ],
        cwd=running.ROOT,
        env=running.clean_environment(PYTHONPATH=str(running.ROOT), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert started.returncode == 0, started.stderr[-3000:]
    # A thread of the process group that outlives the run ends the process with "terminate called …" now and then.
    assert started.stdout.split() == ["threads", "0", "threads", "0"]
    run(tasks.CLASSIFICATION, labels, tmp_path / "one", gradient_accumulation_step=2, **CALM)
    one, two = (torch.load(tmp_path / name / "outputs" / "model.pt", weights_only=True) for name in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
