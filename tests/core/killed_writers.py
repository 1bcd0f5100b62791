"""A program: pairs of processes that fill one store, each killed at a random moment.

Every block that one of them reported as finished must be in the store, as it was put there. Prints how many processes
were killed and how many blocks had been reported. The writers are forked from a process that has imported everything:
a kill costs milliseconds.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

import numpy as np

from theorylab.sampling import Block
from theorylab.store import Store

# Pairs that share a file before a new one is begun: kills also fall into the making of a store.
PAIRS = 10
LONGEST = 0.03


def block(number: int) -> Block:
    return Block("f/t/c", {"n": 20}, 0, number, 8, "numpy")


def value(number: int) -> np.ndarray:
    """Between one and some thousand numbers: less than a page of the file, or several."""
    return np.random.default_rng(number).normal(size=1 + 7919 * number % 3000)


def write(path: Path, number: int, reports: int) -> None:
    """Put every other block from a number on, and report each when it is finished."""
    with Store(path) as store:
        while True:
            store.put(block(number), "code", {"value": value(number)}, 0.0)
            os.write(reports, struct.pack("q", number))
            number += 2


def started(path: Path, number: int) -> tuple[int, int]:
    """Process number of a writer, and where to read its reports."""
    read, reports = os.pipe()
    if (writer := os.fork()) == 0:
        try:
            write(path, number, reports)
        finally:
            os._exit(1)
    os.close(reports)
    return writer, read


def killed(writer: int, read: int) -> list[int]:
    """The blocks that a writer reported before it was killed."""
    os.kill(writer, signal.SIGKILL)
    _, status = os.waitpid(writer, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "a writer ended by itself"
    with os.fdopen(read, "rb") as pipe:
        return [number for (number,) in struct.iter_unpack("q", pipe.read())]


def fill(path: Path, source: random.Random) -> int:
    """Let pairs of writers fill a store; return how many blocks they reported."""
    following, finished = [0, 1], 0
    for _ in range(PAIRS):
        writers = [started(path, number) for number in following]
        reported: list[list[int]] = []
        for writer in writers:
            time.sleep(source.uniform(0.0, LONGEST))
            reported.append(killed(*writer))
        with Store(path) as store:
            for number in (n for numbers in reported for n in numbers):
                kept = store.get(block(number), "code")
                assert kept is not None, f"block {number} is lost"
                assert kept["value"].tobytes() == value(number).tobytes(), f"block {number} is wrong"
        following = [max([n - 2, *numbers]) + 2 for n, numbers in zip(following, reported)]
        finished += sum(len(numbers) for numbers in reported)
    with Store(path) as store:
        # One more for each kill may have been finished and not reported; it is then put again, and left as it was.
        assert finished <= store.check() <= finished + 2
        for number in (n for first, end in zip((0, 1), following) for n in range(first, end, 2)):
            kept = store.get(block(number), "code")
            assert kept is not None, f"block {number} is lost"
            assert kept["value"].tobytes() == value(number).tobytes(), f"block {number} is wrong"
    return finished


if __name__ == "__main__":
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    moments = random.Random(4)
    total = sum(fill(folder / f"{i}.sqlite", moments) for i in range(kills // (2 * PAIRS)))
    print(kills, total)
