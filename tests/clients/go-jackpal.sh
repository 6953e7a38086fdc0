#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# go-jackpal.sh GATEWAY [PORT]      Debian: golang-go golang-github-jackpal-go-nat-pmp-dev.  NAT-PMP.
# (the library inside syncthing, libp2p/go-nat, ...)
set -u
. "${0%/*}/common.sh"
needs go
[ -d /usr/share/gocode/src/github.com/jackpal/go-nat-pmp ] || { echo "the library is not installed"; exit 77; }
gw=${1:?gateway}; port=${2:-18020}
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
cat >"$d/main.go" <<'GO'
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
)

func fail(what string, err error) {
	if err != nil {
		fmt.Println("go-jackpal:", what, err)
		os.Exit(1)
	}
}

func main() {
	patience, err := time.ParseDuration(os.Args[3] + "s")
	fail("WAIT:", err)
	c := natpmp.NewClientWithTimeout(net.ParseIP(os.Args[1]), patience)
	port, _ := strconv.Atoi(os.Args[2])
	a, err := c.GetExternalAddress()
	fail("external address:", err)
	for _, proto := range []string{"udp", "tcp"} {
		m, err := c.AddPortMapping(proto, port, 0, 120)
		fail(proto+" mapping:", err)
		if m.MappedExternalPort == 0 || m.PortMappingLifetimeInSeconds == 0 {
			fail("empty mapping", fmt.Errorf("%+v", *m))
		}
		fmt.Printf("MAPPED %s ext=%s:%d int=:%d lifetime=%d epoch=%d client=jackpal/go-nat-pmp\n", proto,
			net.IP(a.ExternalIPAddress[:]), m.MappedExternalPort, m.InternalPort, m.PortMappingLifetimeInSeconds, m.SecondsSinceStartOfEpoc)
	}
}
GO
GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= GOCACHE=${GOCACHE:-${NPMDIR%/*}/go} go build -o "$d/main" "$d/main.go" || exit 2
"$d/main" "$gw" "$port" "${WAIT:-10}"
