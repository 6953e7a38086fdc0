/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/io/journal_self.h"
#include "server/io/loop.h"
#include "server/io/worker.h"

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int64_t wall_offset(void)
{
	uint64_t boot_ms = clock_ms(CLOCK_BOOTTIME);

	return (int64_t)(clock_ms(CLOCK_REALTIME) - boot_ms);
}

size_t journal_put_state(struct journal *j, bool clean, uint8_t *out, size_t room)
{
	struct record r = {.type = RECORD_STATE};

	j->source.state(j->source.context, &r.state);
	r.written_ms = r.state.boot_ms = clock_ms(CLOCK_BOOTTIME);
	r.state.wall_ms = clock_ms(CLOCK_REALTIME);
	r.state.clean = clean;
	r.state.always = j->sync == CONF_SYNC_ALWAYS;
	return record_put(&r, out, room);
}

void journal_arm(struct journal *j)
{
	uint64_t at = j->slice_ms;

	at = j->retry_ms < at ? j->retry_ms : at;
	at = j->sync_ms < at ? j->sync_ms : at;
	loop_timer_set(j->timer, at);
}

static void sync_by(struct journal *j, uint64_t at_ms)
{
	if (at_ms < j->sync_ms)
		j->sync_ms = at_ms;
}

/* Nothing that claims to be whole may lack something. */
static void mark_behind(struct journal *j, uint64_t now_ms)
{
	j->stats.behind = true;
	if (j->file.fd < 0)
		return;
	if (journal_file_behind(j->file.fd) < 0 && journal_file_at(&j->file, j->path))
		unlink(j->path);
	if (j->sync == CONF_SYNC_ALWAYS)
		fdatasync(j->file.fd);
	else if (j->sync == CONF_SYNC_INTERVAL)
		sync_by(j, now_ms);
}

void journal_failed(struct journal *j, int error, const char *what, bool lost)
{
	uint64_t now_ms = loop_now_ms(j->loop);

	j->stats.failures++;
	j->stats.error = error;
	/* only what goes well for a while makes the waits short again */
	if (now_ms - j->failed_ms > 2 * JOURNAL_RETRY_MAX_MS)
		j->retry_wait_ms = 0;
	j->failed_ms = now_ms;
	j->retry_wait_ms = j->retry_wait_ms ? 2 * j->retry_wait_ms : JOURNAL_RETRY_MIN_MS;
	if (j->retry_wait_ms > JOURNAL_RETRY_MAX_MS)
		j->retry_wait_ms = JOURNAL_RETRY_MAX_MS;
	j->retry_ms = now_ms + j->retry_wait_ms;
	if (lost && !j->stats.behind)
		mark_behind(j, now_ms);
	if (log_limit_pass(&j->limit, now_ms, NULL)) {
		struct log_line l;
		char why[256];

		snprintf(why, sizeof(why), "%s: %s: %s, it is tried anew in %" PRIu64 " s", what, strerror(-error),
			 j->stats.behind ? "the leases are in memory only" : "the old file goes on",
			 j->retry_wait_ms / 1000);
		log_begin(&l, CONF_LOG_WARNING, "journal");
		log_text(&l, "path", j->wanted);
		log_text(&l, "why", why);
		log_end(&l);
	}
	journal_arm(j);
}

static void begin_anew(struct journal *j)
{
	int error = journal_anew_begin(j);

	if (error)
		journal_failed(j, error, "a new file cannot be begun", false);
}

/* The thread, and what comes of it. */
static void synchronize(void *context)
{
	struct journal *j = context;

	j->job.error = fdatasync(j->job.fd) < 0 ? -errno : 0;
}

static void synchronized(void *context)
{
	struct journal *j = context;

	j->stats.syncs++;
	if (j->job.error)
		journal_failed(j, j->job.error, "the disk does not take it", true);
	journal_arm(j);
}

static void sync_in_thread(struct journal *j, uint64_t now_ms)
{
	int error;

	j->sync_ms = UINT64_MAX;
	if (worker_busy(j->worker)) { /* writing anew needs it now */
		sync_by(j, now_ms + JOURNAL_SYNC_MS / 10);
		return;
	}
	if (j->file.fd < 0)
		return;
	j->dirty = false;
	j->job = (struct journal_job){.fd = j->file.fd};
	error = worker_run(j->worker, synchronize, synchronized, j);
	if (error) {
		j->dirty = true;
		journal_failed(j, error, "there is no thread to wait for the disk", true);
	}
}

