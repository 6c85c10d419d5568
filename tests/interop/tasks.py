"""The Celery application of the interop tests: what a worker runs.

BROKER_URL and RESULT_URL name two databases of a test's Redis server. A worker
ends, with its children, when its input does, so that none outlives the tests.
Nothing here sleeps: a task that must wait for a test waits at its gate, a Redis
list that the test pushes to.
"""

import datetime
import decimal
import enum
import os
import signal
import sys
import threading
import uuid

import redis
from celery import Celery, group
from celery.exceptions import Ignore
from celery.signals import worker_init, worker_ready
from celery.utils.serialization import UnpickleableExceptionWrapper

BROKER_URL = os.environ["BROKER_URL"]
RESULT_URL = os.environ["RESULT_URL"]
GATE_TIMEOUT_SECONDS = 60

app = Celery("tasks", broker=BROKER_URL, backend=RESULT_URL)
app.conf.update(
    accept_content=["json"],
    result_serializer="json",
    task_serializer="json",
    task_track_started=True,
)

# The same result store, for tasks whose results also describe their call.
extended_app = Celery("extended", broker=BROKER_URL, backend=RESULT_URL)
extended_app.conf.update(result_extended=True, result_serializer="json")


@worker_init.connect
def end_with_input(**_):
    """Kills the worker's process group at the end of its input."""

    def watch():
        # Not with sys.stdin: a lock held here would stay locked in each child.
        while os.read(sys.__stdin__.fileno(), 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


@worker_ready.connect
def announce(**_):
    """Reports to the parent process that the worker accepts tasks."""
    print("worker is ready", file=sys.__stdout__, flush=True)


# -- gates ---------------------------------------------------------------------


def gate_key(name):
    return "gate-" + name


def wait_at_gate(name):
    """Waits until the gate is opened; each opening lets one waiter pass."""
    with redis.Redis.from_url(BROKER_URL) as client:
        if client.blpop(gate_key(name), timeout=GATE_TIMEOUT_SECONDS) is None:
            raise TimeoutError("nobody opened the gate " + name)


def open_gate(name):
    with redis.Redis.from_url(BROKER_URL) as client:
        client.rpush(gate_key(name), "open")


# -- values --------------------------------------------------------------------


def nested_list(depth):
    """Returns a text inside `depth` nested lists."""
    value = "bottom"
    for _ in range(depth):
        value = [value]
    return value


class Color(enum.IntEnum):
    RED = 1


SHARED = [1]

VALUES = {
    "none": None,
    "true": True,
    "text": "plain",
    "empty text": "",
    "unicode": "Za\u017c\xf3\u0142\u0107 \u2603 \U0001f600 \x7f \x00 \"quoted\" \\ /",
    "lone surrogate": "\ud800 and \udfff",
    "integer": 42,
    "last safe integer": 2**53 - 1,
    "big integer": 2**53 + 1,
    "huge integer": -(10**40),
    "float": 1.5,
    "whole float": 1.0,
    "small float": 1.5e-07,
    "large float": 1e308,
    "negative zero": -0.0,
    "nan": float("nan"),
    "infinities": [float("inf"), float("-inf")],
    "nested": {"a": [1, {"b": [None, True, "\u0142"]}, []], "\xe9": {}, "": 0},
    "other keys": {1: "one", None: "none", 1.5: "one and a half"},
    "tuple": (1, ("two", 3.5)),
    "enum": Color.RED,
    "datetime": datetime.datetime(
        2024, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc
    ),
    "date": datetime.date(2024, 1, 2),
    "time": datetime.time(1, 2, 3),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "prototype key": {"__proto__": {"polluted": True}, "constructor": 1},
    "long text": "0123456789abcdef" * 65536,
    "deep": nested_list(200),
    "no JSON": {1, 2, 3},
    # For formats that carry more than JSON.
    "bytes": b"\xff\x00A",
    "number set": {1, 2},
    "ambiguous text": ["y", "n", "08", "1e5", "=", "<<", "yes", "1:30", "~"],
    "repeated": [SHARED, SHARED, {"k": SHARED}],
    "millisecond dates": [
        datetime.datetime(
            2024, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc
        ),
        datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    ],
}


@app.task
def value(kind):
    """Returns one of VALUES, by its name."""
    return VALUES[kind]


@app.task
def echo(*args, **kwargs):
    return {"args": args, "kwargs": kwargs}


@app.task
def identity(x):
    return x


@app.task(bind=True)
def tell_ids(self, *args):
    """Returns the ids of the chain's first task and of the one before, and its last argument."""
    return [self.request.root_id, self.request.parent_id, args[-1]]


@app.task
def add(x, y):
    return x + y


# -- failures ------------------------------------------------------------------


class Outer:
    """A namespace, so that Inner's qualified name has a dot."""

    class Inner(Exception):
        """An application's own exception."""


class Unpicklable(Exception):
    """Cannot be recreated from its args, as pickle would try."""

    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")


@app.task
def fail_value_error():
    raise ValueError("boom", 3, {"nested": ["\u0142", None]}, 2**53 + 1)


@app.task
def fail_key_error():
    raise KeyError("missing")


@app.task
def fail_nested():
    raise Outer.Inner("from inside", 7)


@app.task
def fail_unpicklable():
    raise Unpicklable(404, "not here")


@app.task
def fail_odd_args():
    """Raises with an arg that JSON cannot carry: Celery stores its repr."""
    raise KeyError("boom", 3, Outer)


@app.task
def fail_without_args():
    raise RuntimeError


@app.task
def fail_with_cause():
    try:
        raise KeyError("the cause")
    except KeyError as cause:
        raise ValueError("the effect") from cause


# -- intermediate states -------------------------------------------------------


@app.task(bind=True)
def report_progress(self, steps):
    for step in range(1, steps + 1):
        self.update_state(
            state="PROGRESS", meta={"current": step, "total": steps}
        )
    return steps


@app.task(bind=True)
def report_gated_progress(self, steps):
    """Takes each step only after its gate, the task's own id, was opened."""
    for step in range(1, steps + 1):
        self.update_state(
            state="PROGRESS", meta={"current": step, "total": steps}
        )
        wait_at_gate(self.request.id)
    return steps


@app.task(bind=True)
def report_states(self, states):
    """Stores each of the states, under any name, then succeeds."""
    for state, meta in states:
        self.update_state(state=state, meta=meta)
    return "done"


@app.task(bind=True, max_retries=5)
def retry_until(self, attempts):
    """Fails with ValueError and retries; succeeds in attempt `attempts`."""
    attempt = self.request.retries + 1
    if attempt < attempts:
        raise self.retry(exc=ValueError("not yet", attempt), countdown=0)
    return attempt


@app.task(bind=True, max_retries=1)
def retry_in_vain(self):
    raise self.retry(exc=ValueError("never"), countdown=0)


@app.task(bind=True)
def report_unpicklable_retry(self):
    """Stores the RETRY of an exception that pickle refuses, as newer workers do.

    Raising it with self.retry() would end a worker of Celery 5.2.
    """
    error = Unpicklable(404, "not here")
    wrapper = UnpickleableExceptionWrapper.from_exception(error)
    self.update_state(state="RETRY", meta=wrapper)
    return "second time"


@app.task(bind=True)
def retry_without_exception(self):
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return "second time"


@app.task(bind=True)
def wait_for_gate(self):
    wait_at_gate(self.request.id)
    return "gate opened"


# -- no results ----------------------------------------------------------------


@app.task(bind=True, ignore_result=True)
def store_nothing(self):
    """Leaves no result; opens a gate to show that it ran."""
    open_gate("ran-" + self.request.id)
    return "nobody reads this"


@app.task(bind=True)
def ignore(self):
    """Ends with Ignore: only what it stored before is visible."""
    self.update_state(state="PROGRESS", meta="left behind")
    open_gate("ran-" + self.request.id)
    raise Ignore()


# -- tasks that send tasks -----------------------------------------------------


@app.task
def call_others(count):
    """Sends `count` additions without waiting for them."""
    for index in range(count):
        add.delay(index, index)
    return count


@app.task
def grow(depth):
    """Sends a group and a task without waiting, which makes a tree of results."""
    if depth > 0:
        group(grow.s(depth - 1), add.s(depth, 0))()
        add.delay(0, depth)
    return depth


@app.task
def send_chain_into_group(count):
    """Returns the result of a chain that ends in a group, without waiting."""
    return (add.si(0, 0) | group(add.si(i, i) for i in range(count)))()


@app.task
def total(numbers):
    return sum(numbers)


# -- results that describe their call ------------------------------------------


@app.task(backend=extended_app.backend)
def extended_add(x, y=0):
    return x + y


@app.task(backend=extended_app.backend)
def extended_fail(x):
    raise ValueError(x)
