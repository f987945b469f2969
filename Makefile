# Stave. `make help` lists the targets.
#
# Objects and test programs go to $(BUILD); src/stave-server and utils/stave-check are copied beside
# their sources. Sources are found by folder, so a new file needs no line here.

CONFIG   ?= release
BUILD    ?= build/$(CONFIG)
PREFIX   ?= /usr/local
CC       ?= cc
SANITIZE ?=
JEMALLOC ?= $(if $(SANITIZE),no,yes)

# `make V=1` shows every command.
Q        := $(if $(V),,@)
SAY      := $(if $(V),true,echo)

FOLDERS  := base io resp storage engine keyspace types session commands observe server
VERSION  := $(shell sed -n 's/^\#define STAVE_VERSION "\(.*\)"/\1/p' src/base/version.h 2>/dev/null)

pkg      = $(shell pkg-config $(1) 2>/dev/null)
PACKAGES := liblz4 $(if $(filter yes,$(JEMALLOC)),jemalloc)
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wcast-align -Wwrite-strings -Wvla -Wno-unused-function -Wno-missing-field-initializers \
            -Werror
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) -fno-omit-frame-pointer -pthread -Isrc \
            $(if $(filter yes,$(JEMALLOC)),-DSTAVE_JEMALLOC) \
            $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all) \
            $(call pkg,--cflags $(PACKAGES))
ALL_LDFLAGS = $(LDFLAGS) -pthread -rdynamic $(if $(SANITIZE),-fsanitize=$(SANITIZE))
LIBS     = $(call pkg,--libs $(PACKAGES)) -lm

# What each folder's programs and tests link with: what src/LAYERS lets it include, and no more. So
# a folder that needs what lies above it does not link.
LINK_base     := base
LINK_io       := base io
LINK_resp     := base resp
LINK_storage  := base io storage
LINK_engine   := base io storage engine
LINK_keyspace := $(LINK_engine) keyspace
LINK_types    := $(LINK_keyspace) types
LINK_session  := $(LINK_keyspace) resp session
LINK_commands := $(LINK_keyspace) types resp session commands
LINK_observe  := $(LINK_keyspace) resp session observe
LINK_server   := $(FOLDERS)

sources  = $(sort $(wildcard src/$(1)/*.c src/$(1)/*/*.c))
objects  = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
archive  = $(BUILD)/lib/$(1).a
archives = $(foreach f,$(1),$(call archive,$(f)))
grouped  = -Wl,--start-group $(1) -Wl,--end-group

.PHONY: all
all: src/stave-server utils

# ---- objects, one archive a folder -------------------------------------------------------------

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@$(SAY) "  CC   $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA_$(word 1,$(subst /, ,$*))) -MMD -MP -c $< -o $@

define folder_rules
$(call archive,$(1)): $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

MAIN := $(BUILD)/src/server/main.o
$(BUILD)/stave-server: $(call archives,$(FOLDERS)) $(MAIN)
	@$(SAY) "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(MAIN) $(call grouped,$(call archives,$(FOLDERS))) $(LIBS)

src/stave-server: $(BUILD)/stave-server
	cp $< $@

# ---- tests ----------------------------------------------------------------------------------------
# tests/unit/FOLDER/test_NAME.c is one program, linked with what FOLDER may use, tests/support and
# the simulated disk of tests/sim (but its main).

EXTRA_tests = -Itests $(call pkg,--cflags cmocka)
UNIT     := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT))
SIM_MAIN := tests/sim/simulator.c
SUPPORT  := $(patsubst %.c,$(BUILD)/%.o,$(sort \
              $(filter-out %/fuzz_main.c,$(wildcard tests/support/*.c)) \
              $(filter-out $(SIM_MAIN),$(wildcard tests/sim/*.c))))

$(BUILD)/lib/support.a: $(SUPPORT)
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

define unit_rule
$(BUILD)/tests/unit/$(1)/test_%: $(BUILD)/tests/unit/$(1)/test_%.o $(BUILD)/lib/support.a \
		$(call archives,$(LINK_$(1)))
	$(CC) $(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) \
		$$(call grouped,$$(filter %.a,$$^)) $$(LIBS) $$(call pkg,--libs cmocka)
endef
$(foreach f,$(FOLDERS),$(eval $(call unit_rule,$(f))))

.PHONY: unit
unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done

# The simulator: tests/sim/README.md. `make sim SEEDS=N FROM=M` runs seeds M .. M+N-1.
SEEDS ?= 1000
FROM  ?= 1

$(BUILD)/sim: $(patsubst %.c,$(BUILD)/%.o,$(SIM_MAIN)) $(BUILD)/lib/support.a \
		$(call archives,$(LINK_engine))
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call grouped,$(filter %.a,$^)) $(LIBS)

tests/sim/sim: $(BUILD)/sim
	cp $< $@

.PHONY: sim
sim: tests/sim/sim
	tests/sim/sim --seeds $(SEEDS) --from $(FROM) --totals

.PHONY: objects
objects: $(foreach f,$(FOLDERS),$(call objects,$(f)))

# ---- fuzzers --------------------------------------------------------------------------------------
# tests/fuzz/fuzz_NAME.c is one program, linked with FUZZ_LINK_NAME (or all below session) and run
# on the inputs of tests/fuzz/corpus/NAME for FUZZ_SECONDS. With clang's libFuzzer where there is
# one, else with tests/support/fuzz_main.c. New inputs go to build/fuzz/corpus/NAME, a failing one to
# build/fuzz.

FUZZ_SECONDS   ?= 30
FUZZ_LINK_resp := base resp
FUZZ_NAMES     := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_MAIN      ?= $(BUILD)/tests/support/fuzz_main.o
FUZZ_PROBE      = int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return !p + !n; }

define fuzz_rule
$(BUILD)/fuzz_$(1): $(BUILD)/tests/fuzz/fuzz_$(1).o $(filter %.o,$(FUZZ_MAIN)) \
		$(BUILD)/lib/support.a \
		$(call archives,$(or $(FUZZ_LINK_$(1)),base io resp storage engine keyspace types))
	$(CC) $(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) $(filter -%,$(FUZZ_MAIN)) \
		$$(call grouped,$$(filter %.a,$$^)) $$(LIBS)
endef
$(foreach n,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(n))))

.PHONY: fuzz fuzz-run
fuzz:
	@if echo '$(FUZZ_PROBE)' | clang -x c -fsanitize=fuzzer -o /dev/null - 2>/dev/null; then \
		$(MAKE) --no-print-directory fuzz-run BUILD=build/fuzz CC=clang \
			SANITIZE=fuzzer-no-link,address,undefined FUZZ_MAIN=-fsanitize=fuzzer; \
	else \
		$(MAKE) --no-print-directory fuzz-run BUILD=build/fuzz-plain SANITIZE=address,undefined; \
	fi

fuzz-run: $(foreach n,$(FUZZ_NAMES),$(BUILD)/fuzz_$(n))
	@for n in $(FUZZ_NAMES); do \
		mkdir -p $(BUILD)/corpus/$$n; echo "== fuzz $$n"; \
		ASAN_OPTIONS=abort_on_error=1 $(BUILD)/fuzz_$$n -max_total_time=$(FUZZ_SECONDS) \
			-artifact_prefix=$(BUILD)/ $(BUILD)/corpus/$$n tests/fuzz/corpus/$$n \
			>$(BUILD)/fuzz_$$n.log 2>&1 || { tail -40 $(BUILD)/fuzz_$$n.log; exit 1; }; \
		tail -1 $(BUILD)/fuzz_$$n.log; \
	done
