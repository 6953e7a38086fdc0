#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# page.sh page.html   prints the C source of what server/page.h declares. The page has one <style> and one <script>, each tag in a line
# of its own; what is between them, with both line ends, is what a browser hashes.
set -eu
export LC_ALL=C
page=$1

hash() { # element
	[ "$(grep -c "<$1" "$page")" = 1 ] || { echo "$page: more or less than one <$1>" >&2; exit 1; }
	sum=$({ echo; sed -n "/^<$1>\$/,/^<\\/$1>\$/{//!p;}" "$page"; } | sha256sum | cut -d ' ' -f 1)
	printf %s "$sum" | tr a-f A-F | basenc --base16 -d | base64
}

style=$(hash style)
script=$(hash script)
cat <<EOF
/* made from $page by server/page.sh */
#include "server/page.h"

const char page_csp[] = "default-src 'none'; script-src 'sha256-$script'; style-src 'sha256-$style'; connect-src 'self'; img-src data:; "
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const size_t page_html_n = $(wc -c <"$page");
const char page_html[] = {
EOF
od -A n -v -t x1 "$page" | sed "s/ \\(..\\)/'\\\\x\\1',/g"
echo '0};'
