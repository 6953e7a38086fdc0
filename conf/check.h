/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the values of a configuration must be together. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include <stdbool.h>

#include "conf/parse.h"

/* Resolves the references between sections and checks all that concerns more than one value. False with the reason in
 * p->why. */
bool check_conf(struct parse *p);

#endif
