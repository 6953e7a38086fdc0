/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a service manager is told, in the protocol of sd_notify. */
#ifndef SERVER_IO_NOTIFY_H
#define SERVER_IO_NOTIFY_H

/* Sends state ("READY=1") to the socket that the environment variable NOTIFY_SOCKET names; nothing if it is unset.
 * 0 or -errno. */
int notify(const char *state);
/* "RELOADING=1" with the time stamp that goes with it. */
int notify_reloading(void);

#endif
