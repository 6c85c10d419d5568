"""A Celery client for tests: reads requests and writes replies, each a line of JSON.

A request is {"id": number, "op": name, ...arguments}. Its reply carries the
same id, and "value" or "error". Values that Celery decoded are shown as Python
writes them (repr), so that none of our JSON code comes between what Python saw
and what a test expects. The driver ends when its input does.
"""

import json
import random
import sys
import threading
import traceback

import celery
import kombu
import redis
from celery import Celery, chain, chord, group
from celery.app.task import Context
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import AsyncResult, GroupResult, result_from_tuple
from celery.utils.serialization import UnpickleableExceptionWrapper
from kombu.utils import json as kombu_json

import tasks

REPLY_TIMEOUT_SECONDS = 60
output_lock = threading.Lock()


def reply(request_id, **members):
    with output_lock:
        print(json.dumps({"id": request_id, **members}), flush=True)


def signature(task, args=(), kwargs=None, **options):
    return tasks.app.signature(task, args, kwargs or {}, **options)


apps = {"json": tasks.app}


def app_of(serializer):
    """Returns an application that stores its results in this format."""
    if serializer not in apps:
        app = apps[serializer] = Celery(serializer, backend=tasks.RESULT_URL)
        app.conf.update(
            result_serializer=serializer, result_accept_content=[serializer]
        )
    return apps[serializer]


def describe_exception(error):
    return {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "args": repr(list(error.args)),
        "text": str(error),
    }


def describe_value(value):
    if isinstance(value, BaseException):
        return {"raised": describe_exception(value)}
    return {"value": repr(value)}


def describe_outcome(result, **options):
    """Describes what get() returned or raised; a failure of Celery's own is an error."""
    try:
        return describe_value(result.get(**options))
    except CeleryTimeoutError:
        return {"timeout": True}
    except Exception as error:  # for any document
        return describe_value(error)


# -- operations: what a request can name ----------------------------------------


def versions():
    return {
        "celery": celery.__version__,
        "kombu": kombu.__version__,
        "redis": redis.__version__,
    }


def send(task, args=(), kwargs=None, options=None):
    return signature(task, args, kwargs).apply_async(**(options or {})).id


def send_chain(links):
    """Sends a chain of [task, args] pairs; returns their ids in order."""
    result = chain(signature(*link) for link in links).apply_async()
    ids = []
    while result is not None:
        ids.insert(0, result.id)
        result = result.parent
    return ids


def send_group(members, save=False):
    result = group(signature(*member) for member in members).apply_async()
    if save:
        result.save()
    return {"id": result.id, "ids": [child.id for child in result]}


def send_chord(header, body):
    result = chord(signature(*member) for member in header)(signature(*body))
    return {"id": result.id, "ids": [child.id for child in result.parent]}


def send_canvas(links):
    """Sends a chain of [task, args] pairs and groups of them; returns its result tuple."""
    parts = [
        signature(*link)
        if isinstance(link[0], str)
        else group(signature(*member) for member in link)
        for link in links
    ]
    return chain(*parts).apply_async().as_tuple()


def canvas(element):
    """Builds the signature of a group, chain or chord of elements, or of a task."""
    if "chord" in element:
        return chord(
            [canvas(member) for member in element["chord"]],
            canvas(element["body"]),
        )
    if "group" in element:
        return group(canvas(member) for member in element["group"])
    if "chain" in element:
        return chain(canvas(link) for link in element["chain"])
    options = {"queue": element["queue"]} if "queue" in element else {}
    return signature(element["task"], element.get("args", ())).set(**options)


def send_canvas_chord(header, body):
    """Sends a chord; returns the ids of its body, its group, and the group's members."""
    result = chord(canvas(element) for element in header)(signature(*body))
    ids = [child.id for child in result.parent]
    return {"id": result.id, "groupId": result.parent.id, "ids": ids}


def send_canvas_group(members):
    """Sends a group of elements; returns its result tuple."""
    return group(canvas(member) for member in members).apply_async().as_tuple()


def send_element(element):
    """Sends an element; returns its result tuple."""
    return canvas(element).apply_async().as_tuple()


def send_body(chord_signature, text):
    """Sends a chord's body with the values in the JSON `text`, as Celery's workers do."""
    body = tasks.app.signature(chord_signature)
    return body.delay(kombu_json.loads(text)).id


def set_chord_size(group_id, size):
    tasks.app.backend.set_chord_size(group_id, size)


