# `make` alone prints this help. `make check` is what CI runs.
.DEFAULT_GOAL := help
.PHONY: help build test lint check serve demo schemas pictures players listen bench peers clean

CARGO ?= cargo
DEMO := target/demo
# The whole workspace, as the tests build it: a package alone has other features, for which everything is compiled again.
WRITE_SCHEMAS = $(CARGO) build --workspace --locked --quiet && "$${CARGO_TARGET_DIR:-target}/debug/timbre" schema --write schemas

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build both programs, optimised, into target/release
	$(CARGO) build --release --workspace --locked

test: ## Run every test
	$(CARGO) test --workspace --locked

lint: ## Formatting, lints with and without default features, documentation: warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --no-default-features --locked -- -D warnings
	$(CARGO) clippy --no-default-features --features pipeline --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

check: lint test ## What CI runs: lint, test, schema drift, licences and advisories where cargo-deny is installed
	$(WRITE_SCHEMAS)
	@test -z "$$(git status --porcelain schemas)" || { git diff --stat schemas; echo "schemas/ has changed: commit what 'make schemas' wrote"; exit 1; }
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check advisories licenses bans sources; \
	else echo "cargo-deny is not installed: licences and advisories were not checked"; fi

serve: ## Run the service on http://127.0.0.1:8000
	$(CARGO) run --release --locked -- serve

demo: ## Render three pieces with pictures and stems into target/demo
	@mkdir -p $(DEMO)
	$(CARGO) build --release --locked
	target/release/timbre generate --force --seed 1 --duration 45 --prompt "dreamy piano over rain, 72 bpm, in D minor" --output $(DEMO)/rain.wav --picture $(DEMO)/rain.png
	target/release/timbre generate --force --seed 2 --duration 60 --prompt "driving synthwave in F# minor, 110 bpm" --output $(DEMO)/night.wav --picture $(DEMO)/night.png --stems $(DEMO)/night-stems
	target/release/timbre generate --force --seed 3 --duration 40 --prompt "cheerful waltz for strings, flute and harp" --format flac --output $(DEMO)/waltz.flac --picture $(DEMO)/waltz.png

schemas: ## Write schemas/ from the wire types
	$(WRITE_SCHEMAS)

players: demo ## Read the demo with sox, ffprobe and Python's soundfile, and compare with the manifests
	python3 tests/players/check.py $(DEMO)/rain.wav $(DEMO)/night.wav $(DEMO)/waltz.flac

listen: ## Render some sixty prompts and measure what can be heard and read of them; options in LISTEN, as LISTEN="--only jazz"
	$(CARGO) build --release --locked
	python3 tests/listen $(LISTEN)

bench: ## Measure the stages
	$(CARGO) bench --locked

peers: ## Measure MusicGen against its peers, for half an hour on a quiet machine; options in PEERS, as PEERS="--only piece"
	$(CARGO) build --release --locked
	python3 tests/bench/peers $(PEERS)

clean: ## Delete what was built
	$(CARGO) clean