static void tick(void *context)
{
	struct journal *j = context;
	uint64_t now_ms = loop_now_ms(j->loop);

	if (j->retry_ms <= now_ms) {
		j->retry_ms = UINT64_MAX;
		if (j->phase == JOURNAL_IDLE)
			begin_anew(j);
	}
	if (j->slice_ms <= now_ms) {
		j->slice_ms = UINT64_MAX;
		journal_anew_go(j);
	}
	if (j->sync_ms <= now_ms)
		sync_in_thread(j, now_ms);
	journal_arm(j);
}

/* Whether the file is still where it should be, now and then. */
static void look(struct journal *j)
{
	uint64_t now_ms = loop_now_ms(j->loop);

	if (j->stats.behind || now_ms - j->looked_ms < JOURNAL_LOOK_MS)
		return;
	j->looked_ms = now_ms;
	/* the thread may have given its place to the new one just now */
	if (journal_file_at(&j->file, j->path) || (j->phase == JOURNAL_NAMING && journal_file_at(&j->fresh, j->path)))
		return;
	journal_file_spoil(j->path); /* an older copy, perhaps */
	journal_failed(j, -ESTALE, "somebody removed or replaced the file", true);
	if (j->retry_wait_ms == JOURNAL_RETRY_MIN_MS)
		j->retry_ms = now_ms;
}

static void put(struct journal *j, const uint8_t *records, size_t octets)
{
	int error = j->stats.behind ? 0 : journal_file_write(&j->file, records, octets);

	if (error) {
		journal_failed(j, error, "it cannot be written to", true);
	} else if (!j->stats.behind) {
		j->stats.appended += octets;
		j->dirty = true;
	}
	journal_anew_append(j, records, octets);
}

static void put_state(struct journal *j)
{
	uint8_t record[RECORD_SIZE];

	j->wall_offset = wall_offset();
	put(j, record, journal_put_state(j, false, record, sizeof(record)));
}

static void sync_now(struct journal *j)
{
	j->stats.syncs++;
	if (!j->stats.behind && fdatasync(j->file.fd) < 0)
		journal_failed(j, -errno, "the disk does not take it", true);
	if (!j->stats.behind)
		j->dirty = false;
	if (j->phase == JOURNAL_NAMING && !j->fresh_error && fdatasync(j->fresh.fd) < 0) {
		j->fresh_error = -errno;
		journal_file_behind(j->fresh.fd);
	}
}

/* After something was put. */
static void finish(struct journal *j)
{
	if (j->sync == CONF_SYNC_ALWAYS)
		sync_now(j);
	else if (j->sync == CONF_SYNC_INTERVAL && j->dirty && j->sync_ms == UINT64_MAX)
		sync_by(j, loop_now_ms(j->loop) + JOURNAL_SYNC_MS);
	if (j->phase == JOURNAL_IDLE && !j->stats.behind && j->retry_ms == UINT64_MAX &&
	    j->file.octets / RECORD_SIZE > 2 * j->stats.live + JOURNAL_SPARE)
		begin_anew(j);
	journal_arm(j);
}

void journal_rest(struct journal *j)
{
	if (j->worker)
		worker_rest(j->worker);
}

void journal_append(struct journal *j, const uint8_t *records, size_t octets)
{
	int64_t off = wall_offset() - j->wall_offset;

	if (!octets)
		return;
	look(j);
	if (off > JOURNAL_CLOCK_MS || off < -JOURNAL_CLOCK_MS)
		put_state(j);
	put(j, records, octets);
	finish(j);
}

void journal_state(struct journal *j)
{
	look(j);
	put_state(j);
	finish(j);
}

static struct journal *journal_new(struct loop *loop, const char *path)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->loop = loop;
	j->file.fd = j->fresh.fd = -1;
	j->slice_ms = j->retry_ms = j->sync_ms = UINT64_MAX;
	j->path = strdup(path);
	j->wanted = strdup(path);
	j->timer = loop_timer(loop, tick, j);
	return j;
}

static void journal_free(struct journal *j)
{
	worker_close(j->worker);
	loop_forget(j->timer);
	journal_anew_settle(j);
	journal_file_close(&j->file);
	free(j->path);
	free(j->wanted);
	free(j);
}

