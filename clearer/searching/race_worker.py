"""A process that trains networks of a race, one at a time, as the process that started it asks.

    python -m clearer.searching.race_worker RUN CHECKPOINT_SECONDS

Orders are lines of JSON on stdin, answers are lines on stdout. When it is asked to stop, it saves
the network that it trains. When stdin ends, it ends at once.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import torch

from clearer.data.splits import load_splits
from clearer.errors import InputError, Interrupted, explain
from clearer.runs.run import Run
from clearer.searching.race_turn import Contender, Turn, pictures_digest
from clearer.space.space import Architecture
from clearer.support.interrupt import StopRequest
from clearer.training.loop import Loop
from clearer.training.processes import Processes

__all__ = ["main"]


def main(words: list[str]) -> None:
    """Work until there is nothing more to do."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer

    def answer(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        _work(Run(Path(words[0])), float(words[1]), answer)
    except BaseException as error:
        text, code = explain(error)
        answer(error=text, code=code, trace=traceback.format_exc())


def _work(run: Run, checkpoint_seconds: float, answer: Any) -> None:
    orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    stop = StopRequest()

    def listen() -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if "stop" in order:
                stop.requested = True
                orders.put(None)
            else:
                orders.put(order)
        # The process that started this one is gone, and another may continue its run.
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    torch.set_num_threads(1)
    settings = run.settings()
    splits = load_splits(settings.data, settings.color, settings.seed, settings.task)
    digest = pictures_digest(splits)
    loop = Loop(
        resume=True,
        checkpoint_seconds=checkpoint_seconds,
        listener=lambda progress: None,
        processes=Processes(),
        say=lambda line: answer(say=line),
    )
    with stop:
        answer(ready=True)
        while (order := orders.get()) is not None:
            if order["pictures"] != digest:
                raise InputError("pictures were added, removed or changed during the race")
            contender = Contender(order["place"], Architecture.from_dict(order["architecture"]))
            turn = Turn(run, settings, splits, contender, loop, stop, go_on="")
            try:
                score = turn.go(order["work"], lambda part: answer(part=part))
            except Interrupted:
                answer(stopped=contender.iteration)
                return
            answer(score=score)


if __name__ == "__main__":
    main(sys.argv[1:])
