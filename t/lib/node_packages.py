"""npm packages for tests, kept in the build directory: only the first run after a change of the lock file asks the network.

    environment = node_packages.install("t/session/express")   # has package.json and package-lock.json
    Site(["node", ".../site.js"], environment=environment)     # require() finds them through NODE_PATH

Without a network and without an earlier installation the test file is skipped. Anything else that npm complains of fails it.
"""

import fcntl
import os
import shutil
import subprocess
import sys

from holdfast_test import need_program, server_program, skip_all, source_path

INSTALL_TIMEOUT_S = 200
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "ERR_SOCKET_TIMEOUT")
MANIFESTS = ("package.json", "package-lock.json")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def npm_install(directory):
    """npm ci; on failure what it installed is removed."""
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=1"],
                          cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode == 0:
        return
    shutil.rmtree(os.path.join(directory, "node_modules"), ignore_errors=True)
    if any(word in done.stdout for word in NO_NETWORK):
        skip_all("npm packages cannot be fetched: no network, and none installed earlier")
    sys.exit("npm ci failed:\n" + done.stdout)


def install(folder):
    """Installs what folder/package-lock.json lists unless that was done before; returns the environment for node."""
    need_program("node", "nodejs")
    need_program("npm")
    directory = os.path.join(os.path.dirname(server_program()), "node_packages", folder)
    os.makedirs(directory, exist_ok=True)
    installed = os.path.join(directory, "installed")
    with open(os.path.join(directory, "lock"), "w") as lock:  # two tests may want the same packages at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = b"".join(read(source_path(folder, name)) for name in MANIFESTS)
        if not (os.path.exists(installed) and read(installed) == wanted):
            for name in MANIFESTS:
                shutil.copyfile(source_path(folder, name), os.path.join(directory, name))
            npm_install(directory)
            with open(installed, "wb") as file:
                file.write(wanted)
    return {"NODE_PATH": os.path.join(directory, "node_modules")}
