#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# judge.sh BUILD   natpcpctl without a server, and what goes with it
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "$0")/judge_ctl.py" "${1:-build}"
