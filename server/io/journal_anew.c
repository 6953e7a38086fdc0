/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal written anew: slice by slice beside the old file, then in its place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/io/journal_self.h"
#include "server/io/loop.h"
#include "server/io/worker.h"

static void forget_names(struct journal *j)
{
	free(j->target);
	free(j->beside);
	j->target = j->beside = NULL;
}

void journal_anew_abandon(struct journal *j)
{
	if (j->fresh.fd >= 0)
		unlink(j->beside);
	journal_file_close(&j->fresh);
	forget_names(j);
	j->phase = JOURNAL_IDLE;
	j->slice_ms = UINT64_MAX;
	j->fresh_error = 0;
}

static void give_up(struct journal *j, int error)
{
	journal_anew_abandon(j);
	journal_failed(j, error, "the new file cannot be written", false);
}

static int put_head(struct journal *j)
{
	struct record header = {.type = RECORD_HEADER};
	uint8_t head[2 * RECORD_SIZE];

	memcpy(header.header.boot_id, j->boot_id, RECORD_BOOT_ID);
	header.written_ms = loop_now_ms(j->loop);
	record_put(&header, head, RECORD_SIZE);
	journal_put_state(j, false, head + RECORD_SIZE, RECORD_SIZE);
	return journal_file_write(&j->fresh, head, sizeof(head));
}

int journal_anew_begin(struct journal *j)
{
	bool made = false;
	int error;

	j->target = strdup(j->wanted);
	if (!j->target || asprintf(&j->beside, "%s.new", j->wanted) < 0) {
		j->beside = NULL;
		forget_names(j);
		return -ENOMEM;
	}
	error = journal_file_new(&j->fresh, j->beside, &made);
	if (error) {
		forget_names(j);
		return error;
	}
	j->directory_made |= made;
	j->cursor = 0;
	j->flushed = 0;
	j->phase = JOURNAL_FILLING;
	error = put_head(j);
	if (error) {
		journal_anew_abandon(j);
		return error;
	}
	j->slice_ms = loop_now_ms(j->loop);
	return 0;
}

/* 1: there may be more; 0: that was all; or -errno. */
static int put_slice(struct journal *j)
{
	size_t n = j->source.leases(j->source.context, &j->cursor, j->slice, sizeof(j->slice));
	int error;

	if (!n) {
		j->fresh_live = j->fresh.octets / RECORD_SIZE;
		return 0;
	}
	error = journal_file_write(&j->fresh, j->slice, n);
	return error ? error : 1;
}

static void drop_old(void *context)
{
	close(((struct journal *)context)->job.fd);
}

static void old_is_dropped(void *context)
{
	journal_arm(context);
}

/* The kernel frees the octets of a file when it is closed that has no name any more: 40 ms for 200 MB. */
static void close_old(struct journal *j)
{
	if (!j->worker || j->file.fd < 0) {
		journal_file_close(&j->file);
		return;
	}
	j->job = (struct journal_job){.fd = j->file.fd};
	if (worker_run(j->worker, drop_old, old_is_dropped, j) < 0)
		close(j->file.fd);
	j->file.fd = -1;
}

/* The new file has its name. */
static void adopt(struct journal *j)
{
	bool was_behind = j->stats.behind;
	int error = j->fresh_error;

	if (strcmp(j->path, j->target) != 0) {
		if (j->file.fd >= 0 && journal_file_at(&j->file, j->path))
			unlink(j->path);
		free(j->path);
		j->path = j->target;
		j->target = NULL;
	}
	close_old(j);
	j->file = j->fresh;
	j->fresh.fd = -1;
	forget_names(j);
	j->phase = JOURNAL_IDLE;
	j->fresh_error = 0;
	j->slice_ms = j->retry_ms = UINT64_MAX;
	j->looked_ms = loop_now_ms(j->loop);
	j->stats.rewritten++;
	j->stats.live = j->fresh_live;
	j->stats.behind = false;
	j->stats.error = 0;
	if (error)
		journal_failed(j, error, "the new file cannot be written to", true);
	else if (was_behind)
		log_print(CONF_LOG_INFO, "journal", "%s has everything again", j->path);
	if (strcmp(j->path, j->wanted) != 0)
		j->retry_ms = loop_now_ms(j->loop);
}

