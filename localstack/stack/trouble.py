"""Everything that goes wrong at once: functions are killed, messages doubled, calls refused, answers lost."""

import os
import random
import signal
import threading

from . import proxy as faults
from .processes import until
from .proxy import Rule
from .world import World

CHANCES = [
    (faults.S3_SLOW, 0.15), (faults.S3_CONFLICT, 0.3), (faults.S3_LOST, 0.2),
    (faults.TABLE_SLOW, 0.03), (faults.TABLE_LOST, 0.03), (faults.QUEUE_TWICE, 0.5),
]  # fmt: skip
MOST_KILLED = {"Worker": 5, "Scheduler": 2}
"""Workers above all; the planner twice."""


class Trouble:
    """Lasts as long as the block that it is for."""

    def __init__(self, world: World, seed: int = 5) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.killed: list[str] = []
        self.hits: dict[str, int] = {}
        self.stop = threading.Event()
        self.assassin = threading.Thread(target=self.kill)

    def __enter__(self) -> "Trouble":
        copies = [Rule(**{k: v for k, v in vars(rule).items() if k not in ("hits", "share")}, share=share) for rule, share in CHANCES]
        self.world.proxy.rules = copies
        self.assassin.start()
        return self

    def __exit__(self, *_failure) -> None:
        self.stop.set()
        self.assassin.join()
        for rule in self.world.proxy.rules:
            name = f"{rule.service} {rule.status}{' lost' if rule.is_after else ''}{' twice' if rule.is_twice else ''}"
            self.hits[name] = rule.hits
        self.world.proxy.rules = []

    def kill(self) -> None:
        while not self.stop.wait(self.chance.uniform(0.2, 1.0)):
            for victim, name in self.world.emulator.functions().items():
                kind = "Worker" if "-Worker-" in name else "Scheduler" if "-Scheduler-" in name else None
                if kind is None or self.killed.count(kind) >= MOST_KILLED[kind] or self.chance.random() < 0.5:
                    continue
                try:
                    os.kill(victim, signal.SIGKILL)
                    self.killed.append(kind)
                except ProcessLookupError:
                    pass

    def ask(self, method: str, path: str, body: dict | None = None):
        """Calls the API, which lies behind the same faults: who gets no answer asks again, with the same key."""
        key = f"{self.chance.getrandbits(64):x}"

        def once():
            try:
                return self.world.api(method, path, body or {}, headers={"Idempotency-Key": key}) or True
            except AssertionError as refused:
                if any(f": {status} " in str(refused) for status in (409, 500, 502, 503, 504)):
                    return None
                raise

        return until(f"{method} {path}", 60, once, 1)
