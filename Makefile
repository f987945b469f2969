# Stave. `make help` lists the targets.
#
# Objects and test programs go to $(BUILD); src/stave-server and utils/stave-check are copied beside
# their sources. Sources are found by folder, so a new file needs no line here.

CONFIG   ?= release
LUA      ?= yes
TLS      ?= yes
URING    ?= yes
BUILD    ?= build/$(CONFIG)$(if $(filter yes,$(LUA)),,-nolua)$(if $(filter yes,$(TLS)),,-notls)$(if $(filter yes,$(URING)),,-nouring)
PREFIX   ?= /usr/local
CC       ?= cc
SANITIZE ?=
JEMALLOC ?= $(if $(SANITIZE),no,yes)

# `make V=1` shows every command.
Q        := $(if $(V),,@)
SAY      := $(if $(V),true,echo)

FOLDERS  := base io resp storage engine keyspace convert types rdb session commands observe migrate tx pubsub tracking wait acl server
FOLDERS  += $(if $(filter yes,$(LUA)),script)
VERSION  := $(shell sed -n 's/^\#define STAVE_VERSION "\(.*\)"/\1/p' src/base/version.h 2>/dev/null)

pkg      = $(shell pkg-config $(1) 2>/dev/null)
LUA_PACKAGES := $(if $(filter yes,$(LUA)),lua5.1)
TLS_PACKAGES := $(if $(filter yes,$(TLS)),openssl)
URING_PACKAGES := $(if $(filter yes,$(URING)),liburing)
PACKAGES := liblz4 liblzf $(if $(filter yes,$(JEMALLOC)),jemalloc) $(LUA_PACKAGES) $(TLS_PACKAGES) \
            $(URING_PACKAGES)

# One of two stands for the other in a build with a choice.
UNUSED_SOURCES := $(if $(filter yes,$(TLS)),src/io/tls_none.c,src/io/tls_openssl.c src/io/tls_context.c) \
                  src/io/$(if $(filter yes,$(URING)),aio_uring_none.c,aio_uring.c)

# Goals that build nothing, or install what they need first; for any other, what is missing is said
# once and clearly.
SELF_SUFFICIENT := help clean run test lint asan valgrind bench soak uninstall
ifneq ($(filter-out $(SELF_SUFFICIENT),$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell pkg-config --exists $(PACKAGES) 2>/dev/null && echo found),)
$(error Missing: the development files of $(PACKAGES). `deps/install build` brings what a build needs)
endif
endif
PACKAGE_CFLAGS := $(call pkg,--cflags $(PACKAGES))
PACKAGE_LIBS   := $(call pkg,--libs $(PACKAGES))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wcast-align -Wwrite-strings -Wvla -Wno-unused-function -Wno-missing-field-initializers \
            -Werror
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) -fno-omit-frame-pointer -pthread -Isrc \
            $(if $(filter yes,$(JEMALLOC)),-DSTAVE_JEMALLOC) \
            $(if $(filter yes,$(LUA)),-DSTAVE_LUA) \
            $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all) \
            $(PACKAGE_CFLAGS)
ALL_LDFLAGS = $(LDFLAGS) -pthread -rdynamic $(if $(SANITIZE),-fsanitize=$(SANITIZE))
# A program that uses nothing of a library does not ask for it.
LIBS     = -Wl,--as-needed $(PACKAGE_LIBS) -lm

# What each folder's programs and tests link with: what src/LAYERS lets it include, and no more. So
# a folder that needs what lies above it does not link.
LINK_base     := base
LINK_io       := base io
LINK_resp     := base resp
LINK_storage  := base io storage
LINK_engine   := base io storage engine
LINK_keyspace := $(LINK_engine) keyspace
LINK_convert  := $(LINK_keyspace) convert
LINK_types    := $(LINK_keyspace) types
LINK_rdb      := $(LINK_types) rdb
LINK_session  := $(LINK_keyspace) resp session
LINK_commands := $(LINK_keyspace) types rdb resp session commands
LINK_observe  := $(LINK_keyspace) resp session observe
LINK_tx       := $(LINK_session) tx
LINK_pubsub   := $(LINK_session) pubsub
LINK_script   := $(LINK_commands) script
LINK_acl      := $(LINK_commands) pubsub acl
LINK_migrate  := $(LINK_commands) migrate
LINK_tracking := $(LINK_session) tracking
LINK_wait     := $(LINK_commands) wait
LINK_server   := $(FOLDERS)

