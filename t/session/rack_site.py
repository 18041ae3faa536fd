"""Rack and Rails with their sessions in memcached, by dalli (binary protocol)."""

import hashlib
import re
import subprocess
import unittest

from holdfast_test import main, need_program, skip_all, source_path
from session_story import SessionStory

need_program("ruby")
PACKAGES = {"connection_pool": "ruby-connection-pool", "rack/session/dalli": "ruby-dalli", "rack/handler/webrick": "ruby-webrick", "action_dispatch": "ruby-actionpack"}
for feature, package in PACKAGES.items():
    if subprocess.run(["ruby", "-e", f"require '{feature}'"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        skip_all(f"ruby lacks {feature} (Debian: {package})")


class RubyStory(SessionStory):
    kind = None

    def command(self, server):
        return ["ruby", source_path("t/session/rack/site.rb"), "{port}", f"127.0.0.1:{server.port}", self.kind]

    def shows(self, data, clicks):
        small_number = b"i" + (bytes([clicks + 5]) if clicks else b"\0")  # as Marshal writes it, after the string's encoding
        return re.search(b"clicks[^i]{0,6}" + re.escape(small_number), data) is not None


class Rack(RubyStory, unittest.TestCase):
    kind = "rack"

    def key(self, browser):
        return "rack:session:" + browser.cookie("rack.session")


class Rails(RubyStory, unittest.TestCase):
    kind = "rails"

    def key(self, browser):
        return "_session_id:2::" + hashlib.sha256(browser.cookie("_site_session").encode()).hexdigest()


if __name__ == "__main__":
    main()
