/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target over files, for builds without a fuzz engine. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* The contents in a heap block of exactly their length, so that ASan sees a read beyond them. */
static uint8_t *read_file(const char *path, size_t length)
{
	uint8_t *data = malloc(length ? length : 1);
	FILE *f = fopen(path, "rb");

	if (f && data && fread(data, 1, length, f) == length) {
		fclose(f);
		return data;
	}
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (f)
		fclose(f);
	free(data);
	return NULL;
}

static int replay_file(const char *path, size_t length)
{
	uint8_t *data = read_file(path, length);

	if (!data)
		return -1;
	LLVMFuzzerTestOneInput(data, length);
	free(data);
	return 1;
}

/* A file, or all files of a directory. The number of files, or -1. */
static int replay(const char *path)
{
	struct stat st;
	int count = 0;

	if (stat(path, &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return replay_file(path, (size_t)st.st_size);

	DIR *dir = opendir(path);
	if (!dir) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (struct dirent *entry; count >= 0 && (entry = readdir(dir));) {
		char *inner;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0) {
			count = -1;
			break;
		}
		int n = replay(inner);
		free(inner);
		count = n < 0 ? -1 : count + n;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);
		if (n < 0)
			return 1;
		count += n;
	}
	printf("%d inputs replayed\n", count);
	return count > 0 ? 0 : 1;
}
