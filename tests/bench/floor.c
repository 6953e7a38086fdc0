/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floor: the least that a server with a transaction a wake-up must do. Receives up to 64 datagrams at once, adds
 * the two elements of a mapping for each in one nftables batch, waits for the kernel's word, sends the datagrams back
 * with the response bit set. It parses nothing and remembers nothing.
 *
 *   floor map TABLE       elements go into maps "dnat4" and "snat4" of that inet table, which must be there; a request
 *                         with lifetime 0 takes the last mapping out again
 *   floor address         only answers, for the price of a request without a change
 *   floor drop            only receives, for the price of a request that nobody answers
 *   floor restore TABLE N only sends the elements of N mappings, RESTORE_BATCH in a transaction, and is ready then:
 *                         those that restore.py puts into a journal
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH	      64
#define RESTORE_BATCH 2048 /* as many as natpcpd's */
#define DATAGRAM      1100
#define TIMEOUT_MS    7200000u

struct floor {
	struct mnl_socket *netlink;
	const char *table;
	uint32_t sequence, number;
	uint8_t buffer[RESTORE_BATCH * 512];
	size_t length;
};

struct pair {
	uint32_t protocol, inside, inside_port, outside, outside_port; /* as elements have them */
};

static struct nlmsghdr *put_header(struct floor *f, uint16_t type, uint16_t flags, uint8_t family, uint16_t id)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(f->buffer + f->length);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++f->sequence;
	*g = (struct nfgenmsg){.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(id)};
	return h;
}

static void put_value(struct nlmsghdr *h, uint16_t type, const void *value, size_t length)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);

	mnl_attr_put(h, NFTA_DATA_VALUE, length, value);
	mnl_attr_nest_end(h, nest);
}

/* key: protocol . address . port, data: address . port, each field padded to four octets */
static void put_element(struct floor *f, bool remove, const char *map, const uint32_t key[3], const uint32_t data[2])
{
	uint16_t type = remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM;
	struct nlmsghdr *h =
	    put_header(f, NFNL_SUBSYS_NFTABLES << 8 | type, remove ? 0 : NLM_F_CREATE | NLM_F_EXCL, NFPROTO_INET, 0);
	uint64_t timeout = htobe64(TIMEOUT_MS);

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, f->table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, map);
	struct nlattr *elements = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	put_value(h, NFTA_SET_ELEM_KEY, key, 3 * sizeof(*key));
	if (!remove) {
		put_value(h, NFTA_SET_ELEM_DATA, data, 2 * sizeof(*data));
		mnl_attr_put(h, NFTA_SET_ELEM_TIMEOUT, sizeof(timeout), &timeout);
	}
	mnl_attr_nest_end(h, element);
	mnl_attr_nest_end(h, elements);
	f->length += h->nlmsg_len;
}

static uint32_t field16(uint16_t value)
{
	uint32_t field = 0;

	value = htons(value);
	memcpy(&field, &value, sizeof(value));
	return field;
}

static void put_pair(struct floor *f, bool remove, const struct pair *p)
{
	put_element(f, remove, "dnat4", (uint32_t[]){p->protocol, p->outside, p->outside_port},
		    (uint32_t[]){p->inside, p->inside_port});
	put_element(f, remove, "snat4", (uint32_t[]){p->protocol, p->inside, p->inside_port},
		    (uint32_t[]){p->outside, p->outside_port});
}

static struct pair number(uint32_t n, uint32_t inside, uint32_t inside_port, uint32_t outside, uint32_t outside_port)
{
	struct pair p = {.inside = htonl(inside),
			 .inside_port = field16((uint16_t)inside_port),
			 .outside = htonl(outside),
			 .outside_port = field16((uint16_t)outside_port)};

	*(uint8_t *)&p.protocol = n & 1 ? IPPROTO_TCP : IPPROTO_UDP;
	return p;
}

static void put_mapping(struct floor *f, bool remove)
{
	uint32_t n = remove ? --f->number : f->number++;
	struct pair p =
	    number(n, 0xc6120000u + (n >> 1 & 0xffff), 1024 + (n >> 17), 0xcb007100u + (n >> 17 & 0xff), n >> 1);

	put_pair(f, remove, &p);
}

