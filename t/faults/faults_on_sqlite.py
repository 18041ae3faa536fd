"""Two minutes of faults with an SQLite file; "make check-faults" goes on for longer."""

import os

SERVER = os.environ.get("HOLDFAST_BIN", "./holdfast")
COMMAND = ["t/faults/faults", "--server", SERVER, "--cycles", "100000", "--seconds", os.environ.get("FAULTS_SECONDS", "120")]
# The program ends by itself; the limit is for one that hangs.
os.execvp("timeout", ["timeout", "-k", "10", "600", *COMMAND])
