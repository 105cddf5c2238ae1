# fedge: one Makefile, no recursion. `make help` says what there is to do.
#
# A folder is a library: every .cc in it but main.cc goes into build/lib/<folder>.a.
# A folder with a main.cc is also a program. A folder under tests/unit is one test
# binary, a file under tests/fuzz one fuzz target.

BUILD   ?= build
CXX     := $(if $(filter default,$(origin CXX)),g++,$(CXX))
CCACHE  := $(shell command -v ccache 2>/dev/null)
OPT     ?= -O2 -g1
SANITIZE ?=

# Folders in the order in which they may include each other (tests/tools/lint has the table).
LIBRARIES := firmware/base firmware/net firmware/wire/ip firmware/wire/sip \
  firmware/wire/dns firmware/wire/stun firmware/wire/turn firmware/wire/ms_turn firmware/wire/rtp \
  firmware/wire/sdp firmware/wire/xml firmware/wire/mras firmware/netlink firmware/resolve \
  firmware/http firmware/snapshot firmware/link firmware/pki firmware/topology firmware/store \
  board/linux firmware/control firmware/init \
  dataplane/admission dataplane/media dataplane/fastpath dataplane/sip dataplane/signal \
  dataplane/front mgmt/agent

PROGRAMS := fedge-init fedge-control fedge-fastpath fedge-signal fedge-front fedge-agent
MAIN_fedge-init     := firmware/init
MAIN_fedge-control  := firmware/control
MAIN_fedge-fastpath := dataplane/fastpath
MAIN_fedge-signal   := dataplane/signal
MAIN_fedge-front    := dataplane/front
MAIN_fedge-agent    := mgmt/agent

# Third parties come in by -isystem: their warnings are not ours.
DPDK_FLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libdpdk 2>/dev/null))
SOFIA_FLAGS = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags sofia-sip-ua))
# Linked statically: DPDK would load every driver there is otherwise, which takes its time at
# each start. Whole archives are those that register themselves; ports are kernel interfaces
# (AF_XDP, AF_PACKET) or PCI devices.
DPDK_DRIVERS := net_af_xdp net_af_packet net_virtio net_e1000 net_ixgbe bus_vdev bus_pci \
  mempool_ring
DPDK_PARTS := ethdev mbuf mempool ring eal kvargs net telemetry meter pci hash rcu security \
  cryptodev
DPDK_LIBS  := -Wl,--whole-archive $(DPDK_DRIVERS:%=-l:librte_%.a) -Wl,--no-whole-archive \
  -Wl,--start-group $(DPDK_PARTS:%=-l:librte_%.a) -Wl,--end-group \
  -lxdp -lbpf -lelf -lz -lnuma -lbsd -ldl -lm
# Of a bench alone: the other end of a virtio port.
VHOST_LIBS := -Wl,--whole-archive -l:librte_net_vhost.a -Wl,--no-whole-archive \
  -l:librte_vhost.a -l:librte_dmadev.a $(DPDK_LIBS)
LIBS := -lmbedtls -lmbedx509 -lmbedcrypto -lcjson -lsqlite3 -lmnl -lseccomp -lcap \
  -lxxhash -lexpat -lspdlog -lfmt -lpthread

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wvla -Wnon-virtual-dtor \
  $(if $(findstring clang,$(CXX)),,-Wno-restrict -Wno-stringop-overflow)
CXXFLAGS := -std=c++23 $(OPT) $(WARNINGS) $(SANITIZE) -I. -fno-omit-frame-pointer \
  -D_GNU_SOURCE -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL -DSPDLOG_NO_EXCEPTIONS -MMD -MP
# Only Beast needs exceptions; tests use what GoogleTest uses.
NOEXCEPT := -fno-exceptions -fno-rtti
flags_for = $(if $(filter firmware/http/% tests/%,$(1)),,$(NOEXCEPT)) \
  $(if $(filter dataplane/fastpath/% tests/unit/fastpath/% tests/bench/%,$(1)),$(DPDK_FLAGS)) \
  $(if $(filter tests/bench/sip_parse.cc,$(1)),$(SOFIA_FLAGS))

