#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""verdict.py [--strict] DIRECTORY   judges a client by what natpcp-lab left in DIRECTORY: lan.pcap and lab.json.

Each row of RFC 6886 and RFC 6887 for clients that traffic can show is kept, broken or not exercised, with the packets that
prove it, numbered as tshark numbers them. What is not certain is not exercised.

lab.json: client and gateway (lists of addresses), external (addresses), begin, end (seconds since the epoch, as in the capture),
exit, alive_at_end (the lab ended the command), faults (the lab's options as given). COMMAND is taken for one client.
"""
import argparse
import sys

import report
import verdict_epoch
import verdict_form
import verdict_life
import verdict_retry
import verdict_rows
import verdict_trust
from verdict_rows import Row
from verdict_story import Story

__all__ = ('Row', 'judge')


def judge(directory):
    """The rows, in the order of the RFCs. Raises OSError, ValueError or KeyError where there is nothing to judge by."""
    story, findings = Story(directory), verdict_rows.Findings()
    resets = verdict_epoch.resets(story)
    verdict_form.judge(story, findings)
    verdict_retry.judge(story, findings)
    verdict_life.judge(story, findings, resets)
    verdict_trust.judge(story, findings)
    verdict_epoch.judge(story, findings, resets)
    return list(findings.rows())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('directory')
    parser.add_argument('--strict', action='store_true', help='a SHOULD that is broken fails, too')
    a = parser.parse_args()
    try:
        rows = judge(a.directory)
    except (OSError, ValueError, KeyError) as e:
        sys.exit(f'verdict: {e!r}')
    sys.stdout.write(report.text(rows, a.directory, a.strict))
    return 1 if report.failed(rows, a.strict) else 0


if __name__ == '__main__':
    sys.exit(main())
