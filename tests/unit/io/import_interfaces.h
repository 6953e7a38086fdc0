/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interfaces that an imported miniupnpd.conf names by their addresses. */
#ifndef TESTS_UNIT_IO_IMPORT_INTERFACES_H
#define TESTS_UNIT_IO_IMPORT_INTERFACES_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool find(uint32_t address, char interface[IF_NAMESIZE])
{
	if (address == 0xc0000201) /* 192.0.2.1 */
		strcpy(interface, "br-lan");
	else if (address == 0xcb007105) /* 203.0.113.5 */
		strcpy(interface, "wan0");
	else
		return false;
	return true;
}

#endif
