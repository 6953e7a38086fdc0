#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""unit.py SERVICE COMMAND...   runs a command without the privileged system calls that a unit's SystemCallFilter= leaves out.

It sees one mistake: a call of @privileged that the command needs and the unit does not give back, such as capset. Of
the groups only that one is looked at, with the names that systemd.exec(5) has for it, so that systemd need not be here.
A call that @system-service lacks and no line adds, and all else in a unit (its user, capabilities, directories, what is
read-only), is seen by make check-deb alone, under systemd.
"""
import ctypes
import errno
import os
import sys

GROUP = '@privileged'
PRIVILEGED = {
    '_sysctl', 'acct', 'adjtimex', 'bpf', 'capset', 'chown', 'chown32', 'chroot', 'clock_adjtime', 'clock_adjtime64', 'clock_settime',
    'clock_settime64', 'delete_module', 'fanotify_init', 'fanotify_mark', 'fchown', 'fchown32', 'fchownat', 'finit_module', 'init_module',
    'ioperm', 'iopl', 'kexec_file_load', 'kexec_load', 'lchown', 'lchown32', 'nfsservctl', 'open_by_handle_at', 'pciconfig_iobase',
    'pciconfig_read', 'pciconfig_write', 'pivot_root', 'quotactl', 'quotactl_fd', 'reboot', 's390_pci_mmio_read', 's390_pci_mmio_write',
    'setdomainname', 'setfsuid', 'setfsuid32', 'setgroups', 'setgroups32', 'sethostname', 'setresuid', 'setresuid32', 'setreuid',
    'setreuid32', 'settimeofday', 'setuid', 'setuid32', 'swapoff', 'swapon', 'vhangup'}
ALLOW, ERRNO_EPERM = 0x7fff0000, 0x00050000 | errno.EPERM


def refused(path):
    """In the order of the lines, as systemd does."""
    names = set()
    with open(path) as f:
        for line in f:
            key, _, value = line.strip().partition('=')
            if key != 'SystemCallFilter':
                continue
            given = {n for word in value.lstrip('~').split() for n in (PRIVILEGED if word == GROUP else {word})}
            names = names | given if value.startswith('~') else names - given
    return names


def refuse(names):
    seccomp = ctypes.CDLL('libseccomp.so.2')
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
    for name in sorted(names):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        # below 0 are those of other machines
        if number >= 0 and seccomp.seccomp_rule_add(context, ERRNO_EPERM, number, 0) != 0:
            raise OSError(f'no rule for {name}')
    if seccomp.seccomp_load(context) != 0:
        raise OSError('no filter could be loaded')


if __name__ == '__main__':
    refuse(refused(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