/*
 * One batch, of those that are ready, or of the next ones, or where remove says so the last ones; 0 or -errno of the
 * first refusal. Only the end asks for an acknowledgement: errors come unasked.
 */
static int commit(struct floor *f, unsigned mappings, const struct pair *ready, const bool *remove)
{
	uint8_t answer[8192];
	struct nlmsghdr *h;

	f->length = 0;
	h = put_header(f, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	f->length += h->nlmsg_len;
	for (unsigned i = 0; i < mappings; i++) {
		if (ready)
			put_pair(f, false, &ready[i]);
		else
			put_mapping(f, remove[i]);
	}
	h = put_header(f, NFNL_MSG_BATCH_END, NLM_F_ACK, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	f->length += h->nlmsg_len;
	if (mnl_socket_sendto(f->netlink, f->buffer, f->length) < 0)
		return -errno;
	ssize_t n = recv(mnl_socket_get_fd(f->netlink), answer, sizeof(answer), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno; /* kernels before 6.10 do not acknowledge the end */
	h = (struct nlmsghdr *)answer;
	return h->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error : -EPROTO;
}

static int open_netlink(struct floor *f, const char *table)
{
	int size = 4 << 20;

	f->table = table;
	f->netlink = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!f->netlink || mnl_socket_bind(f->netlink, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(f->netlink), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		return -1;
	return 0;
}

/* The mappings of restore.py, from a list that is made before; 0 or -errno. */
static int restore(struct floor *f, uint32_t count)
{
	struct pair *pairs = malloc(count * sizeof(*pairs));
	int error = pairs ? 0 : -ENOMEM;

	for (uint32_t n = 0; pairs && n < count; n++)
		pairs[n] = number(n, 0xc6120001u + n / 2 % 10000, 1024 + n / 2 / 10000, 0xcb007100u + n / 2 / 59000,
				  6000 + n / 2 % 59000);
	for (uint32_t n = 0; !error && n < count; n += RESTORE_BATCH)
		error = commit(f, count - n < RESTORE_BATCH ? count - n : RESTORE_BATCH, pairs + n, NULL);
	free(pairs);
	return error;
}

int main(int argc, char **argv)
{
	static struct floor f;
	static uint8_t data[BATCH][DATAGRAM];
	static _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct sockaddr_in names[BATCH], any = {.sin_family = AF_INET, .sin_port = htons(5351)};
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	bool remove[BATCH];
	int one = 1, size = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (argc > 2 && open_netlink(&f, argv[2])) {
		perror("floor: netlink");
		return 1;
	}
	if (argc > 3 && strcmp(argv[1], "restore") == 0) {
		int error = restore(&f, (uint32_t)strtoul(argv[3], NULL, 10));

		puts(error ? strerror(-error) : "ready");
		return error != 0;
	}
	if (argc < 2 || fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size))) {
		perror("floor");
		return 1;
	}
	bool drop = strcmp(argv[1], "drop") == 0;

	puts("ready");
	fflush(stdout);
	for (;;) {
		for (unsigned i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){data[i], DATAGRAM};
			messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &names[i],
								   .msg_namelen = sizeof(names[i]),
								   .msg_iov = &iov[i],
								   .msg_iovlen = 1,
								   .msg_control = control[i],
								   .msg_controllen = sizeof(control[i])}};
		}
		int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
		if (n <= 0 || drop)
			continue;
		for (int i = 0; i < n; i++) /* octets 4 to 7 are the lifetime */
			remove[i] = messages[i].msg_len >= 8 && memcmp(data[i] + 4, "\0\0\0", 4) == 0;
		int error = f.netlink ? commit(&f, (unsigned)n, NULL, remove) : 0;
		if (error) {
			fprintf(stderr, "floor: %s\n", strerror(-error));
			return 1;
		}
		for (int i = 0; i < n; i++) {
			if (data[i][0] == 0) { /* the address response is longer than its request */
				memset(data[i] + 2, 0, 10);
				messages[i].msg_len = 12;
			}
			data[i][1] |= 0x80;
			iov[i].iov_len = messages[i].msg_len;
		}
		for (int done = 0; done < n;) {
			int rc = sendmmsg(fd, messages + done, (unsigned)(n - done), 0);

			if (rc <= 0)
				break;
			done += rc;
		}
	}
}
