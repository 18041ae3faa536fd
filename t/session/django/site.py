"""A Django site that counts each visitor's clicks; its sessions are in the cache, by Django's own session engine.

usage: python3 site.py PORT MEMCACHED_SERVER KEY_PREFIX
"""

import sys
import time

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

port, server, key_prefix = sys.argv[1:]

settings.configure(
    SECRET_KEY="secret",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_COOKIE_AGE=40 * 86400,
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
            "LOCATION": server,
            "KEY_PREFIX": key_prefix,
        }
    },
)


def greet(request):
    session = request.session
    return HttpResponse(f"{session['name']} {session['clicks']}" if "name" in session else "nobody", content_type="text/plain")


def login(request):
    request.session.cycle_key()  # as django.contrib.auth does
    request.session["name"] = request.GET["name"]
    request.session["clicks"] = 0
    return greet(request)


def click(request):
    if "name" in request.session:
        request.session["clicks"] += 1
    return greet(request)


def slow(request):
    request.session.get("name")  # reads the session before the wait
    time.sleep(int(request.GET["ms"]) / 1000)
    return click(request)


def empty(request):
    request.session.clear()
    return greet(request)


def logout(request):
    request.session.flush()
    return HttpResponse("bye", content_type="text/plain")


urlpatterns = [path("login", login), path("view", greet), path("click", click), path("slow", slow), path("empty", empty), path("logout", logout)]

execute_from_command_line(["site.py", "runserver", "--noreload", f"127.0.0.1:{port}"])
