/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SERVER_VERSION_H
#define SERVER_VERSION_H

#define NATPCPD_VERSION "0.1.0"
#define NATPCPD_CONF	"/etc/natpcpd.conf"
#ifndef NATPCPD_SOCKET /* where natpcpctl looks; a system without /run says otherwise */
#define NATPCPD_SOCKET "/run/natpcpd/control.sock"
#endif

#endif
