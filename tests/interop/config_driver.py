"""Shows how Celery itself interprets settings and retry policies.

Reads one JSON document and writes one.
"""
import itertools
import json
import sys

from celery import Celery
from celery.app import defaults
from celery.utils.time import get_exponential_backoff_interval, humanize_seconds
from kombu.utils.functional import fxrange


def backend_of(case):
    app = Celery("config", set_as_current=False)
    app.config_from_object(case["config"], namespace=case.get("namespace"))
    backend = app.backend
    params = backend.connparams
    return {
        "address": [params["host"], int(params["port"]), params["db"]],
        "user": [params.get("username"), params.get("password")],
        "expires": backend.expires,
        "policy": backend.retry_policy,
    }


def intervals(case):
    start, step, most = case
    waits = fxrange(start, start + most, step, repeatlast=True)
    return list(itertools.islice(waits, 20))


def main():
    asked = json.load(sys.stdin)
    json.dump({
        "backends": [backend_of(case) for case in asked["backends"]],
        "intervals": [intervals(case) for case in asked["intervals"]],
        "ceilings": [
            [get_exponential_backoff_interval(base, k, most) for k in range(1, 16)]
            for base, most in asked["ceilings"]
        ],
        "whens": [humanize_seconds(s, "in ") for s in asked["whens"]],
        "names": sorted(defaults.SETTING_KEYS | defaults._OLD_SETTING_KEYS),
    }, sys.stdout)


main()