/* In the thread, or instead of it. */
static void work(void *context)
{
	struct journal_job *job = &((struct journal *)context)->job;

	if (fdatasync(job->fd) < 0) {
		job->error = -errno;
		return;
	}
	if (!job->to)
		return;
	if (rename(job->from, job->to) < 0) {
		job->error = -errno;
		return;
	}
	job->named = true;
	job->error = journal_file_sync_directory(job->to);
}

static void prepare(struct journal *j)
{
	j->job = (struct journal_job){.fd = j->fresh.fd};
	if (j->phase == JOURNAL_NAMING) {
		j->job.from = j->beside;
		j->job.to = j->target;
	}
}

static void run(struct journal *j);

static void done(void *context)
{
	struct journal *j = context;
	int error = j->job.error;

	j->stats.syncs++;
	if (j->job.named) {
		adopt(j);
		if (error)
			journal_failed(j, error, "the directory cannot be made durable", false);
	} else if (error || j->fresh_error) {
		give_up(j, error ? error : j->fresh_error);
	} else if (j->phase == JOURNAL_FLUSHING) {
		j->flushed = j->fresh.octets;
		j->phase = JOURNAL_FILLING;
		j->slice_ms = loop_now_ms(j->loop);
	} else {
		j->phase = JOURNAL_NAMING;
		run(j);
	}
	journal_arm(j);
}

static void run(struct journal *j)
{
	int error;

	if (worker_busy(j->worker)) { /* the old file is on its way to the disk */
		j->slice_ms = loop_now_ms(j->loop) + 10;
		return;
	}
	prepare(j);
	error = worker_run(j->worker, work, done, j);
	if (error)
		give_up(j, error);
}

void journal_anew_go(struct journal *j)
{
	int more;

	if (j->phase == JOURNAL_IDLE)
		return;
	if (j->phase != JOURNAL_FILLING) {
		run(j);
		return;
	}
	more = put_slice(j);
	if (more < 0) {
		give_up(j, more);
	} else if (!more || j->fresh.octets - j->flushed >= JOURNAL_FLUSH) {
		j->phase = more ? JOURNAL_FLUSHING : JOURNAL_SETTLING;
		run(j);
	} else {
		/* not at once, so that others come in between and half of the processor is theirs */
		j->slice_ms = loop_now_ms(j->loop) + 1;
	}
}

int journal_anew_at_once(struct journal *j)
{
	int more, error;

	journal_anew_abandon(j);
	error = journal_anew_begin(j);
	if (error)
		return error;
	do
		more = put_slice(j);
	while (more > 0);
	if (more < 0) {
		journal_anew_abandon(j);
		return more;
	}
	j->phase = JOURNAL_NAMING;
	prepare(j);
	work(j);
	error = j->job.error;
	if (j->job.named)
		adopt(j);
	else
		journal_anew_abandon(j);
	return error;
}

void journal_anew_append(struct journal *j, const uint8_t *records, size_t octets)
{
	int error;

	if (j->fresh.fd < 0 || j->fresh_error)
		return;
	error = journal_file_write(&j->fresh, records, octets);
	if (!error)
		return;
	if (j->phase == JOURNAL_FILLING) {
		give_up(j, error);
		return;
	}
	/* the thread has it in hand, and it may have its name any moment */
	j->fresh_error = error;
	journal_file_behind(j->fresh.fd);
}

void journal_anew_settle(struct journal *j)
{
	if (j->phase == JOURNAL_NAMING && j->job.named)
		adopt(j);
	else
		journal_anew_abandon(j);
}