sources  = $(filter-out %/main.cc,$(wildcard $(1)/*.cc))
objects  = $(patsubst %.cc,$(BUILD)/obj/%.o,$(call sources,$(1)))
archive  = $(BUILD)/lib/$(subst /,_,$(1)).a
ARCHIVES := $(foreach l,$(LIBRARIES),$(if $(call sources,$(l)),$(call archive,$(l))))
# A program or a unit test links its folder and the folders before it, less those that it may
# not include: a wrong include does not link either.
through  = $(firstword $(2)) $(if $(filter-out $(1),$(firstword $(2))),$(call through,$(1),$(wordlist 2,99,$(2))))
control_only := firmware/topology firmware/store firmware/control firmware/init board/linux
apart_firmware/init        := firmware/pki firmware/topology firmware/store firmware/control
apart_dataplane/admission  := $(control_only)
apart_dataplane/fastpath   := $(control_only)
apart_dataplane/media      := $(control_only) dataplane/admission
not_signalling             := dataplane/admission dataplane/media dataplane/fastpath
apart_dataplane/sip        := $(control_only) $(not_signalling)
apart_dataplane/signal     := $(control_only) $(not_signalling)
apart_dataplane/front      := $(control_only) dataplane/admission dataplane/fastpath dataplane/sip dataplane/signal
apart_mgmt/agent           := $(control_only) dataplane/%
needs    = $(foreach l,$(filter-out $(apart_$(1)),$(call through,$(1),$(LIBRARIES))),$(if $(call sources,$(l)),$(call archive,$(l))))
group    = -Wl,--start-group $(1) -Wl,--end-group
# The wrapper is in packet_sockets.cc, which benches do not have.
DPDK_WRAPS := -Wl,--wrap=setsockopt
link_dpdk = $(if $(findstring fastpath,$(1)),$(DPDK_LIBS) $(DPDK_WRAPS))

PROGRAM_FILES := $(foreach p,$(PROGRAMS),$(if $(wildcard $(MAIN_$(p))/main.cc),$(BUILD)/bin/$(p)))
UNIT_DIRS  := $(patsubst tests/unit/%/,%,$(sort $(dir $(wildcard tests/unit/*/*.cc))))
UNIT_TESTS := $(addprefix $(BUILD)/tests/,$(UNIT_DIRS))
FUZZ_NAMES := $(patsubst tests/fuzz/%.cc,%,$(wildcard tests/fuzz/*.cc))
FUZZERS    := $(addprefix $(BUILD)/fuzz/,$(FUZZ_NAMES))
BENCH_TOOLS := $(patsubst tests/bench/%.cc,$(BUILD)/bench/%,$(wildcard tests/bench/*.cc))

.PHONY: all deps run test unit integration lint sanitize fuzz bench soak clean help \
  headers print-flags unit-binaries fuzz-binaries bench-binaries
# Objects are kept. (.SECONDARY: would let a new source be left out of an archive that is newer.)
.PRECIOUS: $(BUILD)/obj/%.o
.DEFAULT_GOAL := all

help:
	@echo 'make deps        install what fedge needs (Debian 12, as root)'
	@echo 'make all         build into build/'
	@echo 'make run         show the main job on real traffic (ONCE=1: and end)'
	@echo 'make test        unit and integration tests'
	@echo 'make lint        layering, fences, sizes, format, clang-tidy (LINT=all)'
	@echo 'make sanitize    unit tests under ASan and UBSan, TSan over shared memory'
	@echo 'make fuzz        every fuzz target for FUZZ_SECONDS (5)'
	@echo 'make bench       benches beside their peers (BENCH=name for one)'
	@echo 'make soak        what needs volume and hours'

all: $(PROGRAM_FILES)

deps:
	@tests/tools/deps

$(BUILD)/obj/%.o: %.cc
	@mkdir -p $(@D)
	@echo '  CXX  $<'
	@$(CCACHE) $(CXX) $(CXXFLAGS) $(call flags_for,$<) -c $< -o $@

define library_rule
$(call archive,$(1)): $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach l,$(LIBRARIES),$(if $(call sources,$(l)),$(eval $(call library_rule,$(l)))))

define program_rule
$(BUILD)/bin/$(1): $(BUILD)/obj/$(MAIN_$(1))/main.o $(call needs,$(MAIN_$(1)))
	@mkdir -p $$(@D)
	@echo '  LINK $(1)'
	@$(CXX) $(SANITIZE) -o $$@ $$< $(call group,$(call needs,$(MAIN_$(1)))) $(call link_dpdk,$(MAIN_$(1))) $(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# tests/unit/wire_sip tests firmware/wire/sip; a name without a folder links everything.
folder_of_wire_ms_turn := firmware/wire/ms_turn
unit_of  = $(or $(folder_of_$(1)),$(lastword $(filter %/$(subst _,/,$(1)),$(LIBRARIES))),$(lastword $(LIBRARIES)))
# What a unit test takes from another one's folder.
lent_to_signal := tests/unit/pki/authority.cc tests/unit/pki/published.cc
lent_to_front := $(lent_to_signal)
define unit_rule
$(BUILD)/tests/$(1): $(patsubst %.cc,$(BUILD)/obj/%.o,$(wildcard tests/unit/$(1)/*.cc) $(lent_to_$(1))) $(call needs,$(call unit_of,$(1)))
	@mkdir -p $$(@D)
	@echo '  LINK tests/$(1)'
	@$(CXX) $(SANITIZE) -o $$@ $$(filter %.o,$$^) $(call group,$(call needs,$(call unit_of,$(1)))) $(call link_dpdk,$(1)) $(LIBS) -lgmock -lgtest -lgtest_main
endef
$(foreach u,$(UNIT_DIRS),$(eval $(call unit_rule,$(u))))

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK fuzz/$*'
	@$(CXX) $(SANITIZE) -fsanitize=fuzzer -o $@ $< $(call group,$(ARCHIVES)) $(LIBS)

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK bench/$*'
	@$(CXX) $(SANITIZE) -o $@ $< $(call group,$(ARCHIVES)) $(LIBS) -lbenchmark -lssl -lcrypto $(if $(filter sip_parse,$*),-lsofia-sip-ua) $(if $(filter port_load,$*),$(VHOST_LIBS))

unit-binaries: $(UNIT_TESTS)
fuzz-binaries: $(FUZZERS)
bench-binaries: $(BENCH_TOOLS)

run: deps
	@$(MAKE) --no-print-directory -j2 all
	@tests/demo/demo

unit: unit-binaries
	@tests/tools/run-unit $(UNIT_TESTS)

# What makes the load of test_overload.py and test_anchor.py.
TEST_LOADS := $(BUILD)/bench/sip_load $(BUILD)/bench/rtp_peer
integration: all $(TEST_LOADS)
	@tests/tools/run-integration $(TESTS)

test: deps
	@$(MAKE) --no-print-directory -j2 all unit-binaries $(TEST_LOADS)
	@tests/tools/run-tests $(UNIT_TESTS)

lint: deps
	@tests/tools/lint $(LINT)

# Every header compiles alone.
HEADERS := $(shell find firmware dataplane mgmt board -name '*.h')
$(BUILD)/headers/%.h.cc: %.h
	@mkdir -p $(@D)
	@echo '#include "$<"' > $@
$(BUILD)/headers/%.o: $(BUILD)/headers/%.cc
	@$(CCACHE) $(CXX) $(CXXFLAGS) -O0 $(call flags_for,$*) -c $< -o $@
headers: $(patsubst %,$(BUILD)/headers/%.o,$(HEADERS))
print-flags:
	@echo $(filter-out -Werror -MMD -MP -Wno-restrict -Wno-stringop-overflow,$(CXXFLAGS)) \
	  -fno-exceptions $(DPDK_FLAGS)

CLANG_SAN := -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all
sanitize:
	@$(MAKE) --no-print-directory -j2 BUILD=build/asan CXX=clang++-19 OPT='-O1 -g' \
	  SANITIZE='$(CLANG_SAN) -fsanitize=fuzzer-no-link' unit-binaries
	@tests/tools/run-unit $(patsubst $(BUILD)/%,build/asan/%,$(UNIT_TESTS))
	@$(MAKE) --no-print-directory -j2 BUILD=build/tsan CXX=clang++-19 OPT='-O1 -g' \
	  SANITIZE='-fsanitize=thread' $(addprefix build/tsan/tests/,$(TSAN_UNITS))
	@tests/tools/run-unit $(addprefix build/tsan/tests/,$(TSAN_UNITS))
TSAN_UNITS := $(filter base link pki admission signal front,$(UNIT_DIRS))

fuzz:
	@$(MAKE) --no-print-directory -j2 BUILD=build/asan CXX=clang++-19 OPT='-O1 -g' \
	  SANITIZE='$(CLANG_SAN) -fsanitize=fuzzer-no-link' fuzz-binaries
	@tests/tools/run-fuzz $(or $(FUZZ_SECONDS),5) $(addprefix build/asan/fuzz/,$(FUZZ_NAMES))

bench: all
	@$(MAKE) --no-print-directory -j2 bench-binaries
	@tests/tools/run-bench $(BENCH)

soak: all
	@tests/tools/run-soak

clean:
	@rm -rf build

-include $(shell find $(BUILD)/obj $(BUILD)/headers -name '*.d' 2>/dev/null)
