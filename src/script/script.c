/* script: settings, INFO, and what the session tells. */
#include "script/script.h"

#include "script/cache.h"
#include "script/function_load.h"
#include "script/function_store.h"
#include "script/run_int.h"
#include "session/reply.h"

script_config_t script_config = {.busy_ms = 5000, .memory_limit = 256 << 20};

/* What the gate has found, and the number under which the other one is armed. */
static bool out_of_memory;
static int busy_gate;

/* The gate costs nothing while it is not armed, which is nearly always. */
void run_arm_busy(session *s, bool armed) {
    session_gate_arm(s, busy_gate, armed);
}

/* As of the last script that passed the gate: a script is one batch, and in it nothing is evicted.
 */
bool run_out_of_memory(void) {
    return out_of_memory;
}

/* ---- settings ----------------------------------------------------------------------------------
 */

/* At once, for states that there are too. One that holds more already gets no memory until it has
 * given some back. */
static status apply_memory_limit(const setting *st) {
    (void)st;
    vm_set_limit((size_t)script_config.memory_limit);
    return STATUS_OK;
}

/* The last two are Stave's own; 0: no limit. */
const setting script_settings[] = {
    {"busy-reply-threshold", "lua-time-limit", SETTING_INT, 0, &script_config.busy_ms, "5000", 0,
     INT64_MAX},
    {"script-memory-limit", NULL, SETTING_MEMORY, 0, &script_config.memory_limit, "256mb", 0,
     INT64_MAX, .apply = apply_memory_limit},
    {"script-instruction-limit", NULL, SETTING_INT, 0, &script_config.instruction_limit, "0", 0,
     INT64_MAX},
    {0},
};

/* ---- INFO --------------------------------------------------------------------------------------
 */

/* States, texts and libraries, under the names that Redis has for them. */
static void emit_memory(buf *out, void *ctx) {
    (void)ctx;
    size_t vm_bytes = cache_count() ? cache_vm()->used : 0;
    size_t functions_vm = function_vm_bytes();
    size_t functions = libset_bytes(functions_now());
    metric_u64(out, "used_memory_vm_eval", vm_bytes);
    metric_bytes_human(out, "used_memory_lua", vm_bytes);
    metric_u64(out, "used_memory_scripts_eval", cache_bytes());
    metric_u64(out, "number_of_cached_scripts", cache_count());
    metric_u64(out, "number_of_functions", libset_functions(functions_now()));
    metric_u64(out, "number_of_libraries", libset_count(functions_now()));
    metric_u64(out, "used_memory_vm_functions", functions_vm);
    metric_bytes_human(out, "used_memory_vm_total", vm_bytes + functions_vm);
    metric_u64(out, "used_memory_functions", functions);
    metric_bytes_human(out, "used_memory_scripts", cache_bytes() + functions);
}

/* How many scripts of EVAL's were forgotten for want of room. */
static void emit_stats(buf *out, void *ctx) {
    (void)ctx;
    metric_u64(out, "evicted_scripts", cache_evicted());
}

/* Adds to Memory and Stats. */
const metric_section *script_metrics(void) {
    static const metric_section sections[] = {
        {"Memory", emit_memory, NULL},
        {"Stats", emit_stats, NULL},
        {0},
    };
    return sections;
}

/* ---- the session -------------------------------------------------------------------------------
 */

/* All but what says so, while a script does not end. Armed only then. */
static gate_result refuse_busy(client *c, void *ctx) {
    const run_state *now = run_current();
    (void)ctx;
    if (!session_serving(c->session) || c->row->flags & CMD_ALLOW_BUSY) return GATE_PASS;
    (void)reply_error(c, RUN_BUSY, now && now->function ? "FUNCTION" : "SCRIPT");
    return GATE_REFUSE;
}

/* What may write is asked once, before its batch, whether there is memory: within it nothing can be
 * evicted. */
static gate_result look_at_memory(client *c, void *ctx) {
    (void)ctx;
    if (!session_serving(c->session)) out_of_memory = !ks_make_room(c->ks);
    return GATE_PASS;
}

/* A script has ended, and its batch: its commands are counted. */
static void after_command(client *c, command_result r, uint64_t us, void *ctx) {
    (void)r;
    (void)us;
    (void)ctx;
    if (c->row->flags & CMD_RUNS_SCRIPT) record_account(c);
}

/* The busy gate comes late in the row of gates: a command that is wrong in itself is told
 * that. */
void script_start(session *s) {
    vm_set_limit((size_t)script_config.memory_limit);
    session_gate_add(s, &(gate){.name = "script memory",
                                .rank = GATE_RANK_MEMORY,
                                .pass = look_at_memory,
                                .commands = CMD_RUNS_SCRIPT});
    busy_gate =
        session_gate_add(s, &(gate){.name = "busy", .rank = GATE_RANK_BUSY, .pass = refuse_busy});
    session_gate_arm(s, busy_gate, false);
    session_watch_add(s, &(command_watch){.after = after_command});
}

/* Libraries are read before the first command is served. */
status script_opened(keyspace *ks) {
    return functions_open(ks);
}

/* After the last command. The scripts first: their functions are the state's. */
void script_stop(void) {
    cache_flush();
    functions_close();
    record_free_all();
}