int journal_open(struct journal **out, struct loop *loop, const char *path, enum conf_sync sync,
		 const uint8_t boot_id[RECORD_BOOT_ID], const struct journal_source *source)
{
	struct journal *j = journal_new(loop, path);
	int error = 0;

	if (!j)
		return -ENOMEM;
	if (!j->path || !j->wanted || !j->timer)
		error = -ENOMEM;
	if (!error)
		error = worker_open(&j->worker, loop);
	if (error) {
		journal_free(j);
		return error;
	}
	j->sync = sync;
	j->source = *source;
	memcpy(j->boot_id, boot_id, RECORD_BOOT_ID);
	j->wall_offset = wall_offset();
	error = journal_anew_at_once(j);
	if (error) {
		journal_file_spoil(path);
		journal_failed(j, error, "it cannot be begun", true);
	}
	*out = j;
	return 0;
}

static bool may_write(const struct stat *st, uid_t uid, gid_t gid)
{
	mode_t need = st->st_uid == uid ? 0300 : st->st_gid == gid ? 0030 : 0003;

	return uid == 0 || (st->st_mode & need) == need;
}

int journal_own(struct journal *j, uid_t uid, gid_t gid, char *why, size_t size)
{
	char *directory = journal_file_directory(j->path);
	struct stat st;
	int error = directory ? 0 : -ENOMEM;

	if (!error && j->file.fd >= 0 && fchown(j->file.fd, uid, gid) < 0)
		error = -errno;
	if (!error && j->directory_made && lchown(directory, uid, gid) < 0)
		error = -errno;
	if (error)
		snprintf(why, size, "cannot give the journal to user %u: %s", (unsigned)uid, strerror(-error));
	if (!error && stat(directory, &st) < 0) {
		error = -errno;
		snprintf(why, size, "%s: %s", directory, strerror(-error));
	} else if (!error && !may_write(&st, uid, gid)) {
		error = -EACCES;
		snprintf(why, size,
			 "user %u cannot make files in %s, so the journal cannot be written anew: chown %u %s",
			 (unsigned)uid, directory, (unsigned)uid, directory);
	}
	free(directory);
	return error;
}

int journal_reload(struct journal *j, const char *path, enum conf_sync sync)
{
	char *copy;

	if (strcmp(path, j->wanted) != 0) {
		copy = strdup(path);
		if (!copy)
			return -ENOMEM;
		free(j->wanted);
		j->wanted = copy;
		if (strcmp(path, j->path) != 0) {
			journal_file_spoil(path);
			j->retry_ms = loop_now_ms(j->loop);
		}
	}
	if (sync != j->sync) {
		/* what the file says of itself must be true before the next answer */
		j->sync = sync;
		put_state(j);
		sync_now(j);
	}
	journal_arm(j);
	return 0;
}

void journal_stats(const struct journal *j, struct journal_stats *stats)
{
	*stats = j->stats;
	stats->path = j->wanted;
	/* who starts now looks at the wanted one */
	if (strcmp(j->path, j->wanted) != 0)
		stats->behind = true;
	stats->octets = j->file.octets;
	stats->records = j->file.octets / RECORD_SIZE;
}

static void end_cleanly(struct journal *j)
{
	uint8_t record[RECORD_SIZE];
	int error = journal_file_write(&j->file, record, journal_put_state(j, true, record, sizeof(record)));

	if (!error && fdatasync(j->file.fd) < 0)
		error = -errno;
	if (error)
		journal_failed(j, error, "the end cannot be written", true);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	worker_close(j->worker);
	j->worker = NULL;
	journal_anew_settle(j);
	j->looked_ms = 0;
	look(j);
	if (j->stats.behind || strcmp(j->path, j->wanted) != 0) {
		int error = journal_anew_at_once(j);

		if (error)
			journal_failed(j, error, "it cannot be written at the end", true);
	}
	if (!j->stats.behind)
		end_cleanly(j);
	journal_free(j);
}

void journal_remove(struct journal *j)
{
	if (!j)
		return;
	worker_close(j->worker);
	j->worker = NULL;
	journal_anew_settle(j);
	if (j->file.fd >= 0 && journal_file_at(&j->file, j->path)) {
		/* a loss of power may bring the name back */
		journal_file_behind(j->file.fd);
		fdatasync(j->file.fd);
		unlink(j->path);
		journal_file_sync_directory(j->path);
	}
	journal_free(j);
}
