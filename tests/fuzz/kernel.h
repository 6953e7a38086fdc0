/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel behind netlink sockets that is made of the input. The program's own mnl_socket functions and recv() take the
 * place of the libraries'; there is no other socket. What is behind a message is poisoned, so that ASan sees who reads
 * beyond it.
 *
 * For each request that is sent the input has an octet. Its low two bits say in how many datagrams it is answered, each of which is
 * an octet of flags, two of length, the low one first, and itself. 0 is an obliging kernel, which acknowledges and has nothing
 * to list; but if the octet has other bits it refuses one message, the first, second and so on by their number, with the error
 * in the next octet. An input at its end is 0s.
 */
#ifndef TESTS_FUZZ_KERNEL_H
#define TESTS_FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_flag {
	KERNEL_SEQ = 1,	   /* its messages have the number of the request, the last one of a batch */
	KERNEL_FIRST = 2,  /* that of the first one, and the next ones count on */
	KERNEL_LENGTH = 4, /* the last message's length is what there is */
	KERNEL_ERROR = 8,  /* no datagram, but an error */
	KERNEL_END = 16,   /* behind it is the end of a dump */
	KERNEL_REST = 32,  /* all that is left of the input, whatever its length says */
};

/* Begins, with nothing in any socket; data stays where it is until the last call. */
void kernel_begin(const uint8_t *data, size_t length);
/* So many sockets must be open still. */
void kernel_end(unsigned n);
/* While obliging, nothing is taken of the input. */
void kernel_oblige(bool obliging);
/* The next octet of the input, for whoever needs one. */
uint8_t kernel_octet(void);
size_t kernel_left(void);
/* Puts a datagram of the input into the socket that was opened last of those that are open, unasked. */
void kernel_tell(void);
/* To be called when a function is through with what it has received. */
void kernel_rest(void);

#endif