def return_part(request, state, text):
    """Returns a chord's part, as a worker does; a failure is a ValueError with the args in `text`."""
    value = kombu_json.loads(text)
    if state in ("FAILURE", "REVOKED"):
        value = ValueError(*value)
    tasks.app.backend.on_chord_part_return(Context(request), state, value)


def revoke(task_id, terminate=False):
    """Revokes a task; returns once a worker has confirmed, so that no task overtakes it."""
    answers = tasks.app.control.revoke(
        task_id,
        terminate=terminate,
        reply=True,
        limit=1,
        timeout=REPLY_TIMEOUT_SECONDS,
    )
    if not answers:
        raise RuntimeError("no worker confirmed the revoke of " + task_id)


def open_gate(name):
    tasks.open_gate(name)


def wait_at_gate(name):
    tasks.wait_at_gate(name)


def read(task_id, serializer="json"):
    """Describes an AsyncResult as far as it can be read without waiting."""
    result = AsyncResult(task_id, app=app_of(serializer))
    date_done = result.date_done
    return {
        "state": result.state,
        "ready": result.ready(),
        "successful": result.successful(),
        "failed": result.failed(),
        "result": describe_value(result.result),
        "traceback": result.traceback,
        "children": [child.id for child in result.children or []],
        "dateDone": date_done and date_done.isoformat(),
        "name": result.name,
        "args": repr(result.args),
        "kwargs": repr(result.kwargs),
        "worker": result.worker,
        "retries": result.retries,
        "queue": result.queue,
    }


def get(
    task_id, timeout=REPLY_TIMEOUT_SECONDS, propagate=True, serializer="json"
):
    result = AsyncResult(task_id, app=app_of(serializer))
    return describe_outcome(result, timeout=timeout, propagate=propagate)


def get_group(group_id, timeout=REPLY_TIMEOUT_SECONDS):
    result = GroupResult.restore(group_id, app=tasks.app)
    return None if result is None else describe_outcome(result, timeout=timeout)


def read_group(group_id):
    """Describes a saved group as far as it can be read without waiting."""
    result = GroupResult.restore(group_id, app=tasks.app)
    return {
        "successful": result.successful(),
        "failed": result.failed(),
        "waiting": result.waiting(),
        "ready": result.ready(),
        "completedCount": result.completed_count(),
    }


def store(
    task_id,
    text,
    state,
    trace=None,
    request=None,
    extended=False,
    serializer="json",
):
    """Stores the value in the JSON `text`, for a task whose `request` had these members."""
    app = tasks.extended_app if extended else app_of(serializer)
    app.backend.store_result(
        task_id,
        json.loads(text),
        state,
        traceback=trace,
        request=None if request is None else Context(**request),
    )


def store_value(task_id, kind, serializer):
    """Stores one of VALUES, as if a worker had returned it."""
    backend = app_of(serializer).backend
    backend.store_result(task_id, tasks.VALUES[kind], "SUCCESS")


def store_tuple(task_id, result):
    """Stores the result that a tuple describes, as if a worker had returned it."""
    value = result_from_tuple(result, app=tasks.app)
    request = Context(children=[])
    tasks.app.backend.store_result(task_id, value, "SUCCESS", request=request)


def store_failure(
    task_id, args, trace=None, wrapped=False, serializer="json", request=None
):
    """Stores a ValueError; `wrapped` as workers do if pickle refuses it.

    With a `request`, everything that depends on the task fails too.
    """
    error = ValueError(*args)
    if wrapped:
        error = UnpickleableExceptionWrapper.from_exception(error)
    context = None if request is None else Context(request)
    backend = app_of(serializer).backend
    backend.mark_as_failure(task_id, error, trace, request=context)


def store_group(group_id, task_ids):
    results = [AsyncResult(task_id, app=tasks.app) for task_id in task_ids]
    GroupResult(group_id, results, app=tasks.app).save()


def save_tuple(result):
    """Saves the group that a tuple describes."""
    result_from_tuple(result, app=tasks.app).save()


def restore_tuple(group_id):
    return GroupResult.restore(group_id, app=tasks.app).as_tuple()


def collect(task_id):
    """Returns the ids and values (repr) in an existing tree of results."""
    root = AsyncResult(task_id, app=tasks.app)
    return [[result.id, repr(value)] for result, value in root.collect()]


