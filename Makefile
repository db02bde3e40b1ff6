# The two commands of this project are `make demo` and `make test`. Both need
# Go, root and a Debian machine, and install the rest themselves.

GO        ?= go
FUZZTIME  ?= 10m
BENCHTIME ?= 300ms
BENCHES   := ./packet ./esp ./sa ./policy ./dataplane
BIN       := bin

# The ways of moving packets that the end-to-end tests run in (itest/modes_test.go),
# and which of them for each: those where packets and not IKE are what matters.
MODES      ?= one many partial plain
MODE_TESTS ?= Transfer|ChainOfThree|Families|HostilePackets|SharedTunnels|StrongSwanChain|StrongSwanMixed

# What the lab and the tests run, as "package:file that shows it is there".
DEPS := \
	iperf3:/usr/bin/iperf3 \
	strongswan-charon:/usr/lib/ipsec/charon \
	strongswan-swanctl:/usr/sbin/swanctl \
	strongswan-pki:/usr/bin/pki \
	openssl:/usr/bin/openssl \
	libcharon-extra-plugins:/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so \
	libcharon-extauth-plugins:/usr/lib/ipsec/plugins/libstrongswan-eap-mschapv2.so \
	libstrongswan-extra-plugins:/usr/lib/ipsec/plugins/libstrongswan-chapoly.so \
	libstrongswan-standard-plugins:/usr/lib/ipsec/plugins/libstrongswan-gcm.so \
	python3-scapy:/usr/lib/python3/dist-packages/scapy/__init__.py \
	python3-cryptography:/usr/lib/python3/dist-packages/cryptography/__init__.py \
	tshark:/usr/bin/tshark \
	tcpdump:/usr/bin/tcpdump \
	iproute2:/usr/bin/ip \
	iputils-ping:/usr/bin/ping \
	nftables:/usr/sbin/nft \
	procps:/usr/bin/ps \
	util-linux:/usr/bin/nsenter \
	libipsec-mb-dev:/usr/include/intel-ipsec-mb.h \
	gcc:/usr/bin/gcc \
	libc6-dev:/usr/include/stdio.h \
	ca-certificates:/etc/ssl/certs/ca-certificates.crt

# Without its end-to-end tests, which have no use for the race detector: the
# daemons that they run are other processes.
RACE_PACKAGES = $(shell $(GO) list ./... | grep -v /itest$$)
UNIT_PACKAGES = $(RACE_PACKAGES)

.PHONY: all build build-ipsecmb deps test check unit ipsecmb race e2e modes every-mode interop demo fuzz bench bench-peers bench-lookups bench-many bench-establish clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/warren ./cmd/warren-lab

# With AES-GCM by libipsec-mb: faster for small packets, and for all on CPUs with
# AVX-512; needs cgo, and libipsec-mb where it runs.
build-ipsecmb: deps
	CGO_ENABLED=1 $(GO) build -tags ipsecmb -trimpath -o $(BIN)/warren-ipsecmb ./cmd/warren

deps:
	@missing=; for d in $(DEPS); do \
		test -e "$${d#*:}" || missing="$$missing $${d%%:*}"; \
	done; \
	test -z "$$missing" && exit 0; \
	echo "installing:$$missing"; \
	if [ "$$(id -u)" != 0 ]; then echo "apt-get needs root: run make deps as root once" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -q && apt-get install -q -y --no-install-recommends $$missing

test: deps build build-ipsecmb check unit ipsecmb race e2e modes

# What a reader would complain about before running anything.
check:
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "not gofmt-ed:"; echo "$$bad"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	CGO_ENABLED=1 $(GO) vet -tags ipsecmb ./esp
	CGO_ENABLED=1 $(GO) tool staticcheck -tags ipsecmb ./esp

unit:
	$(GO) test $(UNIT_PACKAGES)

# The packages that ciphers make a difference to, with the other ones.
ipsecmb:
	CGO_ENABLED=1 $(GO) test -tags ipsecmb ./esp ./sa ./dataplane

race:
	CGO_ENABLED=1 $(GO) test -race $(RACE_PACKAGES)

e2e:
	$(GO) test -count=1 -timeout 20m ./itest

modes:
	@for m in $(MODES); do \
		echo "== mode $$m"; \
		WARREN_MODE=$$m $(GO) test -count=1 -timeout 20m -run '$(MODE_TESTS)' ./itest || exit 1; \
	done

# All end-to-end tests in all modes, a quarter of an hour.
every-mode:
	@$(MAKE) modes MODE_TESTS=.

# The matrix of warren and strongSwan, and docs/interop.md from it.
interop: deps
	$(GO) test -count=1 -run 'TestInterop$$' ./itest -write-interop

demo: deps build
	$(BIN)/warren-lab demo

# Every fuzz target in turn, one core each so that the figures compare. Where the code
# is random, Go would make each input smaller for a minute, and do nothing else.
fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "== $$p $$f ($(FUZZTIME))"; \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
		done; \
	done

# In process, some three minutes; docs/inprocess.md is written.
bench: deps
	@{ $(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -count 3 $(BENCHES) && \
		CGO_ENABLED=1 $(GO) test -tags ipsecmb -run '^$$' -bench Path -benchtime $(BENCHTIME) -count 3 ./dataplane; \
	} | $(GO) run ./bench/cmd/bench table docs

# warren beside other systems, 20 minutes; BENCHFLAGS=-short takes four, and
# BENCHFLAGS=-h lists what else can be said.
bench-peers: deps
	$(GO) run ./bench/cmd/bench peers $(BENCHFLAGS)

# Rules looked up, beside dpdk-test-acl if dpdk-dev is installed: five minutes, and
# memory of some 7 GB for that.
bench-lookups:
	$(GO) run ./bench/cmd/bench lookups $(BENCHFLAGS)

# A gateway with many clients, three minutes.
bench-many: deps
	$(GO) run ./bench/cmd/bench many $(BENCHFLAGS)

# IKE SAs as responder, beside strongSwan's charon, one minute.
bench-establish: deps
	$(GO) run ./bench/cmd/bench establish $(BENCHFLAGS)

clean:
	rm -rf $(BIN)
