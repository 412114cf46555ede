"""Several processes, one model: torchrun starts them, DistributedDataParallel averages their gradients."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class World:
    """This process among those of the run."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @classmethod
    def of_environment(cls) -> World:
        """What torchrun said, one process where it did not start us."""
        get = os.environ.get
        return cls(int(get("RANK", "0")), int(get("WORLD_SIZE", "1")), int(get("LOCAL_RANK", "0")))

    def join(self, device: torch.device) -> None:
        """Meets the other processes; nothing where there are none."""
        if self.size > 1 and not dist.is_initialized():
            # Their functions have the group that is there when they are imported as a default, and would hold it for
            # good where something (the compiler, the exporter) imports them during the run.
            importlib.import_module("torch.distributed.nn.functional")
            importlib.import_module("torch.distributed.optim")
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")

    def meet(self) -> None:
        """Waits until every process is here."""
        if self.size > 1:
            dist.barrier()

    def leave(self) -> None:
        """Parts from the other processes. The group ends for good when nothing holds it any more, and its threads have
        to end before the interpreter does: what is left of the wrapped model is collected here."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()
            gc.collect()

    def gather(self, mine: list[Any]) -> list[Any]:
        """The lists of all processes, one after the other, in the first process; in others what they gave."""
        if self.size == 1:
            return mine
        every: list[Any] | None = [None] * self.size if self.is_first else None
        dist.gather_object(mine, every, dst=0)
        return [one for part in every for one in part] if every is not None else mine

    def told_by_first(self, value: Any) -> Any:
        """What the first process has as `value`."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


def processes_wanted(settings: Mapping[str, Any], gpus: int, environment: Mapping[str, str]) -> int:
    """How many processes a run should be: one per GPU with `distributed`, one where torchrun started us already."""
    return gpus if settings["distributed"] and gpus > 1 and "RANK" not in environment else 1


class Step(nn.Module):
    """`training_step` as a forward pass, which is what DistributedDataParallel wraps."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Any, targets: Any) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.model.training_step(images, targets)  # type: ignore[operator]
        return losses


def wrap(model: nn.Module, world: World, device: torch.device, *, all_used: bool) -> nn.Module:
    """A module whose call is `training_step`; with several processes its backward pass averages gradients.
    `all_used`: whether every parameter has a part in every step."""
    step = Step(model)
    if world.size == 1:
        return step
    ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(step, device_ids=ids, find_unused_parameters=not all_used)


def unsynced(module: nn.Module, when: bool) -> AbstractContextManager[Any]:
    """Inside, gradients are only added up in this process."""
    if when and isinstance(module, DistributedDataParallel):
        context: AbstractContextManager[Any] = module.no_sync()
        return context
    return nullcontext()