def dependencies(task_id):
    """Returns the ids of the results in a tree, each after the id of its parent."""
    root = AsyncResult(task_id, app=tasks.app)
    return [
        [parent and parent.id, result.id] for parent, result in root.iterdeps()
    ]


def store_tree(group_id, members):
    """Saves a group of task ids and of nested lists, which become groups."""

    def results(members):
        for index, member in enumerate(members):
            if isinstance(member, str):
                yield AsyncResult(member, app=tasks.app)
            else:
                inner = list(results(member))
                inner_id = f"{group_id}-{index}"
                yield GroupResult(inner_id, inner, app=tasks.app)

    GroupResult(group_id, list(results(members)), app=tasks.app).save()


def forget(task_id):
    AsyncResult(task_id, app=tasks.app).forget()


def read_json(texts):
    """Decodes each JSON text; returns its repr() and Python's own JSON."""
    values = [kombu_json.loads(text) for text in texts]
    return [
        {"value": repr(value), "text": kombu_json.dumps(value)}
        for value in values
    ]


def write_json(seed, count):
    """Returns JSON texts of `count` random values, the same for the same seed."""
    source = random.Random(seed)
    return [kombu_json.dumps(random_value(source, 4)) for _ in range(count)]


# -- random values ---------------------------------------------------------------

ALPHABET = "aZ09 \"\\/\b\f\n\r\t\x00\x1f\x7f\x80\xe9\u0142\u2028\u2603\uffff" + (
    "\U0001f600\U0010ffff\ud800\udfff"
)


def random_text(source):
    return "".join(source.choices(ALPHABET, k=source.randrange(8)))


def random_float(source):
    """Returns a float that is not whole: JavaScript does not distinguish 1.0 from 1."""
    while True:
        value = source.uniform(-10, 10) * 10.0 ** source.randint(-320, 14)
        if not value.is_integer():
            return value


def random_value(source, depth):
    scalars = [
        lambda: None,
        lambda: source.random() < 0.5,
        lambda: source.randint(-10, 10),
        lambda: source.randint(-(2**53) + 1, 2**53 - 1),
        lambda: source.randint(-(2**200), 2**200),
        lambda: random_float(source),
        lambda: source.choice([float("nan"), float("inf"), float("-inf")]),
        lambda: random_text(source),
    ]
    if depth == 0 or source.random() < 0.3:
        return source.choice(scalars)()
    size = source.randrange(5)
    if source.random() < 0.5:
        return [random_value(source, depth - 1) for _ in range(size)]
    return {
        random_key(source): random_value(source, depth - 1)
        for _ in range(size)
    }


def random_key(source):
    """Returns a key that is not all digits: JavaScript puts those before all others."""
    return "k" + random_text(source)


# -- requests and replies ----------------------------------------------------------


def wait(
    request_id, task_id, timeout=REPLY_TIMEOUT_SECONDS, serializer="json"
):
    """Calls get() in a thread. The reply "waiting" means that it is subscribed.

    Celery calls on_interval after each round of its waiting loop; the first round
    ends with the confirmation of its subscription.
    """

    def note():
        if not reported.is_set():
            reported.set()
            reply(request_id, waiting=True)

    reported = threading.Event()
    result = AsyncResult(task_id, app=app_of(serializer))
    outcome = describe_outcome(result, timeout=timeout, on_interval=note)
    reply(request_id, value=outcome)


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        versions,
        send,
        send_chain,
        send_group,
        send_chord,
        send_canvas,
        send_canvas_chord,
        send_canvas_group,
        send_element,
        send_body,
        set_chord_size,
        return_part,
        revoke,
        open_gate,
        wait_at_gate,
        read,
        get,
        get_group,
        read_group,
        store,
        store_value,
        store_tuple,
        store_failure,
        store_group,
        save_tuple,
        restore_tuple,
        collect,
        dependencies,
        store_tree,
        forget,
        read_json,
        write_json,
    )
}


def answer(request_id, op, **arguments):
    try:
        if op == "wait":
            threading.Thread(
                target=wait, args=(request_id,), kwargs=arguments, daemon=True
            ).start()
        else:
            reply(request_id, value=OPERATIONS[op](**arguments))
    except Exception:  # reported to the test that asked
        reply(request_id, error=traceback.format_exc())


def main():
    for line in sys.stdin:
        request = json.loads(line)
        answer(request.pop("id"), request.pop("op"), **request)


if __name__ == "__main__":
    main()
