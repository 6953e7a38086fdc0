/* SPDX-License-Identifier: MIT */
#ifndef NATPCP_NATPCPC_PROBE_H
#define NATPCP_NATPCPC_PROBE_H

#include "codec/natpcpc.h"
#include "codec/natpcpc_corner.h"

#define CORNERS_MAX 48

/* What one gateway answered. */
struct probe_report {
	struct corner_bed bed;
	struct corner_result results[CORNERS_MAX];
	uint64_t rtt_us[CORNERS_MAX]; /* of the last datagram; 0 = no answer */
	unsigned int sent[CORNERS_MAX];
	unsigned int made, deleted;
	unsigned int left; /* mappings that could not be deleted */
	uint32_t left_s;   /* until the last of them ends, as far as was told */
	uint64_t rtt_best_us, rtt_middle_us, rtt_worst_us;
};

/* A table for people: one gateway with all details, or several side by side. */
void probe_show(const struct app *a, const struct probe_report *reports);
/* The same as a JSON object. */
void probe_show_json(const struct app *a, const struct session *s, const struct probe_report *r);

#endif
