/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/value.h"

#include <string.h>

#include "codec/codec.h"

static bool no(struct text *why, const char *reason)
{
	text_add(why, reason);
	return false;
}

bool value_bool(const char *s, bool *v, struct text *why)
{
	static const struct {
		const char *name;
		bool value;
	} names[] = {{"true", true}, {"yes", true}, {"on", true}, {"false", false}, {"no", false}, {"off", false}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(s, names[i].name)) {
			*v = names[i].value;
			return true;
		}
	return no(why, "not true or false");
}

/* All length octets are digits of a number below 2^32. */
static bool digits(const char *s, size_t length, unsigned base, uint32_t *v)
{
	uint64_t value = 0;

	if (!length)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = s[i];
		unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
			     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
			     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
						    : 16;

		if (d >= base)
			return false;
		value = value * base + d;
		if (value > UINT32_MAX)
			value = (uint64_t)UINT32_MAX + 1; /* still digits, but more than any maximum */
	}
	if (value > UINT32_MAX)
		return false;
	*v = (uint32_t)value;
	return true;
}

static bool is_digits(const char *s, bool hex)
{
	return *s && strspn(s, hex ? "0123456789abcdefABCDEF" : "0123456789") == strlen(s);
}

static bool out_of_range(uint32_t min, uint32_t max, const char *unit, struct text *why)
{
	text_add(why, "not between ");
	text_number(why, min);
	text_add(why, " and ");
	text_number(why, max);
	text_add(why, unit);
	return false;
}

bool value_number(const char *s, uint32_t min, uint32_t max, uint32_t *v, struct text *why)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	const char *number = hex ? s + 2 : s;

	if (!digits(number, strlen(number), hex ? 16 : 10, v)) {
		if (is_digits(number, hex) || (s[0] == '-' && is_digits(s + 1, false)))
			return out_of_range(min, max, "", why);
		return no(why, "not a number");
	}
	if (*v < min || *v > max)
		return out_of_range(min, max, "", why);
	return true;
}

bool value_duration(const char *s, uint32_t min, uint32_t max, uint32_t *v, struct text *why)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t length = strlen(s), count = strspn(s, "0123456789");
	uint32_t number, factor = 0;

	if (count && count == length)
		factor = 1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (count && count + 1 == length && s[count] == units[i].unit)
			factor = units[i].seconds;
	if (!factor)
		return no(why, "not a number of seconds, nor one with s, m, h or d behind it");
	if (!digits(s, count, 10, &number) || (uint64_t)number * factor < min || (uint64_t)number * factor > max)
		return out_of_range(min, max, " seconds", why);
	*v = number * factor;
	return true;
}

bool value_mark(const char *s, uint32_t *v, struct text *why)
{
	if (!value_number(s, 1, UINT32_MAX, v, why))
		return false;
	if (*v & (*v - 1))
		return no(why, "not a single bit, like 0x10000000");
	return true;
}

static bool port(const char *s, size_t length, uint16_t *v)
{
	uint32_t number;

	if (!digits(s, length, 10, &number) || !number || number > 65535)
		return false;
	*v = (uint16_t)number;
	return true;
}

bool value_port(const char *s, uint16_t *v, struct text *why)
{
	return port(s, strlen(s), v) || no(why, "not a port (1-65535)");
}

bool value_range(const char *s, struct conf_range *v, struct text *why)
{
	const char *dash = strchr(s, '-');

	if (!dash) {
		if (!value_port(s, &v->first, why))
			return false;
		v->last = v->first;
		return true;
	}
	if (!port(s, (size_t)(dash - s), &v->first) || !port(dash + 1, strlen(dash + 1), &v->last))
		return no(why, "not a range of ports (1-65535)");
	if (v->first > v->last) {
		text_add(why, "reversed range, did you mean \"");
		text_number(why, v->last);
		text_add(why, "-");
		text_number(why, v->first);
		return no(why, "\"?");
	}
	return true;
}

bool value_address(const char *s, struct in6_addr *v, struct text *why)
{
	if (codec_address_parse(s, strlen(s), v))
		return true;
	return no(why, strchr(s, '/') ? "an address is needed here, not a network" : "not an address");
}

/* Clears what lies behind length bits; true if there was anything. */
static bool clear_host_bits(struct in6_addr *a, unsigned length)
{
	bool any = false;

	for (unsigned i = length / 8; i < 16; i++) {
		uint8_t mask = i == length / 8 ? (uint8_t)(0xff00u >> (length % 8)) : 0;

		any = any || (a->s6_addr[i] & ~mask);
		a->s6_addr[i] &= mask;
	}
	return any;
}

