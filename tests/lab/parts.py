# SPDX-License-Identifier: GPL-2.0-or-later
"""A test program that is many small tests, functions t_*(), which need no namespaces."""


def play(names):
    """Each of them, and a line of what came of it: one that returns something was skipped, and that is why. True if none failed."""
    good = True
    for name, test in [(n[2:], f) for n, f in names.items() if n.startswith('t_')]:
        try:
            why = test()
            print(f'SKIP {name}: {why}' if why else f'PASS {name}', flush=True)
        except Exception as e:  # whatever a test trips over is its failure
            good = False
            print(f'FAIL {name}: {type(e).__name__}: {e}'.replace('\n', ' '), flush=True)
    return good
