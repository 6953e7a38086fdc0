#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# judge.sh BUILD   the verdict of natpcp-lab on clients that these tests make up, and its reports. Nothing is sent.
# Exit code 77: no python3 here.
cd "$(dirname "$0")" || exit 2
command -v python3 >/dev/null || { echo 'SKIP the verdict: no python3'; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
python3 test_verdict.py
