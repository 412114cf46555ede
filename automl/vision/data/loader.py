"""Batches, prepared by threads: no worker processes, so nothing needs /dev/shm and nothing is copied twice.

Decoding, resizing and numpy release the interpreter's lock. The order and every random choice follow from the seed,
the epoch and the example, so a run is the same with any number of threads, and again after a resume.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")

AHEAD = 4  # batches


class Sampler:
    """The batches of an epoch as positions, for one of `world` processes. Shuffled by (seed, epoch) where asked."""

    def __init__(
        self, total: int, batch_size: int, *, shuffle: bool, seed: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self.total, self.batch_size, self.shuffle = total, batch_size, shuffle
        self.seed, self.rank, self.world = seed, rank, world

    def batches(self, epoch: int) -> list[list[int]]:
        """Every position once. A training batch of one is added to the one before, where there is one (batch norm).

        Several processes take batches in turn; where they do not come out even, the first batches are used again.
        """
        order = list(range(self.total))
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.total).tolist()
        found = [order[at : at + self.batch_size] for at in range(0, self.total, self.batch_size)]
        if self.shuffle and len(found) > 1 and len(found[-1]) == 1 < self.batch_size:
            found[-2] += found.pop()
        if self.shuffle:
            missing = -len(found) % self.world
            found += [found[at % len(found)] for at in range(missing)]
        return found[self.rank :: self.world]

    def __len__(self) -> int:
        return len(self.batches(0))


class Loader(Generic[T]):
    """Batches of `collate([prepare(position, random), …], random)`, made by `workers` threads (0: by the caller)."""

    def __init__(
        self,
        sampler: Sampler,
        prepare: Callable[[int, np.random.Generator], Any],
        collate: Callable[[Sequence[Any], np.random.Generator], T],
        *,
        workers: int,
    ) -> None:
        self.sampler, self.prepare, self.collate, self.workers = sampler, prepare, collate, workers

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, number: int) -> Iterator[T]:
        """All batches of epoch `number`. What a thread raises is raised here."""
        batches = self.sampler.batches(number)
        if self.workers == 0:
            for at, batch in enumerate(batches):
                yield self.collate([self._one(position, number) for position in batch], self._random(number, at))
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="loader")
        try:
            waiting: deque[list[Future[Any]]] = deque()
            done = 0
            for batch in batches:
                waiting.append([pool.submit(self._one, position, number) for position in batch])
                if len(waiting) > AHEAD:
                    yield self.collate([each.result() for each in waiting.popleft()], self._random(number, done))
                    done += 1
            while waiting:
                yield self.collate([each.result() for each in waiting.popleft()], self._random(number, done))
                done += 1
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _random(self, epoch: int, batch: int) -> np.random.Generator:
        return np.random.default_rng((self.sampler.seed, epoch, batch * self.sampler.world + self.sampler.rank, 2))

    def _one(self, position: int, epoch: int) -> Any:
        return self.prepare(position, np.random.default_rng((self.sampler.seed, epoch, position, 1)))
