"""Makes a stream that differs as short as it goes, for the eyes of whoever mends it."""

import dataclasses

TRIES_MAX = 300


def shrink(disagreement_of, stream):
    """disagreement_of(stream) says how a stream differs, or None."""
    tries = 0
    best = disagreement_of(stream)
    if best is None:
        return None
    size = max(1, sum(len(step.requests) for step in stream.steps) // 2)
    while size >= 1:
        shortened = False
        for step_index, step in enumerate(stream.steps):
            at = 0
            while at < len(step.requests) and tries < TRIES_MAX:
                tries += 1
                steps = list(stream.steps)
                steps[step_index] = dataclasses.replace(step, requests=step.requests[:at] + step.requests[at + size:])
                shorter = dataclasses.replace(stream, steps=steps)
                found = disagreement_of(shorter)
                if found is None:
                    at += size
                else:
                    best, stream, step, shortened = found, shorter, steps[step_index], True
        if not shortened or size == 1:
            size //= 2
    return best
