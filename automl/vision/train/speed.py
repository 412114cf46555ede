"""Arithmetic, memory layout, compilation and batch size: what fits the machine, found out and written down."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import torch
from torch import nn

from automl.vision.errors import UsageError, VisionError

from . import checkpoints

PROBE_SECONDS: Final = 2.0
_NO_MEMORY: Final = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Precision:
    """`dtype` of autocast, None for plain fp32; `scales`: whether gradients need a scaler (fp16)."""

    name: str
    dtype: torch.dtype | None
    scales: bool = False


def precision_for(setting: str, device: torch.device) -> Precision:
    """The arithmetic of a run. `auto`: on a GPU bf16, or fp16 where it has no bf16; on a CPU that computes with bf16
    (AVX512-BF16 or AMX) bf16, which is up to twice as fast there; else fp32."""
    if setting == "auto":
        if device.type == "cuda":
            setting = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        else:
            setting = "bf16" if device.type == "cpu" and cpu_has_bf16() else "fp32"
    if setting == "fp16" and device.type == "cpu":
        raise UsageError("precision cannot be fp16 on a CPU.", "Use bf16 or fp32.")
    dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[setting]
    return Precision(setting, dtype, scales=setting == "fp16")


def cpu_has_bf16() -> bool:
    """Whether the processor has instructions for bf16; torch imitates them slowly where it has none."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask() for ask in asked if ask is not None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch had no memory, on a GPU or for a CPU tensor."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)


@dataclass(frozen=True)
class BatchSize:
    """Images per step, and steps per change of the weights. `images` that a change should see, where it was asked
    for otherwise (0: batch × accumulation)."""

    batch: int
    accumulation: int
    images: int = field(default=0, compare=False)

    def lower(self) -> BatchSize:
        """Half the batch, with as many more steps that a change of the weights sees no fewer images."""
        if self.batch == 1:
            raise VisionError(
                "Memory does not suffice for a single image.",
                "Choose a smaller model, smaller images, or a device with more memory.",
            )
        half, images = self.batch // 2, self.images or self.batch * self.accumulation
        return BatchSize(half, math.ceil(images / half), images)


def probe_batch(size: BatchSize, attempt: Callable[[int], None]) -> BatchSize:
    """The largest batch for which `attempt(batch)` has memory: halved until it has. VisionError where one image has
    none."""
    while True:
        try:
            attempt(size.batch)
            return size
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        size = size.lower()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Trial steps inside leave no trace: buffers, gradients, mode and random generators are put back."""
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    state, mode = checkpoints.random_state(), model.training
    try:
        yield
    finally:
        model.zero_grad(set_to_none=True)
        for name, value in model.named_buffers():
            if name in buffers and buffers[name].shape == value.shape:
                value.data.copy_(buffers[name])
        model.train(mode)
        checkpoints.restore_random_state(state)


def lay_out(model: nn.Module, layout: torch.memory_format) -> None:
    """Gives the weights of convolutions this layout."""
    cast(Any, model).to(memory_format=layout)


def choose_layout(
    setting: str,
    model: nn.Module,
    step: Callable[[torch.memory_format], None],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[torch.memory_format, str]:
    """(layout, how it was found). `auto` runs `step` in both layouts in turn, two seconds in all, and keeps the one
    with the faster best run."""
    named = {"channels_first": torch.contiguous_format, "channels_last": torch.channels_last}
    if setting != "auto":
        lay_out(model, named[setting])
        return named[setting], f"{setting}, as set"
    best = dict.fromkeys(named, math.inf)
    with untouched(model):
        begin = clock()
        rounds = 0
        while rounds < 2 or (clock() - begin < PROBE_SECONDS and rounds < 50):
            for name, layout in named.items():
                lay_out(model, layout)
                mark = clock()
                step(layout)
                if rounds:  # the first run of each pays for set-up
                    best[name] = min(best[name], clock() - mark)
            rounds += 1
    chosen = min(best, key=lambda name: best[name])
    lay_out(model, named[chosen])
    slower = max(best.values())
    return named[chosen], f"{chosen}, {slower / max(best[chosen], 1e-9):.2f} times as fast in a probe"


class Compiled:
    """A training step that may be compiled. `effect()` says whether that took place."""

    def __init__(self, step: Callable[..., Any], wanted: bool, backend: str = "inductor") -> None:
        self.step, self.wanted, self.failure = step, wanted, ""
        self._plain = step
        self._compiles = wanted
        if wanted:
            torch._dynamo.reset()
            self.step = torch.compile(step, backend=backend, dynamic=False)

    def __call__(self, *args: Any) -> Any:
        if not self._compiles:
            return self._plain(*args)
        try:
            return self.step(*args)
        except Exception as error:
            if is_out_of_memory(error) or not _is_of_compiler(error):
                raise
            self.failure = str(error).strip().splitlines()[0][:200]
            self._compiles = False
            return self._plain(*args)

    def effect(self) -> str:
        """ "" where it was not asked for, else what became of it."""
        if not self.wanted:
            return ""
        if self.failure:
            return f"compile had no effect: {self.failure}"
        graphs = counters()["unique_graphs"]
        return f"compile took effect: {graphs} graphs" if graphs else "compile had no effect: nothing was compiled"


def counters() -> Mapping[str, int]:
    from torch._dynamo.utils import counters as found

    return {"unique_graphs": int(found["stats"]["unique_graphs"])}


def _is_of_compiler(error: Exception) -> bool:
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
