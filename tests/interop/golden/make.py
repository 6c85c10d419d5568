"""Makes the golden documents: what the installed Celery stores, without Redis.

Run it in this folder: python3 make.py > celery_<version>.json

Each document is made by the Redis backend itself; only its GET and SET are
replaced. A document that is no text is told in base64.
"""

import base64
import json
import os
import sys

os.environ.setdefault("BROKER_URL", "memory://")
os.environ.setdefault("RESULT_URL", "redis://")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import celery
import kombu
from celery import Celery
from celery.app.task import Context
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, GroupResult
from celery.utils.serialization import UnpickleableExceptionWrapper

import tasks

TRACEBACK = 'Traceback (most recent call last):\n  File "\u0142.py", line 1\n'
# The deepest and the longest say nothing here that the others do not.
LEFT_OUT = {"deep", "long text"}


def backend_of(serializer, extended=False):
    app = Celery("golden", backend="redis://", set_as_current=False)
    app.conf.update(
        result_serializer=serializer,
        result_accept_content=[serializer],
        result_extended=extended,
    )
    backend = app.backend
    backend.stored = []
    backend.get = lambda key: None
    backend.set = lambda key, value, **_: backend.stored.append(value)
    return backend


def request_of(**members):
    return Context(id="t1", **members)


def documents(serializer):
    """Names, and what to do with a backend to have each stored."""

    def state(name, result, request=None, trace=None):
        return lambda backend: backend.store_result(
            "t1", result, name, traceback=trace, request=request
        )

    for kind, value in tasks.VALUES.items():
        if kind not in LEFT_OUT:
            yield "value: " + kind, state("SUCCESS", value)
    yield "started", state("STARTED", {"pid": 7, "hostname": "w1@host"})
    yield "progress", state("PROGRESS", {"current": 3, "total": 10})
    yield "state of the application's", state("Almost \u2603", None)
    yield "received", state("RECEIVED", None)
    yield "rejected", state("REJECTED", None)
    yield "ignored", state("IGNORED", "why")
    for name, error in {
        "failure": ValueError("boom", 3, {"a": [None]}),
        "failure without arguments": RuntimeError(),
        "failure of a nested class": tasks.Outer.Inner("x"),
        "failure with an odd argument": KeyError("boom", tasks.Color),
        "failure that pickle refused": UnpickleableExceptionWrapper(
            "shop.errors", "Declined", ["card", 2], "Declined('card', 2)"
        ),
    }.items():
        yield name, state("FAILURE", error, trace=TRACEBACK)
    yield "retry", state("RETRY", ConnectionError("refused"), trace=TRACEBACK)
    yield "retry without an exception", state("RETRY", None)
    yield "revoked", state("REVOKED", TaskRevokedError("terminated"))
    yield "in a group, with a parent", state(
        "SUCCESS", 1, request_of(group="g1", parent_id="p1")
    )
    app = Celery("children", backend="cache+memory://", set_as_current=False)
    child = AsyncResult("c1", app=app)
    members = [AsyncResult("m1", app=app), AsyncResult("m2", app=app)]
    group = GroupResult("g2", members, app=app)
    yield "children", state(
        "SUCCESS", 3, request_of(_children=[child, group])
    )
    yield "saved group", lambda backend: backend.save_group("g2", group)
    for name, result in {
        "chord part": {"a": [1, "\u0142"]},
        "failed chord part": ValueError("boom"),
    }.items():
        part_state = "FAILURE" if "failed" in name else "SUCCESS"
        yield name, lambda backend, result=result, part_state=part_state: (
            backend.stored.append(
                backend.encode(
                    [1, "t1", part_state, backend.encode_result(result, part_state)]
                )
            )
        )


def extended(backend):
    request = request_of(
        group="g1",
        parent_id="p1",
        task="tasks.add",
        args=[1, "\u0142"],
        kwargs={"y": None},
        hostname="w1@host",
        retries=2,
        delivery_info={"routing_key": "celery"},
    )
    backend.store_result("t1", 3, "SUCCESS", request=request)


def told(name, serializer, backend):
    document = backend.stored[-1]
    text = isinstance(document, str)
    return {
        "name": name,
        "serializer": serializer,
        **(
            {"text": document}
            if text
            else {"base64": base64.b64encode(document).decode()}
        ),
    }


def main():
    made = []
    for serializer in ("json", "msgpack", "yaml"):
        for name, store in documents(serializer):
            backend = backend_of(serializer)
            try:
                store(backend)
            except Exception:
                # The format has no word for it, and nothing was stored.
                continue
            made.append(told(name, serializer, backend))
        backend = backend_of(serializer, extended=True)
        extended(backend)
        made.append(told("extended", serializer, backend))
    versions = {"celery": celery.__version__, "kombu": kombu.__version__}
    json.dump({"versions": versions, "documents": made}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
