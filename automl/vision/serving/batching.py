"""Images of different requests go through the model together, without any of them waiting long for others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False, slots=True)
class _Waiting:
    item: Any
    group: Hashable
    answer: asyncio.Future[Any]
    since: float = field(default=0.0)


class Batcher:
    """Calls `compute(items, group)` in threads, with at most `size` items of one group at a time.

    An item waits for others at most `wait` seconds, and only while `coming()` says that some are on their way; behind
    a batch that is being computed it waits anyway, and then goes with all that came meanwhile. Items whose caller gave
    up are left out. A batch that fails is tried again item by item, so that one bad item fails alone.
    """

    def __init__(
        self,
        compute: Callable[[list[Any], Any], Sequence[Any]],
        *,
        size: int,
        wait: float,
        threads: int = 1,
        coming: Callable[[], int] = lambda: 0,
    ) -> None:
        self.compute, self.size, self.wait, self.threads, self.coming = compute, size, wait, threads, coming
        self._waiting: deque[_Waiting] = deque()
        self._change = asyncio.Condition()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self.threads)]

    async def stop(self) -> None:
        """Ends the threads; what still waits is cancelled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self._waiting:
            one.answer.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def submit(self, items: Sequence[Any], group: Hashable) -> list[Any]:
        """The answers for `items` in their order; raises what computing any of them raised."""
        loop = asyncio.get_running_loop()
        mine = [_Waiting(item, group, loop.create_future(), loop.time()) for item in items]
        async with self._change:
            self._waiting.extend(mine)
            self._change.notify_all()
        try:
            return list(await asyncio.gather(*(one.answer for one in mine)))
        finally:
            for one in mine:
                one.answer.cancel()  # those that are done do not mind

    async def nudge(self) -> None:
        """To be called when `coming` got less: whoever waits for others may have no reason any more."""
        async with self._change:
            self._change.notify_all()

    async def _work(self) -> None:
        while True:
            batch = await self._collect()
            if len(batch) == 1 or not await self._try(batch):
                for one in batch:
                    await self._try([one], last=True)

    async def _try(self, batch: list[_Waiting], *, last: bool = False) -> bool:
        """Whether the batch was computed; with `last` an error is the answer."""
        batch = [one for one in batch if not one.answer.done()]
        if not batch:
            return True
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._pool, self.compute, [one.item for one in batch], batch[0].group)
        except Exception as error:
            if last:
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
            return last
        for one, answer in zip(batch, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)
        return True

    async def _collect(self) -> list[_Waiting]:
        """The next batch: those of the group of whoever waits longest."""
        async with self._change:
            await self._change.wait_for(lambda: self._waiting)
            first = self._waiting[0]
            until = first.since + self.wait
            while self._alike(first) < self.size and self.coming() > 0:
                left = until - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                try:
                    await asyncio.wait_for(self._change.wait(), left)
                except TimeoutError:
                    break
                if not self._waiting:
                    return []
                first = self._waiting[0]
            batch = [one for one in self._waiting if one.group == first.group][: self.size]
            taken = set(map(id, batch))
            self._waiting = deque(one for one in self._waiting if id(one) not in taken)
            return batch

    def _alike(self, first: _Waiting) -> int:
        return sum(one.group == first.group for one in self._waiting)