sources  = $(filter-out $(UNUSED_SOURCES),$(sort $(wildcard src/$(1)/*.c src/$(1)/*/*.c)))
objects  = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
archive  = $(BUILD)/lib/$(1).a
archives = $(foreach f,$(1),$(call archive,$(f)))
grouped  = -Wl,--start-group $(1) -Wl,--end-group

.PHONY: all
all: src/stave-server utils
	@:

# Objects of test programs are kept, as those of src/ are.
.SECONDARY:
.PHONY: FORCE

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

# Of the build that was asked for last.
src/stave-server: $(BUILD)/stave-server FORCE
	@cmp -s $< $@ || cp --remove-destination $< $@

# It links with nothing above storage: what it says, it can tell from the files alone.
$(BUILD)/stave-check: $(BUILD)/utils/stave-check.o $(call archives,$(LINK_storage))
	@$(SAY) "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(call grouped,$(call archives,$(LINK_storage))) $(LIBS)

utils/stave-check: $(BUILD)/stave-check
	@cp --remove-destination $< $@

$(BUILD)/stave-convert: $(BUILD)/utils/stave-convert.o $(call archives,$(LINK_convert))
	@$(SAY) "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(call grouped,$(call archives,$(LINK_convert))) $(LIBS)

utils/stave-convert: $(BUILD)/stave-convert
	@cp --remove-destination $< $@

# An engine and what it stands on: no server, no protocol.
$(BUILD)/engine-bench: $(BUILD)/utils/engine-bench.o $(call archives,$(LINK_engine))
	@$(SAY) "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(call grouped,$(call archives,$(LINK_engine))) $(LIBS)

utils/engine-bench: $(BUILD)/engine-bench
	@cp --remove-destination $< $@

.PHONY: utils
utils: utils/stave-check utils/stave-convert utils/engine-bench

# ---- tests ----------------------------------------------------------------------------------------
# tests/unit/FOLDER/test_NAME.c is one program, linked with what FOLDER may use, tests/support and
# the simulated disk of tests/sim (but its main).

EXTRA_tests := -Itests $(call pkg,--cflags cmocka)
CMOCKA_LIBS := $(call pkg,--libs cmocka)
UNUSED_TESTS := $(if $(filter yes,$(LUA)),,tests/unit/script/%) \
                $(if $(filter yes,$(TLS)),,tests/unit/io/test_tls.c) \
                $(if $(filter yes,$(URING)),,tests/unit/io/test_aio_uring.c)
