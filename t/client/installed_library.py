"""Installs the library into a folder of its own and builds every program of examples/ against that, as its users do: with
pkg-config, shared and static, and runs them."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from holdfast_test import Server, main

SOURCE = os.environ.get("HOLDFAST_SRC", os.path.join(os.path.dirname(__file__), "../.."))
PARTS = ["install-holdfastincludeHEADERS", "install-libLIBRARIES", "install-pkgconfigDATA", "install-exec-local",
         "uninstall-hook"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def variable(name):
    with open("Makefile") as makefile:
        found = re.search(rf"^{name} = (.*)$", makefile.read(), re.M)
    return found.group(1) if found else ""


if not os.path.exists("Makefile"):
    print("not in a build directory")
    sys.exit(77)
if "-fsanitize" in variable("VARIANT_CXXFLAGS"):
    print("a program would need the same sanitizer")
    sys.exit(77)


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = cls.folder.name
        run("make", *PARTS[:4], f"DESTDIR={cls.root}")
        found = glob.glob(cls.root + "/**/holdfast.pc", recursive=True)
        ENVIRONMENT["PKG_CONFIG_PATH"] = os.path.dirname(found[0]) + ":" + os.environ.get("PKG_CONFIG_PATH", "")
        cls.library = os.path.dirname(os.path.dirname(found[0]))
        # Only our own prefix lies below the root, so the sysroot of pkg-config, which would move all, is of no use.
        cls.prefix = variable("prefix")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def flags(self, *options):
        words = run("pkg-config", *options, "holdfast").split()
        ours = (self.prefix + "/", self.prefix)
        return [word[:2] + self.root + word[2:] if word[:2] in ("-I", "-L") and word[2:].startswith(ours) else word
                for word in words]

    def build(self, source, linking):
        program = os.path.join(self.root, os.path.basename(source) + ".out")
        compiler = ["cc", "-std=c11"] if source.endswith(".c") else [*variable("CXX").split(), "-std=c++20"]
        run(*compiler, "-Wall", "-Wextra", "-Werror", "-O1", source, "-o", program, *self.flags("--cflags"), *linking)
        return program

    def test_every_example_builds_with_pkg_config_and_runs(self):
        with Server() as server:
            for source in sorted(glob.glob(os.path.join(SOURCE, "examples/*.c*"))):
                with self.subTest(source=os.path.basename(source)):
                    program = self.build(source, self.flags("--libs"))
                    ENVIRONMENT["LD_LIBRARY_PATH"] = self.library
                    run(program, f"127.0.0.1:{server.port}")

    def test_a_static_program_needs_no_shared_library(self):
        static = [word for word in self.flags("--libs", "--static")]
        static = [os.path.join(self.library, "libholdfast.a") if word == "-lholdfast" else word for word in static]
        for name in ("get_set.cc", "plain.c"):
            program = self.build(os.path.join(SOURCE, "examples", name), static)
            self.assertNotIn("libholdfast", run("ldd", program))
            with Server() as server:
                run(program, f"127.0.0.1:{server.port}")

    def test_the_shared_library_shows_nothing_but_its_interface(self):
        shown = run("nm", "-DC", "--defined-only", os.path.join(self.library, "libholdfast.so"))
        inner = [line for line in shown.splitlines() if re.search(r" [TtBDR] holdfast::(client|base|protocol)::", line)]
        self.assertEqual(inner, [])
        for name in ("holdfast::Client::Make", "holdfast_client_new", "holdfast::Sessions::Save"):
            self.assertIn(name, shown)


main()
