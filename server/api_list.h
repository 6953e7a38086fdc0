/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An answer that is a long list: {"schema": 1, NAME: [...], ...}, made and sent in pieces. */
#ifndef SERVER_API_LIST_H
#define SERVER_API_LIST_H

#include "server/api_self.h"

enum api_list_step {
	API_LIST_ITEM, /* one more */
	API_LIST_SKIP, /* was looked at, and is not to be shown */
	API_LIST_END,  /* there are no more */
};

struct api_list {
	const char *name;
	/* The next one, which is taken over; NULL with API_LIST_ITEM: out of memory. */
	enum api_list_step (*item)(struct api_list *l, json_t **one);
	/* Adds to the members that follow the list, in an empty object; NULL: there are none. 0, or -1: out of memory. */
	int (*tail)(struct api_list *l, json_t *members);
	/* the list's own */
	enum { API_LIST_HEAD, API_LIST_BODY, API_LIST_DONE } where;
	bool any;
};

/* Answers with it; l is the first member of something calloc()ed, which is free()d at the end. */
void api_list_reply(struct control_request *q, struct api_list *l);

#endif