UNIT     := $(filter-out $(UNUSED_TESTS),$(sort $(wildcard tests/unit/*/test_*.c)))
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT))
SIM_MAIN := tests/sim/simulator.c
SUPPORT  := $(patsubst %.c,$(BUILD)/%.o,$(sort \
              $(filter-out %/fuzz_main.c,$(wildcard tests/support/*.c)) \
              $(filter-out $(SIM_MAIN) $(if $(filter yes,$(LUA)),,tests/sim/simscript.c), \
                $(wildcard tests/sim/*.c))))

$(BUILD)/lib/support.a: $(SUPPORT)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

define unit_rule
$(BUILD)/tests/unit/$(1)/test_%: $(BUILD)/tests/unit/$(1)/test_%.o $(BUILD)/lib/support.a \
		$(call archives,$(LINK_$(1)))
	@$$(SAY) "  LINK $$@"
	$$(Q)$(CC) $(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) \
		$$(call grouped,$$(filter %.a,$$^)) $$(LIBS) $$(CMOCKA_LIBS)
endef
$(foreach f,$(FOLDERS),$(eval $(call unit_rule,$(f))))

.PHONY: unit unit-programs
unit-programs: $(UNIT_BIN)
unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done

# What the index structures in RAM cost: ns an operation and bytes a key, as tables.
$(BUILD)/bench_index: $(BUILD)/tests/bench/bench_index.o $(call archives,$(LINK_engine))
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call grouped,$(filter %.a,$^)) $(LIBS)

.PHONY: bench-index
bench-index: $(BUILD)/bench_index
	$<

# What the engine costs by itself, in a server's turns; ENGINE_DIR is made and removed. At last it is
# opened without hints.
ENGINE_DIR   ?= $(BUILD)/engine-bench.d
ENGINE_ARGS  ?= --turn 64
.PHONY: bench-engine
bench-engine: utils/engine-bench
	@rm -rf $(ENGINE_DIR)
	$< $(ENGINE_ARGS) $(ENGINE_DIR) fillseq memory readrandom overwrite readrandom readmissing \
		seekrandom deleterandom reopen
	@rm -f $(ENGINE_DIR)/*.hint
	$< $(ENGINE_ARGS) $(ENGINE_DIR) memory
	@rm -rf $(ENGINE_DIR)

# tests/integration/test_NAME.c is one program that drives the real server through hiredis.

INTEGRATION     := $(sort $(wildcard tests/integration/test_*.c))
INTEGRATION_BIN := $(patsubst %.c,$(BUILD)/%,$(INTEGRATION))
INTEGRATION_KIT := $(addprefix $(BUILD)/tests/,integration/kit.o support/unit.o support/tempdir.o)
HIREDIS_LIBS    := $(call pkg,--libs hiredis)
$(BUILD)/tests/integration/%.o: EXTRA_tests += $(call pkg,--cflags hiredis)

$(INTEGRATION_BIN): %: %.o $(INTEGRATION_KIT) $(call archive,base)
	@$(SAY) "  LINK $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(HIREDIS_LIBS) $(CMOCKA_LIBS)

.PHONY: integration-programs
integration-programs: $(INTEGRATION_BIN)

# The simulator: tests/sim/README.md. `make sim SEEDS=N FROM=M` runs seeds M .. M+N-1.
SEEDS ?= 1000
FROM  ?= 1

$(BUILD)/sim: $(patsubst %.c,$(BUILD)/%.o,$(SIM_MAIN)) $(BUILD)/lib/support.a \
		$(call archives,$(LINK_commands) tx $(if $(filter yes,$(LUA)),script))
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call grouped,$(filter %.a,$^)) $(LIBS)

tests/sim/sim: $(BUILD)/sim
	cp $< $@

.PHONY: sim
sim: tests/sim/sim
	tests/sim/sim --seeds $(SEEDS) --from $(FROM) --totals

# The server under everything at once, for hours: tests/soak/README.md. `make soak HOURS=0.5 ENGINE=lsm SEED=7`.
HOURS  ?= 1
ENGINE ?= both
SEED   ?=
.PHONY: soak
soak:
	@deps/install test
	@$(SUBMAKE) all
	@tests/soak/soak --hours $(HOURS) --engine $(ENGINE) $(if $(SEED),--seed $(SEED))

# Side by side with redis-server: `make bench BENCH="throughput memory --repeat 5"`.
BENCH ?=
.PHONY: bench
bench:
	@deps/install bench
	@$(SUBMAKE) src/stave-server utils/engine-bench
	utils/bench $(BENCH)

.PHONY: objects
objects: $(foreach f,$(FOLDERS),$(call objects,$(f)))

# ---- what people run -----------------------------------------------------------------------------
# Each of these installs the packages that it needs and lacks (deps/README.md), then builds with as
# many jobs as there are processors, unless make was told how many.

JOBS      ?= $(shell nproc 2>/dev/null || echo 1)
SUBMAKE    = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
SERVE_ARGS ?=

.PHONY: run test asan valgrind lint
run:
	@deps/install build
	@$(SUBMAKE) all
	@exec src/stave-server redis-compat.conf --dir ./data $(SERVE_ARGS)

test:
	@deps/install test
	@$(SUBMAKE) all unit-programs integration-programs
	@tests/support/reference >/dev/null
	@MAKEFLAGS= tests/run

# With AddressSanitizer and UBSan: the unit tests, then the scripts that drive a server hardest, on a
# server built so. (STAVE_SERVER=build/asan/stave-server tests/run NAME runs any other script on it.)
ASAN_BUILD   := CONFIG=asan BUILD=build/asan SANITIZE=address,undefined
ASAN_SCRIPTS ?= clients differential torture
asan:
	@deps/install test
	@$(SUBMAKE) $(ASAN_BUILD) build/asan/stave-server unit-programs
	@tests/support/reference >/dev/null
	@tests/run --build build/asan --units
	@STAVE_SERVER=$(CURDIR)/build/asan/stave-server tests/run --scripts $(ASAN_SCRIPTS)

# A part of `make test` that can be had alone.
valgrind:
	@deps/install test
	@tests/valgrind/run

lint:
	@deps/install test
	@utils/lint/run

# ---- installing ----------------------------------------------------------------------------------
# An existing configuration is never overwritten, nor removed. DESTDIR is for packagers.

BIN_DIR  := $(DESTDIR)$(PREFIX)/bin
MAN_DIR  := $(DESTDIR)$(PREFIX)/share/man/man1
UNIT_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
ETC      ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
CONF_DIR := $(DESTDIR)$(ETC)/stave
PROGRAMS  = src/stave-server $(wildcard utils/stave-check utils/stave-convert)
MAN_PAGES = $(wildcard utils/*.1)

.PHONY: install uninstall clean help
install: all
	install -d $(BIN_DIR) $(MAN_DIR) $(UNIT_DIR) $(CONF_DIR)
	install -m 755 $(PROGRAMS) $(BIN_DIR)
	install -m 644 $(MAN_PAGES) $(MAN_DIR)
	sed 's|@PREFIX@/etc|$(ETC)|g; s|@PREFIX@|$(PREFIX)|g' utils/stave.service >$(UNIT_DIR)/stave.service
	[ -e $(CONF_DIR)/stave.conf ] || install -m 644 redis-compat.conf $(CONF_DIR)/stave.conf

uninstall:
	rm -f $(addprefix $(BIN_DIR)/,stave-server stave-check stave-convert) $(UNIT_DIR)/stave.service
	rm -f $(addprefix $(MAN_DIR)/,$(notdir $(MAN_PAGES)))
	@[ ! -e $(CONF_DIR)/stave.conf ] || echo "$(CONF_DIR)/stave.conf is left"

clean:
	rm -rf build src/stave-server utils/stave-check utils/stave-convert utils/engine-bench tests/sim/sim
	find tests utils -name __pycache__ -prune -exec rm -rf {} +

help:
	@echo 'make            builds src/stave-server and the programs of utils'
	@echo 'make run        installs what a build needs, builds, serves 127.0.0.1:6379 from ./data'
	@echo 'make test       installs what tests need, builds, runs all tests (tests/run NAME: some)'
	@echo 'make unit       the unit tests alone'
	@echo 'make lint       layers, budgets, words, shape, layout, gcc and clang'
	@echo 'make asan       the unit tests, and some of the others, with sanitizers'
	@echo 'make valgrind   small unit tests and a session of the server under valgrind'
	@echo 'make fuzz       the fuzzers, FUZZ_SECONDS=30 each'
	@echo 'make sim        the simulator: SEEDS=1000 FROM=1'
	@echo 'make soak       the server under everything at once: HOURS=1 ENGINE=both SEED=n'
	@echo 'make bench      measures, side by side with redis-server'
	@echo 'make install    to PREFIX=/usr/local (DESTDIR for packagers); make uninstall takes it back'
	@echo 'make clean      removes everything that was built'
	@echo 'Variables: CC CFLAGS LDFLAGS CONFIG BUILD SANITIZE=address,undefined V=1'
	@echo '           JEMALLOC=yes|no LUA=yes|no TLS=yes|no URING=yes|no'

# ---- fuzzers --------------------------------------------------------------------------------------
# tests/fuzz/fuzz_NAME.c is one program, linked with FUZZ_LINK_NAME (or all below session) and run
# on the inputs of tests/fuzz/corpus/NAME for FUZZ_SECONDS, with the words of tests/fuzz/NAME.dict if
# there are any. With clang's libFuzzer where there is
# one, else with tests/support/fuzz_main.c. New inputs go to build/fuzz/corpus/NAME, a failing one to
# build/fuzz.

FUZZ_SECONDS   ?= 30
FUZZ_LINK_resp := base resp
FUZZ_LINK_rdb  := $(LINK_rdb)
FUZZ_LINK_commands := $(LINK_commands) tx pubsub tracking wait acl observe migrate \
                      $(if $(filter yes,$(LUA)),script)
FUZZ_LINK_acl  := $(LINK_acl)
FUZZ_LINK_lualibs := $(LINK_script)
FUZZ_NAMES     := $(filter-out $(if $(filter yes,$(LUA)),,lualibs), \
                    $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c))))
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
		mkdir -p $(BUILD)/corpus/$$n; echo "== fuzz $$n"; words=tests/fuzz/$$n.dict; \
		ASAN_OPTIONS=abort_on_error=1 $(BUILD)/fuzz_$$n -max_total_time=$(FUZZ_SECONDS) \
			$$([ ! -f $$words ] || echo -dict=$$words) \
			-artifact_prefix=$(BUILD)/ $(BUILD)/corpus/$$n tests/fuzz/corpus/$$n \
			>$(BUILD)/fuzz_$$n.log 2>&1 || { tail -40 $(BUILD)/fuzz_$$n.log; exit 1; }; \
		tail -1 $(BUILD)/fuzz_$$n.log; \
	done
