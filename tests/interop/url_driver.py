"""Shows where Celery itself connects for a configuration, or that it refuses it.

Reads one JSON document and writes one. It does not connect to anything.
"""
import json
import math
import sys

from celery import Celery


def name_of(requirement):
    """Returns the name of a constant of `ssl`; newer versions of Celery keep the name."""
    name = getattr(requirement, "name", requirement)
    return name and str(name).lower().replace("cert_", "")


def way_of(config):
    app = Celery("way", set_as_current=False)
    app.config_from_object(config)
    try:
        params = app.backend.connparams
    except Exception as error:
        return {"refused": type(error).__name__}
    keys = {
        "host": "hostname", "port": "port", "path": "path", "db": "db",
        "username": "username", "password": "password",
        "ssl_ca_certs": "caFile", "socket_timeout": "socketTimeout",
        "socket_connect_timeout": "connectTimeout",
        "health_check_interval": "heartbeat",
    }
    way = {
        here: params[there] for there, here in keys.items()
        if params.get(there) not in (None, "")
    }
    for key, value in way.items():
        # JSON cannot express these.
        if isinstance(value, float) and not math.isfinite(value):
            way[key] = str(value)
    if "ssl_cert_reqs" in params:
        way["certReqs"] = name_of(params["ssl_cert_reqs"])
    # Celery's own default.
    if way.get("socketTimeout") == 120:
        del way["socketTimeout"]
    return way


json.dump([way_of(config) for config in json.load(sys.stdin)], sys.stdout)
