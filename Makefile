# Some environments export these two; they make OpenBLAS run at about half its speed.
unexport OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

SWIFT ?= swift
MINILM := .demo/minilm
RESULTS := Results/families-minilm.json

.DEFAULT_GOAL := help
.PHONY: help demo test sanitize bench performance families results results-rewrites results-compression format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Compress two models, measure them against the originals, print the table
	@Scripts/bootstrap
	$(SWIFT) build -c release --product tessera
	@Scripts/fetch-minilm $(MINILM) || { status=$$?; [ $$status -eq 69 ] || exit $$status; \
		echo "demo: going on with the model that ships, Models/tiny-llama, alone" >&2; }
	@Scripts/demo

test: ## Build and run the tests, optimised (TESSERA_SLOW=1 adds the slow ones)
	@Scripts/bootstrap
	@Scripts/fetch-minilm $(MINILM) || { status=$$?; [ $$status -eq 69 ] || exit $$status; \
		echo "test: tests that need all-MiniLM-L6-v2 will be skipped" >&2; }
	$(SWIFT) build -c release --build-tests
	@SWIFT="$(SWIFT)" Scripts/test

sanitize: ## Run the kernel and pool tests under the thread, address and undefined behaviour sanitizers
	@Scripts/bootstrap
	@Scripts/sanitize

bench: ## Time structured products against dense ones, and the models of the demo, in turns
	$(SWIFT) build -c release --product tessera
	@Scripts/bench

performance: ## Measure products, models and other programs that are installed; write Docs/performance.md (ten minutes)
	$(SWIFT) build -c release --product tessera
	@Scripts/performance

families: ## Write Docs/families.md, the table of what is registered
	$(SWIFT) build -c release --product tessera
	.build/release/tessera families --markdown $(if $(wildcard $(RESULTS)),--results $(RESULTS)) > Docs/families.md

results: ## Fit all-MiniLM-L6-v2 by every method and write Results/families-minilm.json, then Docs/families.md (an hour or more)
	$(SWIFT) build -c release --product tessera
	@Scripts/fetch-minilm $(MINILM)
	@Scripts/results-families $(MINILM) $(RESULTS)
	$(MAKE) families

results-compression: ## Compress two models to several sizes by every method and write Results/compression.json (an hour or more)
	$(SWIFT) build -c release --product tessera
	@Scripts/fetch-minilm $(MINILM) || { status=$$?; [ $$status -eq 69 ] || exit $$status; }
	@Scripts/results-compression $(MINILM) Results/compression.json

results-rewrites: ## Narrow two models by every recipe that changes several matrices at once; write Results/rewrites.json
	$(SWIFT) build -c release --product tessera
	@Scripts/fetch-minilm $(MINILM) || true
	@Scripts/results-rewrites $(MINILM) Results/rewrites.json

format: ## Format the Swift sources in place
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

clean: ## Remove build products and what the demo wrote (the downloaded model stays)
	rm -rf .build
	@if [ -d .demo ]; then find .demo -mindepth 1 -maxdepth 1 ! -name minilm -exec rm -rf {} +; fi
