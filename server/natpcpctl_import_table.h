/* SPDX-License-Identifier: GPL-2.0-or-later */
/* miniupnpd's options that natpcpd has no counterpart for, with the reason. */
#ifndef SERVER_NATPCPCTL_IMPORT_TABLE_H
#define SERVER_NATPCPCTL_IMPORT_TABLE_H

/* Why the option is not taken over; NULL if the name is not in the table. */
const char *import_table_why(const char *name);

#endif