bool value_prefix(const char *s, struct conf_prefix *v, struct text *why)
{
	const char *slash = strchr(s, '/');
	size_t address_length = slash ? (size_t)(slash - s) : strlen(s);
	bool dotted = !memchr(s, ':', address_length); /* ::ffff:192.0.2.0/120 counts from the left */
	uint32_t most = dotted ? 32 : 128, length = most;
	char address[CODEC_ADDRESS_TEXT];

	if (!codec_address_parse(s, address_length, &v->address))
		return no(why, slash ? "not a network (ADDRESS/LENGTH)" : "not an address or network (ADDRESS/LENGTH)");
	if (slash && (!digits(slash + 1, strlen(slash + 1), 10, &length) || length > most)) {
		text_add(why, "not a prefix length (0-");
		text_number(why, most);
		return no(why, ")");
	}
	v->length = (uint8_t)(128 - most + length);
	if (clear_host_bits(&v->address, v->length)) {
		text_add(why, "has bits set behind the prefix, did you mean \"");
		text_add(why, codec_address_text(&v->address, address));
		text_add(why, "/");
		text_number(why, length);
		return no(why, "\"?");
	}
	return true;
}

bool value_endpoint(const char *s, struct in6_addr *address, uint16_t *number, struct text *why)
{
	const char *colon = strrchr(s, ':');
	const char *begin = s, *end = colon;

	if (s[0] != '[' && codec_address_parse(s, strlen(s), address))
		return no(why, strchr(s, ':') ? "the port is missing (\"[ADDRESS]:PORT\")"
					      : "the port is missing (\"ADDRESS:PORT\")");
	if (!colon)
		return no(why, "not ADDRESS:PORT");
	if (s[0] == '[') {
		if (colon[-1] != ']')
			return no(why, "not [ADDRESS]:PORT");
		begin++;
		end--;
	}
	if (!codec_address_parse(begin, (size_t)(end - begin), address))
		return no(why, "not ADDRESS:PORT");
	if (memchr(begin, ':', (size_t)(end - begin)) ? s[0] != '[' : s[0] == '[')
		return no(why,
			  s[0] == '[' ? "not [ADDRESS]:PORT" : "an IPv6 address needs brackets (\"[ADDRESS]:PORT\")");
	return value_port(colon + 1, number, why);
}

bool value_loopback(const char *s, struct text *why)
{
	static const struct in6_addr six = {.s6_addr = {[15] = 1}};
	struct in6_addr a;
	uint16_t number;

	if (!value_endpoint(s, &a, &number, why))
		return false;
	if (codec_is_v4(&a) ? codec_to_v4(&a) >> 24 == 127 : !memcmp(&a, &six, sizeof(a)))
		return true;
	return no(why, "not on loopback (127.0.0.1:PORT or [::1]:PORT)");
}

bool value_mac(const char *s, struct conf_mac *v, struct text *why)
{
	bool good = strlen(s) == 17;

	for (size_t i = 0; good && i < 6; i++) {
		uint32_t octet;

		good = digits(s + 3 * i, 2, 16, &octet) &&
		       (i == 5 || ((s[3 * i + 2] == ':' || s[3 * i + 2] == '-') && s[3 * i + 2] == s[2]));
		if (good)
			v->octets[i] = (uint8_t)octet;
	}
	return good || no(why, "not a hardware address (xx:xx:xx:xx:xx:xx)");
}

bool value_protocol(const char *s, uint8_t *v, struct text *why)
{
	uint32_t number;

	for (unsigned p = 1; p < 256; p++) {
		const char *name = codec_protocol_name((uint8_t)p);

		if (name && !strcmp(s, name)) {
			*v = (uint8_t)p;
			return true;
		}
	}
	if (!digits(s, strlen(s), 10, &number) || !number || number > 255)
		return no(why, "not a protocol (tcp, udp, sctp, dccp, udplite or 1-255)");
	*v = (uint8_t)number;
	return true;
}

bool value_interface(const char *s, struct text *why)
{
	if (!*s)
		return no(why, "an interface has a name");
	if (strlen(s) > 15)
		return no(why, "too long for the name of an interface (15 octets)");
	/* "*" would be a wildcard in nftables */
	if (!strcmp(s, ".") || !strcmp(s, "..") || strpbrk(s, "/: \t\"\\*"))
		return no(why, "not the name of an interface");
	return true;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool value_identifier(const char *s, size_t length, struct text *why)
{
	bool good = length && length <= 63 && is_letter(s[0]);

	for (size_t i = 0; good && i < length; i++)
		good = is_letter(s[i]) || (s[i] >= '0' && s[i] <= '9') || strchr("_-.", s[i]);
	return good || no(why, "a name is a letter, then letters, digits, \"_\", \"-\" and \".\", 63 at most");
}
